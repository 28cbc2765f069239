"""The buffers between a loop and the thread that writes its snapshots and reads them ahead.

The program goes on while the thread works, so the thread sees copies only, in `Outgoing` and `Copies`. Nothing here refers
to the program's objects either: a loop that is given up must not be kept alive by its thread.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from checkpointer.errors import StorageError
from checkpointer.storage.base import Session
from checkpointer.storage.portable import Content, Fill, Frame, Portable
from checkpointer.storage.worker import Job, Worker

_SMALL = 1 << 20
"""Bytes of a snapshot that are read at once: for each array there and back, the loop would wait longer."""


class Filled(Protocol):
    """Something that the arrays of a snapshot can be filled from."""

    @property
    def fill(self) -> Fill: ...


class Outgoing(Portable):
    """What is written of a snapshot. It is taken from it at once, and holds copies that nobody changes.

    The other storage gives back this very object, or what fills arrays from the contents that it has stored: it is given
    a frame (`Nothing`) that says so, and never sees the snapshot's own.
    """

    __slots__ = ("__weakref__", "_contents", "_numbers", "description", "step")

    def __init__(self, snapshot: Portable) -> None:
        self.step = snapshot.step
        self.description = ""
        self._contents = snapshot.arrays()
        self._numbers = snapshot.numbers()

    def arrays(self) -> list[Content]:
        return self._contents

    def numbers(self) -> list[tuple[str, Any]]:
        return self._numbers

    def emptied(self) -> Frame:
        return Nothing()

    def fill(self, number: int, array: NDArray[Any]) -> None:
        """Put the content of the array of this number into an array."""
        flat, start = array.reshape(-1), 0
        for piece in self._contents[number].pieces:
            flat[start : start + piece.size] = piece.reshape(-1)
            start += piece.size


class Nothing(Frame):
    """Stands for the frame of a snapshot, which stays with the loop."""

    def filled(self, fill: Fill) -> object:
        return Stored(fill)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the other storage gives back."""

    fill: Fill


