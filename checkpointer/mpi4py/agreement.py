"""What the ranks that communicate in a loop have to agree on.

A collective operation is begun by all ranks together, or by none: before each, they compare what they are about to do,
and in which step (`together`). At the end of a loop's first sweep, ranks that have sent each other messages compare how
many steps there were, the scheme, and digests of the messages of each step: the reverse sweep runs steps again in another
order, and then a message has to be received in the step in which it was sent.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import time
from typing import Any

import numpy as np
from mpi4py import MPI

from checkpointer.active import active
from checkpointer.errors import RankError
from checkpointer.mpi4py.private import RECORD, private
from checkpointer.mpi4py.waiting import check_in_step, count_from, finish, until
from checkpointer.traffic import LoopLog, Traffic

_MOST = 2**62


def digest_of(*parts: Any) -> int:
    """A number for something, the same on all ranks."""
    text = repr(parts).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") % _MOST


def patience() -> float:
    """How many seconds a rank waits for another one at the end of a loop."""
    return float(os.environ.get("CHECKPOINTER_PATIENCE", "300"))


def together(comm: Any, doing: str, *what: Any) -> None:
    """All ranks of a communicator are about to do the same.

    Raises
    ------
    RankError
        On all of them, if they are not.
    """
    check_in_step()
    hidden = private(comm)
    traffic: Traffic = active.traffic
    where = traffic.where
    number = digest_of(where, doing, what)
    asked = np.array([number, -number, traffic.number])
    answer = np.empty_like(asked)
    finish(hidden.Iallreduce(asked, answer, MPI.MAX))
    count_from(int(answer[2]))
    if answer[0] == -answer[1]:
        return
    told = np.zeros(400, np.uint8)
    text = _described(where, doing, what).encode()[:400]
    told[: len(text)] = np.frombuffer(text, np.uint8)
    everyones = np.empty((comm.size, 400), np.uint8)
    finish(hidden.Iallgather(told, everyones))
    texts = [bytes(row).rstrip(b"\0").decode(errors="replace") for row in everyones]
    raise RankError("the ranks do not do the same: " + by_text(texts), known=comm.rank > 0)


def everyones(value: Any, comm: Any) -> list[Any]:
    """What each rank of a communicator calls this with, by rank."""
    check_in_step()
    hidden = private(comm)
    mine = np.frombuffer(pickle.dumps(value), np.uint8)
    sizes = np.empty(comm.size, np.int64)
    finish(hidden.Iallgather(np.array([len(mine)]), sizes))
    found = np.empty(sizes.sum(), np.uint8)
    finish(hidden.Iallgatherv(mine, [found, sizes]))
    ends = np.cumsum(sizes)
    return [pickle.loads(found[end - size : end].tobytes()) for size, end in zip(sizes, ends, strict=True)]


def _described(where: tuple[str, int], doing: str, what: tuple[Any, ...]) -> str:
    loop, step = where
    place = f" in step {step} of the loop {loop}" if loop else ""
    return f"{doing}{place}" + (f" ({', '.join(map(str, what))})" if what else "")


def by_text(texts: list[str]) -> str:
    """What the ranks do, those together that do the same."""
    ranks: dict[str, list[int]] = {}
    for rank, text in enumerate(texts):
        ranks.setdefault(text, []).append(rank)
    return "; ".join(f"{_named(several)}: {text}" for text, several in ranks.items())


def _named(ranks: list[int]) -> str:
    shown = ", ".join(map(str, ranks[:8])) + (", ..." if len(ranks) > 8 else "")
    return f"rank {shown}" if len(ranks) == 1 else f"ranks {shown}"


# --- the end of a loop ---------------------------------------------------------------------------------------------

_arrived: dict[tuple[Any, int], list[tuple[Any, ...]]] = {}
"""Reports of other ranks that came to the end of a loop, by communicator and rank, the oldest first, each with its time."""
_letters: list[Any] = []


def agree_at_end(log: LoopLog, steps: int, scheme: str, *, last: bool) -> None:
    """A loop has come to the end of its first sweep: compare notes with the ranks that it communicated with.

    Parameters
    ----------
    log : LoopLog
        What the loop did with other ranks.
    steps : int
        How many there were.
    scheme : str
        How the loop's scheme prints.
    last : bool
        Whether the last of them only found that the loop's condition does not hold any more.

    Raises
    ------
    RankError
        If they do not agree.
    """
    traffic: Traffic = active.traffic
    standing = traffic.standing
    for key in [key for key in log.collective if key in standing]:
        together(standing[key], f"the end of the loop {log.name}", f"{steps} steps", scheme)
    mine = log.name, steps, steps - last, scheme
    peers = sorted(pair for pair in log.sent.keys() | log.received.keys() if pair[0] in standing)
    for key, rank in peers:
        hidden = private(standing[key])
        report = (*mine, log.sent.get((key, rank), [0, 0]), log.received.get((key, rank), [0, 0]))
        _letters.append(hidden.isend(report, rank, RECORD))
    reports = [_report_of(standing[key], key, rank, log) for key, rank in peers]
    for (key, rank), theirs in zip(peers, reports, strict=True):
        _compare(standing[key], rank, (*mine, log.received.get((key, rank), [0, 0])), theirs)
    _letters[:] = [letter for letter in _letters if not letter.test()[0]]


def _report_of(comm: Any, key: Any, rank: int, log: LoopLog) -> tuple[Any, ...]:
    """What another rank says of the end of the loop."""
    begin = time.monotonic()

    def come() -> bool:
        _collect(comm, key)
        if time.monotonic() - begin > patience():
            raise RankError(
                f"rank {comm.rank} came to the end of the loop {log.name}, and waited {patience():g} s for rank"
                f" {rank}, with which it exchanged messages there: that rank does not come to the end of the same loop."
                " If it only is that late, set CHECKPOINTER_PATIENCE to more seconds"
            )
        return bool(_arrived.get((key, rank)))

    until(come)
    return _arrived[key, rank].pop(0)[1:]


def _collect(comm: Any, key: Any) -> None:
    """Take in the reports that have arrived."""
    hidden = private(comm)
    status = MPI.Status()
    while hidden.Iprobe(MPI.ANY_SOURCE, RECORD, status):
        report = hidden.recv(source=status.source, tag=RECORD)
        _arrived.setdefault((key, status.source), []).append((time.monotonic(), *report))


def look_for_leavers(traffic: Traffic) -> None:
    """Raise an error if a rank has left the loop that this one is in: after fewer steps, or a long time ago."""
    if not traffic.frames or traffic.frames[-1].again:
        return
    frame = traffic.frames[-1]
    for key, comm in traffic.standing.items():
        _collect(comm, key)
        for rank in range(comm.remote_size if comm.Is_inter() else comm.size):
            for when, name, steps, whole, *_ in _arrived.get((key, rank), ())[:1]:
                if name == frame.log.name and (whole <= frame.step or time.monotonic() - when > patience()):
                    raise RankError(
                        f"the ranks do not agree on the loop {name}: rank {rank} ended it after {steps} steps, and rank"
                        f" {comm.rank} waits for a message in step {frame.step}. The condition of the loop has to come out"
                        " the same on all ranks: decide it by a value that was reduced over them (comm.allreduce)"
                    )


def _compare(comm: Any, rank: int, mine: tuple[Any, ...], theirs: tuple[Any, ...]) -> None:
    name, steps, _, scheme, received = mine
    their_name, their_steps, _, their_scheme, sent, _ = theirs
    here, there = f"rank {comm.rank}", f"rank {rank}"
    if their_name != name:
        raise RankError(
            f"{here} and {there} exchange messages in different loops: {name} and {their_name}. Both have to be in the same"
            " marked loop, or in none"
        )
    if their_steps != steps:
        raise RankError(
            f"the ranks do not agree on the loop {name}: {here} ran {steps} steps, and {there} ran {their_steps}"
        )
    if their_scheme != scheme:
        raise RankError(
            f"the ranks do not agree on the scheme of the loop {name}: {here} has {scheme}, and {there} has {their_scheme}"
        )
    if received != sent:
        raise RankError(
            f"in the loop {name}, {there} sent {sent[0]} messages to {here}, which received {received[0]} there, or not in"
            " the steps in which they were sent. The reverse sweep computes steps again one by one: every message has to be"
            " received in the step in which it is sent"
        )
