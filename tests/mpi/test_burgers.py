"""The example burgers_mpi.py as its commands run it; `cases_burgers.py` has its derivatives."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import harness
import pytest

from checkpointer import StoreAll, value_and_grad
from checkpointer.hook import install_import_hook

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAM = EXAMPLES / "burgers_mpi.py"
SMALL = ["--n", "13", "--steps", "5", "--snapshots", "2"]

needs_mpi = pytest.mark.skipif(bool(harness.missing()), reason=harness.missing())


def execute(*command, folder):
    return subprocess.run(
        command,
        cwd=folder,
        env=harness.environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def printed_block(name):
    docstring = ast.get_docstring(ast.parse((EXAMPLES / name).read_text("utf-8")))
    return re.search(r"(?:^    .*\n)+", docstring.partition("prints")[2], re.MULTILINE)[0]


def test_the_docstring_promises_what_the_serial_example_prints():
    assert printed_block("burgers_mpi.py") == printed_block("burgers.py")


@pytest.fixture
def serial(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    with install_import_hook("burgers"):
        import burgers
    yield burgers
    del sys.modules["burgers"]


@needs_mpi
def test_four_ranks_print_what_the_serial_example_does(serial, tmp_path):
    """Once, and the numbers to rounding; the picture is saved by one of them."""
    command = [sys.executable, "-W", "error", "-m", "checkpointer", "run", str(PROGRAM)]
    options = [*SMALL, "--scheme", "online", "--disk-snapshots", "3", "--picture", "here.png"]
    finished = execute(*harness.mpiexec(), "-n", "4", *command, *options, folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    value, (d_u, d_v) = value_and_grad(serial.energy)(serial.initial_velocities(13), 5, StoreAll())
    first, *lines = finished.stdout.splitlines()
    assert first == "13 x 13 points, 5 steps, Online(snapshots=2, disk_snapshots=3)"
    mean, gradient, _, _, picture = (re.split(" {2,}", line) for line in lines)
    assert (mean[0], gradient[0], picture) == (
        "mean of u² + v²",
        "norm of its gradient",
        ["picture", "here.png"],
    )
    norm = ((d_u**2).sum() + (d_v**2).sum()) ** 0.5
    assert [float(mean[1]), float(gradient[1])] == pytest.approx([value, norm], rel=1e-12)
    assert [file.name for file in tmp_path.iterdir()] == ["here.png"]
    assert (tmp_path / "here.png").read_bytes().startswith(b"\x89PNG")


@needs_mpi
def test_one_process_without_mpiexec(tmp_path):
    """Plain Python simulates; too few points are refused."""
    plain = execute(sys.executable, str(PROGRAM), *SMALL, "--plain", folder=tmp_path)
    assert plain.returncode == 0, plain.stderr
    assert "gradient" not in plain.stdout
    assert list(tmp_path.iterdir()) == []

    few = execute(sys.executable, str(PROGRAM), "--n", "2", folder=tmp_path)
    assert (few.returncode, few.stdout) == (1, "")
    assert few.stderr == "2 x 2 points are too few for 1 x 1 blocks: each needs a point inside the boundary\n"
