"""Communication as entries of the tape: each is reversed by communicating, whether or not an adjoint has arrived.

The operation of all ranks together is linear in most cases, and its reverse is the transpose: a message goes back from
who received it to who sent it, a sum over ranks becomes a broadcast, and so on. It is reversed on all ranks or on none, in
strictly reversed order of the program on each.

The adjoint of a message begins with the message's tag, its number among those of the same tag between the two ranks, and the
step, and then has the numbers, or nothing if they are zero. Messages may have been completed in another order than they were
sent, so adjoints that come before they are wanted are put aside.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mpi4py import MPI

from checkpointer.active import active
from checkpointer.boxes import box
from checkpointer.errors import RankError
from checkpointer.mpi4py.agreement import digest_of
from checkpointer.mpi4py.private import ADJOINT, key_of, private
from checkpointer.mpi4py.waiting import finish_all, until
from checkpointer.tape import Tape, TapeNode, memory_for, node_of
from checkpointer.traffic import Count

_HEADER = 3  # 64-bit numbers
_live: weakref.WeakSet[Exchange] = weakref.WeakSet()
"""Those of all tapes that are still to be reversed."""
_aside: dict[tuple[int, int, int, int, int], Any] = {}
"""Adjoints that came before they were wanted: by communicator, rank, tape, tag and number."""


class Exchange:
    """The messages on one tape.

    Attributes
    ----------
    place : (str, int)
        Loop and step that the tape is of.
    label : int
        A number for that, the same on all ranks.
    count : Count
        What the way back sends.
    orphans : list
        Communicators that the program has freed: the way back needs them.
    """

    def __init__(self, tape: Tape) -> None:
        traffic = active.traffic
        self.place = traffic.where
        self.label = digest_of(*((frame.log.name, frame.step) for frame in traffic.frames))
        self.orphans: list[Any] = []
        _live.add(self)
        self.count: Count = traffic.adjoint
        self._sent: dict[Any, int] = {}
        self._received: list[Received] = []
        self._letters: list[tuple[Any, Any]] = []
        tape.entries.insert(0, self)  # reversed after all others

    def keep(self, request: Any, content: Any) -> None:
        """Keep the memory of a message until it is sent: the program may have let go of the request."""
        self._letters.append((request, content))

    def number_sent(self, comm: Any, rank: int, tag: int) -> int:
        """The number of a message that is sent, among those with the same tag."""
        key = key_of(comm), rank, tag
        self._sent[key] = self._sent.get(key, -1) + 1
        return self._sent[key]

    def note_received(self, entry: Received) -> None:
        """A receive was begun. The messages of one tag arrive in the order in which receives were begun for them."""
        self._received.append(entry)

    def forget_received(self, entry: Received) -> None:
        """A message has arrived to which no adjoint goes back: its sender does not count it either."""
        self._received.remove(entry)

    def number(self) -> None:
        """Number the messages that were received."""
        counts: dict[Any, int] = {}
        for entry in self._received:
            key = key_of(entry.comm), entry.rank, entry.tag
            entry.number = counts.get(key, 0)
            counts[key] = entry.number + 1
        self._received = []

    def send(self, comm: Any, rank: int, tag: int, number: int, adjoint: Any) -> None:
        """Send the adjoint of a message back; None stands for zero."""
        data = b"" if adjoint is None else np.ascontiguousarray(adjoint).view(np.uint8).reshape(-1)
        letter = np.empty(8 * _HEADER + len(data), np.uint8)
        letter[: 8 * _HEADER].view(np.int64)[:] = tag, number, self.label
        letter[8 * _HEADER :] = np.frombuffer(data, np.uint8)
        self.count.add(len(letter))
        self._letters.append((private(comm).Isend([letter, MPI.BYTE], rank, ADJOINT), letter))

    def receive(self, comm: Any, rank: int, tag: int, number: int, dtype: Any) -> Any:
        """The adjoint of a message that was sent to ``rank``, or None."""
        wanted = key_of(comm), rank, self.label, tag, number
        while wanted not in _aside:
            letter = self._next(private(comm), rank)
            his_tag, his_number, label = map(int, letter[: 8 * _HEADER].view(np.int64))
            if not any(label == other.label for other in _live):
                raise RankError(
                    f"rank {comm.rank} reverses step {self.place[1]} of the loop {self.place[0]}, and rank {rank} another"
                    " one: the ranks do not run the same schedule"
                )
            _aside[(*wanted[:2], label, his_tag, his_number)] = letter[8 * _HEADER :]
        data = _aside.pop(wanted)
        return data.view(dtype) if len(data) else None

    def _next(self, hidden: Any, rank: int) -> Any:
        status = MPI.Status()
        message = until(lambda: hidden.Improbe(rank, ADJOINT, status))
        letter = np.empty(status.Get_count(MPI.BYTE), np.uint8)
        message.Recv([letter, MPI.BYTE])
        return letter

    def reverse(self) -> None:
        """The whole tape is reversed: what was sent on the way has to be on its way before the memory is used again."""
        finish_all([request for request, _ in self._letters])
        self._letters = []
        for comm in self.orphans:
            comm.Free()
        left = [(rank, tag) for _, rank, label, tag, _ in _aside if label == self.label]
        if left:
            _aside.clear()
            rank, tag = left[0]
            raise RankError(
                f"rank {rank} of a communicator sent back the adjoint of a message with the tag {tag} that this rank has"
                " not sent it"
            )


def exchange_of(tape: Tape) -> Exchange:
    """The messages on a tape."""
    if tape.exchange is None:
        tape.exchange = Exchange(tape)
    return tape.exchange  # type: ignore[no-any-return]


class Sent:
    """A message that was sent. ``node`` is that of its content, None if no derivative flows through it."""

    def __init__(self, tape: Tape, comm: Any, rank: int, tag: int, node: TapeNode | None, dtype: Any) -> None:
        self.at = tape.here()
        self.exchange = exchange_of(tape)
        self.comm, self.rank, self.tag = private(comm), rank, tag
        self.number = self.exchange.number_sent(comm, rank, tag)
        self.node = node
        self.dtype = dtype
        tape.entries.append(self)

    def reverse(self) -> None:
        adjoint = self.exchange.receive(self.comm, self.rank, self.tag, self.number, self.dtype)
        if adjoint is not None and self.node is not None:
            self.node.memory.add(self.node.value, adjoint.reshape(np.shape(self.node.value)))


class Received:
    """A message that was received: ``made`` is what it brought.

    It is begun when the program begins to receive it, and becomes an entry of the tape when it has arrived.
    """

    def __init__(self, tape: Tape, comm: Any) -> None:
        self.at = tape.here()
        self.tape = tape
        self.exchange = exchange_of(tape)
        self.comm = private(comm)  # the program may free its own before the way back
        self.rank = self.tag = self.number = -1
        self.exchange.note_received(self)
        self.node: TapeNode | None = None

    def arrived(self, rank: int, tag: int, made: Any) -> Any:
        """The content, as a traced array."""
        self.rank, self.tag = rank, tag
        self.node = node_of(self.tape, made, memory_for(made))
        self.tape.entries.append(self)
        return box(self.tape, made, self.node.memory)

    def reverse(self) -> None:
        assert self.node is not None
        self.send_back(self.node.memory.take(self.node.value))

    def send_back(self, adjoint: Any) -> None:
        """Send the adjoint to where the message came from; None stands for zero."""
        if self.number < 0:
            self.exchange.number()
        self.exchange.send(self.comm, self.rank, self.tag, self.number, adjoint)


class Collective:
    """An operation of all ranks of a communicator.

    Parameters
    ----------
    parents : sequence of TapeNode
        What this rank gave.
    outs : sequence of TapeNode
        What it got: new arrays.
    pull : function
        Takes the adjoints of those, zeros where none has arrived, and returns those of the parents, or None for zero. It is
        called on all ranks.
    """

    def __init__(
        self,
        tape: Tape,
        parents: Sequence[TapeNode | None],
        outs: Sequence[TapeNode],
        pull: Callable[[list[Any]], Sequence[Any]],
    ) -> None:
        self.at = tape.here()
        exchange_of(tape)
        self.parents = parents
        self.outs = outs
        self.pull = pull
        tape.entries.append(self)

    def reverse(self) -> None:
        adjoints = []
        for out in self.outs:
            adjoint = out.memory.take(out.value)
            adjoints.append(np.zeros_like(out.value) if adjoint is None else adjoint)
        for parent, adjoint in zip(self.parents, self.pull(adjoints), strict=True):
            if parent is not None and adjoint is not None:
                parent.memory.add(parent.value, np.reshape(adjoint, np.shape(parent.value)))
