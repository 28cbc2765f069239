"""What a differentiated call sends to other ranks and receives from them: who took part, how much it was, how it went.

Loaded with every differentiated call, so it knows nothing of MPI itself (`checkpointer.mpi4py`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from checkpointer.active import active
from checkpointer.reach import names_in
from checkpointer.refusals import refuse


@dataclass
class Count:
    """Messages that this rank sent, one for each call of a collective operation, and the bytes of data in them."""

    messages: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        """One more message, of so many bytes."""
        self.messages += 1
        self.bytes += size


class LoopLog:
    """What one run of a loop did with other ranks, step by step.

    Attributes
    ----------
    name : str
        The loop, as messages call it: the same on all ranks.
    recorded : int
        How many steps have run for the first time.
    cells : dict
        What came out of the operations of a step that might come out otherwise the next time, in their order: which message
        a wildcard took, whether a request was done. By the step; each in a list of one, filled when it is known.
    sent, received : dict
        By communicator (`private.key_of`) and rank: how many messages, and a digest of the steps and tags.
    collective : dict
        By communicator: how many collective operations.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.recorded = 0
        self.cells: dict[int, list[list[Any]]] = {}
        self.sent: dict[tuple[Any, int], list[int]] = {}
        self.received: dict[tuple[Any, int], list[int]] = {}
        self.collective: dict[Any, int] = {}

    @property
    def used(self) -> bool:
        """Whether the loop communicated."""
        return bool(self.sent or self.received or self.collective)

    def outcomes(self) -> dict[str, list[Any]]:
        """What came out of such operations, for a text that another process goes on from: numbers, and lists of them."""
        return {str(step): [cell[0] for cell in cells] for step, cells in self.cells.items()}

    def go_on(self, steps: int, outcomes: dict[str, list[Any]]) -> None:
        """An earlier process has run so many steps, and this came out of such operations in them."""
        self.recorded = steps
        self.cells = {int(step): [[value] for value in values] for step, values in outcomes.items()}


@dataclass
class Frame:
    """A step of a loop that is running: for the first time, or again.

    Attributes
    ----------
    taken : int
        How many outcomes of the first time were used.
    receiving : list
        Requests of messages that are being received.
    made : list
        Communicators that were made.
    """

    log: LoopLog
    step: int
    again: bool
    taken: int = 0
    receiving: list[Any] = field(default_factory=list)
    made: list[Any] = field(default_factory=list)


