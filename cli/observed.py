"""What ``checkpointer run --summary`` and ``--report`` print when the program has ended."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def observed(*, summary: bool, report: bool) -> Iterator[None]:
    """A program runs in the ``with`` block: when it ends, in whatever way, say on standard error what was differentiated.

    The ranks of an MPI program do much the same, and only the first one says it.
    """
    if not (summary or report):
        yield
        return
    from checkpointer.runs import watching

    with watching(report=report, all_threads=True) as runs:
        try:
            yield
        finally:
            total = runs.total()
            if total.rank == 0:
                said = [str(total)] if summary else []
                if report:
                    said.append(str(total.report()))
                print("", "\n\n".join(said), sep="\n", file=sys.stderr, flush=True)
