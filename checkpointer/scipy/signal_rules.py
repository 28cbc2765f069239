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


@rule("lfilter", "b a x")
def _lfilter(call: Call) -> Any:
    """``sum a[k] y[n - k] = sum b[k] x[n - k]``, of which the transpose runs backward."""
    call.need("leave zi away, and filter the whole signal at once", zi=None)
    b, a, x, axis = np.atleast_1d(call["b"]), np.atleast_1d(call["a"]), np.asarray(call["x"]), call["axis"]
    value = call.run()
    y = value.copy()

    def backward(numerator: Any, g: Any) -> Any:
        return np.flip(ss.lfilter(numerator, a, np.flip(g, axis), axis), axis)

    def sums(signal: Any, g: Any, count: int) -> Any:
        """Of the adjoint with the signal, shifted by 0 to count - 1 samples."""
        late, signal = np.moveaxis(backward([1.0], g), axis, -1), np.moveaxis(signal, axis, -1)
        n = signal.shape[-1]
        return np.array(
            [np.sum(late[..., k:] * signal[..., : n - k]) if k < n else 0.0 for k in range(count)]
        )

    return call.record(
        value,
        b=lambda g: sums(x, g, len(b)),
        a=lambda g: -sums(y, g, len(a)),
        x=lambda g: backward(b, g),
    )
