"""Derivative rules of ``scipy.fft``: linear maps, whose transposes are transforms again.

The matrix of ``fft`` is symmetric, whatever the norm; padding and cutting are transposed by cutting and padding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.fft as sf

from checkpointer.scipy.aware import Call, Rules

RULES = Rules(sf)
rule = RULES.rule

_SWAPPED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}
"""The norm with which ``rfft`` scales as ``irfft`` does with the given one."""


def resized(g: Any, axis: int, length: int) -> Any:
    """Cut or padded with zeros at the end of an axis."""
    if g.shape[axis] >= length:
        return g[(slice(None),) * (axis % g.ndim) + (slice(length),)]
    made = np.zeros((*g.shape[: axis % g.ndim], length, *g.shape[axis % g.ndim + 1 :]), g.dtype)
    made[(slice(None),) * (axis % g.ndim) + (slice(g.shape[axis]),)] = g
    return made


def fitted(g: Any, shape: Sequence[int], axes: Sequence[int]) -> Any:
    """`resized` along several axes."""
    for axis in axes:
        g = resized(g, axis, shape[axis])
    return g


def _axes(call: Call, ndim: int) -> tuple[int, ...]:
    """The axes of a transform in one, two or n dimensions, each counted from the front."""
    if "axis" in call.given:
        return (call["axis"] % ndim,)
    axes, lengths = call["axes"], call["s"]
    if axes is None:
        axes = range(ndim) if lengths is None else range(ndim - np.size(lengths), ndim)
    return tuple(axis % ndim for axis in np.atleast_1d(axes).tolist())


@rule("fft ifft fft2 ifft2 fftn ifftn", "x")
def _fft(call: Call) -> Any:
    call.need("leave plan away", plan=None)
    x, value = np.asarray(call["x"]), call.run()
    axes, norm = _axes(call, x.ndim), call["norm"]
    transform = sf.ifftn if call.original.__name__.startswith("i") else sf.fftn
    return call.record(value, x=lambda g: fitted(transform(g, axes=axes, norm=norm), x.shape, axes))


@rule("rfft rfft2 rfftn", "x")
def _rfft(call: Call) -> Any:
    call.need("leave plan away", plan=None)
    x, value = np.asarray(call["x"]), call.run()
    axes, norm = _axes(call, x.ndim), call["norm"]
    lengths = call["n"] if "n" in call.given else call["s"]
    length = x.shape[axes[-1]] if lengths is None else int(np.atleast_1d(lengths)[-1])

    def pullback(g: Any) -> Any:
        whole = sf.fftn(resized(g, axes[-1], length), axes=axes, norm=norm)
        return fitted(whole.real, x.shape, axes)

    return call.record(value, x=pullback)


@rule("irfft irfft2 irfftn", "x")
def _irfft(call: Call) -> Any:
    call.need("leave plan away", plan=None)
    x, value = np.asarray(call["x"]), call.run()
    axes, norm = _axes(call, x.ndim), call["norm"]
    last, length = axes[-1], value.shape[axes[-1]]

    def pullback(g: Any) -> Any:
        half = np.conj(sf.rfft(g, axis=last, norm=_SWAPPED[norm]))
        both = np.full(half.shape[last], 2.0)  # the coefficients that also stand for those that are not given
        both[0] = 1
        if length % 2 == 0:
            both[-1] = 1
        half = half * both.reshape((-1,) + (1,) * (x.ndim - last - 1))
        if len(axes) > 1:
            half = sf.ifftn(half, axes=axes[:-1], norm=norm)
        return fitted(half, x.shape, axes)

    return call.record(value, x=pullback)


def _ends(g: Any, axis: int, first: float, last: float) -> Any:
    """With the first and the last element of an axis multiplied."""
    g = np.array(g)
    moved = np.moveaxis(g, axis, 0)
    moved[0] *= first
    moved[-1] *= last
    return g


def _cosine_transposed(kind: int, g: Any, **options: Any) -> Any:
    """The transpose of ``dct`` without the orthogonal norm; each is a sum with a weight at the ends."""
    axis = options["axis"]
    if kind == 1:
        return _ends(sf.dct(_ends(g, axis, 2.0, 2.0), 1, **options), axis, 0.5, 0.5)
    if kind == 2:
        return sf.dct(_ends(g, axis, 2.0, 1.0), 3, **options)
    if kind == 3:
        return _ends(sf.dct(g, 2, **options), axis, 0.5, 1.0)
    return sf.dct(g, 4, **options)


def _sine_transposed(kind: int, g: Any, **options: Any) -> Any:
    """The transpose of ``dst`` without the orthogonal norm."""
    axis = options["axis"]
    if kind == 2:
        return sf.dst(_ends(g, axis, 1.0, 2.0), 3, **options)
    if kind == 3:
        return _ends(sf.dst(g, 2, **options), axis, 1.0, 0.5)
    return sf.dst(g, kind, **options)


_INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}


@rule("dct idct dctn idctn dst idst dstn idstn", "x")
def _trigonometric(call: Call) -> Any:
    call.need("leave plan away", plan=None)
    call.need("leave orthogonalize away", orthogonalize=None)
    x, value = np.asarray(call["x"]), call.run()
    axes, norm, kind = _axes(call, x.ndim), call["norm"], call["type"]
    name = call.original.__name__
    inverse, cosine = name.startswith("i"), "dct" in name
    transpose: Callable[..., Any] = _cosine_transposed if cosine else _sine_transposed

    def pullback(g: Any) -> Any:
        for axis in axes:
            if norm == "ortho":  # an orthogonal matrix: the transpose is the inverse
                back = (sf.dct if inverse else sf.idct) if cosine else (sf.dst if inverse else sf.idst)
                g = back(g, kind, axis=axis, norm="ortho")
            elif inverse:  # the inverse is the transform of the opposite type, scaled
                g = transpose(_INVERSE[kind], g, axis=axis, norm=_SWAPPED[norm])
            else:
                g = transpose(kind, g, axis=axis, norm=norm)
        return fitted(g, x.shape, axes)

    return call.record(value, x=pullback)


@rule("fftshift ifftshift", "x")
def _shift(call: Call) -> Any:
    function = getattr(np.fft, call.original.__name__)
    return function(call.given["x"], call["axes"])
