"""Waiting for other ranks without being left alone: whoever waits long looks whether another rank has failed.

MPI's own waits never end if the message does not come. In a differentiated call they are asked again and again instead;
between two questions, after a while, this rank reads what others tell: that they raised an error (`tell`), or that they
came to the end of a loop in whose step this one still is (`checkpointer.mpi4py.agreement`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from mpi4py import MPI

from checkpointer.active import active
from checkpointer.errors import CheckpointerError, RankError
from checkpointer.mpi4py.private import NEWS, news_comm

_AT_ONCE = 2000
"""How often to ask before anything else is done: a few hundred microseconds."""
_EVERY = 0.02
"""Seconds between two looks at the news."""

_failures: list[tuple[int, int, str]] = []
"""Rank, number of its differentiated call, and what it raised."""
_letters: list[Any] = []
"""Our own news, kept until they are sent."""
_calls = 0


def finish(request: Any, status: Any = None) -> None:
    """Wait for one of mpi4py's own requests."""
    until(lambda: request.Test(status))


def finish_all(requests: list[Any], statuses: Any = None) -> None:
    """Wait for several of mpi4py's own requests."""
    until(lambda: MPI.Request.Testall(requests, statuses))


def until(done: Callable[[], Any]) -> Any:
    """Ask until the answer is true, and return it.

    Raises
    ------
    RankError
        If it cannot become true any more, because another rank raised an error or does something else.
    """
    for _ in range(_AT_ONCE):
        answer = done()
        if answer:
            return answer
    looked = 0.0
    while True:
        answer = done()
        if answer:
            return answer
        now = time.monotonic()
        if now - looked > _EVERY:
            looked = now
            look_around()
        _let_others_run()


def _let_others_run() -> None:
    """More ranks than processors: the one that is waited for may need this one."""
    if hasattr(os, "sched_yield"):
        os.sched_yield()
    else:
        time.sleep(0)


def look_around() -> None:
    """Raise an error if another rank has raised one, or has left the loop that this one is in."""
    comm = news_comm()
    status = MPI.Status()
    while comm is not None and comm.Iprobe(MPI.ANY_SOURCE, NEWS, status):
        number, text = comm.recv(source=status.source, tag=NEWS)
        _failures.append((status.source, number, text))
    traffic = active.traffic
    if traffic is None:
        return
    for rank, number, text in _failures:
        if number >= traffic.number:
            raise RankError(
                f"rank {MPI.COMM_WORLD.rank} waits for a message or for the other ranks, but rank {rank} of the world raised"
                f" {text}"
            )
    from checkpointer.mpi4py.agreement import look_for_leavers  # which waits, too

    look_for_leavers(traffic)


def begin(traffic: Any) -> None:
    """A differentiated call begins: errors of earlier ones do not concern it."""
    global _calls
    _calls += 1
    traffic.number = _calls
    _failures[:] = [failure for failure in _failures if failure[1] >= _calls]


def tell(traffic: Any, error: BaseException) -> None:
    """Let all other ranks know that this one raised an error; those that learned of it from another know already."""
    comm = news_comm()
    if comm is None or isinstance(error, RankError):
        return
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    text = text if isinstance(error, CheckpointerError) else text.partition("\n")[0]
    for rank in range(comm.size):
        if rank != comm.rank:
            _letters.append(comm.isend((traffic.number, text), rank, NEWS))
    _letters[:] = [letter for letter in _letters if not letter.test()[0]]
