"""Reductions of objects: `reduce`, `allreduce`, `scan` and `exscan`, in a differentiated call.

mpi4py applies the operation in Python, in an order of its own, so it also computes the value here. For the way back the
ranks tell each other what they give: whether anything differentiated is in it, its shape, and for extremes
and products its value. So all of them know whether an adjoint flows, and refuse together what has no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI

from checkpointer.active import active
from checkpointer.boxes import constant, is_differentiable, is_traced, plain
from checkpointer.memory import summed_to
from checkpointer.mpi4py.agreement import everyones
from checkpointer.mpi4py.collectives import counted, got, spread, summed
from checkpointer.mpi4py.exchange import Collective
from checkpointer.mpi4py.object_collectives import size_of, start
from checkpointer.mpi4py.parcels import Layout, owned, packed, plain_copy, watched
from checkpointer.mpi4py.private import private
from checkpointer.mpi4py.waiting import finish
from checkpointer.refusals import refuse


class Part(NamedTuple):
    """What a rank gives.

    Attributes
    ----------
    kind : str
        ``number``, ``array`` or ``other``.
    varied : bool
        Whether a derivative flows through it, or through something in it.
    shape : tuple of int
    dtype : dtype
        Its type, or double precision if it is a Python number.
    value : object
        A number, or an array that is to be multiplied; None otherwise.
    """

    kind: str
    varied: bool
    shape: tuple[int, ...] = ()
    dtype: Any = None
    value: Any = None


def _part(given: Any, op: Any, *, varied: bool) -> Part:
    value = plain(given)
    if type(value) is np.ndarray and value.dtype.kind in "biufc":
        return Part("array", varied, value.shape, value.dtype, value if op == MPI.PROD else None)
    if isinstance(value, bool | int | float | complex | np.number | np.bool_):
        kind = np.dtype(
            value.dtype if isinstance(value, np.generic) else complex if isinstance(value, complex) else float
        )
        return Part("number", varied, (), kind, value)
    return Part("other", varied)


# --- the partial derivatives ----------------------------------------------------------------------------------------

Weight = Callable[[Sequence[Part], int], Any]
"""Takes what the ranks give that a result is made of, and the place of one of them among these."""


def _sum(parts: Sequence[Part], place: int) -> Any:
    return 1.0


def _extreme(choose: Callable[[list[Any]], Any]) -> Weight:
    """The subgradient of a maximum or minimum: ranks that have the same extreme value share the adjoint."""

    def weight(parts: Sequence[Part], place: int) -> Any:
        values = [part.value for part in parts]
        best = choose(values)
        ties = sum(bool(value == best) for value in values)
        return bool(values[place] == best) / ties if ties and all(v == v for v in values) else np.nan

    return weight


def _product(parts: Sequence[Part], place: int) -> Any:
    """The product of what the other ranks give, also where some of it is zero."""
    others: Any = 1.0
    for number, part in enumerate(parts):
        if number != place:
            others = others * part.value
    return np.conj(others)


RULES: tuple[tuple[Any, Weight, bool], ...] = (
    (MPI.SUM, _sum, True),
    (MPI.PROD, _product, True),
    (MPI.MAX, _extreme(max), False),
    (MPI.MIN, _extreme(min), False),
)
"""Operation, its rule, and whether it takes arrays and complex numbers: mpi4py compares with Python's ``>`` and ``<``."""


def _rule_of(op: Any, parts: Sequence[Part], name: str) -> Weight:
    """The rule for an operation on these parts; the refusal is the same on all ranks."""
    if any(part.kind == "other" for part in parts):
        raise refuse(
            "CKP227",
            f"{name} of lists, tuples or other objects, in which values are being differentiated",
            "reduce numbers and arrays one by one, or gather the objects with allgather and combine them",
        )
    for known, rule, general in RULES:
        if op == known:
            if general or not any(part.kind == "array" or part.dtype.kind == "c" for part in parts):
                return rule
            raise refuse(
                "CKP227",
                f"{name} with MPI.MAX or MPI.MIN, on arrays or complex numbers that are being differentiated",
                f"use the upper-case {name.capitalize()} for arrays of real numbers",
            )
    raise refuse(
        "CKP227",
        f"{name} with an operation that is none of MPI.SUM, MPI.PROD, MPI.MAX and MPI.MIN, on values that are being"
        " differentiated",
        "use one of those, or gather the values with allgather and combine them",
    )


