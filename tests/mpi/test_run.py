"""``checkpointer run`` under mpiexec: what is printed, by whom, and how it ends."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import harness
import pytest

from checkpointer import cached
from checkpointer.cli import ranks

needs_mpi = pytest.mark.skipif(bool(harness.missing()), reason=harness.missing())


@pytest.fixture
def run(tmp_path):
    """``run(4, text, "--summary")``: a program on ranks, which has finished; options are those of `checkpointer run`."""

    def call(count, text, *options, program=("-m", "checkpointer"), arguments=(), **variables):
        (tmp_path / "program.py").write_text(textwrap.dedent(text))
        environment = harness.environment(NO_COLOR="1", **variables)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        return subprocess.run(
            [*harness.mpiexec(), "-n", str(count), sys.executable, "-W", "error"]
            + [*program, "run", *options, "program.py", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return call


WAVES = """\
import numpy as np
from checkpointer import Revolve, checkpointed

def power(u):
    for step in checkpointed(range(4), Revolve(2), progress=True):
        u = u * u
    return u
"""


@needs_mpi
def test_what_four_ranks_say(run, tmp_path):
    """All load the same modules for the first time, at once. One ends before the others, which is no failure."""
    (tmp_path / "waves.py").write_text(WAVES)
    finished = run(
        4,
        """
        import sys
        from mpi4py import MPI
        comm = MPI.COMM_WORLD
        comm.Barrier()
        from waves import np, power
        from checkpointer import checkpointed, grad, last_run
        u = 1 + comm.rank / 4
        found = grad(power)(u)
        assert abs(found - 16 * u**15) < 1e-12 * found, found
        assert np.__name__ == "checkpointer.numpy"
        assert (last_run().rank, last_run().ranks) == (comm.rank, 4)
        assert str(last_run()).startswith(f"power, on rank {comm.rank} of 4: forward")
        if comm.rank == 3:
            sys.exit()
        comm.Create_group(comm.group.Excl([3])).Barrier()
        """,
        "--summary",
        CHECKPOINTER_LOG="info",
    )
    assert finished.returncode == 0, finished.stderr
    said = finished.stderr
    assert said.count("power, on rank 0 of 4: forward") == said.count(", on rank ") == 1
    assert (said.count("waves.py:5 forward: 4/4 steps"), said.count("waves.py:5 reverse: 4/4 reversed")) == (
        1,
        1,
    )
    for rank in range(4):
        assert said.count(f"[rank {rank}] ") == 1
    for name in ("program.py", "waves.py"):
        stored = cached._stored(str(tmp_path / name))
        assert cached._code_in(stored, str(tmp_path / name)) is not None
    caches = {name for name in os.listdir(tmp_path / "__pycache__") if "checkpointer" in name}
    assert caches == {os.path.basename(cached.cache_of(name)) for name in ("program.py", "waves.py")}


@needs_mpi
def test_an_exception_on_one_rank_ends_all(run, tmp_path):
    """As docs/cluster.md shows it."""
    finished = run(
        3,
        """
        from mpi4py import MPI
        from checkpointer import Revolve, checkpointed, grad
        def power(u):
            for step in checkpointed(range(4), Revolve(2)):
                if step == 2 and MPI.COMM_WORLD.rank == 1:
                    raise ValueError("wrong")
                u = u * u
            return u
        grad(power)(1.5)
        MPI.COMM_WORLD.recv(source=1)
        """,
    )
    assert finished.returncode == 1
    page = (Path(__file__).parents[2] / "docs/cluster.md").read_text("utf-8")
    (shown,) = re.findall(
        r"^\$ mpiexec -n 3 checkpointer run program.py\n(.*?)^Abort", page, re.DOTALL | re.MULTILINE
    )
    assert shown in finished.stderr.replace(f"{tmp_path}/", "")
    assert finished.stderr.count("Traceback") == 1


@needs_mpi
def test_an_exit_code_on_one_rank_ends_all(run):
    """Also where something that is registered for the end of the program waits for the others."""
    patient = "import sys; sys.argv.pop(0); from checkpointer.cli import main, ranks; ranks._PATIENCE = 0.2; main.main()"
    finished = run(
        2,
        """
        import argparse, atexit
        from mpi4py import MPI
        if MPI.COMM_WORLD.rank == 1:
            atexit.register(MPI.COMM_WORLD.Barrier)
            argparse.ArgumentParser().parse_args()
        MPI.COMM_WORLD.recv(source=1)
        """,
        program=("-c", patient, "-"),
        arguments=["--nonsense"],
    )
    assert finished.returncode == 2
    assert "error: unrecognized arguments: --nonsense\n" in finished.stderr
    assert "rank 1 of 2: exit code 2, from program.py:6, ends all ranks\n" in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SystemExit(), 0),
        (SystemExit(0), 0),
        (SystemExit(False), 0),
        (SystemExit(7), 7),
        (SystemExit(-1), 255),
        (SystemExit(512), 1),  # what the system would take for 0
        (SystemExit("why"), 1),
        (KeyboardInterrupt(), 130),
        (ValueError(), 1),
    ],
    ids=repr,
)
def test_exit_codes(error, status):
    assert ranks.exit_status(error) == status


def test_without_mpi_nothing_is_ended_and_nothing_added(capsys):
    ranks.end_all(SystemExit(3))
    with ranks.named():
        print("as it is", file=sys.stderr)
    assert capsys.readouterr().err == "as it is\n"
