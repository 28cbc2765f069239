"""``reduce``, ``accumulate``, ``reduceat``, ``outer`` and ``at`` of ufuncs on traced values.

Some are functions of another name (``np.add.reduce`` is ``np.sum``). The others take NumPy's own value and the derivative
of the same steps done one by one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from checkpointer import creation, indexing, ufuncs
from checkpointer.arrays import TracedArray
from checkpointer.boxes import constant, is_varied, plain, traced_in
from checkpointer.refusals import refuse
from checkpointer.registry import rebased
from checkpointer.scalars import tape_of

_FUNCTIONS: dict[tuple[np.ufunc, str], Callable[..., Any]] = {
    (np.add, "reduce"): np.sum,
    (np.multiply, "reduce"): np.prod,
    (np.maximum, "reduce"): np.max,
    (np.minimum, "reduce"): np.min,
    (np.add, "accumulate"): np.cumsum,
    (np.multiply, "accumulate"): np.cumprod,
    (np.logical_and, "reduce"): np.all,
    (np.logical_or, "reduce"): np.any,
}


def call(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``ufunc.method(*inputs, **kwargs)``."""
    if method == "at":
        return _at(ufunc, *inputs)
    if method == "outer":
        first, second = inputs
        widened = np.reshape(first, np.shape(first) + (1,) * np.ndim(second))
        return ufuncs.call(ufunc, "__call__", (widened, second), kwargs)
    kwargs = {name: value for name, value in kwargs.items() if value is not None or name == "axis"}
    (out,) = kwargs.pop("out", (None,))
    function = _FUNCTIONS.get((ufunc, method))
    if function is not None:
        array, *rest = inputs
        options = {"axis": 0, **kwargs}
        if rest:
            options["axis"] = rest[0]
        return function(array, **options) if out is None else function(array, out=out, **options)
    value = _stepwise(ufunc, method, inputs, kwargs)
    if out is None:
        return value
    if type(out) is not TracedArray:
        raise indexing.untraced_target(f"np.{ufunc.__name__}.{method}")
    out[...] = value
    return out


def _stepwise(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    value = getattr(ufunc, method)(*map(plain, inputs), **{name: plain(x) for name, x in kwargs.items()})
    array, *rest = inputs
    names = ("indices", "axis", "dtype") if method == "reduceat" else ("axis", "dtype")
    options = {"axis": 0, **dict(zip(names, rest, strict=False)), **kwargs}
    options.pop("dtype", None)  # it is the value's
    tape = ufuncs.common_tape(tuple(traced_in((inputs, kwargs))))
    if ufunc in ufuncs.PIECEWISE_CONSTANT or not any(map(is_varied, traced_in((inputs, kwargs)))):
        return constant(tape, value)
    if ufuncs.maker_of(ufunc) is None or ufunc.nin != 2 or ufunc.signature is not None:
        raise no_method(ufunc, method)
    return rebased(tape, value, _METHODS[method](ufunc, array, **options))


def _rows(array: Any, axis: int) -> list[Any]:
    moved = np.moveaxis(array, axis, 0)
    return [moved[number] for number in range(np.shape(moved)[0])]


def _reduce(ufunc: np.ufunc, array: Any, *, axis: Any, keepdims: bool = False, **options: Any) -> Any:
    if options.get("where", True) is not True:
        raise no_method(ufunc, "reduce", " with where=")
    axes = tuple(range(np.ndim(array))) if axis is None else (axis,) if np.ndim(axis) == 0 else tuple(axis)
    axes = tuple(number % np.ndim(array) for number in axes)
    total = array
    for number in sorted(axes, reverse=True):
        total = functools.reduce(ufunc, _rows(total, number))
    if "initial" in options:
        total = ufunc(options["initial"], total)
    return np.expand_dims(total, axes) if keepdims else total


def _accumulate(ufunc: np.ufunc, array: Any, *, axis: int) -> Any:
    rows = _rows(array, axis)
    for number in range(1, len(rows)):
        rows[number] = ufunc(rows[number - 1], rows[number])
    return np.stack(rows, axis)


def _reduceat(ufunc: np.ufunc, array: Any, *, indices: Any, axis: int) -> Any:
    rows = _rows(array, axis)
    starts = [int(start) for start in plain(indices)]
    stops = [*starts[1:], len(rows)]
    parts = [
        functools.reduce(ufunc, rows[start:stop]) if start < stop else rows[start]
        for start, stop in zip(starts, stops, strict=True)
    ]
    return np.stack(parts, axis)


_METHODS: dict[str, Callable[..., Any]] = {
    "reduce": _reduce,
    "accumulate": _accumulate,
    "reduceat": _reduceat,
}


def _at(ufunc: np.ufunc, array: Any, index: Any, *other: Any) -> None:
    """Unbuffered: an element that the index names several times is changed several times, in that order."""
    if ufunc in (np.add, np.subtract):
        return indexing.add_at(array, index, other[0], ufunc)
    if type(array) is not TracedArray:
        raise indexing.untraced_target(f"np.{ufunc.__name__}.at")
    value = array._value.copy()
    index = indexing.plain_index(index)
    ufunc.at(value, index, *map(plain, other))
    places = np.arange(array.size).reshape(array.shape)[index]
    operands = [np.ravel(np.broadcast_to(creation.asarray(x), places.shape)) for x in other]
    shadow = array.reshape(-1).copy()
    for turn in _turns(places.ravel()):
        here = places.ravel()[turn]
        shadow[here] = ufunc(shadow[here], *(operand[turn] for operand in operands))
    made = rebased(tape_of(array), value, shadow.reshape(array.shape))
    array[...] = made
    return None


def _turns(places: Any) -> list[Any]:
    """The numbers of the places, divided so that none occurs twice in a part: first occurrences, second ones, ..."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    first = np.searchsorted(ordered, ordered)
    occurrence = np.empty(len(places), np.intp)
    occurrence[order] = np.arange(len(places)) - first
    return [np.flatnonzero(occurrence == turn) for turn in range(int(occurrence.max(initial=-1)) + 1)]


def no_method(ufunc: np.ufunc, method: str, how: str = "") -> Exception:
    """The refusal of a method of a ufunc."""
    return refuse(
        "CKP201",
        f"np.{ufunc.__name__}.{method}{how} was called on a value that is being differentiated, and no derivative rule for"
        " it is known",
        "write it with indexing and functions that have a rule",
    )
