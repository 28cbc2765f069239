"""Functions that sort, select and count: their results hold elements, or sums of weights, by an order that is constant."""

from __future__ import annotations

from typing import Any

import numpy as np

from checkpointer.boxes import is_varied, plain, plain_nested, result, traced_in
from checkpointer.refusals import refuse
from checkpointer.registry import composes
from checkpointer.scalars import tape_of


def found(value: Any, source: Any) -> Any:
    """The elements of ``source`` that have the values in ``value``."""
    flat = np.ravel(source)
    order = np.argsort(plain(flat), kind="stable")
    return np.take(flat, order[np.searchsorted(plain(flat)[order], value)])


@composes("unique")
def _unique(ar: Any, *args: Any, **kwargs: Any) -> Any:
    names = ("return_index", "return_inverse", "return_counts", "axis")
    options = {**dict(zip(names, args, strict=False)), **kwargs}
    axis = options.get("axis")
    value = np.unique(plain(ar), **options)
    values, *rest = value if isinstance(value, tuple) else (value,)
    if axis is None:
        elements = found(values, ar)
    else:
        _, index = np.unique(plain(ar), return_index=True, axis=axis)
        elements = np.take(ar, index, axis=axis)
    return (elements, *rest) if rest else elements


@composes("unique_values")
def _unique_values(x: Any) -> Any:
    return found(np.unique_values(plain(x)), x)


def _unique_several(name: str) -> Any:
    function = getattr(np, name)

    def composition(x: Any) -> Any:
        values, *rest = function(plain(x))
        return (found(values, x), *rest)

    return composition


for _name in ("unique_all", "unique_counts", "unique_inverse"):
    composes(_name)(_unique_several(_name))


@composes("partition")
def _partition(a: Any, kth: Any, axis: Any = -1, kind: Any = "introselect", order: Any = None) -> Any:
    places = np.argpartition(plain(a), kth, axis=axis, kind=kind)
    return np.take(np.ravel(a), places) if axis is None else np.take_along_axis(a, places, axis=axis)


@composes("sort_complex")
def _sort_complex(a: Any) -> Any:
    return np.sort(a)


@composes("bincount")
def _bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    count = max(int(np.max(x, initial=-1)) + 1, minlength)
    return summed_by(np.array(plain(x)), weights, count)


def summed_by(places: Any, weights: Any, count: int) -> Any:
    """The sum of the weights that belong to each place."""
    numbers = plain(weights)
    value = np.bincount(places, np.real(numbers), count)
    if np.iscomplexobj(numbers):
        value = value + 1j * np.bincount(places, np.imag(numbers), count)
    if not is_varied(weights):
        return value
    return result(tape_of(weights), value, lambda g: (g[places],), (weights._node,))


@composes("histogram")
def _histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:  # noqa: A002
    numbers, edges = np.histogram(plain_nested(a), plain_nested(bins), plain_nested(range))
    if any(map(is_varied, traced_in((bins, range)))) or (
        is_varied(a) and (np.ndim(bins) == 0 and range is None)
    ):
        raise refuse(
            "CKP201",
            "np.histogram with bins that depend on a value that is being differentiated",
            "give the edges of the bins, or their range",
        )
    if weights is None:
        return (numbers / np.diff(edges) / numbers.sum() if density else numbers), edges
    flat = np.ravel(plain_nested(a))
    inside = (flat >= edges[0]) & (flat <= edges[-1])
    places = np.minimum(np.searchsorted(edges, flat[inside], side="right") - 1, len(edges) - 2)
    sums = summed_by(places, np.ravel(weights)[inside], len(edges) - 1)
    return (sums / np.diff(edges) / np.sum(sums) if density else sums), edges
