"""The private duplicate of each communicator: adjoint messages and what ranks agree on never meet the program's messages.

It hangs on the communicator itself, as an attribute in MPI's sense, so that every object for the same communicator finds
it, and it is freed with it.
"""

from __future__ import annotations

import atexit
import itertools
import time
from typing import Any

from mpi4py import MPI

from checkpointer.refusals import refuse

ADJOINT, RECORD, NEWS, SCAN, NEIGHBOUR = 1, 2, 3, 4, 64
"""Tags on private communicators: adjoints of messages, reports at the end of loops, errors of others, sums of adjoints."""


def _forget(comm: Any, keyval: int, duplicate: Any) -> None:
    """Free the duplicate of a communicator that is being freed."""
    _ready.pop(comm.handle, None)
    if comm not in (MPI.COMM_WORLD, MPI.COMM_SELF):  # which go when MPI ends
        _own.pop(duplicate.comm.handle, None)
        duplicate.comm.Free()


class Duplicate:
    """A duplicate, or one that is still on its way.

    Parameters
    ----------
    comm : Comm
        The program's. Its ranks have just made it together, and so duplicate it together.
    later : bool
        Wait for nobody: ranks may come to it at any time, or never. Such a duplicate must not be freed on its way.

    Attributes
    ----------
    comm : Comm
    request : Request
        Done when all ranks have come to make it.
    number : int
        How many this process made before it.
    """

    _numbers = itertools.count()

    def __init__(self, comm: Any, *, later: bool = False) -> None:
        self.number = next(self._numbers)
        self.request: Any = None
        if later:
            self.comm, self.request = raw(comm).Idup()
        else:
            self.comm = raw(comm).Dup()

    def ready(self) -> Any:
        """The duplicate, when all ranks have it."""
        if self.request is not None:
            from checkpointer.mpi4py.waiting import finish  # which needs the one of the world

            finish(self.request)
            self.request = None
        return self.comm


_KEY = MPI.Comm.Create_keyval(delete_fn=_forget)
_world: Duplicate | None = None
_ready: dict[int, Any] = {}
"""Duplicates that all ranks have, by the handle of the communicator."""
_own: dict[int, int] = {}
"""How old those duplicates are, by their handle (`age_of`)."""


def raw(comm: Any) -> Any:
    """The communicator as an object of mpi4py's own class."""
    for kind in (MPI.Cartcomm, MPI.Graphcomm, MPI.Distgraphcomm, MPI.Intercomm, MPI.Intracomm):
        if isinstance(comm, kind):
            return kind(comm)
    return comm


def prepare(comm: Any) -> None:
    """Make the duplicate of a communicator that was just made; all of its ranks call this."""
    if comm != MPI.COMM_NULL and comm.Get_attr(_KEY) is None:
        comm.Set_attr(_KEY, Duplicate(comm))


def prepare_world() -> None:
    """Make those of the communicators that MPI begins with."""
    global _world
    if _world is None:
        _world = Duplicate(MPI.COMM_WORLD, later=True)
        others = Duplicate(MPI.COMM_WORLD, later=True), Duplicate(MPI.COMM_SELF)
        MPI.COMM_WORLD.Set_attr(_KEY, others[0])
        MPI.COMM_SELF.Set_attr(_KEY, others[1])
        atexit.register(arrive, [_world, *others])


def arrive(duplicates: list[Duplicate]) -> None:
    """Let what nobody has used arrive before MPI ends, unless a rank is missing."""
    until = time.monotonic() + 1
    waiting = [duplicate for duplicate in duplicates if duplicate.request is not None]
    while waiting and time.monotonic() < until and not MPI.Is_finalized():
        waiting = [duplicate for duplicate in waiting if not duplicate.request.Test()]


def news_comm() -> Any:
    """The communicator by which ranks hear of errors of others; None as long as it is on its way."""
    assert _world is not None
    if _world.request is not None:
        if not _world.request.Test():
            return None
        _world.request = None
    return _world.comm


def private(comm: Any) -> Any:
    """The private duplicate of a communicator, as an object of mpi4py's own class; of a duplicate, itself.

    Raises
    ------
    TraceError
        If the communicator was made where checkpointer does not see it.
    """
    found = _ready.get(comm.handle)
    if found is not None:
        return found
    if comm.handle in _own:
        return comm
    duplicate = comm.Get_attr(_KEY)
    if duplicate is None:
        raise refuse(
            "CKP226",
            "a communicator that was made in a module that checkpointer does not rewrite is used in differentiated code",
            "make it in a module that is rewritten, from the MPI.COMM_WORLD of that module, or load that module with the"
            " import hook, too",
        )
    found = _ready[comm.handle] = duplicate.ready()
    _own[found.handle] = duplicate.number
    return found


def age_of(comm: Any) -> int:
    """A number that is smaller for communicators that were made earlier: of several of the same ranks, on all of them."""
    return _own[private(comm).handle]


def key_of(comm: Any) -> int:
    """What two objects for the same communicator have in common, as long as a differentiated call may need it."""
    return int(private(comm).handle)
