"""A file whose changes come into force all at once, or not at all, whatever kills the process or the machine.

HDF5 changes its own data here and there in a file, so a process that is killed at the wrong moment leaves a file that
nothing can open. Here HDF5 writes to a `JournaledFile` instead: what it writes is kept in memory until `commit`, which first
writes it to a journal beside the file, then into the file itself. A journal that is whole is copied into the file when
that is opened next; one that is not whole was never in force (a redo log: Gray and Reuter, Transaction Processing, 1993,
chapter 10).

Several files, each of another process, can change together, all or none: a commit then has two phases (Gray and Reuter,
chapter 10.3). The journal holds a `Promise`; a process goes on to change its file when all of them are ready, and one that
opens its file again may still have its commit undone (`promised`, `keep`, `forget`), until it has been decided.

The contents of arrays are too large for this. They are written straight into the file (`descriptor`), to places that the
last committed state of the file does not use; `commit` makes them durable first.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

_PAGE = 4096
_MAGIC, _MAGIC_OF_PROMISE = b"CKPJRNL1", b"CKPJRNL2"
_HEAD = struct.Struct("<8s16sQQQI")
"""Magic, the identity of the file, its length after the commit, number and size of the changes, a checksum of them."""
_PROMISE = struct.Struct("<16s16sQQQ")
"""After the head of a commit that is one of several: the fields of a `Promise`. The checksum covers it."""
_CHANGE = struct.Struct("<QQ")

_sync = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True)
class Promise:
    """A commit that several files make together, and that each has to be able to undo until all are ready.

    Attributes
    ----------
    set, token : bytes
        16 bytes each: which files these are, and in which start of the program they were to change.
    point : int
        The number of the commit, from 1.
    rank, size : int
        Which of the files this is, and how many there are.
    """

    set: bytes
    token: bytes
    point: int
    rank: int
    size: int

    def packed(self) -> bytes:
        """As it stands in a journal."""
        return _PROMISE.pack(self.set, self.token, self.point, self.rank, self.size)


class JournaledFile:
    """A file for `h5py.File` (its driver ``fileobj``) that changes by `commit` only.

    Parameters
    ----------
    descriptor : int
        The open file; it stays the caller's.
    journal : str
        The path of the journal.
    identity : bytes
        16 bytes that tell this file from others, so that no other file's journal is taken for its own.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> descriptor = os.open(folder.name + "/file", os.O_RDWR | os.O_CREAT, 0o600)
    >>> file = JournaledFile(descriptor, folder.name + "/journal", bytes(16))
    >>> file.write(b"to be or not")
    12
    >>> os.fstat(descriptor).st_size
    0
    >>> file.commit()
    >>> os.pread(descriptor, 99, 0)
    b'to be or not'
    >>> os.close(descriptor)
    >>> folder.cleanup()
    """

    def __init__(self, descriptor: int, journal: str, identity: bytes) -> None:
        self.descriptor = descriptor
        self._journal = journal
        self._identity = identity
        self._pages: dict[int, tuple[bytearray, bytearray]] = {}
        self._prepared = b""
        self._position = 0
        self._length = os.fstat(descriptor).st_size

    @property
    def pending(self) -> int:
        """Roughly the bytes that wait in memory for a commit."""
        return len(self._pages) * _PAGE

    # --- what h5py calls -----------------------------------------------------------------------------------------

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        found = self._read(self._position, len(memoryview(buffer).cast("B")))
        memoryview(buffer).cast("B")[: len(found)] = found
        self._position += len(found)
        return len(found)

    def read(self, size: int = -1) -> bytes:
        found = self._read(self._position, self._length - self._position if size < 0 else size)
        self._position += len(found)
        return found

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        for number, low, high, start in _in_pages(self._position, len(view)):
            content, changed = self._pages.setdefault(number, (bytearray(_PAGE), bytearray(_PAGE)))
            content[low:high] = view[start : start + high - low]
            changed[low:high] = b"\1" * (high - low)
        self._position += len(view)
        self._length = max(self._length, self._position)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        self._length = self._position if size is None else size
        return self._length

    def flush(self) -> None:
        """HDF5 has written all that it has; it comes into force with `commit`."""

    # --- what the storage calls ----------------------------------------------------------------------------------

    def written(self, offset: int, size: int) -> None:
        """Somebody wrote to this part of the file directly: what HDF5 wrote to it before is void."""
        for number, low, high, _ in _in_pages(offset, size):
            if number in self._pages:
                self._pages[number][1][low:high] = bytes(high - low)
        self._length = max(self._length, offset + size)

    def commit(self) -> None:
        """Bring all changes into force, and make them last.

        Raises
        ------
        OSError
            If the disk is full or fails. When the file is opened next, it is what it was before the call, or what it
            should have become.
        """
        self.prepare()
        self.apply()

    def prepare(self, promise: Promise | None = None) -> None:
        """The first phase of a commit: the journal has all changes and lasts, and the file is as it was.

        Until `apply`, nothing is written. With a promise, the commit comes into force when the file is changed, and not
        before: `recover` leaves it alone.

        Raises
        ------
        OSError
            If the disk is full or fails.
        """
        changes = b"".join(_CHANGE.pack(offset, len(part)) + part for offset, part in self._changes())
        _sync(self.descriptor)
        magic, more = (_MAGIC, b"") if promise is None else (_MAGIC_OF_PROMISE, promise.packed())
        head = _HEAD.pack(
            magic, self._identity, self._length, len(self._pages), len(changes), zlib.crc32(more + changes)
        )
        self._prepared = changes
        _write_journal(self._journal, head + more + changes)

    def apply(self) -> None:
        """The second phase of a commit: change the file.

        Raises
        ------
        OSError
            If the disk fails. When the file is opened next, it is what it should have become.
        """
        _apply(self.descriptor, self._prepared, self._length)
        _sync(self.descriptor)
        self._prepared = b""
        self._pages.clear()

    def settle(self) -> None:
        """Remove the journal: the last commit is in the file, and no other is to be expected soon."""
        try:
            os.unlink(self._journal)
        except FileNotFoundError:
            pass

    def _changes(self) -> Iterator[tuple[int, bytes]]:
        for number, (content, changed) in sorted(self._pages.items()):
            edges = np.flatnonzero(np.diff(np.frombuffer(changed, np.uint8), prepend=0, append=0))
            for low, high in edges.reshape(-1, 2).tolist():
                yield number * _PAGE + low, bytes(content[low:high])

    def _read(self, offset: int, size: int) -> bytes:
        size = max(0, min(size, self._length - offset))
        found = bytearray(os.pread(self.descriptor, size, offset))
        found.extend(bytes(size - len(found)))
        for number, low, high, start in _in_pages(offset, size):
            if number in self._pages:
                content, changed = (np.frombuffer(part, np.uint8)[low:high] for part in self._pages[number])
                part = np.frombuffer(found, np.uint8)[start : start + high - low]
                np.copyto(part, content, where=changed.astype(bool))
        return bytes(found)


def _in_pages(offset: int, size: int) -> Iterator[tuple[int, int, int, int]]:
    """A part of a file by pages: the number of each, where the part begins and ends in it, and which byte is the first."""
    end = offset + size
    for number in range(offset // _PAGE, -(-end // _PAGE)):
        low = max(offset - number * _PAGE, 0)
        high = min(end - number * _PAGE, _PAGE)
        yield number, low, high, number * _PAGE + low - offset


@dataclass(frozen=True)
class _Commit:
    """What a journal that is whole holds."""

    length: int
    changes: bytes
    promise: Promise | None


def recover(descriptor: int, journal: str, identity: bytes) -> None:
    """Finish the last commit of a file, if the process was killed in the middle of it; to be called before it is read.

    A commit that is one of several (`promised`) is left as it is.

    Raises
    ------
    OSError
        If the disk fails.
    """
    commit = _whole(journal, identity)
    if commit is not None and commit.promise is None:
        _apply(descriptor, commit.changes, commit.length)
        _sync(descriptor)


def promised(journal: str, identity: bytes) -> Promise | None:
    """The promise of the last commit, if it is one of several: the file may have been changed by it, or in part, or not."""
    commit = _whole(journal, identity)
    return None if commit is None else commit.promise


def keep(descriptor: int, journal: str, identity: bytes) -> None:
    """Finish a commit that was promised: all files were ready for it.

    Raises
    ------
    OSError
        If the disk fails.
    """
    commit = _whole(journal, identity)
    assert commit is not None
    _apply(descriptor, commit.changes, commit.length)
    _sync(descriptor)


def forget(journal: str) -> None:
    """Undo a commit that was promised, and for which not all files were ready: none was changed by it.

    Raises
    ------
    OSError
        If the disk fails.
    """
    descriptor = os.open(journal, os.O_RDWR)
    try:
        os.ftruncate(descriptor, 0)
        _sync(descriptor)
    finally:
        os.close(descriptor)


def _whole(journal: str, identity: bytes) -> _Commit | None:
    """A journal; None if it is not whole, so that the file was not changed yet, or if it is another file's."""
    try:
        with open(journal, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        return None
    if len(text) < _HEAD.size:
        return None
    magic, owner, length, _, size, checksum = _HEAD.unpack_from(text)
    start = _HEAD.size + _PROMISE.size * (magic == _MAGIC_OF_PROMISE)
    end = start + size
    known = magic in (_MAGIC, _MAGIC_OF_PROMISE) and owner == identity
    if not known or len(text) < end or zlib.crc32(text[_HEAD.size : end]) != checksum:
        return None
    promise = Promise(*_PROMISE.unpack_from(text, _HEAD.size)) if start > _HEAD.size else None
    return _Commit(length, text[start:end], promise)


def _apply(descriptor: int, changes: bytes, length: int) -> None:
    place = 0
    while place < len(changes):
        offset, size = _CHANGE.unpack_from(changes, place)
        place += _CHANGE.size
        _write_all(descriptor, changes[place : place + size], offset)
        place += size
    os.ftruncate(descriptor, length)


def _write_journal(path: str, text: bytes) -> None:
    """Replace the journal, which belongs to a commit that is complete."""
    new = not os.path.exists(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _write_all(descriptor, text, 0)
        _sync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        sync_folder(path)


def sync_folder(path: str) -> None:
    """Make the name of a file last."""
    descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        offset += written
        view = view[written:]
