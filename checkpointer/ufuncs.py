"""Ufuncs on traced values: NumPy computes, autograd's rule (or ours) is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd  # noqa: F401  whole, before any part of it: see lazy.py
import numpy as np
from autograd.tracer import Box, trace_primitives_map

from checkpointer import creation, indexing, rules
from checkpointer.arrays import TracedArray
from checkpointer.boxes import (
    constant,
    is_differentiable,
    is_traced,
    is_varied,
    plain,
    refuse_objects,
    refuse_subclasses,
    result,
    results,
)
from checkpointer.refusals import refuse
from checkpointer.registry import COMPOSITIONS, rebased
from checkpointer.scalars import tape_of
from checkpointer.tape import Tape, active, keep, vjp_maker

PIECEWISE_CONSTANT = frozenset(
    getattr(np, name)
    for name in (
        "bitwise_and bitwise_count bitwise_or bitwise_xor ceil equal floor floor_divide gcd greater greater_equal"
        " heaviside invert isfinite isinf isnan isnat lcm left_shift less less_equal logical_and logical_not"
        " logical_or logical_xor not_equal right_shift rint sign signbit spacing trunc"
    ).split()
)
"""Ufuncs whose derivative is zero wherever it exists."""


def call(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What ``__array_ufunc__`` of a traced value answers."""
    index = 1 if method == "at" else None  # a tuple there is one index
    inputs = tuple(
        creation.array(x) if type(x) in (list, tuple) and place != index else x
        for place, x in enumerate(inputs)
    )
    operands = (*inputs, *kwargs.get("out", ()))
    if any(is_foreign_box(operand) for operand in operands):
        return NotImplemented  # autograd is differentiating over our values: its box has to record
    refuse_subclasses(operands)
    tape = common_tape(operands)
    if method != "__call__":
        return ufunc_methods.call(ufunc, method, inputs, kwargs)
    if kwargs.get("where", True) is not True:
        return _masked(tape, ufunc, inputs, kwargs)
    out = kwargs.pop("out", None)
    if ufunc.signature is not None:
        return _generalized(tape, ufunc, inputs, kwargs, out)
    if out is not None:
        return _into(tape, ufunc, inputs, kwargs, out)
    return recorded(ufunc, inputs, ufunc(*(plain(x) for x in inputs), **kwargs))


def _generalized(
    tape: Tape, ufunc: np.ufunc, inputs: tuple[Any, ...], kwargs: dict[str, Any], out: tuple[Any, ...] | None
) -> Any:
    """A product of vectors and matrices."""
    varied = any(map(is_varied, inputs))
    composition = COMPOSITIONS.get(ufunc)
    if varied and not {"axes", "keepdims"}.isdisjoint(kwargs):
        raise refuse(
            "CKP201", f"np.{ufunc.__name__} with axes= or keepdims=", "move the axes with np.moveaxis"
        )
    if not varied or composition is None:
        if out is not None:
            return _into(tape, ufunc, inputs, kwargs, out)
        return recorded(ufunc, inputs, ufunc(*map(plain, inputs), **kwargs))
    value = rebased(tape, ufunc(*map(plain, inputs), **kwargs), composition(*inputs, **kwargs))
    if out is None:
        return value
    if type(out[0]) is not TracedArray:
        raise indexing.untraced_target(f"np.{ufunc.__name__}")
    out[0][...] = value
    return out[0]


def is_foreign_box(value: Any) -> bool:
    """Whether autograd itself is tracing ``value``, on a tape of its own."""
    return type(value) in Box.types and not is_traced(value)


def common_tape(operands: tuple[Any, ...]) -> Tape:
    """The tape of the traced operands, the open one if none is traced; refuses values that were traced elsewhere."""
    tapes = [tape_of(operand) for operand in operands if is_traced(operand)]
    tape: Tape = tapes[0] if tapes else active.tape
    return tape


