"""Derivative rules of sums, products, extrema and spreads along axes, and of their running forms.

The dispatch gives the options by name; ``where=`` and ``initial=`` are compositions (`checkpointer.reductions`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from checkpointer.rules import RULES, along

Pull = Callable[[Any], tuple[Any, ...]]


def _count(x: Any, axis: Any) -> int:
    """How many elements each result is made of."""
    if axis is None:
        return int(np.size(x))
    axes = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    return int(np.prod([np.shape(x)[number] for number in axes], dtype=int))


def _over(x: Any, kwargs: Any) -> Callable[[Any], Any]:
    """The function that lets what belongs to a result broadcast against the argument."""
    return lambda value: along(value, kwargs.get("axis"), kwargs.get("keepdims", False), np.ndim(x))


def _sum_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Pull:
    shape, over = np.shape(args[0]), _over(args[0], kwargs)
    return lambda g: (np.broadcast_to(over(g), shape),)


def _mean_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Pull:
    shape, over = np.shape(args[0]), _over(args[0], kwargs)
    count = _count(args[0], kwargs.get("axis"))
    return lambda g: (np.broadcast_to(over(g) / count, shape),)


def _deviation(x: Any, kwargs: Any) -> tuple[Any, float]:
    """The conjugate deviations from the mean, and what the sum of their squares is divided by."""
    axis = kwargs.get("axis")
    freedom = _count(x, axis) - kwargs.get("ddof", kwargs.get("correction", 0))
    return np.conj(x - np.mean(x, axis=axis, keepdims=True)), freedom


def _var_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Pull:
    over = _over(args[0], kwargs)
    deviation, freedom = _deviation(args[0], kwargs)
    return lambda g: (over(2 * g / freedom) * deviation,)


def _std_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Pull:
    over = _over(args[0], kwargs)
    deviation, freedom = _deviation(args[0], kwargs)
    return lambda g: (over(g / (freedom * np.where(ans == 0, 1, ans))) * deviation,)


def _extremum_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Pull:
    """The elements that are the extremum share its adjoint, whether it is a number or a NaN."""
    x, over = args[0], _over(args[0], kwargs)
    found = over(ans)
    share = ((x == found) | (np.isnan(x) & np.isnan(found))).astype(np.real(ans).dtype)
    share /= np.sum(share, axis=kwargs.get("axis"), keepdims=True)
    return lambda g: (over(g) * share,)


def _cumsum_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Pull:
    axis, shape = kwargs.get("axis"), np.shape(args[0])
    return lambda g: (np.flip(np.cumsum(np.flip(g, axis), axis), axis).reshape(shape),)


def products_of_others(factors: Any) -> Any:
    """For each element of the last axis, the product of the others: dividing by it would fail where it is zero."""
    ones = np.ones_like(factors[..., :1])
    before = np.cumprod(np.concatenate([ones, factors[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([ones, factors[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    return before * after


def _prod_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Pull:
    x, axis, over = args[0], kwargs.get("axis"), _over(args[0], kwargs)

    def pullback(g: Any) -> tuple[Any, ...]:
        axes = list(range(x.ndim)) if axis is None else [int(n) % x.ndim for n in np.atleast_1d(axis)]
        places = list(range(-len(axes), 0))
        last = np.moveaxis(x, axes, places)
        others = products_of_others(last.reshape(*last.shape[: x.ndim - len(axes)], -1))
        return (over(g) * np.moveaxis(others.reshape(last.shape), places, axes),)

    return pullback


def _cumprod_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Pull:
    """D ans[j] / d x[i] is the product of the first j factors without the i-th, for i <= j."""
    x, axis = args[0], kwargs.get("axis")

    def pullback(g: Any) -> tuple[Any, ...]:
        source = x.reshape(-1) if axis is None else np.moveaxis(x, axis, -1)
        adjoint = g.reshape(-1) if axis is None else np.moveaxis(g, axis, -1)
        total = np.zeros(source.shape, np.result_type(source, adjoint))
        for i in range(source.shape[-1]):
            without = source.copy()
            without[..., i] = 1
            total[..., i] = np.sum((np.cumprod(without, axis=-1) * adjoint)[..., i:], axis=-1)
        return (total.reshape(x.shape) if axis is None else np.moveaxis(total, -1, axis),)

    return pullback


RULES[np.sum] = _sum_maker
RULES[np.mean] = _mean_maker
RULES[np.var] = _var_maker
RULES[np.std] = _std_maker
for _extremum in (np.max, np.min, np.amax, np.amin):
    RULES[_extremum] = _extremum_maker
RULES[np.prod] = _prod_maker
RULES[np.cumsum] = _cumsum_maker
RULES[np.cumprod] = _cumprod_maker
