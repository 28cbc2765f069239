"""Reduce, Allreduce and Reduce_scatter: sums, products, maxima and minima over ranks.

Ranks that have the same maximum share its adjoint, as elements do in NumPy's ``max``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

from checkpointer.active import active
from checkpointer.mpi4py.collectives import (
    begin,
    check_fits,
    counted,
    everyones,
    joined,
    recorded,
    spread,
    summed,
)
from checkpointer.mpi4py.layouts import Layout, Parts, layout
from checkpointer.mpi4py.private import private
from checkpointer.refusals import refuse
from checkpointer.rules_reductions import products_of_others

Pull = Callable[[Any], Any]
"""Takes the sum of the adjoints of the result over the ranks that have it, and returns that of this rank's part."""


def _sum(hidden: Any, content: Any, total: Any) -> Pull:
    return lambda adjoint: adjoint


def _extremum(hidden: Any, content: Any, total: Any) -> Pull:
    share = is_extremum(content, total)
    share /= summed(hidden, share)
    return lambda adjoint: adjoint * share


def is_extremum(values: Any, found: Any) -> Any:
    """One where a value is the maximum or minimum that was found, a number or a NaN; zero elsewhere."""
    return ((values == found) | (np.isnan(values) & np.isnan(found))).astype(values.dtype)


def _product(hidden: Any, content: Any, total: Any) -> Pull:
    """The product of what the other ranks gave: dividing the total would fail where it is zero."""
    factors = np.moveaxis(everyones(hidden, content), 0, -1)
    others = np.conj(products_of_others(factors)[..., hidden.rank])
    return lambda adjoint: adjoint * others


RULES = (
    ("SUM", MPI.SUM, _sum),
    ("PROD", MPI.PROD, _product),
    ("MAX", MPI.MAX, _extremum),
    ("MIN", MPI.MIN, _extremum),
)
"""Name, operation, and what makes the pullback of this rank's part: called on all ranks, with the result on all of them."""


def name_of(op: Any) -> str:
    """The name of an operation that is known here: ranks agree on it."""
    return next((name for name, known, _ in RULES if op == known), "an operation that has no derivative rule")


def rule_of(op: Any, name: str) -> Callable[[Any, Any, Any], Pull]:
    """What makes the pullback.

    Raises
    ------
    TraceError
        If the operation has none.
    """
    for _, known, rule in RULES:
        if op == known:
            return rule
    raise refuse(
        "CKP227",
        f"{name} with an operation that is none of MPI.SUM, MPI.PROD, MPI.MAX and MPI.MIN, on floating-point numbers",
        "use one of those, or gather the values with Allgather and combine them with NumPy",
    )


def begin_reduction(comm: Any, name: str, given: Layout, op: Any, *what: Any) -> None:
    """All ranks are about to combine what they give, which is as much on all of them."""
    begin(comm, name, given.size, name_of(op), f"{given.size} bytes", given.kind, *what)
    if given.kind == given.dtype.name:
        rule_of(op, name)  # refused at once, and not when the step is reversed


class Reduction(Parts):
    """What is combined, or where the result goes."""

    def __init__(self, given: Layout, name: str) -> None:
        super().__init__(given, name)
        own = given.datatype is None or self.differentiable
        self._datatype = [] if own else [given.datatype]
        self._entries = given.counts

    def argument(self, content: Any) -> list[Any]:
        """A buffer argument of the elements in an array of their own, combined as what the program says they are."""
        return [content, sum(self._entries), *self._datatype] if self._datatype else [content, len(content)]


def _in_place(sendbuf: Any, source: Reduction, content: Any) -> Any:
    """What mpi4py gets as its first argument."""
    return MPI.IN_PLACE if sendbuf is MPI.IN_PLACE else source.argument(content)


def reduce(self: Any, sendbuf: Any, recvbuf: Any, op: Any = MPI.SUM, root: int = 0) -> None:
    mine = self.rank == root
    into = layout(recvbuf) if mine else None
    given = into if into is not None and sendbuf is MPI.IN_PLACE else layout(sendbuf)
    begin_reduction(self, "Reduce", given, op, f"root {root}")
    if into is not None:
        check_fits("Reduce", given, into)
    if active.tape is None:
        MPI.Comm.Reduce(self, sendbuf, recvbuf, op, root)
        return
    source, target = Reduction(given, "Reduce"), Reduction(into, "Reduce") if into is not None else None
    content = source.content()
    total = content.copy()
    MPI.Comm.Reduce(
        self,
        _in_place(sendbuf, source, content),
        None if target is None else target.argument(total),
        op,
        root,
    )
    if not source.differentiable:
        recorded(source, target, total, lambda adjoint: None)
        return
    hidden = private(self)
    rule = rule_of(op, "Reduce")
    part = rule(hidden, content, total if rule is _sum else spread(hidden, total, root))

    def pull(adjoint: Any) -> Any:
        counted(0 if adjoint is None else adjoint.nbytes)
        return part(spread(hidden, source.blank() if adjoint is None else adjoint, root))

    recorded(source, target, total, pull)


