"""The ranks of an MPI program, for code that must not load mpi4py: there is one rank until the program has loaded it."""

from __future__ import annotations

import sys
from typing import Any


def world() -> Any:
    """``mpi4py.MPI.COMM_WORLD``, or None if the program has not loaded mpi4py or runs on one rank."""
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is None or not mpi.Is_initialized() or mpi.Is_finalized() or mpi.COMM_WORLD.size == 1:
        return None
    return mpi.COMM_WORLD


def rank() -> int:
    """The number of this process in the world."""
    comm = world()
    return 0 if comm is None else int(comm.rank)


def size() -> int:
    """How many processes there are in the world."""
    comm = world()
    return 1 if comm is None else int(comm.size)


def gathered(value: Any, comm: Any = None) -> list[Any]:
    """What every rank of a communicator (of the world, if none is given) calls this with, by rank: all have to call it.

    The value is something small that can be pickled. Nothing of this meets the program's own messages.

    Raises
    ------
    RankError
        If another rank raised an error in a differentiated call, and so does not come.
    """
    comm = world() if comm is None else comm
    if comm is None:
        return [value]
    import checkpointer.mpi4py.MPI  # noqa: F401  all ranks load it here, if the program has not
    from checkpointer.mpi4py.agreement import everyones

    return everyones(value, comm)
