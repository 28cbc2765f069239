"""What the harness says of cases that fail, hang, or kill a process, and where no MPI program can be run."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import harness
import pytest

needs_mpi = pytest.mark.skipif(bool(harness.missing()), reason=harness.missing())

CASES = """
    import os
    import time

    import pytest
    from mpi4py import MPI
    from harness import on_ranks

    RANKS = (2,)

    def case_fine(comm):
        pass

    def case_wrong_on_one(comm):
        print(f"said by {comm.rank}")
        assert comm.rank == 0, "so it is"

    @on_ranks(2, seconds=0.5)
    def case_hangs(comm):
        if comm.rank == 1:
            comm.recv(source=0)

    def case_dies(comm):
        if comm.rank == 0:
            os._exit(3)
        comm.recv(source=0)

    def case_skipped(comm):
        pytest.skip("not today")

    def case_after_all(comm, folder):
        assert folder.is_dir()

    @on_ranks(1)
    def case_elsewhere(comm):
        pass
"""


@needs_mpi
def test_each_case_is_judged_by_itself(tmp_path):
    file = tmp_path / "cases_of_all_kinds.py"
    file.write_text(textwrap.dedent(CASES))
    cases = harness.cases_in(file)
    assert [(case.name, case.ranks, case.seconds) for case in cases][:3] == [
        ("case_elsewhere", 1, 60),
        ("case_fine", 2, 60),
        ("case_wrong_on_one", 2, 60),
    ]
    found = harness.outcomes([case for case in cases if case.ranks == 2], 2, tmp_path / "results")
    assert {name.rpartition("_")[2]: outcome.kind for name, outcome in found.items()} == {
        "fine": "passed",
        "one": "failed",
        "hangs": "failed",
        "dies": "failed",
        "skipped": "skipped",
        "all": "passed",
    }
    texts = {name.rpartition(".")[2]: outcome.text for name, outcome in found.items()}
    assert texts["case_skipped"] == "not today"
    assert texts["case_wrong_on_one"].startswith("rank 1 of 2:\nTraceback")
    assert "AssertionError: so it is\n" in texts["case_wrong_on_one"]
    assert "said by 0" in texts["case_wrong_on_one"]
    assert texts["case_hangs"].startswith(
        "case_hangs did not end on rank 1 of 2 within 0.5 s; it was entered by ranks 0, 1\n"
    )
    line = CASES[: CASES.index("comm.recv(source=0)")].count("\n")
    assert f'File "{file}", line {line + 1} in case_hangs' in texts["case_hangs"]
    assert texts["case_dies"].startswith(
        "case_dies did not end on ranks 0, 1 of 2: the processes ended with exit code "
    )
    again = harness.outcomes([], 2, tmp_path / "results")
    assert again == found  # by what another worker has left there


@needs_mpi
def test_a_module_that_cannot_be_loaded(tmp_path):
    file = tmp_path / "cases_broken.py"
    file.write_text("def case_one(comm): pass\n1 / 0\n")
    (case,) = [case for case in harness.cases_in(file) if case.ranks == 1]
    (outcome,) = harness.outcomes([case], 1, tmp_path / "results").values()
    assert outcome.text.startswith("rank 0 of 1:\nTraceback")
    assert "ZeroDivisionError" in outcome.text


def test_without_mpi4py_the_cases_are_skipped_and_say_why():
    program = (
        "import sys, pytest\n"
        "sys.modules['mpi4py'] = None\n"
        "sys.exit(pytest.main(['-q', '-rs', '-p', 'no:cacheprovider', *sys.argv[1:]]))"
    )
    smoke = Path(__file__).with_name("cases_smoke.py")
    finished = subprocess.run(
        [sys.executable, "-c", program, str(smoke)], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout
    assert f"SKIPPED [{len(harness.cases_in(smoke))}]" in finished.stdout
    assert 'mpi4py is not installed: pip install ".[mpi]"' in finished.stdout


def test_without_mpiexec(monkeypatch):
    monkeypatch.delenv("CHECKPOINTER_TEST_MPIEXEC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    monkeypatch.setattr(harness.importlib.util, "find_spec", lambda name: object())
    assert harness.missing().startswith("no mpiexec beside Python or on the PATH")


def test_another_command_may_start_the_ranks(monkeypatch):
    monkeypatch.setenv("CHECKPOINTER_TEST_MPIEXEC", "srun --overlap")
    assert harness.mpiexec() == ["srun", "--overlap"]