def allreduce(self: Any, sendbuf: Any, recvbuf: Any, op: Any = MPI.SUM) -> None:
    into = layout(recvbuf)
    given = into if sendbuf is MPI.IN_PLACE else layout(sendbuf)
    begin_reduction(self, "Allreduce", given, op)
    check_fits("Allreduce", given, into)
    if active.tape is None:
        MPI.Comm.Allreduce(self, sendbuf, recvbuf, op)
        return
    source, target = Reduction(given, "Allreduce"), Reduction(into, "Allreduce")
    content = source.content()
    total = content.copy()
    MPI.Comm.Allreduce(self, _in_place(sendbuf, source, content), target.argument(total), op)
    if not source.differentiable:
        target.store(total)
        return
    hidden = private(self)
    part = rule_of(op, "Allreduce")(hidden, content, total)

    def pull(adjoint: Any) -> Any:
        counted(adjoint.nbytes)
        return part(summed(hidden, adjoint))

    recorded(source, target, total, pull)


def reduce_scatter(self: Any, sendbuf: Any, recvbuf: Any, recvcounts: Any = None, op: Any = MPI.SUM) -> None:
    into = layout(recvbuf)
    given = into if sendbuf is MPI.IN_PLACE else layout(sendbuf)
    counts = (
        "counts" if recvcounts is None else f"counts {', '.join(str(int(count)) for count in recvcounts)}"
    )
    begin_reduction(self, "Reduce_scatter", given, op, counts)
    if active.tape is None:
        MPI.Comm.Reduce_scatter(self, sendbuf, recvbuf, recvcounts, op)
        return
    if recvcounts is None:
        recvcounts = everyones(private(self), np.array(into.counts)).reshape(-1)
    _scattered(self, "Reduce_scatter", sendbuf, given, into, [int(count) for count in recvcounts], op)


def reduce_scatter_block(self: Any, sendbuf: Any, recvbuf: Any, op: Any = MPI.SUM) -> None:
    name = "Reduce_scatter_block"
    in_place = sendbuf is MPI.IN_PLACE
    parts = layout(recvbuf if in_place else sendbuf, self.size)
    begin_reduction(self, name, parts, op)
    if active.tape is None:
        MPI.Comm.Reduce_scatter_block(self, sendbuf, recvbuf, op)
        return
    whole = parts._replace(counts=[sum(parts.counts)], starts=parts.starts[:1])
    _scattered(self, name, sendbuf, whole, whole if in_place else layout(recvbuf), parts.counts, op)


def _scattered(
    comm: Any, name: str, sendbuf: Any, given: Layout, into: Layout, counts: list[int], op: Any
) -> None:
    """Combine, and let each rank have its part: in place, that goes to the beginning of what was given."""
    in_place = sendbuf is MPI.IN_PLACE
    place = into._replace(counts=[counts[comm.rank]]) if in_place else into
    source, target = Reduction(given, name), Reduction(place, name)
    content = source.content()
    part = content.copy() if in_place else target.blank()
    argument = _in_place(sendbuf, source, content)
    MPI.Comm.Reduce_scatter(comm, argument, (source if in_place else target).argument(part), counts, op)
    part = part[: target.size].copy()
    if not source.differentiable:
        target.store(part)
        return
    hidden = private(comm)
    rule = rule_of(op, name)
    pullback = rule(hidden, content, None if rule is _sum else joined(hidden, part, counts))

    def pull(adjoint: Any) -> Any:
        counted(adjoint.nbytes)
        return pullback(joined(hidden, adjoint, counts))

    recorded(source, target, part, pull)


METHODS: dict[str, Callable[..., Any]] = {
    "Reduce": reduce,
    "Allreduce": allreduce,
    "Reduce_scatter": reduce_scatter,
    "Reduce_scatter_block": reduce_scatter_block,
}
"""Name in mpi4py -> what stands for it in a differentiated call."""
