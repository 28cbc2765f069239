"""Snapshots of a state in memory: the bindings, and the contents of the base arrays in blocks.

Restoring writes into the same arrays and puts the same objects into the same places, so every view and alias survives.
A block that has not changed since the snapshot before is shared with it: constant fields and the part of a stored history
that was written earlier cost nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from checkpointer.containers import Container
from checkpointer.memory import Array
from checkpointer.state import State

BLOCK_BYTES = 1 << 17
"""Large enough that comparing costs less than copying, small enough that a row of a history is a small part of it."""


class Buffer:
    """The content of one base array at one moment."""

    __slots__ = ("blocks", "root")

    blocks: list[Array]

    def __init__(self, root: Array, before: Buffer | None) -> None:
        self.root = root
        parts = _blocks(root)
        if before is None or len(before.blocks) != len(parts):
            self.blocks = [part.copy() for part in parts]
        else:
            self.blocks = [
                old if _same_bits(part, old) else part.copy()
                for part, old in zip(parts, before.blocks, strict=True)
            ]

    def restore(self) -> None:
        """Write the content back."""
        for part, block in zip(_blocks(self.root), self.blocks, strict=True):
            part[...] = block


class Snapshot:
    """The whole state at one moment.

    Attributes
    ----------
    contents : list of (Container, object)
        The bindings.
    buffers : dict of Buffer by the id of the base array
    """

    __slots__ = ("__weakref__", "buffers", "contents")

    def __init__(self, contents: list[tuple[Container, Any]], buffers: dict[int, Buffer]) -> None:
        self.contents = contents
        self.buffers = buffers

    def restore(self) -> None:
        """Make the live objects what they were."""
        for container, content in self.contents:
            container.restore(content)
        for buffer in self.buffers.values():
            if buffer.root.flags.writeable:
                buffer.restore()


def capture(state: State, before: Snapshot | None = None) -> Snapshot:
    """Take a snapshot, sharing with ``before`` what did not change since."""
    survey = state.survey()
    earlier = before.buffers if before is not None else {}
    return Snapshot(
        [(container, container.content()) for container in survey.containers],
        {key: Buffer(root, earlier.get(key)) for key, root in survey.roots.items()},
    )


def _blocks(root: Array) -> list[Array]:
    """The array in pieces that lie together in memory."""
    if root.nbytes <= BLOCK_BYTES:
        return [root]
    if root.flags.c_contiguous:
        flat = root.reshape(-1)
    elif root.flags.f_contiguous:
        flat = root.reshape(-1, order="F")
    else:
        return [root]
    length = max(1, BLOCK_BYTES // root.itemsize)
    return [flat[start : start + length] for start in range(0, flat.size, length)]


def _same_bits(a: Array, b: Array) -> bool:
    """Whether two arrays hold the same bits; a NaN equals itself here, and 0.0 differs from -0.0."""
    if a.dtype.itemsize in (4, 8) and a.flags.c_contiguous and b.flags.c_contiguous:
        bits = np.uint64 if a.dtype.itemsize == 8 else np.uint32
        return bool(np.array_equal(a.view(bits), b.view(bits)))
    return a.tobytes() == b.tobytes()
