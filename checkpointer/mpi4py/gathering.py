"""Gather, Scatter, Allgather, Alltoall and those with counts: each element goes from one rank to some others.

Their transposes are known: what was gathered is scattered back; what came to all ranks is summed over them; what went from
each to each goes from each to each again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

from checkpointer.active import active
from checkpointer.mpi4py.collectives import begin, check_fits, counted, recorded, summed_parts
from checkpointer.mpi4py.layouts import Layout, Parts, layout, packed, packed_one
from checkpointer.mpi4py.private import private
from checkpointer.mpi4py.waiting import finish


def _agreed(vector: bool, part: Layout) -> str:
    """What the ranks have to agree on: without counts, all parts are as large."""
    return "counts" if vector else f"{part.size} bytes from rank to rank"


def _gather(comm: Any, name: str, sendbuf: Any, recvbuf: Any, root: int) -> None:
    mine, vector = comm.rank == root, name == "Gatherv"
    into = layout(recvbuf, comm.size, vector=vector) if mine else None
    in_place = into is not None and sendbuf is MPI.IN_PLACE
    given = into.part(root) if in_place and into is not None else layout(sendbuf)
    begin(comm, name, given.size, f"root {root}", _agreed(vector, given), given.kind)
    if into is not None:
        check_fits(name, given, into.part(root))
    if active.tape is None:
        getattr(MPI.Comm, name)(comm, sendbuf, recvbuf, root)
        return
    source, target = Parts(given, name), Parts(into, name) if into is not None else None
    if target is not None:
        target.check_apart()
    came = None if target is None else target.blank()
    content = source.content()
    MPI.Comm.Gatherv(comm, packed_one(content), None if target is None else target.packed(came), root)
    hidden = private(comm)

    def pull(adjoint: Any) -> Any:
        part = source.blank()
        counted(0 if adjoint is None else adjoint.nbytes)
        finish(hidden.Iscatterv(None if target is None else packed(adjoint, target.counts), part, root))
        return part

    recorded(source, target, came, pull)


def _scatter(comm: Any, name: str, sendbuf: Any, recvbuf: Any, root: int) -> None:
    mine, vector = comm.rank == root, name == "Scatterv"
    whole = layout(sendbuf, comm.size, vector=vector) if mine else None
    in_place = whole is not None and recvbuf is MPI.IN_PLACE
    place = whole.part(root) if in_place and whole is not None else layout(recvbuf)
    begin(comm, name, whole.size if whole else 0, f"root {root}", _agreed(vector, place), place.kind)
    if whole is not None:
        check_fits(name, whole.part(root), place)
    if active.tape is None:
        getattr(MPI.Comm, name)(comm, sendbuf, recvbuf, root)
        return
    source = Parts(whole, name) if whole is not None else None
    target = Parts(place, name)
    came = target.blank()
    MPI.Comm.Scatterv(
        comm,
        None if source is None else source.packed(source.content()),
        MPI.IN_PLACE if in_place else packed_one(came),
        root,
    )
    hidden = private(comm)

    def pull(adjoint: Any) -> Any:
        if adjoint is None:  # the root's part stayed where it was
            adjoint = np.zeros_like(came)
        counted(adjoint.nbytes)
        every = None if source is None else source.blank()
        finish(hidden.Igatherv(adjoint, None if source is None else packed(every, source.counts), root))
        return every

    if in_place:
        recorded(source, None, None, pull)
    else:
        target.check_apart()
        recorded(source, target, came, pull)


def _allgather(comm: Any, name: str, sendbuf: Any, recvbuf: Any) -> None:
    vector = name == "Allgatherv"
    into = layout(recvbuf, comm.size, vector=vector)
    given = into.part(comm.rank) if sendbuf is MPI.IN_PLACE else layout(sendbuf)
    begin(comm, name, given.size, f"parts of {', '.join(map(str, into.sizes))} bytes", given.kind)
    check_fits(name, given, into.part(comm.rank))
    if active.tape is None:
        getattr(MPI.Comm, name)(comm, sendbuf, recvbuf)
        return
    source, target = Parts(given, name), Parts(into, name)
    target.check_apart()
    came = target.blank()
    MPI.Comm.Allgatherv(comm, packed_one(source.content()), target.packed(came))
    hidden = private(comm)

    def pull(adjoint: Any) -> Any:
        counted(adjoint.nbytes)
        return summed_parts(hidden, adjoint, target.counts)

    recorded(source, target, came, pull)


def _alltoall(comm: Any, name: str, sendbuf: Any, recvbuf: Any) -> None:
    vector = name == "Alltoallv"
    into = layout(recvbuf, comm.size, vector=vector)
    given = into if sendbuf is MPI.IN_PLACE else layout(sendbuf, comm.size, vector=vector)
    begin(comm, name, given.size, _agreed(vector, given.part(0)), given.kind)
    check_fits(name, given.part(comm.rank), into.part(comm.rank))
    if active.tape is None:
        getattr(MPI.Comm, name)(comm, sendbuf, recvbuf)
        return
    source, target = Parts(given, name), Parts(into, name)
    target.check_apart()
    came = target.blank()
    MPI.Comm.Alltoallv(comm, source.packed(source.content()), target.packed(came))
    hidden = private(comm)

    def pull(adjoint: Any) -> Any:
        every = source.blank()
        counted(adjoint.nbytes)
        finish(hidden.Ialltoallv(packed(adjoint, target.counts), packed(every, source.counts)))
        return every

    recorded(source, target, came, pull)


# --- mpi4py's methods -----------------------------------------------------------------------------------------------


def _rooted(operation: Callable[..., None], name: str) -> Callable[..., None]:
    def method(self: Any, sendbuf: Any, recvbuf: Any, root: int = 0) -> None:
        operation(self, name, sendbuf, recvbuf, root)

    return method


def _rootless(operation: Callable[..., None], name: str) -> Callable[..., None]:
    def method(self: Any, sendbuf: Any, recvbuf: Any) -> None:
        operation(self, name, sendbuf, recvbuf)

    return method


METHODS: dict[str, Callable[..., Any]] = {
    "Gather": _rooted(_gather, "Gather"),
    "Gatherv": _rooted(_gather, "Gatherv"),
    "Scatter": _rooted(_scatter, "Scatter"),
    "Scatterv": _rooted(_scatter, "Scatterv"),
    "Allgather": _rootless(_allgather, "Allgather"),
    "Allgatherv": _rootless(_allgather, "Allgatherv"),
    "Alltoall": _rootless(_alltoall, "Alltoall"),
    "Alltoallv": _rootless(_alltoall, "Alltoallv"),
}
"""Name in mpi4py -> what stands for it in a differentiated call."""
