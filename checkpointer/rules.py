"""Derivative rules that autograd lacks, or that matter enough to be leaner than its own.

A rule is a *maker* in autograd's form: ``maker(argnums, ans, args, kwargs)`` returns the pullback, a function of the
result's adjoint that returns one contribution per argument in ``argnums``. Complex adjoints are in autograd's convention,
in which the pullback of a holomorphic function multiplies by its derivative.

``zero * infinity`` is zero here: an adjoint that is exactly zero says that the element does not matter, whatever the
derivative of a square root at the origin may be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from checkpointer.memory import summed_to

Maker = Callable[..., Callable[[Any], tuple[Any, ...]]]
Partial = Callable[..., Any]

RULES: dict[Callable[..., Any], Maker] = {}


def unbroadcast(adjoint: Any, argument: Any) -> Any:
    """Sum the adjoint over the axes along which ``argument`` was broadcast."""
    adjoint = summed_to(adjoint, np.shape(argument))
    return adjoint if np.iscomplexobj(argument) else np.real(adjoint)


def scaled(adjoint: Any, partial: Any) -> Any:
    """``adjoint * partial``, with zero where the adjoint is zero even if the derivative is not finite."""
    product = adjoint * partial
    if not np.isfinite(np.sum(product)):
        product = np.where(adjoint == 0, 0.0, product)
    return product


def elementwise(ufunc: np.ufunc, *partials: Partial, singular: bool = False) -> None:
    """Register a ufunc by its partial derivatives, functions of ``(ans, *args)``."""
    times = scaled if singular else np.multiply

    def maker(
        argnums: tuple[int, ...], ans: Any, args: tuple[Any, ...], kwargs: Any
    ) -> Callable[[Any], tuple[Any, ...]]:
        def pullback(g: Any) -> tuple[Any, ...]:
            with np.errstate(divide="ignore", invalid="ignore"):
                return tuple(unbroadcast(times(g, partials[n](ans, *args)), args[n]) for n in argnums)

        return pullback

    RULES[ufunc] = maker


def _sum_maker(signs: tuple[int, int]) -> Maker:
    """The rule of ``add`` and ``subtract``: the adjoint itself, or its negative."""

    def maker(
        argnums: tuple[int, ...], ans: Any, args: tuple[Any, ...], kwargs: Any
    ) -> Callable[[Any], tuple[Any, ...]]:
        return lambda g: tuple(unbroadcast(g if signs[n] > 0 else -g, args[n]) for n in argnums)

    return maker


RULES[np.add] = _sum_maker((1, 1))
RULES[np.subtract] = _sum_maker((1, -1))


def _power_base(ans: Any, x: Any, y: Any) -> Any:
    if np.ndim(y) == 0 and y == 2:
        return 2 * x
    return np.where(y == 0, 0.0, y * np.power(x, np.where(y == 0, 1.0, np.subtract(y, 1.0))))


def _power_exponent(ans: Any, x: Any, y: Any) -> Any:
    return ans * np.log(np.where(x == 0, 1.0, x))


def _chosen(ans: Any, mine: Any, other: Any) -> Any:
    """Which argument a maximum or minimum took; a tie is shared, and a NaN goes where the result came from."""
    took_mine = (ans == mine) | (np.isnan(ans) & np.isnan(mine))
    took_other = (ans == other) | (np.isnan(ans) & np.isnan(other))
    return took_mine / np.maximum(1, took_mine.astype(float) + took_other)


elementwise(np.multiply, lambda ans, x, y: y, lambda ans, x, y: x, singular=True)
elementwise(
    np.true_divide,
    lambda ans, x, y: np.true_divide(1, y),  # of a Python number, too, where it is zero
    lambda ans, x, y: -np.true_divide(ans, y),
    singular=True,
)
elementwise(np.negative, lambda ans, x: -1.0)
elementwise(np.positive, lambda ans, x: 1.0)
elementwise(np.square, lambda ans, x: 2 * x)
elementwise(np.sqrt, lambda ans, x: 0.5 / ans, singular=True)
elementwise(np.cbrt, lambda ans, x: 1 / (3 * ans * ans), singular=True)
elementwise(np.reciprocal, lambda ans, x: -ans * ans, singular=True)
elementwise(np.exp, lambda ans, x: ans, singular=True)
elementwise(np.log, lambda ans, x: 1 / x, singular=True)
elementwise(np.log2, lambda ans, x: 1 / (x * np.log(2.0)), singular=True)
elementwise(np.log10, lambda ans, x: 1 / (x * np.log(10.0)), singular=True)
elementwise(np.log1p, lambda ans, x: 1 / (1 + x), singular=True)
elementwise(np.sin, lambda ans, x: np.cos(x))
elementwise(np.cos, lambda ans, x: -np.sin(x))
elementwise(np.tanh, lambda ans, x: 1 - ans * ans)
elementwise(np.power, _power_base, _power_exponent, singular=True)
elementwise(np.float_power, _power_base, _power_exponent, singular=True)
elementwise(np.maximum, _chosen, lambda ans, x, y: _chosen(ans, y, x))
elementwise(np.minimum, _chosen, lambda ans, x, y: _chosen(ans, y, x))
elementwise(np.fmax, _chosen, lambda ans, x, y: _chosen(ans, y, x))
elementwise(np.fmin, _chosen, lambda ans, x, y: _chosen(ans, y, x))
elementwise(
    np.copysign,
    lambda ans, x, y: np.where(np.signbit(x) == np.signbit(y), 1.0, -1.0),
    lambda ans, x, y: np.zeros_like(y),
)
elementwise(np.remainder, lambda ans, x, y: 1.0, lambda ans, x, y: -np.floor(x / y), singular=True)
elementwise(np.fmod, lambda ans, x, y: 1.0, lambda ans, x, y: -np.trunc(x / y), singular=True)
elementwise(np.nextafter, lambda ans, x, y: 1.0, lambda ans, x, y: np.zeros_like(y))
elementwise(np.ldexp, lambda ans, x, i: np.exp2(i))
elementwise(np.hypot, lambda ans, x, y: x / ans, lambda ans, x, y: y / ans, singular=True)
elementwise(
    np.arctan2,
    lambda ans, y, x: x / (x * x + y * y),
    lambda ans, y, x: -y / (x * x + y * y),
    singular=True,
)


def along(adjoint: Any, axis: Any, keepdims: bool, ndim: int) -> Any:
    """The adjoint of a reduction with its reduced axes put back, so that it broadcasts against the argument."""
    if axis is None:
        return np.reshape(adjoint, (1,) * ndim)
    if keepdims:
        return adjoint
    axes = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    for number in sorted(number % ndim for number in axes):
        adjoint = np.expand_dims(adjoint, number)
    return adjoint


RULES[np.roll] = lambda argnums, ans, args, kwargs: lambda g: (_rolled_back(g, *args[1:], **kwargs),)


def _rolled_back(g: Any, shift: Any, axis: Any = None) -> Any:
    return np.roll(g, -np.asarray(shift) if np.ndim(shift) == 0 else tuple(-s for s in shift), axis)


def clip(a: Any, low: Any, high: Any) -> Any:
    """``np.clip`` as a function of its three arrays, under which its rule is registered."""
    return np.clip(a, low, high)


def _clip_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], tuple[Any, ...]]:
    a, low, high = args
    raised = a if low is None else np.maximum(a, low)  # where low > high, high wins
    nowhere = np.zeros(np.shape(ans), bool)
    above = nowhere if high is None else np.broadcast_to(raised > high, np.shape(ans))
    below = nowhere if low is None else np.broadcast_to(a < low, np.shape(ans)) & ~above
    parts = (~above & ~below, below, above)
    return lambda g: tuple(unbroadcast(g * parts[n], args[n]) for n in argnums)


RULES[clip] = _clip_maker


def _where_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], tuple[Any, ...]]:
    """The condition is piecewise constant; what was not chosen has no adjoint, whatever stands there."""
    condition = np.asarray(args[0], bool)
    parts = (
        lambda g: np.zeros(np.shape(args[0])),
        lambda g: unbroadcast(np.where(condition, g, 0), args[1]),
        lambda g: unbroadcast(np.where(condition, 0, g), args[2]),
    )
    return lambda g: tuple(parts[n](g) for n in argnums)


def _angle_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], tuple[Any, ...]]:
    z = args[0]
    scale = 180 / np.pi if (args[1] if len(args) > 1 else kwargs.get("deg", False)) else 1.0
    if not np.iscomplexobj(z):
        return lambda g: (np.zeros(np.shape(z)),)
    return lambda g: (scaled(g, scale / (1j * z)),)


RULES[np.where] = _where_maker
RULES[np.angle] = _angle_maker


def _sinc_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], tuple[Any, ...]]:
    (x,) = args
    safe = np.where(x == 0, 1.0, x)
    slope = np.where(x == 0, 0.0, (np.cos(np.pi * x) - ans) / safe)
    return lambda g: (g * slope,)


RULES[np.sinc] = _sinc_maker


def _modf_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], tuple[Any, ...]]:
    return lambda g: (g[0],)  # the whole part is piecewise constant


def _divmod_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], tuple[Any, ...]]:
    remainder = RULES[np.remainder](argnums, ans[1], args, kwargs)
    return lambda g: remainder(g[1])


def _frexp_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], tuple[Any, ...]]:
    return lambda g: (g[0] * np.exp2(-ans[1].astype(g[0].dtype)),)  # the exponent is piecewise constant


RULES[np.frexp] = _frexp_maker
RULES[np.modf] = _modf_maker
RULES[np.divmod] = _divmod_maker


def _absolute_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], tuple[Any, ...]]:
    (x,) = args
    if np.iscomplexobj(x):
        return lambda g: (g * np.conj(x) / np.where(ans == 0, 1.0, ans),)
    return lambda g: (g * np.sign(x),)


RULES[np.absolute] = _absolute_maker


def _sort_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], tuple[Any, ...]]:
    x = args[0]
    axis = args[1] if len(args) > 1 else kwargs.get("axis", -1)
    if axis is None:
        order = np.argsort(x, axis=None)
        return lambda g: (g[np.argsort(order)].reshape(x.shape),)
    order = np.argsort(x, axis=axis)
    return lambda g: (np.take_along_axis(g, np.argsort(order, axis=axis), axis=axis),)


RULES[np.sort] = _sort_maker
