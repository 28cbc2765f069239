"""Another storage, written and read by a thread of its own while the program computes.

A snapshot is taken in memory and queued; the thread writes it, and reads ahead what the schedule says it will restore.
Both use the same few buffers, one snapshot each: full, they make the loop wait. A copy that was written stays in its
buffer until that is needed for another one, so a snapshot that is restored soon is not read at all.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from checkpointer.errors import ArgumentError, StorageError
from checkpointer.storage.base import Session, Storage
from checkpointer.storage.buffers import Desk, Outgoing
from checkpointer.storage.portable import Frame, Portable
from checkpointer.storage.ranks import RanksOf
from checkpointer.storage.tiered import TieredStorage


@dataclass(frozen=True)
class BackgroundStorage(Storage):
    """Write snapshots to another storage while steps are computed, and read ahead those that are restored next.

    It pays where the other storage takes about as long as the steps do: a slow disk, or compression. Taking a copy in
    memory first takes as long as writing to a disk that keeps up with memory does.

    Parameters
    ----------
    storage : Storage
        Where the snapshots are kept, such as ``HDF5Storage()``.
    buffers : int
        How many snapshots may be held in memory besides, waiting to be written or read ahead. The loop waits when that
        is not enough. One more exists while the loop takes or restores it. Arrays in Fortran order count twice.

    Raises
    ------
    ArgumentError
        If storage is none, is one of several levels or one that is resumed, or buffers is no positive integer.

    >>> from checkpointer.storage import HDF5Storage, MemoryStorage
    >>> BackgroundStorage(HDF5Storage("run.h5"), buffers=3)
    BackgroundStorage(storage=HDF5Storage('run.h5'), buffers=3)
    >>> TieredStorage(MemoryStorage(), BackgroundStorage(HDF5Storage()))
    TieredStorage(MemoryStorage(), BackgroundStorage(storage=HDF5Storage(), buffers=2))
    """

    storage: Storage
    buffers: int = 2

    def __post_init__(self) -> None:
        if not isinstance(self.storage, Storage):
            raise ArgumentError(
                f"BackgroundStorage: storage must be a Storage, such as HDF5Storage(), but is {self.storage!r}"
            )
        if isinstance(self.storage, TieredStorage):
            raise ArgumentError(
                "BackgroundStorage: the snapshots of a memory level need no background: wrap the slow levels only, as in"
                " TieredStorage(MemoryStorage(), BackgroundStorage(HDF5Storage()))"
            )
        if getattr(self.storage, "resume", False):
            raise ArgumentError(
                "BackgroundStorage: a run that can be resumed has to know what has reached the disk: give it"
                " HDF5Storage(..., resume=True) itself"
            )
        object.__setattr__(self, "buffers", _positive(self.buffers))

    def session(self) -> Session:
        """A new, empty session for one run of one loop, with a thread of its own once something is saved.

        Raises
        ------
        StorageError
            If the other storage has no room for one.
        """
        return BackgroundSession(self.storage.session(), self.buffers)

    def on_ranks(self, ranks_of: RanksOf) -> Storage:
        return BackgroundStorage(self.storage.on_ranks(ranks_of), self.buffers)


def _positive(value: Any) -> int:
    try:
        number = 0 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise ArgumentError(f"BackgroundStorage: buffers must be a positive integer, but is {value!r}")
    return number


class BackgroundSession(Session):
    """What stays with the loop: the parts of snapshots that refer to the program's objects."""

    def __init__(self, inner: Session, buffers: int) -> None:
        super().__init__()
        self._desk = Desk(inner, buffers)
        self._lasting = inner.lasting
        self._exact = inner.exact
        self._frames: dict[int, Frame] = {}
        self._whole: weakref.WeakKeyDictionary[Outgoing, Portable] = weakref.WeakKeyDictionary()
        weakref.finalize(self, self._desk.worker.end).atexit = False  # a loop that is never reversed

    @property
    def buffers(self) -> int:
        return self._desk.count + 1

    @property
    def lasting(self) -> bool:
        return self._lasting

    @property
    def exact(self) -> bool:
        return self._exact

    def prefetch(self, keys: Sequence[int]) -> None:
        self._refuse_closed("prefetch")
        self._desk.prefetch(tuple(keys))

    def drain(self, *, let_go: bool = False) -> None:
        self._refuse_closed("drain")
        self._desk.drain(let_go)

    def _save(self, key: int, snapshot: object, level: int) -> None:
        self._desk.worker.check()
        if not isinstance(snapshot, Portable):
            raise StorageError(f"BackgroundStorage keeps snapshots of loops only, not {snapshot!r}")
        outgoing, frame = Outgoing(snapshot), snapshot.emptied()
        self._desk.save(key, outgoing, level)
        self._frames[key] = frame
        self._whole[outgoing] = snapshot  # while it is in a buffer: it shares its blocks with others

    def _load(self, key: int) -> object:
        copy = self._desk.load(key)
        if isinstance(copy, Outgoing) and copy in self._whole:
            return self._whole[copy]
        return self._frames[key].filled(copy.fill)

    def _discard(self, key: int) -> None:
        self._desk.discard(key)
        del self._frames[key]

    def _close(self) -> None:
        self._frames.clear()
        self._desk.close()
