"""Reading and writing parts of traced arrays.

A basic index gives a view, which needs no record at all: it shares the memory of the adjoint. What copies (fancy
indices, masks, single elements) is recorded as a `Gather`, what stores as a `Write`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from checkpointer.arrays import TracedArray
from checkpointer.boxes import constant, is_differentiable, is_traced, is_varied, plain
from checkpointer.memory import Array, Memory, overlaps_itself, root_of, summed_to
from checkpointer.refusals import refuse
from checkpointer.scalars import TracedNumber, tape_of
from checkpointer.tape import TapeNode, memory_for, node_of


def plain_index(index: Any) -> Any:
    """The index with concrete values, safe to keep: nobody can write to the arrays in it unnoticed."""
    if type(index) is tuple:
        return tuple(plain_index(list(item) if type(item) is tuple else item) for item in index)
    if is_traced(index):
        return index._value
    if isinstance(index, np.ndarray):
        return index.copy() if index.flags.writeable else index
    if isinstance(index, list):
        return np.array([plain(item) for item in index]) if index else np.array(index, dtype=np.intp)
    return index


def is_fancy(index: Any) -> bool:
    """Whether the index may name one element several times."""
    items = index if type(index) is tuple else (index,)
    return any(isinstance(item, np.ndarray) and item.dtype.kind != "b" and item.size > 1 for item in items)


def read(array: TracedArray, index: Any) -> Any:
    """``array[index]``."""
    tape = tape_of(array)
    value = array._value
    index = plain_index(index)
    part = value[index]
    memory = array._node.memory
    if isinstance(part, np.ndarray) and part.base is not None and root_of(part) is memory.root:
        return array._view(part)
    if not memory.varied or not is_differentiable(part):
        return constant(tape, part)
    node = node_of(tape, part, memory_for(part))
    tape.entries.append(Gather(memory, value, index, node))
    return (TracedArray if isinstance(part, np.ndarray) else TracedNumber)(part, tape.trace, node)


class Gather:
    """``out = source[index]``, where NumPy copied."""

    __slots__ = ("index", "memory", "out", "view")

    def __init__(self, memory: Memory, view: Array, index: Any, out: TapeNode) -> None:
        self.memory = memory
        self.view = view
        self.index = index
        self.out = out

    def reverse(self) -> None:
        adjoint = self.out.memory.take(self.out.value)
        if adjoint is None:
            return
        if is_fancy(self.index) or overlaps_itself(self.view):
            spread = np.zeros(self.view.shape, self.view.dtype)
            np.add.at(spread, self.index, adjoint)
            self.memory.add(self.view, spread)
        else:
            self.memory.adjoint(self.view)[self.index] += adjoint


class Copy:
    """``out = source.copy()`` or ``astype``: the same elements elsewhere, possibly in another precision."""

    __slots__ = ("out", "source")

    def __init__(self, source: TapeNode, out: TapeNode) -> None:
        self.source = source
        self.out = out

    def reverse(self) -> None:
        adjoint = self.out.memory.take(self.out.value)
        if adjoint is not None:
            self.source.memory.add(self.source.value, adjoint, owned=True)


def copy(array: TracedArray, value: Array) -> TracedArray:
    """``value``, which NumPy made as a copy of ``array``."""
    tape = tape_of(array)
    if not array._node.memory.varied:
        return constant(tape, value)  # type: ignore[no-any-return]
    node = node_of(tape, value, memory_for(value))
    tape.entries.append(Copy(array._node, node))
    return TracedArray(value, tape.trace, node)


def write(array: TracedArray, index: Any, value: Any) -> None:
    """``array[index] = value``."""
    tape = tape_of(array)
    target = array._value
    index = plain_index(index)
    part = target[index]
    memory: Memory = array._node.memory
    is_view = isinstance(part, np.ndarray) and part.base is not None and root_of(part) is memory.root
    if type(value) in (list, tuple):
        value = creation.array(value)
    if is_view and type(value) is TracedArray and _same_place(value._value, part):
        return  # the second half of ``u[1:-1] += x``: the part was changed in place already
    if is_traced(value):
        tape_of(value)
    elif not isinstance(value, np.ndarray | np.generic | int | float | complex):
        value = _accepted(value)
    memory.overwrite(target, part if is_view else None)
    if is_view:
        view, old, index = part, part.copy(), None
    else:
        view, old = target, part
    if index is None:
        view[...] = plain(value)
    else:
        view[index] = plain(value)
    tape.entries.append(Write(memory, view, index, old, _source(memory, value)))


def _accepted(value: Any) -> Any:
    """What else may be stored: what NumPy makes an array of, as long as no traced value hides in it."""
    if value is None or isinstance(value, str | bytes):
        return value
    return np.array(value)


def _same_place(a: Array, b: Array) -> bool:
    return (
        a.shape == b.shape
        and a.dtype == b.dtype
        and a.strides == b.strides
        and a.__array_interface__["data"][0] == b.__array_interface__["data"][0]
    )


def _source(memory: Memory, value: Any) -> TapeNode | None:
    """The node that the adjoint of what is written goes to, if a derivative flows through it."""
    if not is_varied(value) or memory.root.dtype.kind not in "fc":
        return None
    memory.vary()
    return value._node  # type: ignore[no-any-return]


class Write:
    """``view[index] = source``, or ``view[...] = source`` where the index is None.

    On the way back the written part's adjoint goes to the source and is cleared, and the old content returns.
    """

    __slots__ = ("index", "memory", "old", "source", "view")

    def __init__(self, memory: Memory, view: Array, index: Any, old: Any, source: TapeNode | None) -> None:
        self.memory = memory
        self.view = view
        self.index = index
        self.old = old
        self.source = source

    def reverse(self) -> None:
        index = ... if self.index is None else self.index
        if self.memory.flat is not None:
            adjoint = self.memory.adjoint(self.view)
            if self.source is not None:
                written = adjoint[index]
                if self.index is None or not is_fancy(index):
                    written = written.copy()
                else:
                    written[~_last_writes(self.view, index)] = 0
                adjoint[index] = 0
                add_broadcast(self.source, written)
            else:
                adjoint[index] = 0
        self.view[index] = self.old


def _last_writes(view: Array, index: Any) -> Array:
    """Where the index names an element several times, the last write is the one that stays."""
    places = np.arange(view.size).reshape(view.shape)[index]
    order = np.arange(places.size).reshape(places.shape)
    stamp = np.empty(view.size, np.intp)
    stamp[places] = order
    return stamp[places] == order  # type: ignore[no-any-return]


def add_broadcast(source: TapeNode, adjoint: Any) -> None:
    """Add the adjoint of an array that ``source`` was broadcast to; the caller hands it over."""
    value = source.value
    shape = np.shape(value)
    # what was stored through leading axes of length one has more axes than the place it was stored in
    adjoint = adjoint.reshape(shape) if adjoint.ndim < len(shape) else summed_to(adjoint, shape)
    source.memory.add(value, adjoint, owned=True)


def note_write(array: TracedArray, old: Array, value: Any) -> None:
    """Record that NumPy itself has just written ``value``, traced or not, over the ``old`` content of an array."""
    tape = tape_of(array)
    memory: Memory = array._node.memory
    memory.overwrite(array._value)
    tape.entries.append(Write(memory, array._value, None, old, _source(memory, value)))


class AddInPlace:
    """``view += source``, ``view -= source``, or the unbuffered ``np.add.at(view, index, source)``.

    The view's own adjoint passes through untouched. An element that the index names twice was added to twice.
    """

    __slots__ = ("index", "memory", "old", "sign", "source", "view")

    def __init__(
        self, memory: Memory, view: Array, index: Any, old: Array, source: TapeNode | None, sign: int
    ) -> None:
        self.memory = memory
        self.view = view
        self.index = index
        self.old = old
        self.source = source
        self.sign = sign

    def reverse(self) -> None:
        if self.source is not None and self.memory.flat is not None:
            adjoint = self.memory.adjoint(self.view)[self.index]
            add_broadcast(self.source, np.array(adjoint) if self.sign > 0 else np.asarray(-adjoint))
        self.view[...] = self.old


def add_in_place(array: TracedArray, other: Any, ufunc: np.ufunc) -> None:
    """``array += other`` (np.add) or ``array -= other`` (np.subtract)."""
    tape = tape_of(array)
    if is_traced(other):
        tape_of(other)
    view = array._value
    memory: Memory = array._node.memory
    memory.overwrite(view)
    old = view.copy()
    ufunc(view, plain(other), out=view)
    tape.entries.append(
        AddInPlace(memory, view, ..., old, _source(memory, other), 1 if ufunc is np.add else -1)
    )


def add_at(array: Any, index: Any, other: Any, ufunc: np.ufunc) -> None:
    """``np.add.at(array, index, other)`` or ``np.subtract.at``."""
    if type(array) is not TracedArray:
        raise untraced_target(ufunc.__name__ + ".at")
    tape = tape_of(array)
    view = array._value
    memory: Memory = array._node.memory
    memory.overwrite(view)
    index = plain_index(index)
    old = view.copy()
    ufunc.at(view, index, plain(other))
    tape.entries.append(
        AddInPlace(memory, view, index, old, _source(memory, other), 1 if ufunc is np.add else -1)
    )


def untraced_target(name: str) -> Exception:
    """The refusal of a write of something differentiated into an array that the tape does not watch."""
    return refuse(
        "CKP209",
        f"{name} would write a value that is being differentiated into a plain array that the tape does not watch",
        "create that array in a module that checkpointer rewrites (numpy.zeros, numpy.array ...), or keep it where the"
        " loop's variables can reach it",
    )


class Flat:
    """``u.flat`` of a traced array: iteration, reading and writing in C order."""

    def __init__(self, array: TracedArray) -> None:
        self._array = array

    def __len__(self) -> int:
        return self._array._value.size

    def __iter__(self) -> Iterator[Any]:
        shape = self._array._value.shape
        return (self._array[index] for index in np.ndindex(shape))

    def _places(self, index: Any) -> Any:
        value = self._array._value
        places = np.arange(value.size)[plain_index(index)]
        return np.unravel_index(places, value.shape)

    def __getitem__(self, index: Any) -> Any:
        return self._array[self._places(index)]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._array[self._places(index)] = value


from checkpointer import creation  # noqa: E402  it needs the functions above
