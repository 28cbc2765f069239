"""Neighbor_allgather, Neighbor_alltoall and those with counts: exchanges with the neighbours in a grid or graph of ranks.

Which of a neighbour's parts has come is found out by sending their numbers the same way: where two neighbours are the same
rank (two ranks around a ring), MPI libraries do not agree on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

from checkpointer.active import active
from checkpointer.mpi4py.collectives import begin, counted, recorded
from checkpointer.mpi4py.layouts import Layout, Parts, layout, packed, packed_one
from checkpointer.mpi4py.private import NEIGHBOUR, private
from checkpointer.mpi4py.waiting import finish_all


def _exchange(comm: Any, name: str, sendbuf: Any, recvbuf: Any) -> None:
    vector, to_each = name.endswith("v"), "alltoall" in name
    sources, dests = comm.inedges, comm.outedges
    into = layout(recvbuf, len(sources), vector=vector)
    given = layout(sendbuf, len(dests), vector=vector) if to_each else layout(sendbuf)
    begin(comm, name, given.size, given.kind, *([] if vector else [f"{sum(given.sizes[:1])} bytes to each"]))
    if active.tape is None:
        getattr(MPI.Topocomm, name)(comm, sendbuf, recvbuf)
        return
    near = [
        slot for slot, rank in enumerate(sources) if rank != MPI.PROC_NULL
    ]  # the places of the others stay as they are
    source, target = Parts(given, name), Parts(_only(into, near), name)
    target.check_apart()
    came, content, counts = target.blank(), source.content(), [0] * len(sources)
    for slot, count in zip(near, target.counts, strict=True):
        counts[slot] = count
    if to_each:
        MPI.Topocomm.Neighbor_alltoallv(comm, source.packed(content), packed(came, counts))
    else:
        MPI.Topocomm.Neighbor_allgatherv(comm, packed_one(content), packed(came, counts))
    numbers = np.full(len(sources), -1)
    MPI.Topocomm.Neighbor_alltoall(comm, np.arange(len(dests)), numbers)
    hidden = private(comm)
    sizes = source.counts if to_each else source.counts * len(dests)

    def pull(adjoint: Any) -> Any:
        """The adjoint of what has come goes back to whom it came from."""
        counted(adjoint.nbytes)
        parts = [np.zeros(size, adjoint.dtype) for size in sizes]
        requests = [
            hidden.Irecv(part, rank, NEIGHBOUR + number)
            for number, (part, rank) in enumerate(zip(parts, dests, strict=True))
            if rank != MPI.PROC_NULL
        ]
        for slot, part in zip(near, np.split(adjoint, np.cumsum(target.counts)[:-1]), strict=False):
            requests.append(hidden.Isend(part, sources[slot], NEIGHBOUR + int(numbers[slot])))
        finish_all(requests)
        if to_each:
            return np.concatenate(parts) if parts else source.blank()
        return sum(parts, np.zeros(source.size, adjoint.dtype))

    recorded(source, target, came, pull)


def _only(given: Layout, slots: list[int]) -> Layout:
    """Some of the parts."""
    return given._replace(
        counts=[given.counts[slot] for slot in slots], starts=[given.starts[slot] for slot in slots]
    )


def _method(name: str) -> Callable[..., None]:
    def method(self: Any, sendbuf: Any, recvbuf: Any) -> None:
        _exchange(self, name, sendbuf, recvbuf)

    return method


METHODS: dict[str, Callable[..., Any]] = {
    name: _method(name)
    for name in ("Neighbor_allgather", "Neighbor_allgatherv", "Neighbor_alltoall", "Neighbor_alltoallv")
}
"""Name in mpi4py -> what stands for it in a differentiated call."""
