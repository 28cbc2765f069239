"""Fingerprints of a state: whether a recomputed step left what the loop went on from.

Every step is differentiated from a recomputed state. If the state after step i is not the one that step i + 1 was
differentiated from, then the step depends on something that the state missed (a clock, a file, hidden data of a library),
and the gradient would be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from checkpointer.blocks import BLOCK_BYTES, Known, pieces, touched
from checkpointer.boxes import plain
from checkpointer.errors import ReplayError
from checkpointer.memory import Array, Memory
from checkpointer.state import Key, Leaf

_ROW = 8 * 1021

Fingerprint = tuple[Leaf, Any]
"""A leaf, for its name, and what it held."""


class Fingerprints:
    """The fingerprints of the state at the two ends of one traced step.

    Parameters
    ----------
    known : Known
        The blocks that the live arrays hold, whose fingerprints need not be taken again.
    """

    def __init__(self, known: Known) -> None:
        self._known = known
        self._before: dict[int, list[Any]] = {}

    def before(self, leaves: list[Leaf]) -> dict[Key, Fingerprint]:
        """What the leaves hold before the step: the numbers themselves, and the arrays in a few bytes."""
        return _of_leaves(leaves, self._held)

    def after(self, leaves: list[Leaf], memories: Mapping[int, Memory]) -> dict[Key, Fingerprint]:
        """What they hold after it. The memories, by the ids of their base arrays, tell what the step has written."""
        return _of_leaves(leaves, lambda array: self._left(array, memories.get(id(array))))

    def _held(self, array: Array) -> tuple[Any, ...]:
        if not _in_blocks(array):
            return _of_pieces(array)
        found: list[Any] = []
        for part, block in zip(pieces(array), self._known.blocks(array), strict=True):
            if block is None:
                found.append(_of_array(part))
                continue
            if block.fingerprint is None:
                block.fingerprint = _of_array(block.data)
            found.append(block.fingerprint)
        self._before[id(array)] = found
        return array.shape, *found

    def _left(self, array: Array, memory: Memory | None) -> tuple[Any, ...]:
        found = list(self._before.get(id(array), ()))
        if memory is None or not found:
            return _of_pieces(array)
        if memory.written is not None:
            parts = pieces(array)
            for number in touched(array, *memory.written) if len(parts) > 1 else (0,):
                found[number] = _of_array(parts[number])
        return array.shape, *found


def _in_blocks(array: Array) -> bool:
    """Whether what is known of the array's blocks tells its fingerprint: that goes by the elements' logical order."""
    return array.base is None and (array.flags.c_contiguous or array.nbytes <= BLOCK_BYTES)


def _of_pieces(array: Array) -> tuple[Any, ...]:
    if array.nbytes > BLOCK_BYTES:
        array = np.ascontiguousarray(array)
    return array.shape, *map(_of_array, pieces(array))


def _of_leaves(leaves: list[Leaf], of_array: Callable[[Array], Any]) -> dict[Key, Fingerprint]:
    seen: dict[int, Any] = {}
    found = {}
    for leaf in leaves:
        value = plain(leaf.value)
        if isinstance(value, np.ndarray):
            if id(value) not in seen:
                seen[id(value)] = of_array(value)
            value = seen[id(value)]
        found[leaf.key] = (leaf, value)
    return found


def of_arrays(prints: Mapping[Key, Fingerprint]) -> Iterator[tuple[Leaf, Any, Any]]:
    """For each array among the leaves: the leaf, its fingerprint of then, and that of now."""
    for leaf, then in prints.values():
        value = plain(leaf.value)
        if isinstance(value, np.ndarray):
            yield leaf, then, _of_pieces(value)


def _of_array(array: Array) -> tuple[Any, ...]:
    """Shape, type, and the bits: a page of them as they are, of more the sums over columns.

    A single bit that changed changes a sum, and elements that changed places change two, unless they are in the same of
    1021 columns: so many that a shuffle is seen, and a prime number so that no row of a grid is as long.
    """
    if array.dtype.itemsize > 16 or array.dtype.char in "gG":
        array = array.astype(complex if array.dtype.kind == "c" else float)  # long doubles are padded
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    whole = raw.size - raw.size % _ROW
    sums = raw[:whole].view(np.uint64).reshape(-1, _ROW // 8).sum(axis=0) if whole else raw[:0]
    return array.shape, array.dtype, sums.tobytes(), raw[whole:].tobytes()


def without_leaves(prints: Mapping[Key, Fingerprint]) -> dict[Key, Any]:
    """What the leaves held, without the leaves, which keep arrays alive."""
    return {key: value for key, (_, value) in prints.items()}


def compare(left: dict[Key, Fingerprint], followed: Mapping[Key, Any], step: int) -> None:
    """Refuse a step that left something else than what the loop went on from, as `without_leaves` gives it.

    Raises
    ------
    ReplayError
        Naming the variable and the step.
    """
    for key, (leaf, value) in left.items():
        expected = followed.get(key, value)
        same = value == expected or (value != value and expected != expected)  # NaN is no other than NaN
        if not same:
            raise ReplayError(
                f"{leaf.name} was something else when step {step} was recomputed: the step depends on something that is not"
                " part of the loop's state, such as a clock, a file, or data hidden in a library's object"
            )