def _check_shapes(parts: Sequence[Part], name: str) -> None:
    if len({part.shape for part in parts}) > 1:
        raise refuse(
            "CKP227",
            f"{name} of arrays that have not the same shape on all ranks, in which values are being differentiated",
            "give arrays of the same shape",
        )


# --- one way for all ------------------------------------------------------------------------------------------------


def _from(name: str, holder: int, size: int) -> range:
    """The ranks from whose parts the result on a rank is made."""
    return range(holder + 1) if name == "scan" else range(holder) if name == "exscan" else range(size)


def _reduced(comm: Any, name: str, given: Any, op: Any, root: int, do: Callable[[Any], Any]) -> Any:
    """Do a reduction. ``do`` is mpi4py's, on a plain object."""
    what = [f"root {root}"] if name == "reduce" else []
    tape = active.tape
    if tape is None:
        start(comm, name, size_of(given), *what)
        return do(given)
    parcel = packed(given)
    start(comm, name, parcel.envelope.size, *what)
    hidden = private(comm)
    parts: list[Part] = everyones(_part(given, op, varied=bool(parcel.nodes)), comm)
    if not any(part.varied for part in parts):
        return watched(tape, do(plain_copy(given)))
    weight = _rule_of(op, parts, name)
    if name in ("scan", "exscan"):
        _check_shapes(parts, name)
    value = owned(do(plain(given)))
    result = got(value) if is_differentiable(value) else constant(tape, value)
    pull = _pull(hidden, name, parts, weight, root)
    Collective(
        tape,
        [given._node if is_traced(given) else None],
        [result._node] if is_differentiable(value) else [],
        pull,
    )
    return result


def _pull(
    hidden: Any, name: str, parts: list[Part], weight: Weight, root: int
) -> Callable[[list[Any]], list[Any]]:
    """What takes the adjoint of this rank's result, and returns that of what it gave."""
    rank, size = hidden.rank, hidden.size
    kind = np.result_type(np.float64, *(part.dtype for part in parts))
    shape = np.broadcast_shapes(*(part.shape for part in parts))
    layout = Layout([np.broadcast_to(np.zeros((), kind), shape)])

    def pull(adjoints: list[Any]) -> list[Any]:
        counted(layout.size * layout.dtype.itemsize if adjoints else 0)
        vectors = _exchanged(hidden, name, layout.vector(adjoints or [None]), root)
        adjoint: Any = np.zeros(shape)
        for holder, vector in vectors:
            ranks = _from(name, holder, size)
            if rank in ranks:
                (his,) = layout.apart(vector)
                adjoint = adjoint + his * weight([parts[other] for other in ranks], rank)
        return [summed_to(adjoint, parts[rank].shape)]

    return pull


def _exchanged(hidden: Any, name: str, vector: Any, root: int) -> list[tuple[int, Any]]:
    """The adjoints of the results that this rank may have a part in, by rank; those of an `allreduce` are summed."""
    if name == "allreduce":
        return [(0, summed(hidden, vector))]
    if name == "reduce":
        return [(root, spread(hidden, vector, root))]
    everyones = np.empty((hidden.size, vector.size), vector.dtype)
    finish(hidden.Iallgather(vector, everyones))
    return list(enumerate(everyones))


def reduce(self: Any, sendobj: Any, op: Any = MPI.SUM, root: int = 0) -> Any:
    return _reduced(self, "reduce", sendobj, op, root, lambda given: MPI.Comm.reduce(self, given, op, root))


def allreduce(self: Any, sendobj: Any, op: Any = MPI.SUM) -> Any:
    return _reduced(self, "allreduce", sendobj, op, 0, lambda given: MPI.Comm.allreduce(self, given, op))


def scan(self: Any, sendobj: Any, op: Any = MPI.SUM) -> Any:
    return _reduced(self, "scan", sendobj, op, 0, lambda given: MPI.Intracomm.scan(self, given, op))


def exscan(self: Any, sendobj: Any, op: Any = MPI.SUM) -> Any:
    return _reduced(self, "exscan", sendobj, op, 0, lambda given: MPI.Intracomm.exscan(self, given, op))


METHODS: dict[str, Callable[..., Any]] = {
    "reduce": reduce,
    "allreduce": allreduce,
    "scan": scan,
    "exscan": exscan,
}
"""Name in mpi4py -> what stands for it in a differentiated call."""
