"""The file of a run that can be resumed: an HDF5 file that only ever changes by whole commits (`JournaledFile`).

It stays open, and locked against other processes, until the process ends: all loops of the run share it. Each run of a loop
has a group ``loop-1``, ``loop-2``, ... that says what it belongs to (``identity``, a text of the runtime's). A loop
takes the first group of the same identity that no other loop of this process has taken.
"""

from __future__ import annotations

import errno
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from checkpointer.errors import StorageError
from checkpointer.storage.hdf5_files import failed, h5py_module
from checkpointer.storage.journal import JournaledFile, recover, sync_folder

FORMAT = "checkpointer run"
VERSION = 1

_lock = threading.RLock()
_open: dict[str, RunFile] = {}


class RunFile:
    """The open file of a run.

    Attributes
    ----------
    path : str
    file : h5py.File
    journal : JournaledFile
    """

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._process = os.getpid()
        self._status = os.fstat(descriptor)
        identity = struct.pack("<QQ", self._status.st_ino, 0)
        journal = f"{path}-journal"
        if not self._status.st_size:
            _empty(journal)
        recover(descriptor, journal, identity)
        self.journal = JournaledFile(descriptor, journal, identity)
        self.file = self._new() if not os.fstat(descriptor).st_size else self._again()
        self._inherited = set(self.file)
        self._taken: set[str] = set()

    @property
    def folder(self) -> str:
        """The folder it is in."""
        return os.path.dirname(self.path) or "."

    @property
    def descriptor(self) -> int:
        """Where the contents of arrays are written to and read from directly."""
        return self._descriptor

    def knows(self, identity: str) -> bool:
        """Whether there is a group of this identity that no loop of this process has taken."""
        return any(self._identity(name) == identity for name in self.file if name not in self._taken)

    def take(self, identity: str) -> tuple[Any, bool]:
        """The group of a loop of this identity, and whether an earlier loop has left something in it."""
        for name in sorted(self.file, key=_number):
            if name not in self._taken and self._identity(name) == identity:
                self._taken.add(name)
                return self.file[name], True
        name = f"loop-{max(map(_number, self.file), default=0) + 1}"
        group = self.file.create_group(name)
        group["identity"] = np.bytes_(identity.encode())
        group["identity"].attrs["crc32"] = zlib.crc32(identity.encode())
        self._taken.add(name)
        return group, False

    def others(self) -> list[str]:
        """The identities of loops of an earlier process that no loop of this one has taken."""
        names = sorted(self._inherited - self._taken, key=_number)
        return [self._identity(name) for name in names]

    def _identity(self, name: str) -> str:
        """What a loop's group belongs to."""
        with self.errors("read what a run belongs to", 0):
            found = self.file[name]["identity"]
            text = bytes(found[()])
            if found.attrs["crc32"] != zlib.crc32(text):
                raise ValueError(f"the checksum of {name}/identity is another one")
            return text.decode()

    def leave(self, name: str) -> None:
        """A loop has failed: the next of the same identity may go on from what was committed of its group."""
        self._taken.discard(name.lstrip("/"))

    def commit(self) -> None:
        """Bring everything that was written into force."""
        self.file.flush()
        self.journal.commit()

    def check(self) -> None:
        """Refuse to go on with a file that is no longer there, or in another process than the one that opened it."""
        if os.getpid() != self._process:
            raise StorageError(
                f"{self.path} was opened before this process was forked: open the loop's storage in the process that runs it"
            )
        if not self.in_place():
            raise StorageError(
                f"{self.path} is lost: somebody removed or replaced it, or its disk is gone, while a loop used it; run the"
                " program again, and keep the file until the result is in"
            )

    def in_place(self) -> bool:
        """Whether the path still leads to this file, in this process."""
        try:
            now = os.stat(self.path)
        except OSError:
            return False
        same = (now.st_dev, now.st_ino) == (self._status.st_dev, self._status.st_ino)
        return same and os.getpid() == self._process

    def close(self) -> None:
        """Give the file back. What was not committed is lost."""
        self.file.close()
        os.close(self._descriptor)

    @contextmanager
    def errors(self, task: str, size: int) -> Iterator[None]:
        """Turn the errors of the disk, and of a file that is damaged, into ones that say what helps."""
        try:
            yield
        except (OSError, RuntimeError) as error:
            raise failed(task, size, self.folder, error) from error
        except (KeyError, ValueError) as error:
            raise damaged(self.path, str(error)) from error

    def _new(self) -> Any:
        file = h5py_module().File(self.journal, "w", libver="v108", rdcc_nbytes=0)
        file.attrs["format"] = FORMAT
        file.attrs["version"] = VERSION
        file.flush()
        self.journal.commit()
        sync_folder(self.path)
        return file

    def _again(self) -> Any:
        h5py = h5py_module()
        try:
            file = h5py.File(self.journal, "r+", libver="v108", rdcc_nbytes=0)
            kind, version = file.attrs.get("format"), file.attrs.get("version")
        except (OSError, RuntimeError, KeyError) as error:
            if os.pread(self._descriptor, 8, 0) == b"\x89HDF\r\n\x1a\n":
                raise damaged(self.path, str(error)) from error
            raise _foreign(self.path) from error
        if kind != FORMAT:
            raise _foreign(self.path)
        if version != VERSION:
            raise StorageError(
                f"{self.path} was written by another version of checkpointer, in version {version} of the format of a run;"
                f" this one knows version {VERSION}: go on with the version that began it, or remove the file to start anew"
            )
        return file


def run_file(path: str) -> RunFile:
    """The file at a path: new, of an earlier process, or open already.

    Raises
    ------
    StorageError
        If it is in use by another process, damaged, or not the file of a run; if it cannot be made.
    """
    path = os.path.realpath(path)
    with _lock:
        opened = _open.get(path)
        if opened is None or not opened.in_place():
            descriptor = _locked(path)
            try:
                opened = RunFile(path, descriptor)
            except OSError as error:
                os.close(descriptor)
                raise failed(f"open the file {path}", 0, os.path.dirname(path), error) from error
            except BaseException:
                os.close(descriptor)
                raise
            _open[path] = opened
        return opened


def close_all() -> None:
    """Give back all files, as the end of the process does; sessions that are still open must not be used any more."""
    with _lock:
        while _open:
            _open.popitem()[1].close()


def _locked(path: str) -> int:
    if os.name != "posix":
        raise StorageError("HDF5Storage(resume=True) needs a system with POSIX files, such as Linux or macOS")
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise failed(f"open the file {path}", 0, os.path.dirname(path), error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EAGAIN, errno.EACCES):
            raise StorageError(
                f"{path} is open in another process, which may be the same run still going on: wait until it has ended, and"
                " give each process (and each MPI rank) a path of its own"
            ) from None
        raise failed(f"lock the file {path}", 0, os.path.dirname(path), error) from error
    return descriptor


def _empty(journal: str) -> None:
    """A file without content has no journal: one that lies there belonged to a file that was removed."""
    try:
        os.truncate(journal, 0)
    except FileNotFoundError:
        pass


def damaged(path: str, found: str) -> StorageError:
    """What is said of a file that cannot be right."""
    return StorageError(
        f"{path} is damaged ({found}): it was changed since it was written, or its disk failed, so the run cannot be resumed"
        " from it; remove it to start anew, or bring back a good copy"
    )


def _foreign(path: str) -> StorageError:
    return StorageError(
        f"{path} exists, and is not the file of a run that can be resumed, so it is left as it is: choose a path that is not"
        " in use"
    )


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])
