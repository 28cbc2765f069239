"""The SLURM script, run by bash with a stand-in for srun: what would be started, and in which environment."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = "examples/burgers_mpi.slurm"
STAND_IN = """\
#!/bin/sh
printf '%s\\n' "$@"
echo "threads $OMP_NUM_THREADS $OPENBLAS_NUM_THREADS $MKL_NUM_THREADS, scratch $TMPDIR, environment $ENTERED"
"""


@pytest.fixture
def sbatch(tmp_path):
    """``sbatch("--n", 16, SLURM_TMPDIR="/scratch")``: the finished script."""
    srun = tmp_path / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text(STAND_IN)
    srun.chmod(0o755)
    activate = tmp_path / "venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.write_text("ENTERED=yes\nexport ENTERED\n")

    def call(*arguments, **variables):
        path = f"{srun.parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", SCRIPT, *map(str, arguments)],
            cwd=ROOT,
            env={"PATH": path, "HOME": str(tmp_path), "VENV": str(tmp_path / "venv"), **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return call


def test_what_is_started(sbatch):
    finished = sbatch("--n", 16, "--picture", "the adjoint.png", SLURM_TMPDIR="/scratch/7")
    assert (finished.returncode, finished.stderr) == (0, "")
    *command, environment = finished.stdout.splitlines()
    assert command == [
        *("--kill-on-bad-exit=1", "checkpointer", "run", "examples/burgers_mpi.py"),
        *("--n", "16", "--picture", "the adjoint.png"),
    ]
    assert environment == "threads 1 1 1, scratch /scratch/7, environment yes"


def test_where_the_site_names_no_scratch_disk_and_there_is_no_environment(sbatch):
    finished = sbatch(VENV="/nowhere")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.splitlines()[-1] == "threads 1 1 1, scratch /tmp, environment "


def test_its_directives_stand_before_the_first_command():
    """SLURM reads no further."""
    lines = (ROOT / SCRIPT).read_text("utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    directives = [number for number, line in enumerate(lines) if line.startswith("#SBATCH ")]
    assert len(directives) == 7
    assert max(directives) < first


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck():
    finished = subprocess.run(["shellcheck", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.stdout == ""
