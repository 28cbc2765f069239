"""Snapshots of a state in memory: the bindings, and the contents of the base arrays in blocks.

Restoring writes into the same arrays and puts the same objects into the same places, so every view and alias survives.
A block that has not changed since an earlier snapshot is shared with it (`checkpointer.blocks`): constant fields and the
part of a stored history that was written earlier cost nothing.
"""

from __future__ import annotations

from typing import Any

from checkpointer.blocks import Block, Known
from checkpointer.containers import Container
from checkpointer.memory import Array
from checkpointer.state import State


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

    def restore(self, known: Known | None = None) -> None:
        """Make the live objects what they were; ``known`` tells which arrays need not be written."""
        known = known or Known()
        for container, content in self.contents:
            container.restore(content)
        for buffer in self.buffers.values():
            if buffer.root.flags.writeable:
                known.restore(buffer.root, buffer.blocks)


def capture(state: State, known: Known | None = None) -> Snapshot:
    """Take a snapshot, sharing the blocks that the live arrays are known to hold."""
    known = known or Known()
    survey = state.survey()
    known.forget_others(survey.roots.values())
    return Snapshot(
        [(container, container.content()) for container in survey.containers],
        {key: Buffer(root, known.captured(root)) for key, root in survey.roots.items()},
    )
