"""Operations of all ranks of a communicator, in a differentiated call: what they have in common, and the two simplest.

Values are computed by mpi4py's own operation, so they have the same bits as in the program that is not differentiated.
Before it, the ranks make sure that all of them are about to do the same (`checkpointer.mpi4py.agreement.together`).
The way back communicates on the private duplicate.

Each operation first reads its buffer arguments as far as the ranks have to agree on them (`checkpointer.mpi4py.layouts`). In
the sweeps mpi4py then gets the program's own arguments. On the tape it gets copies of what is sent, and new arrays for what
comes, which are written to the program's array like any other value.
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
from checkpointer.mpi4py.layouts import Layout, Parts, layout, packed, packed_one
from checkpointer.mpi4py.private import key_of, private
from checkpointer.mpi4py.waiting import finish
from checkpointer.refusals import refuse
from checkpointer.tape import memory_for


def begin(comm: Any, name: str, size: int, *what: Any) -> None:
    """All ranks are about to call an operation, with ``what`` the same on all of them; this one gives so many bytes."""
    if isinstance(comm, MPI.Intercomm):
        raise refuse(
            "CKP227",
            f"{name} between two groups of ranks in code that is differentiated",
            "merge the groups into one communicator (Intercomm.Merge), or communicate outside of the function that is"
            " differentiated",
        )
    traffic = active.traffic
    key = key_of(comm)
    traffic.count(size)
    for frame in traffic.frames:
        if not frame.again:
            frame.log.collective[key] = frame.log.collective.get(key, 0) + 1
    together(comm, name, *what)


def check_fits(name: str, given: Layout, place: Layout) -> None:
    """Refuse that a rank gives another part than the one that is expected of it."""
    if given.size != place.size or given.kind != place.kind:
        raise refuse(
            "CKP228",
            f"{name}, in which a part of {given.size} bytes ({given.kind}) comes to a place of {place.size} bytes"
            f" ({place.kind})",
            "give counts and arrays that belong together",
        )


def sent(buffer: Buffer) -> Any:
    """The node of what a buffer gives; None if no derivative flows through it."""
    part = buffer.part()
    return part._node if is_traced(part) else None


def got(value: Any) -> Any:
    """A new traced array for what an operation has computed."""
    memory = memory_for(value)
    return box(active.tape, value, memory)


def recorded(source: Buffer | None, target: Buffer | None, came: Any, pull: Callable[[Any], Any]) -> None:
    """Note an operation on the tape, and write what came.

    Parameters
    ----------
    source : Buffer or None
        What this rank gives; None if that is nothing.
    target : Buffer or None
        Where what it gets goes.
    came : ndarray or None
        What it gets.
    pull : function
        Takes the adjoint of what came (None if that is nothing), and returns that of what was given. It is called on all
        ranks.
    """
    if not (source or target).differentiable:  # type: ignore[union-attr]
        if target is not None:
            target.store(came)
        return
    parents = [] if source is None else [sent(source)]
    made = None if target is None else got(came)

    def back(adjoints: list[Any]) -> list[Any]:
        pulled = pull(np.ascontiguousarray(adjoints[0]) if adjoints else None)
        return [pulled] * len(parents)

    Collective(active.tape, parents, [] if made is None else [made._node], back)
    if target is not None:
        target.store(made)


# --- what the ways back are made of ---------------------------------------------------------------------------------


def counted(size: int) -> None:
    """The way back communicates once, and this rank gives so many bytes."""
    active.traffic.adjoint.add(size)


def reduced(hidden: Any, adjoint: Any, root: int) -> Any:
    """The sum over ranks on the root, and None elsewhere."""
    total = np.empty_like(adjoint) if hidden.rank == root else None
    finish(hidden.Ireduce(adjoint, total, MPI.SUM, root))
    return total


def spread(hidden: Any, content: Any, root: int) -> Any:
    """What the root has, on all ranks; ``content`` is overwritten on the others."""
    finish(hidden.Ibcast(content, root))
    return content


def summed(hidden: Any, adjoint: Any) -> Any:
    """The sum over ranks on all ranks."""
    total = np.empty_like(adjoint)
    finish(hidden.Iallreduce(np.ascontiguousarray(adjoint), total, MPI.SUM))
    return total


def everyones(hidden: Any, content: Any) -> Any:
    """What each rank has, by rank, on all ranks."""
    found = np.empty((hidden.size, *content.shape), content.dtype)
    finish(hidden.Iallgather(content, found))
    return found


def joined(hidden: Any, part: Any, counts: list[int]) -> Any:
    """What each rank has, one after the other, on all ranks; so many elements of each."""
    found = np.empty(sum(counts), part.dtype)
    finish(hidden.Iallgatherv(part, packed(found, counts)))
    return found


def summed_parts(hidden: Any, adjoint: Any, counts: list[int]) -> Any:
    """The sum over ranks, of which each rank gets its part; the parts have so many elements."""
    part = np.empty(counts[hidden.rank], adjoint.dtype)
    finish(hidden.Ireduce_scatter(adjoint, part, counts, MPI.SUM))
    return part


# --- Barrier, Bcast -------------------------------------------------------------------------------------------------


def barrier(self: Any) -> None:
    begin(self, "Barrier", 0)
    MPI.Comm.Barrier(self)


def bcast(self: Any, buf: Any, root: int = 0) -> None:
    given = layout(buf)
    mine = self.rank == root
    begin(self, "Bcast", given.size if mine else 0, f"root {root}", f"{given.size} bytes", given.kind)
    if active.tape is None:
        MPI.Comm.Bcast(self, buf, root)
        return
    buffer = Parts(given, "Bcast")
    content = buffer.content() if mine else buffer.blank()
    MPI.Comm.Bcast(self, packed_one(content), root)
    hidden = private(self)

    def pull(adjoint: Any) -> Any:
        """The root keeps its values, so that only the others' adjoints come to it."""
        counted(0 if mine else adjoint.nbytes)
        return reduced(hidden, np.zeros_like(content) if mine else adjoint, root)

    recorded(buffer if mine else None, None if mine else buffer, content, pull)


METHODS: dict[str, Callable[..., Any]] = {
    "Barrier": barrier,
    "barrier": barrier,
    "Bcast": bcast,
}
"""Name in mpi4py -> what stands for it in a differentiated call."""
