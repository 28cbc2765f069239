"""Functions that call a function of the user's: it sees traced values, and NumPy's loop around it is repeated here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from checkpointer import creation
from checkpointer.boxes import plain
from checkpointer.registry import handles


@handles("apply_along_axis")
def _apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    axis = range(np.ndim(arr))[axis]
    rows = np.moveaxis(arr, axis, -1)
    outer = np.shape(rows)[:-1]
    found = [func1d(rows[(*place, Ellipsis)], *args, **kwargs) for place in np.ndindex(outer)]
    if not found:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    found = [creation.asarray(one) if isinstance(one, list | tuple) else one for one in found]
    inner = np.shape(found[0])
    stacked = np.reshape(np.stack(found), outer + inner)
    places = range(len(outer), len(outer) + len(inner))
    return np.moveaxis(stacked, places, range(axis, axis + len(inner)))


@handles("apply_over_axes")
def _apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    total = a
    for axis in np.atleast_1d(axes):
        axis = int(axis) % np.ndim(a)
        reduced = func(total, axis)
        total = reduced if np.ndim(reduced) == np.ndim(a) else np.expand_dims(reduced, axis)
    return total


@handles("piecewise")
def _piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    conditions = [np.asarray(plain(condition), bool) for condition in _several(condlist, x)]
    if len(funclist) == len(conditions) + 1:
        conditions.append(~np.logical_or.reduce(conditions))
    if len(funclist) != len(conditions):
        raise ValueError(
            f"with {len(conditions)} condition(s), either {len(conditions)} or {len(conditions) + 1} functions are expected"
        )
    total = np.zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        if not callable(function):
            total[condition] = function
        elif np.any(condition):
            total[condition] = function(x[condition], *args, **kw)
    return total


def _several(condlist: Any, x: Any) -> list[Any]:
    """The conditions as a list; one alone stands for a list of one."""
    one = np.ndim(condlist) == 0 or (not isinstance(condlist[0], list | np.ndarray) and np.ndim(x) != 0)
    return [condlist] if one else list(condlist)