class Traffic:
    """One differentiated call.

    Attributes
    ----------
    communicators : dict
        The private duplicates of those that it used, by their key (`checkpointer.mpi4py.private`).
    awaited : dict
        Those whose ranks it waits for on behalf of a storage, by their handle.
    orphans : list
        Communicators that the program has freed: the way back needs them.
    frames : list of Frame
        The steps that are running, the innermost loop's last.
    buffered : list
        Requests of messages that nobody waits for, kept with their memory until the call has been reversed.
    first, again, recorded, adjoint : Count
        What was sent when the program ran for the first time, when steps were computed again, when they were run once more
        under the tape, and on the way back.
    receiving : list
        Requests of messages that the code outside of loops waits for.
    number : int
        Which of this process's calls it is, from 1; 0 as long as mpi4py is not loaded.
    events : int
        How many messages and collective operations there were.
    """

    def __init__(self) -> None:
        self.communicators: dict[int, Any] = {}
        self.awaited: dict[int, Any] = {}
        self.orphans: list[Any] = []
        self.buffered: list[Any] = []
        self.frames: list[Frame] = []
        self.first = Count()
        self.again = Count()
        self.recorded = Count()
        self.adjoint = Count()
        self.receiving: list[Any] = []
        self.number = 0
        self.events = 0

    def close(self) -> None:
        """The call has been reversed."""
        for comm in self.orphans:
            comm.Free()
        self.orphans = []
        for request in self.buffered:
            request.Wait()
        self.buffered = []

    @property
    def standing(self) -> dict[int, Any]:
        """Those of the communicators that are not freed; one that a step made is freed with it."""
        return {key: comm for key, comm in self.communicators.items() if comm}

    @property
    def repeats(self) -> bool:
        """Whether what runs now ran before."""
        return any(frame.again for frame in self.frames)

    @property
    def where(self) -> tuple[str, int]:
        """The innermost loop whose step runs, and the step."""
        if not self.frames:
            return "", -1
        return self.frames[-1].log.name, self.frames[-1].step

    @property
    def pending(self) -> list[Any]:
        """Where requests of messages that are being received are noted."""
        return self.frames[-1].receiving if self.frames else self.receiving

    def count(self, size: int) -> None:
        """The program sends a message of so many bytes."""
        self.events += 1
        if not self.repeats:
            self.first.add(size)
        elif active.tape is None:
            self.again.add(size)
        else:
            self.recorded.add(size)

    def cell(self) -> tuple[list[Any], bool]:
        """The place of an outcome that may be another one when the step runs again, and whether it is known from then."""
        found: list[Any] | None = None
        fresh: list[Frame] = []
        for frame in reversed(self.frames):
            if frame.again:
                cells = frame.log.cells.get(frame.step, ())
                if frame.taken < len(cells):
                    found = cells[frame.taken]
                frame.taken += 1
                break
            fresh.append(frame)
        known = found is not None
        cell = [None] if found is None else found
        for frame in fresh:
            frame.log.cells.setdefault(frame.step, []).append(cell)
        return cell, known

    def decided(self, find_out: Callable[[], Any]) -> Any:
        """What comes out of ``find_out``, or came out of it when this ran for the first time."""
        cell, known = self.cell()
        if not known:
            cell[0] = find_out()
        return cell[0]

    def check_received(self, when: str) -> None:
        """Refuse that a message is still being received, at the end of a step or of the function.

        Its content would come into a step that has not begun to receive it, and on the way back steps run one by one.
        """
        waiting = [request for request in self.pending if request]
        self.pending.clear()
        if waiting:
            raise refuse(
                "CKP229",
                f"{len(waiting)} receive request{'s' * (len(waiting) > 1)} that nobody has waited for when {when}",
                "wait for it (Wait, Waitall) in the same iteration of the loop, or before the loop or the function ends",
            )

    def check_alone(self) -> None:
        """Refuse that autograd differentiates a function of several ranks: it would seed the loss on each of them."""
        if any(comm.Is_inter() or comm.size > 1 for comm in self.standing.values()):
            raise refuse(
                "CKP230",
                "autograd differentiates a function that communicates with other ranks: it would seed the loss on every"
                " rank, so that the gradient of a loss that all of them have would come out too large by a factor of ranks",
                "differentiate it with checkpointer.grad or checkpointer.value_and_grad, which seed it once; or with"
                " checkpointer.vjp, which takes a cotangent of its own on each rank",
            )

    @contextmanager
    def step(self, log: LoopLog, number: int) -> Iterator[Frame]:
        """A step of a loop runs in the ``with`` block."""
        frame = Frame(log, number, again=number < log.recorded)
        self.frames.append(frame)
        try:
            yield frame
            self.check_received(f"step {number} of the loop ends")
            if not frame.again:
                log.recorded = number + 1
        except BaseException:
            _given_up.extend(request for request in frame.receiving if request)
            raise
        finally:
            self.frames.pop()


@contextmanager
def talking(traffic: Traffic) -> Iterator[None]:
    """Let this thread run or reverse a differentiated call, and other ranks hear of it if that fails."""
    outer = active.traffic
    active.traffic = traffic
    waiting = sys.modules.get("checkpointer.mpi4py.waiting")
    if waiting is not None and not traffic.number:
        waiting.begin(traffic)
    try:
        yield
    except BaseException as error:
        waiting = sys.modules.get("checkpointer.mpi4py.waiting")
        if waiting is not None:
            waiting.tell(traffic, error)
        raise
    finally:
        active.traffic = outer


_given_up: list[Any] = []
"""Requests of messages that are not waited for because of an error: MPI may still write to their memory."""


def loaded() -> bool:
    """Whether the program has loaded the drop-in mpi4py."""
    return "checkpointer.mpi4py.MPI" in sys.modules


def may_communicate(survey: Any, functions: Any) -> bool:
    """Whether a loop may exchange messages with other ranks: its state or its code leads to a communicator or to mpi4py.

    Ranks decide by that, and not by what they differentiate themselves, whether the loop is differentiated.
    """
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is None or mpi.COMM_WORLD.size == 1:
        return False
    kinds = mpi.Comm, mpi.Request
    if any(isinstance(value, kinds) for container in survey.containers for _, value in container.pairs()):
        return True
    modules = {"mpi4py", "mpi4py.MPI", "checkpointer.mpi4py", "checkpointer.mpi4py.MPI"}
    return any(
        getattr(function.__globals__.get(name), "__name__", None) in modules
        for function in functions
        for name in names_in(function.__code__).used
    )
