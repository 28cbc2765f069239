"""Derivative rules of ``scipy.ndimage``: filters, which are correlations along the axes of an extended array.

The transpose of a correlation is a full convolution, and the transpose of extending the array beyond its ends adds what
lies outside to where it was taken from. Filters that are made of correlations are transposed one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.ndimage as si
import scipy.signal as ss

from checkpointer.arrays import TracedArray
from checkpointer.indexing import untraced_target
from checkpointer.scipy.aware import Call, Rules

RULES = Rules(si)
rule = RULES.rule

Pullback = Callable[[Any], Any]

_PADDING = {
    "reflect": "symmetric",
    "grid-mirror": "symmetric",
    "nearest": "edge",
    "mirror": "reflect",
    "wrap": "wrap",
    "grid-wrap": "wrap",
}
"""What NumPy calls the modes of extending an array; the others extend it with a constant."""


def _source(length: int, before: int, after: int, mode: str) -> Any:
    """Where the elements of an extended axis come from; those that are a constant from behind the end."""
    if mode in _PADDING:
        return np.pad(np.arange(length), (before, after), _PADDING[mode])  # type: ignore[call-overload]
    return np.pad(np.arange(length), (before, after), constant_values=length)


def _gathered(extended: Any, axis: int, source: Any, length: int, before: int) -> Any:
    """The transpose of extending an axis: what lies outside is added to where it was taken from."""
    extended = np.moveaxis(extended, axis, 0)
    total = np.zeros((length + 1, *extended.shape[1:]), extended.dtype)
    total[:length] = extended[before : before + length]
    outside = np.r_[:before, before + length : len(source)]
    np.add.at(total, source[outside], extended[outside])
    return np.moveaxis(total[:length], 0, axis)


class Correlation:
    """``correlate`` with given weights: y[i] = sum over k of w[k] x[i + k - middle], x being extended.

    Parameters
    ----------
    weights : ndarray
        With as many axes as the array.
    origins : sequence of int
        By how much the middle of the weights is moved, for each axis.
    modes : sequence of str
        How the array is extended, for each axis.
    """

    def __init__(
        self, weights: Any, shape: Sequence[int], origins: Sequence[int], modes: Sequence[str]
    ) -> None:
        self.weights = weights
        self.before = [size // 2 + origin for size, origin in zip(weights.shape, origins, strict=True)]
        after = [size - 1 - b for size, b in zip(weights.shape, self.before, strict=True)]
        self.shape = shape
        self.sources = [
            _source(n, b, a, mode) for n, b, a, mode in zip(shape, self.before, after, modes, strict=True)
        ]

    def transposed(self, g: Any) -> Any:
        """The adjoint of the array."""
        extended = ss.convolve(g, self.weights, "full", "direct")
        for axis, (length, before) in enumerate(zip(self.shape, self.before, strict=True)):
            if self.weights.shape[axis] > 1:
                extended = _gathered(extended, axis, self.sources[axis], length, before)
        return extended

    def weights_adjoint(self, x: Any, g: Any, cval: float) -> Any:
        """The adjoint of the weights."""
        for axis, source in enumerate(self.sources):
            behind = np.full_like(np.take(x, [0], axis), cval)
            x = np.take(np.concatenate([x, behind], axis), source, axis)
        return ss.correlate(x, np.conj(g), "valid", "direct")


def _axes(call: Call, ndim: int) -> list[int]:
    axes = call["axes"] if "axes" in call.given else None
    return list(range(ndim)) if axes is None else [axis % ndim for axis in np.atleast_1d(axes).tolist()]


def _each(value: Any, count: int) -> list[Any]:
    """An option that is given once for all axes, or for each."""
    return list(value) if np.ndim(value) else [value] * count


def _finished(call: Call, value_of: Callable[[], Any], **pullbacks: Pullback) -> Any:
    """The result of a filter, written to ``output`` if that is an array."""
    output = call.given["output"]
    if not isinstance(output, np.ndarray):
        return call.record(value_of(), **pullbacks)
    if type(output) is not TracedArray:
        raise untraced_target(call.label)
    call.given["output"] = output.dtype
    output[...] = call.record(value_of(), **pullbacks)
    return output


@rule("correlate convolve correlate1d convolve1d", "input weights output")
def _correlate(call: Call) -> Any:
    x, weights = np.asarray(call["input"]), np.asarray(call["weights"])
    one_axis, flip = "1d" in call.original.__name__, "convolve" in call.original.__name__
    axes = [call["axis"] % x.ndim] if one_axis else _axes(call, x.ndim)
    if np.iscomplexobj(x) or np.iscomplexobj(weights):
        raise call.refuse("for complex numbers", "filter the real and the imaginary part")
    kept = weights[(slice(None, None, -1),) * weights.ndim] if flip else weights
    sizes, origins, modes = [1] * x.ndim, [0] * x.ndim, ["constant"] * x.ndim
    given = zip(
        axes, _each(call["origin"], len(axes)), _each(call["mode"], len(axes)), kept.shape, strict=True
    )
    for axis, origin, mode, size in given:
        # the middle of flipped weights of even length lies on the other side
        origins[axis] = (-origin if size % 2 else -origin - 1) if flip else origin
        sizes[axis], modes[axis] = size, mode
    order = np.argsort(axes)
    correlation = Correlation(kept.transpose(order).reshape(sizes), x.shape, origins, modes)

    def weights_adjoint(g: Any) -> Any:
        total = correlation.weights_adjoint(x, g, call["cval"])
        total = total.reshape(kept.transpose(order).shape).transpose(np.argsort(order))
        return total[(slice(None, None, -1),) * weights.ndim] if flip else total

    return _finished(call, call.run, input=correlation.transposed, weights=weights_adjoint)


def _along(weights: Any, axis: int, shape: Sequence[int], mode: str, origin: int = 0) -> Correlation:
    """A correlation along one axis."""
    ndim = len(shape)
    sizes, origins = [1] * ndim, [0] * ndim
    sizes[axis], origins[axis] = len(weights), origin
    return Correlation(np.reshape(weights, sizes), shape, origins, [mode] * ndim)


def _transposed(stages: Sequence[Correlation]) -> Pullback:
    """The transpose of several correlations, one after another."""

    def pullback(g: Any) -> Any:
        for stage in reversed(stages):
            g = stage.transposed(g)
        return g

    return pullback


def _gaussian(sigma: Any, order: int, truncate: float, radius: Any) -> Any:
    """The weights of a Gaussian filter: its response to a single one, turned around."""
    reach = int(truncate * float(sigma) + 0.5) if radius is None else radius
    impulse = np.zeros(4 * reach + 1)
    impulse[2 * reach] = 1
    response = si.gaussian_filter1d(
        impulse, sigma, order=order, mode="constant", truncate=truncate, radius=radius
    )
    return response[reach : 3 * reach + 1][::-1]


@rule("gaussian_filter1d", "input output")
def _gaussian1d(call: Call) -> Any:
    shape = np.shape(call["input"])
    weights = _gaussian(call["sigma"], call["order"], call["truncate"], call["radius"])
    stages = [_along(weights, call["axis"] % len(shape), shape, call["mode"])]
    return _finished(call, call.run, input=_transposed(stages))


@rule("gaussian_filter", "input output")
def _gaussian_filter(call: Call) -> Any:
    shape = np.shape(call["input"])
    axes = _axes(call, len(shape))
    options = [_each(call[name], len(axes)) for name in ("sigma", "order", "mode", "radius")]
    stages = [
        _along(_gaussian(sigma, order, call["truncate"], radius), axis, shape, mode)
        for axis, sigma, order, mode, radius in zip(axes, *options, strict=True)
        if sigma > 1e-15  # SciPy skips the others
    ]
    return _finished(call, call.run, input=_transposed(stages))


@rule("uniform_filter1d uniform_filter", "input output")
def _uniform(call: Call) -> Any:
    shape = np.shape(call["input"])
    axes = [call["axis"] % len(shape)] if "axis" in call.given else _axes(call, len(shape))
    options = [_each(call[name], len(axes)) for name in ("size", "origin", "mode")]
    stages = [
        _along(np.full(size, 1 / size), axis, shape, mode, origin)
        for axis, size, origin, mode in zip(axes, *options, strict=True)
        if size > 1
    ]
    return _finished(call, call.run, input=_transposed(stages))


@rule("sobel prewitt", "input output")
def _sobel(call: Call) -> Any:
    shape = np.shape(call["input"])
    modes = _each(call["mode"], len(shape))
    across = [1.0, 2.0, 1.0] if call.original.__name__ == "sobel" else [1.0, 1.0, 1.0]
    along = call["axis"] % len(shape)
    stages = [_along([-1.0, 0.0, 1.0], along, shape, modes[along])]
    stages += [_along(across, axis, shape, modes[axis]) for axis in range(len(shape)) if axis != along]
    return _finished(call, call.run, input=_transposed(stages))


@rule("laplace", "input output")
def _laplace(call: Call) -> Any:
    shape = np.shape(call["input"])
    axes = _axes(call, len(shape))
    modes = _each(call["mode"], len(axes))
    terms = [_along([1.0, -2.0, 1.0], axis, shape, mode) for axis, mode in zip(axes, modes, strict=True)]
    return _finished(call, call.run, input=lambda g: sum(term.transposed(g) for term in terms))


@rule("gaussian_laplace", "input output")
def _gaussian_laplace(call: Call) -> Any:
    shape = np.shape(call["input"])
    axes = _axes(call, len(shape))
    options = call["kwargs"] if "kwargs" in call.given else {}
    if set(options) - {"truncate"}:
        raise call.refuse(f"with {sorted(options)}", "call gaussian_filter for each second derivative")
    given = [_each(call[name], len(axes)) for name in ("sigma", "mode")]
    widths = list(zip(axes, *given, strict=True))
    truncate = options.get("truncate", 4.0)
    terms = [
        _transposed(
            [
                _along(_gaussian(sigma, 2 if axis == second else 0, truncate, None), axis, shape, mode)
                for axis, sigma, mode in widths
            ]
        )
        for second in axes
    ]
    return _finished(call, call.run, input=lambda g: sum(term(g) for term in terms))
