"""Operations of all ranks on objects: `bcast`, `gather`, `scatter`, `allgather` and `alltoall`, in a differentiated call.

They are messages from some ranks to others, with envelopes (`checkpointer.mpi4py.parcels`) on the tape. Where all ranks get
the same, all of them know the layout of the adjoints, and one operation sums these;
elsewhere they go back one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

from checkpointer.active import active
from checkpointer.mpi4py.collectives import begin, counted, reduced
from checkpointer.mpi4py.exchange import Collective, exchange_of
from checkpointer.mpi4py.parcels import Opened, Packed, layout_of, opened, packed
from checkpointer.mpi4py.private import private
from checkpointer.mpi4py.waiting import finish
from checkpointer.refusals import refuse

_TAG = -1
"""Adjoints of collective operations go back under this tag, which no message of the program has."""


def size_of(given: Any) -> int:
    """How many bytes an object takes on the wire, about.

    Raises
    ------
    Exception
        If it cannot be pickled: before other ranks wait for it.
    """
    if given is None:
        return 0
    if type(given) in (int, float, bool, complex, np.float64):
        return 8
    return given.nbytes if type(given) is np.ndarray else len(MPI.pickle.dumps(given))


def start(comm: Any, name: str, size: int, *what: Any) -> None:
    """All ranks are about to call an operation on objects."""
    if comm.Is_inter():
        raise refuse(
            "CKP227",
            f"Intercomm.{name} in code that is differentiated",
            "use send and recv, or merge the two groups (Intercomm.Merge)",
        )
    begin(comm, name, size, *what)


def _checked(given: Any, comm: Any, name: str) -> list[Any]:
    """The objects for all ranks."""
    items = list(given) if given is not None else [None] * comm.size
    if len(items) != comm.size:
        raise ValueError(f"{name} on {comm.size} ranks: expecting {comm.size} items, got {len(items)}")
    return items


# --- one object for all ---------------------------------------------------------------------------------------------


def bcast(self: Any, obj: Any, root: int = 0) -> Any:
    tape, mine = active.tape, self.rank == root
    if tape is None:
        start(self, "bcast", size_of(obj) if mine else 0, f"root {root}")
        return MPI.Comm.bcast(self, obj, root)
    parcel = packed(obj if mine else None)
    start(self, "bcast", parcel.envelope.size if mine else 0, f"root {root}")
    came = opened(tape, MPI.Comm.bcast(self, parcel.envelope if mine else None, root))
    if came.nodes:
        hidden, layout = private(self), layout_of(came.nodes, wide=True)

        def pull(adjoints: list[Any]) -> list[Any]:
            vector = layout.vector(adjoints)
            counted(0 if mine else vector.nbytes)
            total = reduced(hidden, vector, root)
            return layout.apart(total) if mine else []

        Collective(tape, parcel.nodes, came.nodes, pull)
    return came.content


# --- objects of all ranks for all -----------------------------------------------------------------------------------


def allgather(self: Any, sendobj: Any) -> list[Any]:
    tape = active.tape
    if tape is None:
        start(self, "allgather", size_of(sendobj))
        return MPI.Comm.allgather(self, sendobj)
    parcel = packed(sendobj)
    start(self, "allgather", parcel.envelope.size)
    came = [opened(tape, envelope) for envelope in MPI.Comm.allgather(self, parcel.envelope)]
    nodes = [node for one in came for node in one.nodes]
    if nodes:
        hidden, layout = private(self), layout_of(nodes, wide=True)
        mine, counts = layout_of(parcel.nodes), [layout_of(one.nodes).size for one in came]

        def pull(adjoints: list[Any]) -> list[Any]:
            vector = layout.vector(adjoints)
            counted(vector.nbytes)
            total = np.empty(mine.size, vector.dtype)
            finish(hidden.Ireduce_scatter(vector, total, counts, MPI.SUM))
            return mine.apart(total)

        Collective(tape, parcel.nodes, nodes, pull)
    return [one.content for one in came]


# --- an object for each ---------------------------------------------------------------------------------------------


def gather(self: Any, sendobj: Any, root: int = 0) -> list[Any] | None:
    tape = active.tape
    if tape is None:
        start(self, "gather", size_of(sendobj), f"root {root}")
        return MPI.Comm.gather(self, sendobj, root)
    parcel = packed(sendobj)
    start(self, "gather", parcel.envelope.size, f"root {root}")
    envelopes = MPI.Comm.gather(self, parcel.envelope, root)
    came = {} if envelopes is None else {rank: opened(tape, one) for rank, one in enumerate(envelopes)}
    _delivered(self, {root: parcel}, came)
    return None if envelopes is None else [came[rank].content for rank in range(self.size)]


def scatter(self: Any, sendobj: Any, root: int = 0) -> Any:
    tape, mine = active.tape, self.rank == root
    given = _checked(sendobj, self, "scatter") if mine else []
    if tape is None:
        start(self, "scatter", sum(map(size_of, given)), f"root {root}")
        return MPI.Comm.scatter(self, given if mine else None, root)
    parcels = {rank: packed(one) for rank, one in enumerate(given)}
    start(self, "scatter", _size(parcels), f"root {root}")
    came = opened(tape, MPI.Comm.scatter(self, [parcels[rank].envelope for rank in parcels] or None, root))
    _delivered(self, parcels, {root: came})
    return came.content


def alltoall(self: Any, sendobj: Any) -> list[Any]:
    tape = active.tape
    given = _checked(sendobj, self, "alltoall")
    if tape is None:
        start(self, "alltoall", sum(map(size_of, given)))
        return MPI.Comm.alltoall(self, given)
    parcels = {rank: packed(one) for rank, one in enumerate(given)}
    start(self, "alltoall", _size(parcels))
    envelopes = MPI.Comm.alltoall(self, [parcels[rank].envelope for rank in parcels])
    came = {rank: opened(tape, one) for rank, one in enumerate(envelopes)}
    _delivered(self, parcels, came)
    return [one.content for one in came.values()]


def _size(parcels: dict[int, Packed]) -> int:
    return sum(parcel.envelope.size for parcel in parcels.values())


def _delivered(comm: Any, sent: dict[int, Packed], came: dict[int, Opened]) -> None:
    """Note on the tape what this rank has sent to others and received from them, itself included."""
    tape = active.tape
    exchange = exchange_of(tape)
    number = exchange.number_sent(comm, -1, _TAG)  # the same on all ranks
    leaving = [(rank, layout_of(parcel.nodes)) for rank, parcel in sent.items() if parcel.nodes]
    coming = [(rank, layout_of(one.nodes), len(one.nodes)) for rank, one in came.items() if one.nodes]
    if not leaving and not coming:
        return

    def pull(adjoints: list[Any]) -> list[Any]:
        start = 0
        for rank, layout, length in coming:
            exchange.send(comm, rank, _TAG, number, layout.vector(adjoints[start : start + length]))
            start += length
        found: list[Any] = []
        for rank, layout in leaving:
            vector = exchange.receive(comm, rank, _TAG, number, layout.dtype)
            found += layout.apart(np.zeros(layout.size) if vector is None else vector)
        return found

    parents = [node for parcel in sent.values() for node in parcel.nodes]
    Collective(tape, parents, [node for one in came.values() for node in one.nodes], pull)


METHODS: dict[str, Callable[..., Any]] = {
    "bcast": bcast,
    "allgather": allgather,
    "gather": gather,
    "scatter": scatter,
    "alltoall": alltoall,
}
"""Name in mpi4py -> what stands for it in a differentiated call."""
