"""Snapshots of a state in memory: the bindings, and the contents of the base arrays in blocks.

Restoring writes into the same arrays and puts the same objects into the same places, so every view and alias survives.
A block that has not changed since an earlier snapshot is shared with it (`checkpointer.blocks`): constant fields and the
part of a stored history that was written earlier cost nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from checkpointer.blocks import Block, Known
from checkpointer.containers import Container
from checkpointer.memory import Array
from checkpointer.state import State

_BINDING = 200
"""Bytes of a small container and a shallow copy of it, roughly."""


class Buffer:
    """The content of one base array at one moment."""

    __slots__ = ("blocks", "root")

    def __init__(self, root: Array, blocks: list[Block]) -> None:
        self.root = root
        self.blocks = blocks


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

    @property
    def nbytes(self) -> int:
        """Bytes of the contents, and roughly those of the bindings."""
        contents = sum(block.data.nbytes for buffer in self.buffers.values() for block in buffer.blocks)
        return contents + _BINDING * len(self.contents)

    def grown_from(self, earlier: Snapshot) -> int:
        """Bytes of the arrays of which only a part is another one than in ``earlier``: later parts may change later."""
        grown = 0
        for key, buffer in self.buffers.items():
            blocks = set(map(id, earlier.buffers[key].blocks)) if key in earlier.buffers else set()
            shared = sum(id(block) in blocks for block in buffer.blocks)
            if 0 < shared < len(buffer.blocks):
                grown += buffer.root.nbytes
        return grown

    def restore(self, known: Known | None = None) -> None:
        """Make the live objects what they were; ``known`` tells which arrays need not be written."""
        known = known or Known()
        for container, content in self.contents:
            container.restore(content)
        for buffer in self.buffers.values():
            if buffer.root.flags.writeable:
                known.restore(buffer.root, buffer.blocks)


def capture(
    state: State, known: Known | None = None, *, apart_from: Collection[int] = frozenset()
) -> Snapshot:
    """Take a snapshot, sharing the blocks that the live arrays are known to hold.

    The contents of base arrays whose ids are in ``apart_from`` are left out.
    """
    known = known or Known()
    survey = state.survey()
    known.forget_others(survey.roots.values())
    return Snapshot(
        [(container, container.content()) for container in survey.containers],
        {
            key: Buffer(root, known.captured(root))
            for key, root in survey.roots.items()
            if key not in apart_from
        },
    )
