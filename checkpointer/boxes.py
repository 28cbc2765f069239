"""Putting values on the tape and taking them off: the constructors of traced arrays and numbers.

autograd asks a table which box to build for a value. The entries made here answer with a `TracedArray` or a
`TracedNumber` when the node stands on one of our tapes, and with autograd's own box otherwise. So every autograd
primitive, also one that a user wrote, works on our traced values and returns them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import autograd  # noqa: F401  whole, before any part of it: see lazy.py
import numpy as np
from autograd.numpy.numpy_boxes import ArrayBox
from autograd.tracer import Box

from checkpointer.arrays import TracedArray
from checkpointer.generators import WatchedGenerator
from checkpointer.memory import Memory, NumberMemory, overlaps_itself, root_of
from checkpointer.refusals import refuse
from checkpointer.scalars import TracedNumber
from checkpointer.tape import ManyOperation, Operation, Tape, TapeNode, memory_for, node_of

Traced = TracedArray | TracedNumber


def is_traced(value: object) -> bool:
    """Whether ``value`` is one of our boxes; ``isinstance`` would be fooled by their ``__class__``."""
    kind = type(value)
    return kind is TracedArray or kind is TracedNumber


def is_varied(value: Any) -> bool:
    """Whether a derivative flows through ``value``."""
    kind = type(value)
    return kind is TracedNumber or (kind is TracedArray and value._node.memory.varied)


def is_differentiable(value: Any) -> bool:
    """Whether a concrete value, or any part of a sequence, is floating-point or complex."""
    if isinstance(value, tuple | list):
        return any(map(is_differentiable, value))
    return isinstance(value, np.ndarray | np.generic | float | complex) and np.result_type(value).kind in "fc"


def plain(value: Any) -> Any:
    """The concrete value: of a traced one its array or number, of a watched generator that one, of anything else itself."""
    kind = type(value)
    return value._value if kind is TracedArray or kind is TracedNumber or kind is WatchedGenerator else value


def plain_nested(value: Any) -> Any:
    """`plain`, through lists, tuples and dicts; containers without traced values are returned as they are."""
    kind = type(value)
    if kind is TracedArray or kind is TracedNumber:
        return value._value
    if kind is list or kind is tuple:
        items = [plain_nested(item) for item in value]
        return kind(items) if any(a is not b for a, b in zip(items, value, strict=True)) else value
    if kind is dict:
        return {key: plain_nested(item) for key, item in value.items()}
    return value


def traced_in(value: Any) -> Iterator[Any]:
    """The traced values in nested lists, tuples and dicts."""
    if is_traced(value):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from traced_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from traced_in(item)


def box(tape: Tape, value: Any, memory: Memory | NumberMemory) -> Traced:
    """The traced array or number for ``value`` whose adjoint goes to ``memory``."""
    node = node_of(tape, value, memory)
    kind = TracedArray if isinstance(value, np.ndarray) else TracedNumber
    return kind(value, tape.trace, node)


def constant(tape: Tape, value: Any) -> Any:
    """``value`` as something that no derivative flows through; an array is traced all the same.

    Somebody may write to it later, and what is kept of it by reference has to be undone then.
    """
    if isinstance(value, np.ndarray):
        return box(tape, value, Memory(value, varied=False)) if value.dtype.kind in "biufc" else value
    if isinstance(value, tuple | list):
        items = [constant(tape, item) for item in value]
        return like(value, items)
    return value


def refuse_objects(value: Any) -> None:
    """Refuse an array of Python objects that was made of something differentiated."""
    if isinstance(value, np.ndarray) and value.dtype == object:
        raise refuse(
            "CKP221",
            "an array of Python objects is made of values that are being differentiated",
            "use a list, or an array of floats",
        )


_PLAIN_ARRAYS = (np.ndarray, np.memmap)


def refuse_subclasses(values: Sequence[Any]) -> None:
    """Refuse arrays that have rules of their own for arithmetic and views: masked arrays, matrices, records."""
    for value in values:
        kind = type(value)
        if issubclass(kind, np.ndarray) and kind not in _PLAIN_ARRAYS:
            raise refuse(
                "CKP211",
                f"an array of type {kind.__name__}, a subclass of numpy.ndarray with rules of its own, meets an array that"
                " the tape watches",
                "use a plain array: numpy.asarray(...), or .filled(...) for masked arrays",
            )


def result(tape: Tape, value: Any, vjp: Callable[[Any], Any], parents: Sequence[TapeNode]) -> Traced:
    """Record an operation and return its traced result."""
    if isinstance(value, np.ndarray) and overlaps_itself(value):
        value = value.copy()
    node = node_of(tape, value, memory_for(value))
    tape.entries.append(Operation(vjp, parents, node))
    kind = TracedArray if isinstance(value, np.ndarray) else TracedNumber
    return kind(value, tape.trace, node)


def results(tape: Tape, values: Any, vjp: Callable[[Any], Any], parents: Sequence[TapeNode]) -> Any:
    """Record an operation with several results; the sequence keeps its type."""
    values = like(values, _apart(values, parents))
    outs = [node_of(tape, value, memory_for(value)) for value in values]
    tape.entries.append(ManyOperation(vjp, parents, outs, lambda items: like(values, items)))
    return like(values, [_output(tape, out) for out in outs])


def _output(tape: Tape, out: TapeNode) -> Any:
    """One of several results; a number that is none of the real or complex ones stays plain."""
    if isinstance(out.value, np.ndarray) or is_differentiable(out.value):
        return box(tape, out.value, out.memory)
    return out.value


def _apart(values: Any, parents: Sequence[TapeNode]) -> list[Any]:
    """The results, those copied that share memory with an argument or with one another."""
    roots = {id(parent.memory.root) for parent in parents if isinstance(parent.memory, Memory)}
    found = []
    for value in values:
        if isinstance(value, np.ndarray):
            if id(root_of(value)) in roots or overlaps_itself(value):
                value = value.copy()
            roots.add(id(root_of(value)))
        found.append(value)
    return found


def view_of(value: Any, candidates: Sequence[Any]) -> TracedArray | None:
    """``value`` as a view, if it shares the memory of one of the traced arrays in ``candidates``."""
    if not isinstance(value, np.ndarray):
        return None
    root = root_of(value)
    for candidate in candidates:
        if type(candidate) is TracedArray and candidate._node.memory.root is root:
            return candidate._view(value)
    return None


def like(sequence: Any, items: list[Any]) -> Any:
    """``items`` in a sequence of the type of ``sequence``, named tuples included."""
    kind = type(sequence)
    return kind(*items) if hasattr(sequence, "_fields") else kind(items)


def _one(fallback: Callable[..., Any]) -> Callable[..., Any]:
    """Autograd's table entry for arrays and numbers."""

    def build(value: Any, trace: int, node: Any) -> Any:
        if type(node) is not TapeNode:
            return fallback(value, trace, node)
        kind = TracedArray if isinstance(node.value, np.ndarray) else TracedNumber
        return kind(node.value, trace, node)

    return build


def _several(fallback: Callable[..., Any]) -> Callable[..., Any]:
    """Autograd's table entry for sequences: our operations return plain sequences of traced values."""

    def build(value: Any, trace: int, node: Any) -> Any:
        if type(node) is not TapeNode:
            return fallback(value, trace, node)
        return results(node.tape, node.value, node.vjp, node.parents)

    return build


def _register() -> None:
    for traced in (TracedArray, TracedNumber):
        Box.types.add(traced)
        Box.type_mappings[traced] = _one(ArrayBox)  # an ArrayBox where autograd traces *over* our values
    for kind, builder in list(Box.type_mappings.items()):
        if builder is ArrayBox and kind not in (ArrayBox, TracedArray, TracedNumber):
            Box.type_mappings[kind] = _one(builder)
        elif isinstance(kind, type) and issubclass(kind, tuple | list):
            Box.type_mappings[kind] = _several(builder)


_register()
