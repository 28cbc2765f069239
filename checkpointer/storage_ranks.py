"""What a storage is told of the ranks of an MPI program."""

from __future__ import annotations

from typing import Any

from checkpointer import ranks
from checkpointer.active import active
from checkpointer.storage.ranks import ALONE, Ranks


def ranks_of(comm: Any = None) -> Ranks:
    """The ranks of a communicator; those of the whole program if none is given."""
    comm = ranks.world() if comm is None else comm
    if comm is None or comm.Get_size() == 1:
        return ALONE

    def gathered(value: Any) -> list[Any]:
        if active.traffic is not None:
            active.traffic.awaited[comm.handle] = comm
        return ranks.gathered(value, comm)

    return Ranks(comm.Get_rank(), comm.Get_size(), gathered)


def on_this_rank() -> str:
    """What a message adds of this process, if it is one of several: " on rank 2 of 4"."""
    return f" on rank {ranks.rank()} of {ranks.size()}" if ranks.size() > 1 else ""
