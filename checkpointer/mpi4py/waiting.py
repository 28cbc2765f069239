"""Waiting for other ranks without being left alone: whoever waits long looks whether another rank has failed.

MPI's own waits never end if the message does not come. In a differentiated call they are asked again and again instead;
between two questions, after a while, this rank reads what others tell: that they raised an error (`tell`), or that they
came to the end of a loop in whose step this one still is (`checkpointer.mpi4py.agreement`).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from mpi4py import MPI

from checkpointer.active import active
from checkpointer.errors import CheckpointerError, RankError
from checkpointer.mpi4py.private import NEWS, news_comm

_AT_ONCE = 2000
"""How often to ask before anything else is done: a few hundred microseconds."""
_EVERY = 0.02
"""Seconds between two looks at the news."""
_LAST = sys.maxsize
"""The number of the call that a rank makes after its last one."""

_failures: list[tuple[int, int, str]] = []
"""Rank, number of its differentiated call, and what it did."""
given_up: list[Any] = []
"""Requests of operations of all ranks that this one did not wait for."""
_letters: list[Any] = []
"""Our own news, kept until they are sent."""
_calls = 0


def finish(request: Any, status: Any = None) -> None:
    """Wait for one of mpi4py's own requests.

    If that is given up, the memory stays what MPI may still write to, and operations of all ranks are out of step.
    """
    try:
        until(lambda: request.Test(status))
    except BaseException:
        given_up.append(request)
        raise


def check_in_step() -> None:
    """Refuse an operation of all ranks after one was given up: the others would take it for that one.

    Raises
    ------
    RankError
    """
    if given_up:
        raise RankError(
            f"rank {MPI.COMM_WORLD.rank} has given up an operation of all ranks, because of an error in an earlier"
            " differentiated call, and they are out of step since then: end the program after such an error"
        )


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
    if comm is not None:
        _read(comm)
    traffic = active.traffic
    if traffic is None:
        return
    for rank, number, text in _failures:
        if number >= traffic.number and _concerns(rank, traffic):
            raise RankError(
                f"rank {MPI.COMM_WORLD.rank} waits for a message or for the other ranks, but rank {rank} of the world"
                f" {text}",
                known=True,
            )
    from checkpointer.mpi4py.agreement import look_for_leavers  # which waits, too

    look_for_leavers(traffic)


def _concerns(rank: int, traffic: Any) -> bool:
    """Whether a rank of the world belongs to a communicator that a call has used, or a storage of its loops."""
    for comm in (*traffic.standing.values(), *traffic.awaited.values()):
        groups = [comm.Get_group(), comm.Get_remote_group()] if comm.Is_inter() else [comm.Get_group()]
        for group in groups:
            if MPI.COMM_WORLD.Get_group().Translate_ranks([rank], group)[0] != MPI.UNDEFINED:
                return True
    return False


def begin(traffic: Any) -> None:
    """A differentiated call begins: errors of earlier ones do not concern it."""
    global _calls
    _calls += 1
    traffic.number = _calls
    _failures[:] = [failure for failure in _failures if failure[1] >= _calls]


def count_from(number: int) -> None:
    """The ranks of this call are in their calls of up to this number: count on from there, so that all count alike.

    Those of an ensemble may have differentiated more or less often, each group for itself.
    """
    global _calls
    _calls = max(_calls, number)
    if active.traffic is not None:
        active.traffic.number = _calls


def tell(traffic: Any, error: BaseException) -> None:
    """Let all other ranks know that this one raised an error; those that learned of it from another know already."""
    comm = news_comm()
    if comm is None or getattr(error, "known", False):
        return
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    text = text if isinstance(error, CheckpointerError) else text.partition("\n")[0]
    others = [rank for rank in range(comm.size) if rank != comm.rank]
    _write(comm, others, (traffic.number, f"raised {text}"))


def _write(comm: Any, ranks: Iterable[int], letter: tuple[int, str]) -> None:
    _letters[:] = [request for request in _letters if not request.test()[0]]
    _letters.extend(comm.isend(letter, rank, NEWS) for rank in ranks)


def leave() -> None:
    """The program ends: let a neighbour know, which may wait for this rank, and wait for it to tell others if it does.

    No news may be on its way when MPI ends. Nothing of this happens where a rank has not loaded the drop-in module.
    """
    soon = time.monotonic() + 1
    while (comm := news_comm()) is None:
        if MPI.Is_finalized() or time.monotonic() > soon:
            return
    if comm.size > 1:
        _write(comm, [(comm.rank + 1) % comm.size], (_LAST, "came to the end of the program"))
    barrier = comm.Ibarrier()
    while not barrier.Test():
        _read(comm)
        time.sleep(0.005 if time.monotonic() > soon else 0)  # the others may compute for hours
    _read(comm)


def _read(comm: Any) -> None:
    """Take in the news that have arrived."""
    status = MPI.Status()
    while comm.Iprobe(MPI.ANY_SOURCE, NEWS, status):
        number, text = comm.recv(source=status.source, tag=NEWS)
        _failures.append((status.source, number, text))
