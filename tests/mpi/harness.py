"""Cases that run on several MPI ranks: real processes under mpiexec, each case reported as a test of its own.

A case is a function in a module ``cases_*.py`` of this folder, which is loaded through the import hook as a user's program
is::

    from mpi4py import MPI
    from harness import on_ranks

    def case_sum(comm):  # comm is MPI.COMM_WORLD
        assert comm.allreduce(1) == comm.size

    @on_ranks(2, 4, seconds=20)
    def case_files(comm, folder):  # an empty folder that all ranks share
        ...

Every rank calls it, and it fails if it raises on any of them. It runs on 1, 2, 3 and 4 ranks; `on_ranks`, or
``RANKS = (2, 3)`` in the module, says otherwise. Starting Python on four ranks takes longer than most cases: so one mpiexec
for each number of ranks runs the cases of all modules. A case that fails, hangs or kills a process ends it, and another
one runs the rest.

``CHECKPOINTER_TEST_MPIEXEC="mpiexec --some-option"`` names another command to start them with.
"""

from __future__ import annotations

import ast
import fcntl
import importlib.util
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RANKS = (1, 2, 3, 4)
SECONDS = 60.0
"""After which a case that has not ended counts as hanging."""
_TO_START = 120.0
"""Seconds that the processes may take before the first case."""
_HANGING = 3
"""So many hanging cases, and the rest is not run: each costs its seconds."""
_RANK = Path(__file__).with_name("one_rank.py")


def on_ranks(*ranks: int, seconds: float = SECONDS) -> Callable[[Any], Any]:
    """A decorator for a case: on how many ranks, and how long. It is read from the source: write literals."""
    return lambda case: case


@dataclass(frozen=True)
class Case:
    """One case on one number of ranks."""

    file: str
    line: int
    name: str
    ranks: int
    seconds: float

    @property
    def key(self) -> str:
        """What tells it from the others on as many ranks."""
        return f"{Path(self.file).stem}.{self.name}"


@dataclass(frozen=True)
class Outcome:
    """What became of a case: ``passed``, ``skipped`` or ``failed``, and the text that says why."""

    kind: str
    text: str = ""


def missing() -> str:
    """Why no MPI program can be run here; empty if one can."""
    try:
        found = importlib.util.find_spec("mpi4py") is not None
    except ValueError:  # blocked by a None in sys.modules
        found = False
    if not found:
        return 'mpi4py is not installed: pip install ".[mpi]"'
    if not mpiexec():
        return 'no mpiexec beside Python or on the PATH: pip install ".[mpi]", or load an MPI of the system'
    return ""


def mpiexec() -> list[str]:
    """The command that starts ranks: the one named in the environment, the one beside this Python, the one on the PATH."""
    named = os.environ.get("CHECKPOINTER_TEST_MPIEXEC")
    if named:
        return shlex.split(named)
    found = shutil.which("mpiexec", path=os.path.dirname(sys.executable)) or shutil.which("mpiexec")
    return [found] if found else []


