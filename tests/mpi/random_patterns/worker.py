"""One rank of a run: judges the programs of some seeds, and writes what it does to a file of its own (see ``run.py``)."""

from __future__ import annotations

import faulthandler
import json
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import oracle
from mpi4py import MPI
from writer import write


class Diary:
    """A rank's file of lines in JSON, and the timer that prints the stacks of a rank that is stuck."""

    def __init__(self, folder: Path, limit: float) -> None:
        rank = MPI.COMM_WORLD.rank
        self.lines = (folder / f"rank{rank}.jsonl").open("a", buffering=1)
        self.stacks = (folder / f"rank{rank}.stacks").open("a")
        self.limit = limit
        self.seed = -1

    def note(self, event: str, text: str = "", **more: Any) -> None:
        """Write a line, and start the timer anew."""
        self.stacks.truncate(0)  # what was printed only said that this rank is slow
        faulthandler.dump_traceback_later(self.limit, file=self.stacks)
        self.lines.write(json.dumps({"seed": self.seed, "event": event, "text": text, **more}) + "\n")

    def stage(self, text: str) -> None:
        """What is done from here on."""
        self.note("stage", text)


def main() -> int:
    """Judge the seeds one after the other, until one leaves the ranks in an unknown state."""
    order = json.loads(sys.argv[1])
    diary = Diary(Path(order["folder"]), order["limit"])
    judge = oracle.Judge(diary.stage, order["thorough"])
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    for seed in order["seeds"]:
        diary.seed = seed
        diary.note("begin")
        began = time.monotonic()
        program = write(seed, without=order["without"], skip=order["skip"])
        usable = True
        try:
            outcome = judge.plain(program) if order["plain"] else judge.differentiated(program, seed)
        except Exception as error:
            kind = "refused" if type(error).__name__ in ("RefusedError", "TransformError") else "wrong"
            outcome = oracle.Outcome(kind, f"{type(error).__name__}: {error}")
            usable = False
            diary.note("error", traceback.format_exc())
        outcome, usable = _agreed(judge.comm, outcome, usable)
        diary.note("end", outcome.why, kind=outcome.kind, seconds=time.monotonic() - began)
        if not usable:
            break
    faulthandler.cancel_dump_traceback_later()
    if not usable:
        judge.comm.Barrier()
        MPI.COMM_WORLD.Abort(7)  # messages may still be under way
    return 0


def _agreed(comm: Any, outcome: oracle.Outcome, usable: bool) -> tuple[oracle.Outcome, bool]:
    """The worst of the ranks' outcomes; the errors that say what happened before those that say that another rank failed."""
    every = comm.allgather((outcome, usable))
    order = ["wrong", "refused", "invalid", "right"]
    worst = min((one for one, _ in every), key=lambda one: (order.index(one.kind), "RankError" in one.why))
    return worst, all(able for _, able in every)


if __name__ == "__main__":
    sys.exit(main())
