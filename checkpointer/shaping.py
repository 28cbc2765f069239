"""Functions that copy, broadcast and extend arrays, where moving elements does not say it all."""

from __future__ import annotations

from typing import Any

import numpy as np

from checkpointer.arrays import TracedArray
from checkpointer.boxes import constant, is_traced, is_varied, result, view_of
from checkpointer.indexing import copy
from checkpointer.refusals import refuse
from checkpointer.registry import handles
from checkpointer.scalars import tape_of


@handles("copy")
def _copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    return copy(a, np.copy(a._value, order=order)) if type(a) is TracedArray else a  # type: ignore[call-overload]


@handles("full_like")
def _full_like(a: Any, fill_value: Any, *args: Any, **kwargs: Any) -> Any:
    filled = np.empty_like(a, *args, **kwargs)
    filled[...] = fill_value
    return filled


@handles("broadcast_to")
def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    value = np.broadcast_to(array._value, shape)
    view = view_of(value, [array])
    if view is not None:
        return view
    tape = tape_of(array)
    if not is_varied(array):
        return constant(tape, value)
    return result(tape, value.copy(), lambda g: (np.sum(g),), (array._node,))


@handles("broadcast_arrays")
def _broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    shape = np.broadcast_shapes(*map(np.shape, args))
    return tuple(np.broadcast_to(arg, shape) for arg in args)


@handles("nan_to_num")
def _nan_to_num(x: Any, copy: bool = True, **kwargs: Any) -> Any:
    if not copy:
        replaced = np.nan_to_num(x, **kwargs)
        x[...] = replaced
        return x
    tape = tape_of(x)
    value = np.nan_to_num(x._value, **kwargs)
    if not is_varied(x):
        return constant(tape, value)
    real, imag = np.isfinite(np.real(x._value)), np.isfinite(np.imag(x._value))
    if np.iscomplexobj(value):
        return result(
            tape,
            value,
            lambda g: (np.where(real, g.real, 0.0) + 1j * np.where(imag, g.imag, 0.0),),
            (x._node,),
        )
    return result(tape, value, lambda g: (np.where(real, g, 0.0),), (x._node,))


@handles("astype")
def _astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    return x.astype(dtype, copy=copy)


@handles("real_if_close")
def _real_if_close(a: Any, tol: Any = 100) -> Any:
    value = np.real_if_close(a._value, tol)
    return np.real(a) if not np.iscomplexobj(value) else a


@handles("pad")
def _pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    movers = ("constant", "edge", "reflect", "symmetric", "wrap")
    tape = tape_of(array)
    value = np.pad(array._value, pad_width, mode, **kwargs)
    if not is_varied(array):
        return constant(tape, value)
    if (
        mode not in movers
        or kwargs.get("reflect_type", "even") != "even"
        or any(map(is_traced, kwargs.values()))
    ):
        raise refuse(
            "CKP201",
            f"np.pad with mode={mode!r}",
            f"use one of the modes {', '.join(movers)}, or np.concatenate",
        )
    numbers = np.arange(1, np.size(array._value) + 1).reshape(np.shape(array._value))
    moved = np.pad(numbers, pad_width, mode)

    def pullback(g: Any) -> tuple[Any, ...]:
        total = np.zeros(numbers.size + 1, g.dtype)
        np.add.at(total, moved, g)
        return (total[numbers],)

    return result(tape, value, pullback, (array._node,))
