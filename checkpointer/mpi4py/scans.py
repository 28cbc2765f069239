"""Scan and Exscan: each rank gets the sum, product or extremum of the ranks up to it, or before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

from checkpointer.active import active
from checkpointer.mpi4py.collectives import check_fits, counted, everyones, recorded, summed_parts
from checkpointer.mpi4py.layouts import layout
from checkpointer.mpi4py.private import SCAN, private
from checkpointer.mpi4py.reductions import Reduction, begin_reduction, is_extremum, rule_of
from checkpointer.mpi4py.waiting import finish_all
from checkpointer.rules_reductions import products_of_others


def _scan(comm: Any, name: str, sendbuf: Any, recvbuf: Any, op: Any) -> None:
    into = layout(recvbuf)
    given = into if sendbuf is MPI.IN_PLACE else layout(sendbuf)
    begin_reduction(comm, name, given, op)
    check_fits(name, given, into)
    operation = getattr(MPI.Intracomm, name)
    if active.tape is None:
        operation(comm, sendbuf, recvbuf, op)
        return
    source, target = Reduction(given, name), Reduction(into, name)
    content = source.content()
    came = content.copy()
    operation(
        comm, MPI.IN_PLACE if sendbuf is MPI.IN_PLACE else source.argument(content), target.argument(came), op
    )
    place = None if name == "Exscan" and comm.rank == 0 else target  # whose buffer stays as it was
    if not source.differentiable:
        recorded(source, place, came, lambda adjoint: None)
        return
    rule_of(op, name)
    made = _sums_back if op == MPI.SUM else _weighted
    pull = made(private(comm), content, came, op, comm.rank + (name == "Scan"))
    recorded(source, place, came, pull)


def _sums_back(hidden: Any, content: Any, came: Any, op: Any, ranks: int) -> Callable[[Any], Any]:
    """The pullback of a sum: each rank gets the sum of the adjoints of the ranks from it, or behind it."""
    rank, inclusive = hidden.rank, ranks > hidden.rank

    def pull(adjoint: Any) -> Any:
        total = np.zeros_like(content) if adjoint is None else adjoint.copy()
        distance = 1
        while distance < hidden.size:  # the sum of so many ranks from this one is known
            total += _shifted(hidden, total, distance)
            distance *= 2
        if not inclusive:
            total = _shifted(hidden, total, 1)
        return total

    def _shifted(hidden: Any, total: Any, distance: int) -> Any:
        """What the rank so far behind this one has."""
        came, requests = np.zeros_like(total), []
        if rank >= distance:
            counted(total.nbytes)
            requests.append(hidden.Isend(total.copy(), rank - distance, SCAN))
        if rank + distance < hidden.size:
            requests.append(hidden.Irecv(came, rank + distance, SCAN))
        finish_all(requests)
        return came

    return pull


def _weighted(hidden: Any, content: Any, came: Any, op: Any, ranks: int) -> Callable[[Any], Any]:
    """The pullback of another operation: the partial derivatives of this rank's result by what each rank gave."""
    given = everyones(hidden, content)
    weights = np.zeros_like(given)
    if op == MPI.PROD:
        factors = np.moveaxis(given[:ranks], 0, -1)
        weights[:ranks] = np.moveaxis(np.conj(products_of_others(factors)), -1, 0) if ranks else 0
    elif ranks:
        weights[:ranks] = is_extremum(given[:ranks], came)
        weights[:ranks] /= np.sum(weights[:ranks], axis=0)
    counts = [len(content)] * hidden.size

    def pull(adjoint: Any) -> Any:
        parts = weights * adjoint if ranks else weights
        counted(parts.nbytes)
        return summed_parts(hidden, parts.reshape(-1), counts)

    return pull


def scan(self: Any, sendbuf: Any, recvbuf: Any, op: Any = MPI.SUM) -> None:
    _scan(self, "Scan", sendbuf, recvbuf, op)


def exscan(self: Any, sendbuf: Any, recvbuf: Any, op: Any = MPI.SUM) -> None:
    _scan(self, "Exscan", sendbuf, recvbuf, op)


METHODS: dict[str, Callable[..., Any]] = {
    "Scan": scan,
    "Exscan": exscan,
}
"""Name in mpi4py -> what stands for it in a differentiated call."""
