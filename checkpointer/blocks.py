"""The contents of arrays in blocks, and which of them the live arrays are known to hold.

Comparing, copying and hashing whole arrays at every step would make a stored history, of which a step writes one
row, cost time quadratic in the number of steps. So contents are kept in blocks. A block that did not change is shared by
the snapshots that hold it, is not written when a snapshot is restored that holds it too, and is not hashed twice.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from copy import copy
from typing import Any

import autograd  # noqa: F401  whole, before any part of NumPy: see lazy.py
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BLOCK_BYTES = 1 << 17
"""Large enough that comparing costs less than copying, small enough that a row of a history is a small part of it."""
_GLANCE = 512
"""Elements that are compared first: where a whole field changes at every step, they tell."""


class Block:
    """A piece of an array as it was at one moment, with its fingerprint once somebody has asked for it."""

    __slots__ = ("__weakref__", "bits", "data", "fingerprint")

    def __init__(self, data: Array) -> None:
        self.data = data
        self.bits = bits_of(data)
        self.fingerprint: object = None


Blocks = list[Block | None]


class _Entry:
    """What is known of one array: for each of its pieces a block that it equals, as long as that lives."""

    __slots__ = ("array", "blocks", "compared")

    def __init__(self, array: Array, blocks: Iterable[Block | None]) -> None:
        self.array = weakref.ref(array)
        self.blocks = [None if block is None else weakref.ref(block) for block in blocks]
        self.compared = True

    def uncompared(self) -> _Entry:
        """The same, to be compared before it is relied on."""
        entry = copy(self)
        entry.compared = False
        return entry


class Known:
    """Which blocks the live arrays hold.

    Blocks belong to snapshots; nothing here keeps them alive. Plain steps write where they like, so after them every
    piece is compared, once, with the block that it was last known to hold.
    """

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}

    def within(self) -> Known:
        """What is known in a loop that begins in a step of this one: the same, but that the step may have written."""
        inner = Known()
        inner._entries = {key: entry.uncompared() for key, entry in self._entries.items()}
        return inner

    def absorb(self, inner: Known) -> None:
        """Add what a loop that ended knows of arrays of which nothing was known."""
        for key, entry in inner._entries.items():
            self._entries.setdefault(key, entry.uncompared())

    def note_steps(self) -> None:
        """Plain steps ran: any array may have changed."""
        for entry in self._entries.values():
            entry.compared = False

    def note_writes(self, arrays: Iterable[Array]) -> None:
        """Somebody may have written to these arrays."""
        for array in arrays:
            entry = self._entries.get(id(array))
            if entry is not None:
                entry.compared = False

    def blocks(self, array: Array) -> Blocks:
        """For each piece of the array the block that it equals, or None if it equals none that lives."""
        entry = self._entries.get(id(array))
        parts = pieces(array)
        if entry is None or entry.array() is not array or len(entry.blocks) != len(parts):
            return [None] * len(parts)
        found: Blocks = [None if block is None else block() for block in entry.blocks]
        if not entry.compared:
            found = _confirmed(parts, found)
            self._entries[id(array)] = _Entry(array, found)
        return found

    def captured(self, array: Array) -> list[Block]:
        """Blocks with the content of the array, shared with what it was known to hold."""
        found = [
            Block(part.copy()) if block is None else block
            for part, block in zip(pieces(array), self.blocks(array), strict=True)
        ]
        self._entries[id(array)] = _Entry(array, found)
        return found

    def restore(self, array: Array, blocks: list[Block]) -> None:
        """Give the array this content; only pieces that may hold something else are written."""
        for part, block, held in zip(pieces(array), blocks, self._certain(array, len(blocks)), strict=True):
            if held is not block:
                part[...] = block.data
        self._entries[id(array)] = _Entry(array, blocks)

    def _certain(self, array: Array, count: int) -> Blocks:
        """The blocks that the array holds as far as that is known without comparing, which costs more than writing."""
        entry = self._entries.get(id(array))
        if entry is None or not entry.compared:
            return [None] * count
        return self.blocks(array)

    def forget(self, array: Array) -> None:
        """Something is about to be written to this array that is in no block."""
        self._entries.pop(id(array), None)

    def forget_others(self, arrays: Iterable[Array]) -> None:
        """Keep only what is known of these arrays."""
        self._entries = {
            id(array): self._entries[id(array)] for array in arrays if id(array) in self._entries
        }


def pieces(array: Array) -> list[Array]:
    """The array in pieces that lie together in memory, in their order there."""
    if array.nbytes <= BLOCK_BYTES:
        return [array]
    if array.flags.c_contiguous:
        flat = array.reshape(-1)
    elif array.flags.f_contiguous:
        flat = array.reshape(-1, order="F")
    else:
        return [array]
    length = max(1, BLOCK_BYTES // array.itemsize)
    return [flat[start : start + length] for start in range(0, flat.size, length)]


def touched(array: Array, low: int, high: int) -> range:
    """The numbers of the `pieces` of the array that have to do with its bytes from ``low`` to before ``high``."""
    size = max(1, BLOCK_BYTES // array.itemsize) * array.itemsize
    return range(low // size, -(-high // size))


def _confirmed(parts: list[Array], blocks: Blocks) -> Blocks:
    """The blocks that the pieces still equal. Where one differs the next may well, and a glance tells."""
    found: Blocks = []
    same = True
    for part, block in zip(parts, blocks, strict=True):
        same = block is not None and same_bits(bits_of(part), block.bits, glance=not same)
        found.append(block if same else None)
    return found


def bits_of(array: Array) -> Array:
    """The bits of an array as integers in one row, without a copy if they lie together."""
    size = array.dtype.itemsize
    kind = np.uint64 if size % 8 == 0 else np.uint32 if size % 4 == 0 else np.uint8
    if not array.flags.c_contiguous:
        array = array.copy()
    return array.reshape(-1).view(kind)


def same_bits(a: Array, b: Array, *, glance: bool) -> bool:
    """Whether two rows of bits are the same: a NaN equals itself here, and 0.0 differs from -0.0."""
    if glance and not (a[:_GLANCE] == b[:_GLANCE]).all():
        return False
    return len(a) == len(b) and bool((a == b).all())
