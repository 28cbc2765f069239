"""Medians, percentiles and quantiles: sums of two elements of the sorted array.

Which two, and with what weights, depends on the order of the elements alone. NumPy's function itself says so when it is
given the elements' ranks: it answers with the rank that it interpolates at, by whatever method.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from checkpointer.boxes import is_varied, plain
from checkpointer.refusals import refuse
from checkpointer.registry import composes


def _quantile(name: str, scale: float) -> Any:
    function = getattr(np, name)

    def composition(
        a: Any,
        q: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: Any = False,
        *,
        weights: Any = None,
    ) -> Any:
        if weights is not None:
            raise refuse("CKP201", f"np.{name} with weights", "sort and sum the elements")
        if is_varied(q) and method != "linear":
            raise refuse(
                "CKP201", f"np.{name} with method={method!r} of a q that is differentiated", "use linear"
            )
        rows = _rows(a, axis)
        if np.shape(rows)[-1] == 0:
            return function(plain(a), plain(q), axis=axis, keepdims=keepdims)  # of nothing
        ranks = _ranks(plain(rows))
        places = function(ranks, plain(q), axis=-1, method=method)
        low = np.floor(np.where(np.isnan(places), 0, places)).astype(np.intp)
        part = places - low
        if is_varied(q):
            counts = np.sum(~np.isnan(ranks), axis=-1)
            part = np.reshape(q, np.shape(q) + (1,) * counts.ndim) / scale * (counts - 1) - low
        shape = np.shape(function(np.zeros(np.shape(a)), plain(q), axis=axis, keepdims=keepdims))
        return _mixed(rows, low, part, shape)

    return composition


def _rows(a: Any, axis: Any) -> Any:
    """The array with the axes that are reduced as its last one."""
    if axis is None:
        return np.reshape(a, -1)
    axes = [int(n) % np.ndim(a) for n in np.atleast_1d(axis)]
    moved = np.moveaxis(a, axes, range(-len(axes), 0))
    return np.reshape(moved, (*np.shape(moved)[: np.ndim(a) - len(axes)], -1))


def _ranks(rows: Any) -> Any:
    """The place of each element in its sorted row; a NaN has none."""
    ranks = np.argsort(np.argsort(rows, axis=-1, kind="stable"), axis=-1, kind="stable").astype(float)
    return np.where(np.isnan(rows), np.nan, ranks)


def _mixed(rows: Any, low: Any, part: Any, shape: tuple[int, ...]) -> Any:
    """``(1 - part) * sorted[low] + part * sorted[low + 1]`` along the last axis.

    The axes of ``low`` are those of the quantiles and then those of the rows.
    """
    ordered = np.sort(rows, axis=-1)
    places = np.moveaxis(np.reshape(low, (-1, *np.shape(rows)[:-1])), 0, -1)
    share = np.moveaxis(np.reshape(part, (-1, *np.shape(rows)[:-1])), 0, -1)
    first = np.take_along_axis(ordered, places, axis=-1)
    second = np.take_along_axis(ordered, np.minimum(places + 1, np.shape(rows)[-1] - 1), axis=-1)
    mixed = np.where(share == 0, first, first + share * (second - first))
    return np.reshape(np.moveaxis(mixed, -1, 0), shape)


for _name, _scale in (
    ("quantile", 1.0),
    ("nanquantile", 1.0),
    ("percentile", 100.0),
    ("nanpercentile", 100.0),
):
    composes(_name)(_quantile(_name, _scale))


def _median(name: str) -> Any:
    quantile = _quantile(name, 1.0)

    def composition(
        a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
    ) -> Any:
        return quantile(a, 0.5, axis, keepdims=keepdims is True)

    return composition


composes("median")(_median("quantile"))
composes("nanmedian")(_median("nanquantile"))