def environment(**more: str) -> dict[str, str]:
    """The environment of ranks that share few cores: Open MPI needs to be told that this is meant."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONIOENCODING": "utf-8",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        **more,
    }


def cases_in(file: Path) -> list[Case]:
    """The cases of a module, by number of ranks, read from its source: it is not imported, as that would start MPI here."""
    found, default = [], RANKS
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["RANKS"]:
            default = ast.literal_eval(node.value)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("case_"):
            found.append((node, *_restricted(node)))
    cases = [
        Case(str(file), node.lineno, node.name, count, seconds)
        for node, ranks, seconds in found
        for count in ranks or default
    ]
    return sorted(cases, key=lambda case: case.ranks)


def _restricted(node: ast.FunctionDef) -> tuple[tuple[int, ...], float]:
    """What the decorator of a case says."""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "on_ranks":
            ranks = tuple(ast.literal_eval(argument) for argument in decorator.args)
            named = {word.arg: ast.literal_eval(word.value) for word in decorator.keywords}
            return ranks, named.get("seconds", SECONDS)
    return (), SECONDS


# --- one run of many cases -------------------------------------------------------------------------------------------


def outcomes(cases: Sequence[Case], ranks: int, folder: Path) -> dict[str, Outcome]:
    """Run cases on this many ranks, all in one mpiexec unless one fails; by their keys. What was found before is taken from
    the folder: the workers of pytest-xdist share it, and only one of them runs MPI programs at a time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / f"{ranks}.json"
    with _alone(folder / "lock"):
        if results.exists():
            found = json.loads(results.read_text("utf-8"))
            return {key: Outcome(**outcome) for key, outcome in found.items()}
        made = _run_all(cases, ranks, folder)
        results.write_text(json.dumps({key: asdict(outcome) for key, outcome in made.items()}), "utf-8")
        return made


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time is in the ``with`` block."""
    with open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run_all(cases: Sequence[Case], ranks: int, folder: Path) -> dict[str, Outcome]:
    """Start processes until all cases have been run."""
    found: dict[str, Outcome] = {}
    hanging = 0
    while rest := [case for case in cases if case.key not in found]:
        if hanging == _HANGING:
            found.update(
                {case.key: Outcome("failed", f"not run: {hanging} cases hung before it") for case in rest}
            )
            break
        start = _Start(rest, ranks, folder / f"{ranks}-{len(found)}")
        found.update(start.run())
        hanging += start.hung
    return found


class _Start:
    """One mpiexec. It runs cases until one of them fails."""

    def __init__(self, cases: Sequence[Case], ranks: int, folder: Path) -> None:
        self._cases = cases
        self._ranks = ranks
        self._folder = folder
        self.hung = False

    def run(self) -> dict[str, Outcome]:
        """What became of those that were run, at least of one."""
        self._folder.mkdir()
        plan = self._folder / "plan.json"
        plan.write_text(json.dumps([asdict(case) for case in self._cases]), "utf-8")
        command = [*mpiexec(), "-n", str(self._ranks), sys.executable, "-W", "error", str(_RANK), str(plan)]
        with open(self._folder / "output.txt", "wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = self._end_of(process)
            finally:
                self._kill(process)
        return self._judged(code)

    def _end_of(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for the processes, but not for those that hang."""
        begun = time.monotonic()
        while True:
            try:
                return process.wait(0.1)
            except subprocess.TimeoutExpired:
                started = any(record.get("entered") for records in self._records() for record in records)
                self.hung = any(map(self._stack, range(self._ranks)))
                if self.hung or (not started and time.monotonic() - begun > _TO_START):
                    break
        try:
            return process.wait(2)  # the other ranks write their stacks at nearly the same time
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        """End whatever of it is left: the ranks, which have told their numbers, and what started them."""
        if process.poll() is None:
            for records in self._records():
                for record in records:
                    if "pid" in record:
                        _end(os.kill, record["pid"])
        _end(os.killpg, process.pid)
        process.wait()

    def _records(self) -> list[list[dict[str, Any]]]:
        """What each rank has written down."""
        found = []
        for rank in range(self._ranks):
            file = self._folder / f"rank-{rank}.jsonl"
            lines = file.read_text("utf-8").splitlines(keepends=True) if file.exists() else []
            found.append([json.loads(line) for line in lines if line.endswith("\n")])
        return found

    def _stack(self, rank: int) -> str:
        file = self._folder / f"stack-{rank}.txt"
        return file.read_text("utf-8") if file.exists() else ""

    def _judged(self, code: int) -> dict[str, Outcome]:
        records = self._records()
        found = {}
        for case in self._cases:
            entered = [rank for rank in range(self._ranks) if _record(records[rank], "entered", case.key)]
            if not entered:
                break
            ends = [_record(records[rank], "ended", case.key) for rank in range(self._ranks)]
            found[case.key] = self._outcome(case, code, entered, ends)
        last = self._cases[max(0, len(found) - 1)]
        if not found:
            found[last.key] = Outcome("failed", f"no rank came to a case (exit code {code})" + self._output())
        elif code and found[last.key].kind != "failed":
            text = f"after {last.name} the processes ended with exit code {code}"
            found[last.key] = Outcome("failed", text + self._output())
        return found

    def _outcome(
        self, case: Case, code: int, entered: list[int], ends: list[dict[str, Any] | None]
    ) -> Outcome:
        texts: dict[str, list[int]] = {}
        for rank, end in enumerate(ends):
            if end and end["kind"] == "failed":
                texts.setdefault(end["text"], []).append(rank)
        said = [f"{_named(ranks)} of {self._ranks}:\n{text}" for text, ranks in texts.items()]
        open_ones = [rank for rank, end in enumerate(ends) if end is None]
        if open_ones:
            how = (
                f" within {case.seconds:g} s" if self.hung else f": the processes ended with exit code {code}"
            )
            head = f"{case.name} did not end on {_named(open_ones)} of {self._ranks}{how}"
            stacks = [
                f"{_named([rank])} was at\n{self._stack(rank)}" for rank in open_ones if self._stack(rank)
            ]
            said = [head + f"; it was entered by {_named(entered)}", *said, *stacks]
        if said:
            return Outcome("failed", "\n".join(said) + self._output())
        kinds = {end["kind"] for end in ends if end}
        return (
            Outcome("passed") if "passed" in kinds else Outcome("skipped", ends[0]["text"] if ends[0] else "")
        )

    def _output(self) -> str:
        text = (self._folder / "output.txt").read_text("utf-8", errors="replace").strip()
        return f"\nprinted by all ranks:\n{text[-5000:]}" if text else ""


def _record(records: list[dict[str, Any]], what: str, key: str) -> dict[str, Any] | None:
    return next((record for record in records if record.get(what) == key), None)


def _named(ranks: Sequence[int]) -> str:
    return f"rank{'s' * (len(ranks) > 1)} {', '.join(map(str, ranks))}"


def _end(kill: Callable[[int, int], None], number: int) -> None:
    try:
        kill(number, signal.SIGKILL)
    except ProcessLookupError:
        pass
