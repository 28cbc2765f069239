"""Differences, integrals, interpolation and convolution, composed of functions that have a rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from checkpointer import rules, ufuncs
from checkpointer.arrays import TracedArray
from checkpointer.boxes import is_varied, plain, plain_nested
from checkpointer.indexing import untraced_target
from checkpointer.refusals import refuse
from checkpointer.registry import composes, handles


def along_axis(axis: int, part: Any) -> tuple[Any, ...]:
    """The index that takes ``part`` along one axis (negative ones count from the end) and everything else."""
    return (..., part, *(slice(None),) * (-axis - 1)) if axis < 0 else (*(slice(None),) * axis, part)


def on_axis(values: Any, axis: int, ndim: int) -> Any:
    """A one-dimensional array shaped so that it broadcasts along one axis."""
    shape = [1] * ndim
    shape[axis] = np.size(values)
    return np.reshape(values, shape)


@composes("gradient")
def _gradient(f: Any, *spacings: Any, axis: Any = None, edge_order: int = 1) -> Any:
    axes = list(range(np.ndim(f))) if axis is None else [int(n) % np.ndim(f) for n in np.atleast_1d(axis)]
    if len(spacings) == 1:
        spacings *= len(axes)
    found = [
        _slope(np.moveaxis(f, number, -1), spacing, edge_order, number)
        for number, spacing in zip(axes, spacings or (1.0,) * len(axes), strict=True)
    ]
    return found[0] if (axis is not None and np.ndim(axis) == 0) or len(axes) == 1 else tuple(found)


def _slope(f: Any, spacing: Any, edge_order: int, axis: int) -> Any:
    """Second-order differences along the last axis, which goes back to where it came from.

    The weights are those of the parabola through three points; at the edges, of the line through two or a parabola.
    """
    if np.ndim(spacing):
        steps = np.diff(spacing)
        inside = _uneven(f, steps[:-1], steps[1:])
        near, second, beside, last = steps[0], steps[1 % len(steps)], steps[-2 % len(steps)], steps[-1]
    else:
        inside = (f[..., 2:] - f[..., :-2]) / (2.0 * spacing)
        near = second = beside = last = spacing
    if edge_order == 1:
        first = (f[..., 1:2] - f[..., :1]) / near
        end = (f[..., -1:] - f[..., -2:-1]) / last
    else:
        first = _edge(f[..., 0:1], f[..., 1:2], f[..., 2:3], near, second)
        end = -_edge(f[..., -1:], f[..., -2:-1], f[..., -3:-2], last, beside)
    return np.moveaxis(np.concatenate([first, inside, end], axis=-1), -1, axis)


def _uneven(f: Any, before: Any, after: Any) -> Any:
    """The slope at the middle one of three points."""
    both = before + after
    return (
        -after / (before * both) * f[..., :-2]
        + (after - before) / (before * after) * f[..., 1:-1]
        + before / (after * both) * f[..., 2:]
    )


def _edge(f0: Any, f1: Any, f2: Any, near: Any, far: Any) -> Any:
    """The slope of a parabola at the first of its three points."""
    both = near + far
    return -(2 * near + far) / (near * both) * f0 + both / (near * far) * f1 - near / (far * both) * f2


@composes("diff")
def _diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = np._NoValue, append: Any = np._NoValue) -> Any:
    parts = []
    for edge in (prepend, a, append):
        if edge is a:
            parts.append(a)
        elif edge is not np._NoValue:
            shape = list(np.shape(a))
            shape[axis] = 1
            parts.append(np.broadcast_to(edge, shape) if np.ndim(edge) == 0 else edge)
    total = np.concatenate(parts, axis=axis) if len(parts) > 1 else a
    for _ in range(n):
        total = total[along_axis(axis, slice(1, None))] - total[along_axis(axis, slice(-1))]
    return total


@composes("ediff1d")
def _ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    flat = np.ravel(ary)
    parts = [to_begin, flat[1:] - flat[:-1], to_end]
    return np.concatenate([np.ravel(part) for part in parts if part is not None])


@composes("trapezoid", "trapz")
def _trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    if x is not None:
        dx = np.diff(x) if np.ndim(x) == 1 else np.diff(x, axis=axis)
        if np.ndim(x) == 1:
            dx = on_axis(dx, axis, np.ndim(y))
    middles = y[along_axis(axis, slice(1, None))] + y[along_axis(axis, slice(-1))]
    return np.sum(dx * middles / 2.0, axis=axis)


@composes("interp")
def _interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    if period is not None:
        if is_varied(period):
            raise refuse(
                "CKP201", "np.interp with a period that is being differentiated", "scale x and xp by it"
            )
        x, xp = x % abs(period), xp % abs(period)
        order = np.argsort(plain(xp))
        xp, fp = np.take(xp, order), np.take(fp, order)
        xp = np.concatenate([xp[-1:] - abs(period), xp, xp[:1] + abs(period)])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
        left = right = None
    at, knots = plain(x), np.asarray(plain_nested(xp))
    last = len(knots) - 1
    number = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, max(last - 1, 0))
    below, above = np.take(xp, number), np.take(xp, np.minimum(number + 1, last))
    low, high = np.take(fp, number), np.take(fp, np.minimum(number + 1, last))
    width = np.where(plain(above) == plain(below), 1.0, above - below)
    inside = low + (high - low) / width * (x - below)
    inside = np.where(at < knots[0], np.take(fp, 0) if left is None else left, inside)
    return np.where(at > knots[-1], np.take(fp, last) if right is None else right, inside)


@composes("unwrap")
def _unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    if is_varied(period):
        raise refuse(
            "CKP201", "np.unwrap with a period that is being differentiated", "scale the phase by it"
        )
    return p * 1.0  # what is added are multiples of the period


def _convolve_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Any:
    """The pullback of a convolution is the correlation with the other argument, without a conjugate."""
    a, v = (np.atleast_1d(arg) for arg in args[:2])
    mode = args[2] if len(args) > 2 else kwargs.get("mode", "full")
    before = _cut(len(a), len(v), mode)

    def pullback(g: Any) -> tuple[Any, ...]:
        full = np.zeros(len(a) + len(v) - 1, g.dtype)
        full[before : before + len(g)] = g
        others = (v, a)
        return tuple(np.convolve(full, others[n][::-1], mode="valid") for n in argnums)

    return pullback


def _cut(long: int, short: int, mode: str) -> int:
    """How many elements of the full convolution stand in front of those that a mode keeps."""
    short = min(long, short)
    return {"full": 0, "same": (short - 1) // 2, "valid": short - 1}[mode]


rules.RULES[np.convolve] = _convolve_maker


@composes("correlate")
def _correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    full = np.convolve(np.atleast_1d(a), np.conj(np.atleast_1d(v))[::-1])
    n, m = np.size(a), np.size(v)
    length = {"full": n + m - 1, "same": max(n, m), "valid": abs(n - m) + 1}[mode]
    before = _cut(n, m, mode)
    if n < m:  # NumPy exchanges the arguments and turns the result round
        before = n + m - 1 - length - before
    return full[before : before + length]


@composes("cumulative_sum")
def _cumulative_sum(x: Any, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> Any:
    return _running(np.cumsum, x, 0.0, axis, include_initial)


@composes("cumulative_prod")
def _cumulative_prod(x: Any, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> Any:
    return _running(np.cumprod, x, 1.0, axis, include_initial)


def _running(function: Any, x: Any, initial: float, axis: Any, include_initial: bool) -> Any:
    axis = 0 if axis is None else axis
    total = function(x, axis=axis)
    if not include_initial:
        return total
    shape = list(np.shape(x))
    shape[axis] = 1
    return np.concatenate([np.full(shape, initial), total], axis=axis)


@handles("clip")
def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **kwargs: Any) -> Any:
    low, high = kwargs.pop("min", a_min), kwargs.pop("max", a_max)
    inputs = [x for x in (a, low, high) if x is not None]
    value = np.clip(plain_nested(a), plain_nested(low), plain_nested(high), **kwargs)
    if out is None:
        return ufuncs.recorded(rules.clip, (a, low, high), value)
    if type(out) is not TracedArray:
        if any(map(is_varied, inputs)):
            raise untraced_target("np.clip")
        out[...] = value
        return out
    plain_inputs = [plain_nested(x) for x in (a, low, high)]
    return ufuncs.in_place(
        rules.clip, (a, low, high), out, lambda: np.clip(*plain_inputs, out=out._value, **kwargs)
    )
