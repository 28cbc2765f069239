"""Snapshots of a state: the bindings, and the contents of the base arrays.

Restoring writes into the same arrays and puts the same objects into the same places, so every view and alias survives.
In memory the contents are kept in blocks. A block that has not changed since an earlier snapshot is shared with it
(`checkpointer.blocks`): constant fields and the part of a stored history that was written earlier cost nothing.
A storage outside of memory takes the contents out (`checkpointer.storage.portable`) and keeps the rest, a `StateFrame`.
No snapshot that a loop keeps holds large arrays themselves, which the program may have let go of since (`LooseSnapshot`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from checkpointer.blocks import Array, Block, Known
from checkpointer.containers import Container
from checkpointer.frames import (
    Contents,
    Emptying,
    Filling,
    Root,
    can_be_made_again,
    named_arrays,
    named_numbers,
    with_values,
)
from checkpointer.state import State
from checkpointer.storage import Content, Fill, Frame, Portable

_SMALL = 4096
"""Bytes of arrays that are not worth letting go of."""
_BINDING = 200
"""Bytes of a small container and a shallow copy of it, roughly."""


class Buffer(ABC):
    """The content of one base array at one moment."""

    __slots__ = ("root",)

    def __init__(self, root: Array) -> None:
        self.root = root

    @abstractmethod
    def restore(self, known: Known) -> None:
        """Give the array this content, and tell ``known``."""

    @abstractmethod
    def pieces(self) -> tuple[Array, ...]:
        """The content in C-contiguous pieces."""


class BlockBuffer(Buffer):
    """A content in memory. ``frozen``: the array was made again, and has to be read-only."""

    __slots__ = ("blocks", "frozen")

    def __init__(self, root: Array, blocks: list[Block], *, frozen: bool = False) -> None:
        super().__init__(root)
        self.blocks = blocks
        self.frozen = frozen

    def restore(self, known: Known) -> None:
        if self.root.flags.writeable:
            known.restore(self.root, self.blocks)
            if self.frozen:
                self.root.flags.writeable = False

    def pieces(self) -> tuple[Array, ...]:
        pieces = tuple(block.data for block in self.blocks)
        if len(pieces) > 1 and not self.root.flags.c_contiguous:
            return (np.ascontiguousarray(np.concatenate(pieces).reshape(self.root.shape, order="F")),)
        return pieces


class LiveBuffer(Buffer):
    """The content that the array has now, not copied: for storages that copy it at once."""

    __slots__ = ()

    def restore(self, known: Known) -> None:
        raise AssertionError(
            "a snapshot that shows the live arrays was kept by a storage that said it copies them"
        )

    def pieces(self) -> tuple[Array, ...]:
        return (np.require(self.root, requirements="C"),)


class StoredBuffer(Buffer):
    """A content in a storage outside of memory. ``frozen``: the array was made again, and has to be read-only."""

    __slots__ = ("fill", "frozen", "number")

    def __init__(self, root: Array, number: int, fill: Fill, *, frozen: bool) -> None:
        super().__init__(root)
        self.number = number
        self.fill = fill
        self.frozen = frozen

    def restore(self, known: Known) -> None:
        root = self.root
        if root.flags.writeable:
            known.forget(root)
            if root.flags.c_contiguous:
                self.fill(self.number, root)
            else:
                content = np.empty(root.shape, root.dtype)
                self.fill(self.number, content)
                root[...] = content
            if self.frozen:
                root.flags.writeable = False

    def pieces(self) -> tuple[Array, ...]:
        content = np.empty(self.root.shape, self.root.dtype)
        self.fill(self.number, content)
        return (content,)


class Snapshot(Portable):
    """The whole state at one moment.

    Attributes
    ----------
    contents : list of (Container, object)
        The bindings.
    buffers : dict of int to Buffer
        The contents, by the ``id`` of the base array.
    step : int or None
        The step of a loop before which it was taken.
    """

    __slots__ = ("__weakref__", "buffers", "contents", "description", "step")

    def __init__(
        self,
        contents: list[tuple[Container, Any]],
        buffers: Mapping[int, Buffer],
        step: int | None = None,
    ) -> None:
        self.contents = contents
        self.buffers = dict(buffers)
        self.step = step
        self.description = ""

    @property
    def nbytes(self) -> int:
        """Bytes of the contents, and roughly those of the bindings."""
        return self.array_bytes + _BINDING * len(self.contents)

    def loosened(self) -> Snapshot:
        """The same, not keeping the program's arrays alive, if any of them is worth that."""
        large = any(buffer.root.nbytes >= _SMALL for buffer in self.buffers.values())
        return LooseSnapshot(self) if large else self

    @property
    def array_bytes(self) -> int:
        """Bytes of the contents."""
        return sum(buffer.root.nbytes for buffer in self.buffers.values())

    @property
    def stored_bytes(self) -> int:
        """Bytes of those contents that are read from a storage outside of memory."""
        return sum(
            buffer.root.nbytes
            for buffer in self.buffers.values()
            if isinstance(buffer, StoredBuffer) and buffer.root.flags.writeable
        )

    def blocks(self) -> Iterator[Block]:
        """All blocks of contents in memory."""
        for key in self.buffers:
            yield from self.blocks_of(key)

    def blocks_of(self, key: int) -> list[Block]:
        """The blocks that hold the content of a base array, if there are any."""
        buffer = self.buffers.get(key)
        return buffer.blocks if isinstance(buffer, BlockBuffer) else []

    def grown_from(self, earlier: Snapshot) -> int:
        """Bytes of the arrays of which only a part is another one than in ``earlier``: later parts may change later."""
        grown = 0
        for key, buffer in self.buffers.items():
            blocks = self.blocks_of(key)
            before = set(map(id, earlier.blocks_of(key)))
            if 0 < sum(id(block) in before for block in blocks) < len(blocks):
                grown += buffer.root.nbytes
        return grown

    def restore(self, known: Known | None = None) -> None:
        """Make the live objects what they were; ``known`` tells which arrays need not be written."""
        known = known or Known()
        for container, content in self.contents:
            container.restore(content)
        for buffer in self.buffers.values():
            buffer.restore(known)

    def arrays(self) -> list[Content]:
        names = named_arrays(self.contents)
        found = []
        for number, (key, buffer) in enumerate(self.buffers.items()):
            name, value = names.get(key, (f"array {number}", buffer.root))
            found.append(Content(name, _shape(buffer.root, value), buffer.root.dtype, buffer.pieces()))
        return found

    def numbers(self) -> list[tuple[str, Any]]:
        return named_numbers(self.contents)

    def emptied(self) -> StateFrame:
        return StateFrame(self.contents, [buffer.root for buffer in self.buffers.values()], self.step)


