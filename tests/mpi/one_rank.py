"""What mpiexec starts: one rank that runs cases and writes down, line by line, what became of them. See ``harness.py``."""

import faulthandler
import importlib
import inspect
import json
import os
import sys
import time
import traceback
from pathlib import Path
from types import ModuleType

from harness import SECONDS
from mpi4py import MPI

from checkpointer import install_import_hook

PLAN = Path(sys.argv[1])
CASES = json.loads(PLAN.read_text("utf-8"))
RANK = MPI.COMM_WORLD.Get_rank()


def main() -> None:
    between = MPI.COMM_WORLD.Dup()
    if between.size != CASES[0]["ranks"]:
        sys.exit(
            f"{between.size} ranks instead of {CASES[0]['ranks']}: mpiexec and mpi4py are not of the same MPI"
        )
    places = {str(Path(case["file"]).parent): None for case in CASES}
    sys.path[:0] = [*places, os.path.dirname(__file__)]
    with (
        open(PLAN.with_name(f"rank-{RANK}.jsonl"), "w", encoding="utf-8") as records,
        open(PLAN.with_name(f"stack-{RANK}.txt"), "w", encoding="utf-8") as stack,
    ):

        def note(**facts: object) -> None:
            records.write(json.dumps(facts) + "\n")
            records.flush()

        note(pid=os.getpid())
        for case in CASES:
            key = f"{Path(case['file']).stem}.{case['name']}"
            faulthandler.dump_traceback_later(SECONDS, file=stack)
            note(entered=key)
            module = loaded(case)
            between.Barrier()
            faulthandler.dump_traceback_later(case["seconds"], file=stack)
            begun = time.perf_counter()
            kind, text = outcome(module, case, between)
            note(ended=key, kind=kind, text=text, seconds=time.perf_counter() - begun)
            fine = all(between.allgather(kind != "failed"))
            faulthandler.cancel_dump_traceback_later()
            if not fine:  # messages may be under way that another case would receive
                break
    between.Free()


def loaded(case: dict) -> ModuleType | BaseException:
    """The module of a case, rewritten; or why it cannot be loaded."""
    name = Path(case["file"]).stem
    try:
        with install_import_hook(name):
            return importlib.import_module(name)
    except BaseException as error:
        return error


def outcome(module: ModuleType | BaseException, case: dict, between: MPI.Intracomm) -> tuple[str, str]:
    """How a case ended on this rank, and why."""
    try:
        if isinstance(module, BaseException):
            raise module
        function = getattr(module, case["name"])
        comm = getattr(module, "MPI", MPI).COMM_WORLD
        if len(inspect.signature(function).parameters) == 1:
            function(comm)
        else:
            function(comm, shared_folder(case, between))
    except BaseException as error:
        if type(error).__name__ == "Skipped":
            return "skipped", str(error)
        return "failed", "".join(traceback.format_exception(error))
    return "passed", ""


def shared_folder(case: dict, between: MPI.Intracomm) -> Path:
    folder = PLAN.parent / case["name"]
    if RANK == 0:
        folder.mkdir()
    between.Barrier()
    return folder


if __name__ == "__main__":
    main()
