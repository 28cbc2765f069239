"""Functions of numerical calculus and statistics that need more than a rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from checkpointer import rules, ufuncs
from checkpointer.arrays import TracedArray
from checkpointer.boxes import constant, is_traced, is_varied, plain_nested, result, results
from checkpointer.indexing import untraced_target
from checkpointer.refusals import refuse
from checkpointer.registry import handles
from checkpointer.scalars import tape_of


@handles(np.gradient)
def _gradient(f: Any, *spacings: Any, axis: Any = None, edge_order: int = 1) -> Any:
    tape = tape_of(f)
    numpys: Any = np.gradient
    value = numpys(f._value, *spacings, axis=axis, edge_order=edge_order)
    if not is_varied(f) or any(map(is_traced, spacings)):
        if is_varied(f):
            raise refuse(
                "CKP201", "np.gradient with a spacing that is being differentiated", "divide by the spacing"
            )
        return constant(tape, value)
    axes = range(f.ndim) if axis is None else [number % f.ndim for number in np.atleast_1d(axis)]
    if len(spacings) == 1:
        spacings *= len(axes)
    widths = spacings or (1.0,) * len(axes)
    pullbacks = [
        rules.gradient_pullback(f.shape, n, h, edge_order) for n, h in zip(axes, widths, strict=True)
    ]
    if isinstance(value, tuple | list):
        return results(
            tape, value, lambda g: (sum(p(part) for p, part in zip(pullbacks, g, strict=True)),), (f._node,)
        )
    return result(tape, value, lambda g: (pullbacks[0](g),), (f._node,))


@handles(np.clip)
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


@handles(np.ptp)
def _ptp(a: Any, axis: Any = None, **kwargs: Any) -> Any:
    return np.max(a, axis=axis, **kwargs) - np.min(a, axis=axis, **kwargs)


@handles(np.average)
def _average(a: Any, axis: Any = None, weights: Any = None, **kwargs: Any) -> Any:
    if kwargs or weights is None:
        return np.mean(a, axis=axis)
    raise refuse(
        "CKP201",
        "np.average with weights on a value that is being differentiated",
        "write np.sum(w * a) / np.sum(w)",
    )
