"""The communicators of the drop-in module: mpi4py's, with methods of their own only while something is differentiated.

Each has a private duplicate from the beginning (`checkpointer.mpi4py.private`), so everything that makes a communicator
makes one of these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpi4py import MPI

from checkpointer.active import active
from checkpointer.mpi4py.exchange import exchange_of
from checkpointer.mpi4py.persistent import MAKING
from checkpointer.mpi4py.private import prepare


class Intracomm(MPI.Intracomm):
    """mpi4py's class of this name."""

    __slots__ = ()


class Cartcomm(MPI.Cartcomm):
    """mpi4py's class of this name."""

    __slots__ = ()


class Graphcomm(MPI.Graphcomm):
    """mpi4py's class of this name."""

    __slots__ = ()


class Distgraphcomm(MPI.Distgraphcomm):
    """mpi4py's class of this name."""

    __slots__ = ()


class Intercomm(MPI.Intercomm):
    """mpi4py's class of this name."""

    __slots__ = ()


KINDS = (Cartcomm, Graphcomm, Distgraphcomm, Intercomm, Intracomm)


def adopted(comm: Any) -> Any:
    """A communicator that was just made, as one of ours."""
    if not isinstance(comm, MPI.Comm) or comm == MPI.COMM_NULL:
        return comm
    prepare(comm)
    if type(comm) in KINDS:
        return comm
    kind = next((kind for kind in KINDS if isinstance(comm, kind.__mro__[1])), None)
    return comm if kind is None else kind(comm)


MAKERS = (
    "Dup Dup_with_info Clone Split Split_type Create Create_group Create_cart Create_graph Create_dist_graph"
    " Create_dist_graph_adjacent Create_intercomm Sub Merge Accept Connect Spawn Spawn_multiple"
).split()
"""Methods whose result is a new communicator."""


def _making(original: Callable[..., Any]) -> Callable[..., Any]:
    def make(self: Any, *args: Any, **kwargs: Any) -> Any:
        made = adopted(original(self, *args, **kwargs))
        if active.traffic is not None and active.traffic.frames:
            active.traffic.frames[-1].made.append(made)
        return made

    make.__name__ = make.__qualname__ = original.__name__
    make.__doc__ = original.__doc__
    return make


def free(self: Any) -> None:
    """Free a communicator in a differentiated call: when nothing on the way back needs it any more.

    Steps that are computed again use what was made before the loop, and make again what they made themselves.
    """
    traffic = active.traffic
    frames = traffic.frames
    if not frames or not any(self is made for made in frames[-1].made):
        traffic.orphans.append(self)
    elif active.tape is not None:
        exchange_of(active.tape).orphans.append(self)
    else:
        MPI.Comm.Free(self)


def _install() -> None:
    for kind in KINDS:
        for name in MAKERS:
            if hasattr(kind, name):
                setattr(kind, name, _making(getattr(kind.__base__, name)))
        for name, make in MAKING.items():
            setattr(kind, name, make)


_install()