class StateFrame(Frame):
    """A snapshot of a state without the contents of its arrays."""

    def __init__(self, contents: Contents, roots: Sequence[Array], step: int | None) -> None:
        self._roots = [Root(root) if can_be_made_again(root) else root for root in roots]
        gone = {
            id(root): number for number, root in enumerate(roots) if isinstance(self._roots[number], Root)
        }
        emptying = Emptying(gone)
        self._contents = [
            (container, with_values(container, content, emptying)) for container, content in contents
        ]
        self._step = step

    def filled(self, fill: Fill) -> Snapshot:
        return self.with_buffers(lambda number, root, frozen: StoredBuffer(root, number, fill, frozen=frozen))

    def with_buffers(self, make: Callable[[int, Array, bool], Buffer]) -> Snapshot:
        """The snapshot again, given what makes a buffer for the number of an array, the array, and whether to freeze it."""
        roots = [root.again() if isinstance(root, Root) else root for root in self._roots]
        filling = Filling(roots)
        return Snapshot(
            [(container, with_values(container, content, filling)) for container, content in self._contents],
            {id(root): make(number, root, _frozen(self._roots[number])) for number, root in enumerate(roots)},
            self._step,
        )


class LooseSnapshot(Snapshot):
    """A snapshot in memory that keeps copies of contents alive, but none of the program's arrays besides.

    Otherwise the snapshots of a loop that makes new arrays at every step would take twice the memory.
    """

    __slots__ = ("_blocks", "_frame", "_nbytes")

    def __init__(self, whole: Snapshot) -> None:
        super().__init__([], {}, whole.step)
        self.description = whole.description
        self._frame = whole.emptied()
        self._blocks = {key: whole.blocks_of(key) for key in whole.buffers}
        self._nbytes = whole.nbytes

    def whole(self) -> Snapshot:
        """The snapshot with the arrays, those that are gone being made again."""
        blocks = list(self._blocks.values())
        return self._frame.with_buffers(
            lambda number, root, frozen: BlockBuffer(root, blocks[number], frozen=frozen)
        )

    @property
    def nbytes(self) -> int:
        return self._nbytes

    def blocks_of(self, key: int) -> list[Block]:
        return self._blocks.get(key, [])

    def restore(self, known: Known | None = None) -> None:
        self.whole().restore(known)

    def arrays(self) -> list[Content]:
        return self.whole().arrays()

    def numbers(self) -> list[tuple[str, Any]]:
        return self.whole().numbers()

    def emptied(self) -> StateFrame:
        return self._frame


def _shape(root: Array, value: Array) -> tuple[int, ...]:
    """The shape of the variable that holds the base array or a view of it, if that is all of the array in its order."""
    whole = value.size == root.size and value.dtype == root.dtype
    return value.shape if whole and value.flags.c_contiguous and root.flags.c_contiguous else root.shape


def _frozen(root: Root | Array) -> bool:
    """Whether the array is read-only and has to be made again."""
    return isinstance(root, Root) and not root.writeable and root.alive() is None


def capture(
    state: State,
    known: Known | None = None,
    *,
    step: int | None = None,
    live: bool = False,
    apart_from: Collection[int] = frozenset(),
) -> Snapshot:
    """Take a snapshot, sharing the blocks that the live arrays are known to hold; or one that shows the live arrays.

    The contents of base arrays whose ids are in ``apart_from`` are left out.
    """
    known = known or Known()
    survey = state.survey()
    known.forget_others(survey.roots.values())
    contents = [(container, container.content()) for container in survey.containers]
    roots = {key: root for key, root in survey.roots.items() if key not in apart_from}
    buffers: Mapping[int, Buffer]
    if live:
        buffers = {key: LiveBuffer(root) for key, root in roots.items()}
    else:
        buffers = {key: BlockBuffer(root, known.captured(root)) for key, root in roots.items()}
    return Snapshot(contents, buffers, step)
