"""Derivative rules of ``scipy.integrate``: the sums over samples. They are written out with NumPy's functions.

Integrators that call a function step on plain values, by an error estimate of their own, and are refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.integrate as si

from checkpointer.creation import asarray
from checkpointer.scipy.aware import Call, Rules, with_value

RULES = Rules(si)
rule = RULES.rule


def _samples(call: Call) -> tuple[Any, Any]:
    """The samples with the axis last, and the distances between them: a number, or an array."""
    y, x, axis = asarray(call.given["y"]), call.given["x"], call["axis"]
    y = np.moveaxis(y, axis, -1)
    if x is None:
        return y, call.given["dx"]
    x = asarray(x)
    return y, np.diff(x) if np.ndim(x) == 1 else np.diff(np.moveaxis(x, axis, -1), axis=-1)


@rule("trapezoid", "y x dx")
def _trapezoid(call: Call) -> Any:
    value = call.run()
    y, d = _samples(call)
    return with_value(value, np.sum(d * (y[..., 1:] + y[..., :-1]), axis=-1) / 2)


@rule("cumulative_trapezoid", "y x dx")
def _cumulative_trapezoid(call: Call) -> Any:
    value = call.run()
    y, d = _samples(call)
    sums = np.cumsum(d * (y[..., 1:] + y[..., :-1]) / 2, axis=-1)
    if call["initial"] is not None:
        sums = np.concatenate([np.full((*y.shape[:-1], 1), call["initial"]), sums], axis=-1)
    return with_value(value, np.moveaxis(sums, -1, call["axis"]))


@rule("simpson", "y x dx")
def _simpson(call: Call) -> Any:
    value = call.run()
    y, d = _samples(call)
    n = y.shape[-1]
    h = np.broadcast_to(d, (*y.shape[:-1], n - 1)) if np.ndim(d) else d * np.ones(n - 1)
    odd = n - 1 + n % 2  # the samples that make whole parabolas
    total: Any = 0.0
    if odd > 2:
        h0, h1 = h[..., 0 : odd - 1 : 2], h[..., 1 : odd - 1 : 2]
        y0, y1, y2 = y[..., 0 : odd - 2 : 2], y[..., 1 : odd - 1 : 2], y[..., 2:odd:2]
        parabolas = y0 * (2 - h1 / h0) + y1 * (h0 + h1) ** 2 / (h0 * h1) + y2 * (2 - h0 / h1)
        total = np.sum((h0 + h1) / 6 * parabolas, axis=-1)
    if n == 2:
        total = h[..., 0] * (y[..., 0] + y[..., 1]) / 2
    elif n % 2 == 0:  # Cartwright, Simpson's rule cumulative integration with MS Excel (2017), equation 8
        h0, h1 = h[..., -2], h[..., -1]
        total = total + (2 * h1**2 + 3 * h0 * h1) / (6 * (h0 + h1)) * y[..., -1]
        total = total + (h1**2 + 3 * h0 * h1) / (6 * h0) * y[..., -2]
        total = total - h1**3 / (6 * h0 * (h0 + h1)) * y[..., -3]
    return with_value(value, total)
