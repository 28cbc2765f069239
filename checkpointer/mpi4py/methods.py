"""The methods that communicators have while something is differentiated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from checkpointer.active import active
from checkpointer.dropin import register_methods
from checkpointer.mpi4py import (
    collectives,
    gathering,
    neighbours,
    object_collectives,
    object_reductions,
    objects,
    point_to_point,
    reductions,
    scans,
)
from checkpointer.mpi4py.communicators import KINDS, MAKERS, free
from checkpointer.mpi4py.persistent import MAKING
from checkpointer.mpi4py.private import private
from checkpointer.refusals import refuse

_METHODS: dict[str, Callable[..., Any]] = {
    **point_to_point.METHODS,
    **collectives.METHODS,
    **gathering.METHODS,
    **neighbours.METHODS,
    **object_collectives.METHODS,
    **object_reductions.METHODS,
    **objects.METHODS,
    **reductions.METHODS,
    **scans.METHODS,
    "Disconnect": free,
    "Free": free,
    "free": free,
}
"""Name in mpi4py -> what stands for it in a differentiated call; what is missing is refused."""

_HARMLESS = frozenset(
    "Abort Ack_failed Attach_buffer Call_errhandler Cart_map Compare Create_errhandler Create_from_group Create_keyval"
    " Delete_attr Detach_buffer Flush_buffer Free_keyval Get_attr Get_cart_rank Get_coords Get_dim"
    " Get_dims Get_dist_neighbors Get_dist_neighbors_count Get_edges Get_errhandler Get_failed Get_group Get_index Get_info"
    " Get_name Get_nedges Get_neighbors Get_neighbors_count Get_nnodes Get_parent Get_periods Get_rank Get_remote_group"
    " Get_remote_size Get_size Get_topo Get_topology Graph_map Is_inter Is_intra Is_revoked Set_attr Set_errhandler Set_info"
    " Set_name Shift f2py fromhandle fromint handle toint py2f Join"
    " coords degrees dim dims edges group index indegree info inedges inoutedges is_inter is_intra is_topo name ndim nedges"
    " neighbors nneighbors"
    " nnodes outdegree outedges periods rank remote_group remote_size size topo topology".split()
)
"""What tells something of a communicator."""


def _method(name: str, kind: type, ours: Callable[..., Any] | None) -> Callable[..., Any]:
    """A method that does what mpi4py's does in threads that differentiate nothing."""
    original = getattr(kind.__base__, name)

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if active.traffic is None:
            return original(self, *args, **kwargs)
        if ours is None:
            raise refuse(
                "CKP227",
                f"{kind.__name__}.{name} is called in code that is differentiated, and no derivative rule for it is known",
                "use Send, Recv, Isend, Irecv, Sendrecv, Bcast, Reduce, Allreduce, Gather, Scatter, Allgather, Alltoall,"
                " Scan and their kin, or communicate outside of the function that is differentiated",
            )
        hidden = private(self)
        active.traffic.communicators[hidden.handle] = hidden
        return ours(self, *args, **kwargs)

    call.__name__ = name
    return call


def _install() -> None:
    kept = _HARMLESS.union(MAKERS, MAKING)
    for kind in KINDS:
        names = [name for name in dir(kind) if not name.startswith("_") and name not in kept]
        register_methods(kind, {name: _method(name, kind, _METHODS.get(name)) for name in names})


_install()