def recorded(ufunc: Any, inputs: tuple[Any, ...], value: Any, operands: tuple[Any, ...] | None = None) -> Any:
    """Record that ``value`` is ``ufunc`` of the inputs, and return it traced.

    ``operands`` are the concrete inputs, where those are not what they were when the value was computed.
    """
    varied = [number for number, x in enumerate(inputs) if is_varied(x)]
    maker = maker_of(ufunc) if varied and ufunc not in PIECEWISE_CONSTANT else None
    if varied:
        refuse_objects(value)
        if ufunc is np.sign and np.iscomplexobj(value):
            raise refuse("CKP201", "np.sign of a complex number", "write z / abs(z)")
    tape: Tape = active.tape
    if maker is None or not is_differentiable(value):
        return constant(tape, value)
    concrete = inputs if operands is None else operands
    kept = tuple(x._value if is_traced(x) else keep(x) for x in concrete)
    vjp = maker(tuple(varied), value, kept, {})
    parents = tuple(inputs[number]._node for number in varied)
    if isinstance(value, tuple):
        return results(tape, value, vjp, parents)
    return result(tape, value, vjp, parents)


def maker_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """The rule of a NumPy function: ours where autograd has none or a weaker one, autograd's otherwise."""
    own = rules.RULES.get(function)
    if own is not None:
        return own
    return vjp_maker(trace_primitives_map.get(function, function))


def _into(
    tape: Tape, ufunc: np.ufunc, inputs: tuple[Any, ...], kwargs: dict[str, Any], out: tuple[Any, ...]
) -> Any:
    """``ufunc(..., out=...)``."""
    if len(out) != 1 or ufunc.nout != 1:
        raise refuse(
            "CKP210", f"{ufunc.__name__} with several outputs and out=", "assign its results instead"
        )
    (target,) = out
    if type(target) is not TracedArray:
        if any(is_varied(x) for x in inputs):
            raise indexing.untraced_target(ufunc.__name__)
        ufunc(*(plain(x) for x in inputs), out=target, **kwargs)
        return target
    if ufunc in (np.add, np.subtract) and inputs[0] is target and not kwargs:
        indexing.add_in_place(target, inputs[1], ufunc)
        return target
    return in_place(
        ufunc, inputs, target, lambda: ufunc(*(plain(x) for x in inputs), out=target._value, **kwargs)
    )


def in_place(
    ufunc: Any, inputs: tuple[Any, ...], target: TracedArray, compute: Callable[[], Any]
) -> TracedArray:
    """Let NumPy compute into the target, and record it as an operation whose result was written there.

    It has to be NumPy itself that writes: where it computes in place it may take another loop, which rounds differently.
    """
    old = target._value.copy()
    operands = tuple(old if x is target else _apart(x, target) for x in inputs)
    compute()
    indexing.note_write(target, old, recorded(ufunc, inputs, target._value.copy(), operands))
    return target


def _apart(operand: Any, target: TracedArray) -> Any:
    """The concrete operand, copied if it is another view of what is about to be overwritten."""
    value = plain(operand)
    shared = type(operand) is TracedArray and operand._node.memory is target._node.memory
    return value.copy() if shared else value


def _masked(tape: Tape, ufunc: np.ufunc, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``ufunc(..., where=mask)``: only the masked elements are computed, and only they are differentiated.

    What stands elsewhere may be singular (that is why people write ``where=``), so the rule sees the masked elements alone.
    """
    where = plain(kwargs.pop("where"))
    out = kwargs.pop("out", (None,))
    if len(out) != 1:
        raise refuse("CKP210", f"{ufunc.__name__} with several outputs and where=", "use numpy.where instead")
    (target,) = out
    values = [plain(x) for x in inputs]
    if target is None:
        target = constant(tape, ufunc(*values, where=where, **kwargs))
    if type(target) is not TracedArray:
        raise indexing.untraced_target(ufunc.__name__)
    computed = ufunc(*values, out=target._value.copy(), where=where, **kwargs)
    mask = np.broadcast_to(where, target.shape)
    parts = tuple(np.broadcast_to(x, target.shape)[mask] for x in inputs)
    if any(is_traced(part) for part in parts):
        target[mask] = recorded(ufunc, parts, computed[mask])
    else:
        target[mask] = computed[mask]
    return target


from checkpointer import ufunc_methods  # noqa: E402  it needs the functions above
