"""Derivative rules of ``scipy.signal``: convolutions and linear filters."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.signal as ss

from checkpointer.scipy.aware import Call, Rules

RULES = Rules(ss)
rule = RULES.rule


def _placed(g: Any, mode: str, first: tuple[int, ...], second: tuple[int, ...]) -> Any:
    """The adjoint of the full convolution, of which a part was kept."""
    made = np.zeros([n + m - 1 for n, m in zip(first, second, strict=True)], g.dtype)
    if mode == "full":
        starts = [0] * g.ndim
    elif mode == "same":
        starts = [(m - 1) // 2 for m in second]
    else:
        starts = [min(n, m) - 1 for n, m in zip(first, second, strict=True)]
    made[tuple(slice(start, start + n) for start, n in zip(starts, g.shape, strict=True))] = g
    return made


@rule("convolve fftconvolve oaconvolve convolve2d", "in1 in2")
def _convolve(call: Call) -> Any:
    first, second = np.asarray(call["in1"]), np.asarray(call["in2"])
    call.need("transform along all axes", axes=None)
    call.need("use boundary='fill' with fillvalue=0, or numpy.pad first", boundary="fill", fillvalue=0)
    if first.ndim == 0 or first.size == 0 or second.size == 0:
        raise call.refuse("for numbers or empty arrays", "multiply them")
    value, mode = call.run(), call["mode"]
    method = call.given.get("method", "direct" if call.original.__name__ == "convolve2d" else "fft")

    def against(other: Any, g: Any) -> Any:
        whole = _placed(g, mode, first.shape, second.shape)
        return ss.correlate(whole, np.conj(other), "valid", method)

    return call.record(value, in1=lambda g: against(second, g), in2=lambda g: against(first, g))


@rule("lfilter", "x")
def _lfilter(call: Call) -> Any:
    call.need("leave zi away, and filter the whole signal at once", zi=None)
    b, a, axis = call["b"], call["a"], call["axis"]

    def pullback(g: Any) -> Any:
        return np.flip(ss.lfilter(b, a, np.flip(g, axis), axis), axis)

    return call.record(call.run(), x=pullback)