@dataclass(frozen=True, slots=True)
class Copies:
    """Contents that were read into memory."""

    arrays: list[NDArray[Any]]

    def fill(self, number: int, array: NDArray[Any]) -> None:
        np.copyto(array, self.arrays[number].reshape(array.shape))


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """The content of one array; the same object for all snapshots that share it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Slot:
    """One snapshot that stands.

    Attributes
    ----------
    contents : list of Kept
        Of its arrays.
    size : int
        Their bytes.
    writing : function or None
        The job that writes it, as long as that is not done.
    copy : Outgoing or Copies or None
        What is held in memory.
    """

    __slots__ = ("contents", "copy", "key", "size", "writing")

    def __init__(self, key: int, outgoing: Outgoing, contents: list[Kept]) -> None:
        self.key = key
        self.contents = contents
        self.size = sum(content.nbytes for content in outgoing.arrays())
        self.writing: Job | None = None
        self.copy: Outgoing | Copies | None = outgoing


class Desk:
    """What the loop and the thread share: what stands, what is in memory, and what is wanted next.

    Every change is made with the worker's lock held. The other storage is used in the thread only.
    """

    def __init__(self, inner: Session, count: int) -> None:
        self.count = count
        self.worker = Worker(inner.close, self._spare, thorough=inner.lasting)
        self._inner = inner
        self._slots: dict[int, Slot] = {}
        self._used: dict[Slot, None] = {}  # the buffers, that of the oldest copy first
        self._wanted: tuple[int, ...] = ()
        self._latest: Callable[[], Outgoing | None] = lambda: None
        self._latest_contents: list[Kept] = []

    # --- what the loop asks for --------------------------------------------------------------------------------------

    def save(self, key: int, outgoing: Outgoing, level: int) -> None:
        slot = Slot(key, outgoing, self._contents(outgoing))
        slot.writing = partial(self._write, slot, outgoing, level)
        with self.worker.lock:
            self.worker.wait(lambda: len(self._used) < self.count or self._make_room(-1))
            self._slots[key] = slot
            self._used[slot] = None
            self.worker.submit(slot.writing)

    def load(self, key: int) -> Filled:
        """What the snapshot can be filled from: a copy in memory, or else the other storage, array by array."""
        self.worker.check()
        with self.worker.lock:
            slot = self._slots[key]
            self.worker.wait(lambda: slot.copy is not None or slot not in self._used)  # not: it is being read
            if slot.copy is not None:
                return slot.copy
        if slot.size <= _SMALL:
            return self.worker.call(lambda: self._read(slot))
        stored = self.worker.call(lambda: self._stored(slot))

        def fill(number: int, array: NDArray[Any]) -> None:
            if self._slots.get(key) is not slot:
                raise StorageError(f"the snapshot under key {key} was discarded after it was loaded")
            self.worker.call(lambda: stored.fill(number, array))

        return Stored(fill)

    def discard(self, key: int) -> None:
        self.worker.check()
        with self.worker.lock:
            slot = self._slots.pop(key)
            if slot.writing is not None and self.worker.cancel(slot.writing):
                self._let_go(slot)
                return
            if slot.writing is None and slot.copy is not None:
                self._let_go(slot)  # otherwise the thread is at it, and will do so
            self.worker.submit(partial(self._inner.discard, key))

    def prefetch(self, keys: tuple[int, ...]) -> None:
        self.worker.check()
        with self.worker.lock:
            self._wanted = keys
        self.worker.wake()

    def drain(self, let_go: bool) -> None:
        self.worker.check()
        with self.worker.lock:
            if let_go:
                self._wanted = ()
            self.worker.wait(lambda: self.worker.idle)
            if let_go:
                for slot in tuple(self._used):
                    self._let_go(slot)

    def close(self) -> None:
        try:
            self.worker.close()
        finally:
            self._slots.clear()
            self._used.clear()

    def _contents(self, outgoing: Outgoing) -> list[Kept]:
        """The contents of a snapshot: those of the one before it where it consists of the same pieces."""
        before = self._latest()
        shared = (
            {}
            if before is None
            else dict(zip(map(_pieces, before.arrays()), self._latest_contents, strict=True))
        )
        found = []
        for content in outgoing.arrays():
            kept = shared.get(_pieces(content))
            if kept is None or (kept.shape, kept.dtype) != (content.shape, content.dtype):
                kept = Kept(content.shape, content.dtype)
            found.append(kept)
        self._latest, self._latest_contents = weakref.ref(outgoing), found
        return found

    # --- buffers -----------------------------------------------------------------------------------------------------

    def _make_room(self, rank: int) -> bool:
        """Let go of a copy that is stored too and is not wanted before that of this rank, the last one wanted; if any."""
        free = [slot for slot in self._used if slot.writing is None and slot.copy is not None]
        last = max(free, key=self._rank, default=None)
        if last is None or self._rank(last) <= rank:
            return False
        self._let_go(last)
        return True

    def _rank(self, slot: Slot) -> int:
        return self._wanted.index(slot.key) if slot.key in self._wanted else len(self._wanted)

    def _let_go(self, slot: Slot) -> None:
        slot.copy = None
        del self._used[slot]

    # --- what the thread does ----------------------------------------------------------------------------------------

    def _write(self, slot: Slot, outgoing: Outgoing, level: int) -> None:
        self._inner.save(slot.key, outgoing, level)
        with self.worker.lock:
            slot.writing = None
            if self._slots.get(slot.key) is not slot:
                self._let_go(slot)

    def _spare(self) -> Job | None:
        """Read the nearest one that is wanted and not in memory, if there is room."""
        for rank, key in enumerate(self._wanted):
            slot = self._slots.get(key)
            if slot is not None and slot not in self._used:
                if len(self._used) < self.count or self._make_room(rank):
                    self._used[slot] = None
                    return partial(self._read_ahead, slot)
                return None
        return None

    def _read_ahead(self, slot: Slot) -> None:
        copy = None
        try:
            copy = self._read(slot)
        except MemoryError:
            with self.worker.lock:
                self._wanted = ()  # the loop reads it when it needs it, into its own arrays
        finally:
            with self.worker.lock:
                slot.copy = copy
                if copy is None or self._slots.get(slot.key) is not slot:
                    self._let_go(slot)

    def _read(self, slot: Slot) -> Copies:
        stored = self._stored(slot)
        with self.worker.lock:
            others = [(other.contents, other.copy) for other in self._used]
        at_hand = {
            kept: array
            for contents, copy in others
            if isinstance(copy, Copies)
            for kept, array in zip(contents, copy.arrays, strict=True)
        }
        arrays = []
        for number, kept in enumerate(slot.contents):
            array = at_hand.get(kept)
            if array is None:
                array = np.empty(kept.shape, kept.dtype)
                stored.fill(number, array)
            arrays.append(array)
        return Copies(arrays)

    def _stored(self, slot: Slot) -> Filled:
        stored = self._inner.load(slot.key)
        if not isinstance(stored, Stored | Outgoing):
            raise StorageError(
                f"a storage gave back {stored!r} for a snapshot, which is not what was saved there"
            )
        return stored


def _pieces(content: Content) -> tuple[int, ...]:
    """What tells the content of an array from others while it is in memory."""
    return tuple(map(id, content.pieces))
