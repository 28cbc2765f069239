"""Functions that write to one of their arguments: as writes to a traced array."""

from __future__ import annotations

from typing import Any

import numpy as np

from checkpointer import creation
from checkpointer.arrays import TracedArray
from checkpointer.boxes import plain, plain_nested
from checkpointer.indexing import untraced_target
from checkpointer.registry import handles


def watched(array: Any, name: str) -> TracedArray:
    """The array that is written to, if the tape watches it."""
    if type(array) is not TracedArray:
        raise untraced_target(f"np.{name}")
    return array


@handles("copyto")
def _copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    target = watched(dst, "copyto")
    source_dtype = getattr(src, "dtype", None)
    if source_dtype is not None and not np.can_cast(source_dtype, target.dtype, casting):  # type: ignore[arg-type]
        raise TypeError(
            f"Cannot cast array data from {source_dtype!r} to {target.dtype!r} according to the rule '{casting}'"
        )
    if where is True:
        target[...] = src
        return
    mask = np.broadcast_to(plain_nested(where), target.shape)
    target[mask] = np.broadcast_to(src, target.shape)[mask]


@handles("put")
def _put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    target = watched(a, "put")
    places = np.atleast_1d(plain_nested(ind)).ravel()
    if mode != "raise":
        places = places % target.size if mode == "wrap" else np.clip(places, 0, target.size - 1)
    v = creation.asarray(v)
    values = np.resize(v, places.shape) if np.size(v) != places.size else np.reshape(v, places.shape)
    target[np.unravel_index(places % target.size, target.shape)] = values


@handles("place")
def _place(arr: Any, mask: Any, vals: Any) -> None:
    target = watched(arr, "place")
    np.place(target._value.copy(), plain(mask), plain_nested(vals))  # NumPy's own errors
    marks = np.flatnonzero(np.reshape(plain(mask), -1))
    _store(target, marks, np.arange(len(marks)), vals)


@handles("putmask")
def _putmask(a: Any, mask: Any, values: Any) -> None:
    target = watched(a, "putmask")
    np.putmask(target._value.copy(), plain(mask), plain_nested(values))
    marks = np.flatnonzero(np.reshape(plain(mask), -1))
    _store(target, marks, marks, values)


def _store(target: TracedArray, places: Any, numbers: Any, values: Any) -> None:
    """Write the values with these numbers, which go round, to these places in C order."""
    source = np.ravel(creation.asarray(values))
    if len(places):
        target[np.unravel_index(places, target.shape)] = source[numbers % source.size]


@handles("put_along_axis")
def _put_along_axis(arr: Any, indices: Any, values: Any, axis: Any = -1) -> None:
    target = watched(arr, "put_along_axis")
    indices = plain(indices)
    np.put_along_axis(target._value.copy(), indices, plain(values), axis)
    if axis is None:
        target.flat[indices] = values
        return
    places = list(np.ogrid[tuple(map(slice, np.shape(indices)))])
    places[axis] = indices
    target[tuple(places)] = values


@handles("fill_diagonal")
def _fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    target = watched(a, "fill_diagonal")
    marks = np.zeros(target.shape, bool)
    np.fill_diagonal(marks, True, wrap=wrap)
    places = np.nonzero(marks)
    count = len(places[0])
    target[places] = val if np.ndim(val) == 0 else np.resize(val, (count,))
