"""Operations of all ranks of a communicator, in a differentiated call.

Values are computed by mpi4py's own operation, so they have the same bits as in the program that is not differentiated.
Before it, the ranks make sure that all of them are about to do the same (`checkpointer.mpi4py.agreement.together`).
The way back communicates on the private duplicate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

from checkpointer.active import active
from checkpointer.boxes import box, is_traced
from checkpointer.mpi4py.agreement import together
from checkpointer.mpi4py.buffers import Buffer
from checkpointer.mpi4py.exchange import Collective
from checkpointer.mpi4py.private import key_of, private
from checkpointer.mpi4py.waiting import finish
from checkpointer.refusals import refuse
from checkpointer.tape import memory_for


def begin(comm: Any, name: str, size: int, *what: Any) -> None:
    """All ranks are about to call an operation, with ``what`` the same on all of them; this one gives so many bytes."""
    traffic = active.traffic
    key = key_of(comm)
    traffic.count(size)
    for frame in traffic.frames:
        if not frame.again:
            frame.log.collective[key] = frame.log.collective.get(key, 0) + 1
    together(comm, name, *what)


def sent(buffer: Buffer) -> Any:
    """The node of what a buffer gives; None if no derivative flows through it."""
    part = buffer.part()
    return part._node if is_traced(part) else None


def got(value: Any) -> Any:
    """A new traced array for what an operation has computed."""
    memory = memory_for(value)
    return box(active.tape, value, memory)


def reduced(hidden: Any, adjoint: Any, root: int) -> Any:
    """The sum over ranks on the root, and None elsewhere."""
    total = np.empty_like(adjoint) if hidden.rank == root else None
    finish(hidden.Ireduce(np.ascontiguousarray(adjoint), total, MPI.SUM, root))
    return total


def spread(hidden: Any, adjoint: Any, root: int) -> Any:
    """What the root has, on all ranks; ``adjoint`` is overwritten on the others."""
    adjoint = np.ascontiguousarray(adjoint)
    finish(hidden.Ibcast(adjoint, root))
    return adjoint


def summed(hidden: Any, adjoint: Any) -> Any:
    """The sum over ranks on all ranks."""
    total = np.empty_like(adjoint)
    finish(hidden.Iallreduce(np.ascontiguousarray(adjoint), total, MPI.SUM))
    return total


def counted(size: int) -> None:
    """The way back communicates once, and this rank gives so many bytes."""
    active.traffic.adjoint.add(size)


# --- Barrier, Bcast -------------------------------------------------------------------------------------------------


def barrier(self: Any) -> None:
    begin(self, "Barrier", 0)
    MPI.Comm.Barrier(self)


def bcast(self: Any, buf: Any, root: int = 0) -> None:
    begin(self, "Bcast", 0, f"root {root}")
    if active.tape is None:
        MPI.Comm.Bcast(self, buf, root)
        return
    buffer = Buffer(buf, "Bcast")
    mine = self.rank == root
    content = buffer.content() if mine else buffer.blank()
    MPI.Comm.Bcast(self, content, root)
    if not buffer.differentiable:
        if not mine:
            buffer.store(content)
        return
    hidden = private(self)
    if mine:
        node = sent(buffer)

        def back(adjoints: list[Any]) -> list[Any]:
            return [reduced(hidden, np.zeros_like(content), root)]

        Collective(active.tape, [node], [], back)
        return

    def give(adjoints: list[Any]) -> list[Any]:
        counted(adjoints[0].nbytes)
        reduced(hidden, adjoints[0], root)
        return []

    made = got(content)
    Collective(active.tape, [], [made._node], give)
    buffer.store(made)


# --- Reduce, Allreduce ----------------------------------------------------------------------------------------------

Pull = Callable[[Any], Any]


def _sum(hidden: Any, content: Any, total: Any) -> Pull:
    return lambda adjoint: adjoint


def _extreme(hidden: Any, content: Any, total: Any) -> Pull:
    """The subgradient of a maximum or minimum: ranks that have the same extreme value share the adjoint."""
    mine = (content == total).astype(content.dtype)
    ranks = summed(hidden, mine)
    return lambda adjoint: adjoint * mine / ranks


def _product(hidden: Any, content: Any, total: Any) -> Pull:
    """The product of what the other ranks gave, also where some of it is zero."""
    everyones = np.empty((hidden.size, *content.shape), content.dtype)
    finish(hidden.Iallgather(content, everyones))
    others = np.prod(np.delete(everyones, hidden.rank, axis=0), axis=0)
    return lambda adjoint: adjoint * np.conj(others)


RULES = ((MPI.SUM, _sum), (MPI.MAX, _extreme), (MPI.MIN, _extreme), (MPI.PROD, _product))
"""Operation -> what makes the pullback of this rank's part; called on all ranks, with the total on all of them."""


def rule_of(op: Any, name: str) -> Callable[[Any, Any, Any], Pull]:
    for known, rule in RULES:
        if op == known:
            return rule
    raise refuse(
        "CKP227",
        f"{name} with an operation that is none of MPI.SUM, MPI.PROD, MPI.MAX and MPI.MIN, on floating-point numbers",
        "use one of those, or gather the values with Allgather and combine them with NumPy",
    )


def allreduce(self: Any, sendbuf: Any, recvbuf: Any, op: Any = MPI.SUM) -> None:
    if active.tape is None:
        begin(self, "Allreduce", 0)
        MPI.Comm.Allreduce(self, sendbuf, recvbuf, op)
        return
    target = Buffer(recvbuf, "Allreduce")
    source = target if sendbuf is MPI.IN_PLACE else Buffer(sendbuf, "Allreduce")
    content = source.content()
    begin(self, "Allreduce", content.nbytes, f"{content.size} elements")
    total = np.empty_like(content)
    MPI.Comm.Allreduce(self, content, total, op)
    if not source.differentiable:
        target.store(total)
        return
    hidden = private(self)
    pull = rule_of(op, "Allreduce")(hidden, content, total)

    def back(adjoints: list[Any]) -> list[Any]:
        counted(adjoints[0].nbytes)
        return [pull(summed(hidden, adjoints[0]))]

    made = got(total)
    Collective(active.tape, [sent(source)], [made._node], back)
    target.store(made)


METHODS: dict[str, Callable[..., Any]] = {
    "Barrier": barrier,
    "barrier": barrier,
    "Bcast": bcast,
    "Allreduce": allreduce,
}
"""Name in mpi4py -> what stands for it in a differentiated call."""
