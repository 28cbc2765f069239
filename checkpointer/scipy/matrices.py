"""The methods of SciPy's sparse matrices and arrays, for those that hold traced values or meet them.

A sparse matrix usually exists before anything is differentiated, and its methods hand arrays to compiled code. So while
something is differentiated, the classes have methods that look at their operands first (`checkpointer.dropin`). A matrix
that is differentiated is SciPy's object with a traced array for ``data`` (`checkpointer.scipy.entries`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as ss

from checkpointer.active import active
from checkpointer.boxes import is_traced, is_varied, plain
from checkpointer.containers import DROPPED, is_sparse
from checkpointer.creation import asarray
from checkpointer.dropin import register_methods
from checkpointer.errors import TraceError
from checkpointer.memory import summed_to
from checkpointer.refusals import refuse
from checkpointer.scipy.aware import adopted, concrete, record, traced_values, unwatched
from checkpointer.scipy.entries import (
    Entries,
    assembled,
    entries_of,
    joined,
    kept,
    product,
    sampled,
    shares,
    terms_of,
)

Method = Callable[..., Any]

_INSTEAD = (
    "build the matrix from an array of its values, sparse.csr_matrix((values, (i, j))) or sparse.diags(values), and use"
    " sums, products, scaling and solves of such matrices"
)

_STRUCTURAL = frozenset(
    "__len__ __bool__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__ argmax argmin check_format count_nonzero get_shape getformat"
    " getmaxprint getnnz nonzero set_shape".split()
)
"""Methods whose results depend on the entries only by steps, or not at all."""

_IN_PLACE = frozenset("__setitem__ eliminate_zeros prune resize setdiag sort_indices sum_duplicates".split())
"""Methods that change the matrix."""

_OPERATORS = (
    "abs add bool eq ge getitem gt iadd imul init isub iter itruediv le len lt matmul mul ne neg pow radd rmatmul rmul rsub"
    " setitem sub truediv"
)
_NAMES = frozenset(f"__{name}__" for name in _OPERATORS.split())

RULES: dict[str, Method] = {}


def _rule(names: str) -> Callable[[Method], Method]:
    def register(function: Method) -> Method:
        RULES.update(dict.fromkeys(names.split(), function))
        return function

    return register


def _aware(name: str, original: Method) -> Method:
    """A method that looks for traced values."""

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if active.tape is None or not any(True for _ in traced_values((self, args, kwargs))):
            return original(self, *args, **kwargs)
        return _answer(name, original, self, args, kwargs)

    return method


def _answer(name: str, original: Method, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if name == "__init__":
        return _init(original, self, *args, **kwargs)
    varied = any(map(is_varied, traced_values((self, args, kwargs))))
    if name in _IN_PLACE:
        return _in_place(name, original, self, args, kwargs, varied)
    if name in ("__imul__", "__itruediv__"):
        return _scale_in_place(name, self, *args)
    args = tuple(asarray(arg) if type(arg) is list else arg for arg in args)
    shallow = concrete(self)
    value = original(shallow, *concrete(args), **concrete(kwargs))
    if value is NotImplemented:
        return value
    if value is shallow:
        return self
    if not varied or name in _STRUCTURAL:
        return adopted(active.tape, value, [self.data] if is_sparse(self) else [])
    rule = RULES.get(name)
    if rule is None:
        raise _unknown(self, name)
    if is_sparse(value) and is_sparse(self) and not hasattr(self, DROPPED) and shares(value, self.data):
        return value  # the same entries in the same memory
    return rule(value, self, *args, **kwargs)


def _unknown(matrix: Any, name: str) -> TraceError:
    return refuse(
        "CKP201",
        f"{type(matrix).__name__}.{name} was called with values that are being differentiated, and no derivative rule for it"
        " is known",
        _INSTEAD,
    )


def _is_number(value: Any) -> bool:
    return not ss.issparse(value) and np.ndim(plain(value)) == 0


def _dense(value: Any, name: str) -> Any:
    """A dense result, which a traced array can stand for."""
    if isinstance(value, np.matrix):
        raise refuse(
            "CKP211",
            f"a sparse matrix' {name} makes a numpy.matrix, a subclass of ndarray with rules of its own, of values that are"
            " being differentiated",
            "use toarray(), or the sparse arrays (csr_array in the place of csr_matrix)",
        )
    return value


# --- making matrices ---------------------------------------------------------------------------------------------------


def _init(original: Method, self: Any, arg1: Any = None, *args: Any, **kwargs: Any) -> None:
    """A sparse matrix that is made of traced values: of entries with their places, of a dense or a sparse matrix."""
    original(self, concrete(arg1), *concrete(args), **concrete(kwargs))
    source = _source_of(arg1)
    if not is_traced(source) or not is_sparse(self):
        if any(map(is_varied, traced_values(arg1))):
            raise _unknown(self, "__init__")
        return
    if shares(self, source) or self.data.dtype.kind not in "fc":
        return
    if not is_varied(source):
        adopted(active.tape, self)
    elif isinstance(arg1, tuple) and self.data.size == source.size and _as_given(self, arg1):
        self.data = record(self.data, (source, lambda g: g))
    elif ss.issparse(arg1):
        assembled(self, entries_of(arg1))
    elif isinstance(arg1, tuple) and np.ndim(arg1[1]) == 2:
        rows, columns = concrete(arg1[1])
        assembled(self, Entries(rows, columns, source, self.shape))
    elif not isinstance(arg1, tuple) and source.ndim == 2:
        rows, columns = np.indices(source.shape).reshape(2, -1)
        assembled(self, Entries(rows, columns, source.reshape(-1), self.shape))
    else:
        raise _unknown(self, "__init__")


def _source_of(arg1: Any) -> Any:
    """The array that the entries come from."""
    if ss.issparse(arg1):
        return arg1.data
    if isinstance(arg1, tuple):
        arg1 = arg1[0]
    return asarray(arg1) if type(arg1) is list else arg1


def _as_given(matrix: Any, arg1: tuple[Any, ...]) -> bool:
    """Whether the entries are stored as they were given: with the arrays of the format, or as triplets."""
    return len(arg1) == 3 or matrix.format in ("coo", "dia")


@_rule("tocsr tocsc tocoo todia tobsr asformat copy astype sorted_indices")
def _converted(value: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
    if not is_sparse(value):
        raise _unknown(self, f"to{value.format}")
    return assembled(value, entries_of(self))


@_rule("transpose")
def _transposed(value: Any, self: Any, axes: Any = None, copy: bool = False) -> Any:
    return assembled(value, entries_of(self).transposed())


@_rule("conj conjugate")
def _conjugate(value: Any, self: Any, copy: bool = True) -> Any:
    entries = entries_of(self)
    return assembled(value, entries.having(np.conj(entries.values)))


@_rule("getH")
def _hermitian(value: Any, self: Any) -> Any:
    entries = entries_of(self).transposed()
    return assembled(value, entries.having(np.conj(entries.values)))


@_rule("__neg__")
def _negative(value: Any, self: Any) -> Any:
    entries = entries_of(self)
    return assembled(value, entries.having(-entries.values))


@_rule("__getitem__")
def _getitem(value: Any, self: Any, index: Any) -> Any:
    entries = entries_of(self).added_up()
    numbers = _numbers(entries, self.format if self.format in ("csr", "csc") else "csr", type(self))
    part = numbers[_plain_index(index)]
    if not ss.issparse(part):
        number = np.asarray(part) - 1
        if number.ndim == 0:
            return value if number < 0 else record(value, (entries.values[number], lambda g: g))
        raise _unknown(self, "__getitem__")
    part = part.tocoo()
    if part.ndim != 2 or not is_sparse(value):
        raise _unknown(self, "__getitem__")
    return assembled(value, Entries(part.row, part.col, entries.values[part.data - 1], value.shape))


def _numbers(entries: Entries, form: str, kind: type) -> Any:
    """A matrix with the number of each triplet, from one on, at its place."""
    is_matrix = issubclass(kind, ss.spmatrix)
    make = ss.coo_matrix if is_matrix else ss.coo_array
    counted = np.arange(1, len(entries.rows) + 1)
    return make((counted, (entries.rows, entries.columns)), shape=entries.shape).asformat(form)


def _plain_index(index: Any) -> Any:
    return tuple(map(concrete, index)) if type(index) is tuple else concrete(index)


# --- arithmetic --------------------------------------------------------------------------------------------------------


@_rule("__mul__")
def _times(value: Any, self: Any, other: Any) -> Any:
    """``A * b``: for the older matrices, the product of linear algebra."""
    return (_product if isinstance(self, ss.spmatrix) else _multiplied)(value, self, other)


@_rule("__rmul__")
def _times_from_left(value: Any, self: Any, other: Any) -> Any:
    matrix = isinstance(self, ss.spmatrix) and not _is_number(other)
    return (_product_from_left if matrix else _multiplied)(value, self, other)


@_rule("multiply")
def _multiplied(value: Any, self: Any, other: Any) -> Any:
    """Elementwise, with a number, a dense or a sparse matrix."""
    if ss.issparse(other):
        return _multiplied_sparse(value, self, other)
    entries = entries_of(self)
    if _is_number(other):
        return assembled(value, entries.having(entries.values * other))
    if not is_sparse(value) or value.shape != entries.shape:
        raise _unknown(self, "multiply")
    dense = np.broadcast_to(other, entries.shape)
    return assembled(value, entries.having(entries.values * dense[entries.rows, entries.columns]))


def _multiplied_sparse(value: Any, self: Any, other: Any) -> Any:
    if self.shape != other.shape:
        raise _unknown(self, "multiply")
    mine, others = entries_of(self).added_up(), entries_of(other).added_up()
    places = others.of(mine.rows, mine.columns)
    both = np.flatnonzero(places >= 0)
    chosen = mine.chosen(both)
    return assembled(value, chosen.having(chosen.values * others.values[places[both]]))


@_rule("__truediv__")
def _divided(value: Any, self: Any, other: Any) -> Any:
    if ss.issparse(other) or not is_sparse(value) or value.shape != self.shape:
        raise _unknown(self, "__truediv__")
    entries = entries_of(self)
    if not _is_number(other):
        other = np.broadcast_to(other, entries.shape)[entries.rows, entries.columns]
    return assembled(value, entries.having(entries.values / other))


@_rule("__add__ __radd__")
def _added(value: Any, self: Any, other: Any) -> Any:
    return _sum(value, self, other, 1, 1)


@_rule("__sub__")
def _subtracted(value: Any, self: Any, other: Any) -> Any:
    return _sum(value, self, other, 1, -1)


@_rule("__rsub__")
def _subtracted_from(value: Any, self: Any, other: Any) -> Any:
    return _sum(value, self, other, -1, 1)


def _sum(value: Any, self: Any, other: Any, mine: int, others: int) -> Any:
    if ss.issparse(other):
        entries, more = entries_of(self), entries_of(other)
        parts = [entries.having(mine * entries.values), more.having(others * more.values)]
        return assembled(value, joined(parts, entries.shape).added_up())
    shape = np.shape(plain(other))
    return record(
        _dense(value, "sum with an array"),
        *terms_of(self, lambda rows, columns, g: mine * g[rows, columns]),
        (other, lambda g: summed_to(others * g, shape)),
    )


@_rule("__matmul__ dot")
def _product(value: Any, self: Any, other: Any) -> Any:
    """``A @ u`` and ``A @ B``."""
    if _is_number(other):
        return _multiplied(value, self, other)
    if ss.issparse(other):
        return assembled(value, product(entries_of(self), entries_of(other)))
    matrix, u = kept(self), plain(other) if is_traced(other) else np.array(other)
    return record(
        _dense(value, "product"),
        *terms_of(self, lambda rows, columns, g: sampled(rows, columns, g, u)),
        (other, lambda g: matrix.T @ g),
    )


@_rule("__rmatmul__")
def _product_from_left(value: Any, self: Any, other: Any) -> Any:
    """``u @ A``."""
    if ss.issparse(other):
        return assembled(value, product(entries_of(other), entries_of(self)))
    matrix, u = kept(self), plain(other) if is_traced(other) else np.array(other)
    return record(
        _dense(value, "product"),
        *terms_of(self, lambda rows, columns, g: sampled(rows, columns, u.T, g.T)),
        (other, lambda g: (matrix @ g.T).T),
    )


# --- dense results -----------------------------------------------------------------------------------------------------


@_rule("toarray todense")
def _toarray(value: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
    if any(map(is_traced, (*args, *kwargs.values()))):
        raise _unknown(self, "toarray")
    return record(_dense(value, "todense"), *terms_of(self, lambda rows, columns, g: g[rows, columns]))


@_rule("diagonal")
def _diagonal(value: Any, self: Any, k: int = 0) -> Any:
    def adjoint_at(rows: Any, columns: Any, g: Any) -> Any:
        on = columns - rows == k
        return np.where(on, g[np.where(on, np.minimum(rows, columns), 0)], 0)

    return record(value.copy(), *terms_of(self, adjoint_at))


@_rule("trace")
def _trace(value: Any, self: Any, offset: int = 0) -> Any:
    return record(value, *terms_of(self, lambda rows, columns, g: g * (columns - rows == offset)))


@_rule("sum")
def _total(value: Any, self: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    return _summed(value, self, axis, out, 1.0)


@_rule("mean")
def _mean(value: Any, self: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    count = np.prod(self.shape) if axis is None else self.shape[axis]
    return _summed(value, self, axis, out, 1.0 / count)


def _summed(value: Any, self: Any, axis: Any, out: Any, factor: float) -> Any:
    if out is not None or isinstance(axis, tuple):
        raise _unknown(self, "sum")
    if axis is None:
        return record(value, *terms_of(self, lambda rows, columns, g: np.full(len(rows), factor * g)))
    by_columns = axis % 2 == 0
    return record(
        _dense(value, "sum along an axis"),
        *terms_of(self, lambda rows, columns, g: factor * g[columns if by_columns else rows]),
    )


# --- in place ------------------------------------------------------------------------------------------------------------


def _scale_in_place(name: str, self: Any, other: Any) -> Any:
    """``A *= s`` and ``A /= s``, as SciPy does it."""
    if not _is_number(other):
        return NotImplemented
    if not is_traced(self.data) or hasattr(self, DROPPED):
        raise _unknown(self, name)
    self.data *= other if name == "__imul__" else 1.0 / other
    return self


def _in_place(
    name: str, original: Method, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any], varied: bool
) -> Any:
    """SciPy changes a copy; what came of it is written to the matrix' own data, or takes its place as SciPy's own would."""
    if any(map(is_varied, traced_values((args, kwargs)))):
        raise refuse(
            "CKP201",
            f"{type(self).__name__}.{name} would write a value that is being differentiated into a sparse matrix",
            "collect the values in an array and build the matrix from it, sparse.csr_matrix((values, (i, j))), or add"
            " sparse.diags(values)",
        )
    if not is_sparse(self) or not is_traced(self.data):
        return original(self, *concrete(args), **concrete(kwargs))
    made = unwatched(self).copy()
    original(made, *concrete(args), **concrete(kwargs))
    entries = _remaining(name, original, self, args, kwargs) if varied else None
    _take_over(self, made, entries)
    return None


def _remaining(name: str, original: Method, self: Any, args: Any, kwargs: Any) -> Entries:
    """The triplets that are left when constants were written into a differentiated matrix."""
    entries = entries_of(self)
    if name in ("sort_indices", "sum_duplicates", "prune"):
        return entries
    entries = entries.added_up()
    if name not in ("__setitem__", "setdiag"):
        raise _unknown(self, name)
    numbers = _numbers(entries, "csr", type(self))
    place = concrete(args[:1]) if name == "__setitem__" else (concrete(args[1:2]) or (kwargs.get("k", 0),))
    if name == "__setitem__":
        numbers[place[0]] = 0
    else:
        numbers.setdiag(0, k=place[0])
    left = numbers.tocoo().data
    return entries.chosen(np.sort(left[left > 0]) - 1)


def _take_over(self: Any, made: Any, entries: Entries | None) -> None:
    """Let the matrix be what was made of a copy of it."""
    data = self.data
    if entries is not None:
        made = assembled(made, entries)
    same = data.shape == made.data.shape and all(
        np.array_equal(a, b) for a, b in zip(_structure(self), _structure(made), strict=True)
    )
    vars(self).pop(DROPPED, None)
    if same and is_traced(data):
        data[...] = made.data
        made.data = data
    vars(self).update(vars(made))


def _structure(matrix: Any) -> Iterator[Any]:
    for key, value in sorted(vars(matrix).items()):
        if key in ("indices", "indptr", "offsets"):
            yield value
        elif key == "coords":
            yield from value


def _install() -> None:
    classes = {
        base
        for form in ("csr", "csc", "coo", "dia", "bsr", "lil", "dok")
        for kind in ("matrix", "array")
        for base in getattr(ss, f"{form}_{kind}").__mro__
        if base.__module__.startswith("scipy.sparse.")
    }
    for cls in sorted(classes, key=lambda cls: cls.__qualname__):
        methods = {
            name: _aware(name, method)
            for name, method in vars(cls).items()
            if callable(method)
            and (name in _NAMES or not name.startswith("_"))
            and not isinstance(method, type)
        }
        register_methods(cls, methods)


_install()
