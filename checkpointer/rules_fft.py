"""Derivative rules of the discrete Fourier transforms: they are linear, and their transposes are transforms again.

In autograd's convention for complex adjoints the pullback of a linear map is its transpose, without a conjugate; the matrix
of a transform is symmetric.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from checkpointer.registry import composes
from checkpointer.rules import RULES

Pull = Callable[[Any], Any]

_OPPOSITE: dict[Any, Any] = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def resized(array: Any, shape: tuple[int, ...]) -> Any:
    """``array`` cut or filled up with zeros to ``shape``; cutting and filling up are each other's transpose."""
    array = array[tuple(slice(0, length) for length in shape)]
    return np.pad(array, [(0, length - have) for length, have in zip(shape, array.shape, strict=True)])


def _of_length(array: Any, axis: int, length: int) -> Any:
    shape = list(array.shape)
    shape[axis] = length
    return resized(array, tuple(shape))


def _one_axis(pull: Callable[..., Any]) -> Callable[..., Pull]:
    """The maker of a transform along one axis: ``pull(g, x, ans, axis, norm)``."""

    def maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Pull:
        options = {**dict(zip(("n", "axis", "norm"), args[1:], strict=False)), **kwargs}
        axis = options.get("axis", -1)
        return lambda g: (pull(g, args[0], ans, axis, options.get("norm")),)

    return maker


def _many_axes(pull: Callable[..., Any], default: tuple[int, ...] | None) -> Callable[..., Pull]:
    """The maker of a transform along several axes: ``pull(g, x, ans, axes, norm)``."""

    def maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Pull:
        options = {**dict(zip(("s", "axes", "norm"), args[1:], strict=False)), **kwargs}
        axes = options.get("axes", default)
        if axes is None:
            lengths = options.get("s")
            axes = range(-np.ndim(args[0]) if lengths is None else -len(lengths), 0)
        axes = [int(axis) % np.ndim(args[0]) for axis in axes]
        if len(set(axes)) < len(axes):
            raise NotImplementedError("an axis is named twice")
        return lambda g: (pull(g, args[0], ans, axes, options.get("norm")),)

    return maker


def _complex(transform: Callable[..., Any]) -> Callable[..., Any]:
    return lambda g, x, ans, axes, norm: resized(transform(g, axes=axes, norm=norm), np.shape(x))


def _rfftn(g: Any, x: Any, ans: Any, axes: list[int], norm: Any, length: int) -> Any:
    """A real transform keeps half of the complex one: its transpose fills up the other half with zeros."""
    full = np.fft.fftn(_of_length(g, axes[-1], length), axes=axes, norm=norm)
    return resized(np.real(full), np.shape(x))


def _irfftn(g: Any, x: Any, ans: Any, axes: list[int], norm: Any) -> Any:
    """Every frequency but the first and, of an even length, the last stands for its conjugate, too."""
    *others, last = axes
    length = ans.shape[last]
    half = np.conj(np.fft.rfft(g, axis=last, norm=_OPPOSITE[norm]))
    weights = np.full(length // 2 + 1, 2.0)
    weights[0] = 1
    if length % 2 == 0:
        weights[-1] = 1
    half = half * weights.reshape([-1 if axis == last else 1 for axis in range(half.ndim)])
    if others:
        half = np.fft.ifftn(half, axes=others, norm=norm)
    return resized(half, np.shape(x))


def _length(args: Any, kwargs: Any, name: str, axis: int, position: int) -> int:
    """How many points a real transform has along its last axis."""
    given = args[1] if len(args) > 1 else kwargs.get(name)
    if given is not None and np.ndim(given):
        given = given[position]
    return np.shape(args[0])[axis] if given is None or given == -1 else int(given)


def _real_maker(name: str, default: Any) -> Callable[..., Pull]:
    def maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Pull:
        def pull(g: Any, x: Any, ans: Any, axes: Any, norm: Any) -> Any:
            axes = axes if isinstance(axes, list) else [axes % np.ndim(x)]
            return _rfftn(g, x, ans, axes, norm, _length(args, kwargs, name, axes[-1], -1))

        inner = _one_axis(pull) if name == "n" else _many_axes(pull, default)
        return inner(argnums, ans, args, kwargs)

    return maker


_fft, _ifft = _complex(np.fft.fftn), _complex(np.fft.ifftn)
RULES[np.fft.fft] = _one_axis(lambda g, x, ans, axis, norm: _fft(g, x, ans, [axis], norm))
RULES[np.fft.ifft] = _one_axis(lambda g, x, ans, axis, norm: _ifft(g, x, ans, [axis], norm))
RULES[np.fft.fft2] = _many_axes(_fft, (-2, -1))
RULES[np.fft.ifft2] = _many_axes(_ifft, (-2, -1))
RULES[np.fft.fftn] = _many_axes(_fft, None)
RULES[np.fft.ifftn] = _many_axes(_ifft, None)
RULES[np.fft.rfft] = _real_maker("n", None)
RULES[np.fft.rfft2] = _real_maker("s", (-2, -1))
RULES[np.fft.rfftn] = _real_maker("s", None)
RULES[np.fft.irfft] = _one_axis(lambda g, x, ans, axis, norm: _irfftn(g, x, ans, [axis % np.ndim(x)], norm))
RULES[np.fft.irfft2] = _many_axes(_irfftn, (-2, -1))
RULES[np.fft.irfftn] = _many_axes(_irfftn, None)


@composes("fft.hfft")
def _hfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return np.fft.irfft(np.conj(a), n, axis, _OPPOSITE[norm])


@composes("fft.ihfft")
def _ihfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    return np.conj(np.fft.rfft(a, n, axis, _OPPOSITE[norm]))
