"""The file of a run that can be resumed: an HDF5 file that only ever changes by whole commits (`JournaledFile`).

It stays open, and locked against other processes, until the process ends: all loops of the run share it. Each run of a loop
has a group ``loop-1``, ``loop-2``, ... that says what it belongs to (``identity``, a text of the runtime's). A loop
takes the first group of the same identity that no other loop of this process has taken.

In a program on several ranks the file of each is a `Member` of a set, and the durable points of all are one
(`checkpointer.storage.run_set`).
"""

from __future__ import annotations

import errno
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from checkpointer.errors import StorageError
from checkpointer.storage.compression import Compression
from checkpointer.storage.hdf5_base import DamageError
from checkpointer.storage.hdf5_datasets import Dataset, create, opened
from checkpointer.storage.hdf5_files import RUN, error_number, failed, h5py_module, refuse_after_fork
from checkpointer.storage.journal import JournaledFile, Promise, recover, sync_folder
from checkpointer.storage.portable import Content
from checkpointer.storage.rank_files import refuse_folder
from checkpointer.storage.ranks import ALONE, Ranks

VERSION = 1

_SPARE = 1 << 20
"""Bytes of a file that are not worth the trouble of making it smaller."""

_lock = threading.RLock()
_open: dict[str, RunFile] = {}


@dataclass(frozen=True)
class Member:
    """Which file of which set one is.

    Attributes
    ----------
    set : bytes
        16 bytes, drawn at random when the set was made.
    rank, size : int
    """

    set: bytes
    rank: int
    size: int


class RunFile:
    """The open file of a run.

    Parameters
    ----------
    path : str
    descriptor : int
        The open and locked file, which becomes this object's.
    member : Member, optional
        What a file without content becomes a part of.

    Attributes
    ----------
    path : str
    file : h5py.File
    journal : JournaledFile
    commits : int
        How often something came into force in this process.
    member : Member or None
        Which file of a set it is, if it is one.
    ranks : Ranks
        Those that make their points together.
    point : int
        The number of the last point that the ranks have made.
    token : bytes
        What all ranks know this start of the program by.
    """

    def __init__(self, path: str, descriptor: int, member: Member | None = None) -> None:
        self.path = path
        self.commits = 0
        self.member = member
        self.ranks: Ranks = ALONE
        self.point = 0
        self.token = bytes(16)
        self._given_up = False
        self._descriptor = descriptor
        self._process = os.getpid()
        self._status = os.fstat(descriptor)
        journal, identity = f"{path}-journal", identity_of(descriptor)
        if not self._status.st_size:
            empty(journal)
        recover(descriptor, journal, identity)
        self.journal = JournaledFile(descriptor, journal, identity)
        self.file = self._new() if not os.fstat(descriptor).st_size else self._again()
        try:
            with self.errors("read the file", 0):
                self._inherited = set(self.file)
        except StorageError:
            self.file.close()
            raise
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
        write_text(group, "identity", identity, self)
        self._taken.add(name)
        return group, False

    def _identity(self, name: str) -> str:
        with self.errors("read the file", 0):
            return read_text(self.file[name], "identity", self._descriptor)

    def others(self) -> list[str]:
        """The identities of loops of an earlier process that no loop of this one has taken."""
        names = sorted(self._inherited - self._taken, key=_number)
        return [self._identity(name) for name in names]

    def leave(self, name: str) -> None:
        """A loop has failed: the next of the same identity may go on from what was committed of its group."""
        self._taken.discard(name.lstrip("/"))

    def commit(self) -> None:
        """Bring everything that was written into force."""
        self.file.flush()
        self.journal.commit()
        self.commits += 1

    def prepare(self) -> None:
        """The first half of `commit`, after which `apply` may follow, or the end of the process.

        Of a set, the files of all ranks have to be ready before `apply` is called for one.
        """
        promise = None
        if self.member is not None:
            self.file.attrs.modify("point", np.int64(self.point + 1))
            member = self.member
            promise = Promise(member.set, self.token, self.point + 1, member.rank, member.size)
        self.file.flush()
        self.journal.prepare(promise)

    def apply(self) -> None:
        """The second half of `commit`."""
        self.journal.apply()
        self.commits += 1
        self.point += self.member is not None

    def give_up(self) -> None:
        """A point that the ranks were to make together failed on one: what this file would become is not in force."""
        self._given_up = self.member is not None

    def check(self) -> None:
        """Refuse to go on with a file that is no longer there, or in another process than the one that opened it."""
        refuse_after_fork(self.path, self._process)
        if self._given_up:
            raise StorageError(
                f"{self.path} cannot be used any more in this process, since a durable point failed: start the program"
                " again, and it goes on from the point before"
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

    def wasteful(self) -> bool:
        """Whether most of the file is room that nothing uses: HDF5 forgets about it when a process is killed."""
        used = 0

        def add(name: str, item: Any) -> None:
            nonlocal used
            used += item.id.get_storage_size() if hasattr(item, "shape") else 0

        try:
            self.file.visititems(add)
        except (OSError, RuntimeError, KeyError):
            return False  # it is damaged, as will be found out
        return os.fstat(self._descriptor).st_size > 2 * used + _SPARE

    def without_waste(self) -> RunFile:
        """The file itself, or a smaller one with the same content if most of it is room that nothing uses."""
        return compacted(self) if self.wasteful() else self

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
            if error_number(error) is None and not isinstance(error, RecursionError):
                raise damaged(
                    self.path, str(error)
                ) from error  # HDF5 itself writes to memory, which cannot fail
            raise failed(task, size, self.folder, error, self.path) from error
        except (DamageError, KeyError, TypeError, ValueError) as error:
            raise damaged(self.path, str(error)) from error

    def _new(self) -> Any:
        file = h5py_module().File(self.journal, "w", libver="v108", rdcc_nbytes=0)
        file.attrs["format"] = np.bytes_(RUN)
        file.attrs["version"] = VERSION
        if self.member is not None:
            member = self.member
            file.attrs["set"] = np.bytes_(member.set.hex())
            file.attrs.update(rank=np.int64(member.rank), ranks=np.int64(member.size), point=np.int64(0))
        file.flush()
        self.journal.commit()
        sync_folder(self.path)
        return file

    def _again(self) -> Any:
        h5py = h5py_module()
        file = None
        try:
            file = h5py.File(self.journal, "r+", libver="v108", rdcc_nbytes=0)
            kind, version = file.attrs.get("format"), file.attrs.get("version")
            self.member, self.point = _member(file)
        except (OSError, RuntimeError, KeyError) as error:
            if file is not None:
                file.close()
            if os.pread(self._descriptor, 8, 0) == b"\x89HDF\r\n\x1a\n":
                raise damaged(self.path, str(error)) from error
            raise _foreign(self.path) from error
        if kind != RUN.encode():
            file.close()
            raise _foreign(self.path)
        if version != VERSION:
            file.close()
            raise StorageError(
                f"{self.path} was written by another version of checkpointer, in version {version} of the format of a run;"
                f" this one knows version {VERSION}: go on with the version that began it, or remove the file to start anew"
            )
        return file


def _member(file: Any) -> tuple[Member | None, int]:
    """Which file of which set an open one says that it is, and its last point."""
    try:
        if "set" not in file.attrs:
            return None, 0
        rank, size, point = (int(file.attrs[name]) for name in ("rank", "ranks", "point"))
        return Member(bytes.fromhex(file.attrs["set"].decode()), rank, size), point
    except ValueError as error:
        raise KeyError(str(error)) from error


def run_file(path: str) -> RunFile:
    """The file at a path: new, of an earlier process, or open already.

    Raises
    ------
    StorageError
        If it is in use by another process, damaged, or not the file of a run; if it cannot be made.
    """
    path = os.path.realpath(path)
    with _lock:
        opened = open_already(path)
        if opened is None:
            refuse_folder(path)
            descriptor = locked(path)
            with closed_after_errors(path, descriptor):
                opened = RunFile(path, descriptor)
                if opened.member is not None:
                    raise StorageError(
                        f"{path} is the file of rank {opened.member.rank} of {opened.member.size}, and cannot be gone on"
                        f" with alone: start the program on {opened.member.size} ranks, with the path of the folder"
                    )
            opened = opened.without_waste()
            register(opened)
        return opened


def open_already(path: str) -> RunFile | None:
    """The file of a real path, if this process has it open, and it is still there."""
    with _lock:
        opened = _open.get(path)
        return opened if opened is not None and opened.in_place() else None


def register(opened: RunFile) -> None:
    """Let loops that follow find the open file."""
    with _lock:
        _open[opened.path] = opened


@contextmanager
def closed_after_errors(path: str, descriptor: int) -> Iterator[None]:
    """Open a file, and close it if that fails, saying what helps."""
    try:
        yield
    except OSError as error:
        os.close(descriptor)
        raise failed(f"open the file {path}", 0, os.path.dirname(path), error) from error
    except BaseException:
        os.close(descriptor)
        raise


def compacted(wasteful: RunFile) -> RunFile:
    """The same run in a smaller file, which takes the place of the other one at once; if the disk allows that."""
    path, new = wasteful.path, f"{wasteful.path}-new"
    with suppress(OSError):
        os.unlink(new)
    descriptor = -1
    try:
        descriptor = locked(new)
        with h5py_module().File(new, "w", libver="v108", locking=False) as file:
            file.attrs.update(wasteful.file.attrs)
            for name in wasteful.file:
                wasteful.file.copy(wasteful.file[name], file, name)
        os.fsync(descriptor)
        os.rename(new, path)
        sync_folder(path)
    except (OSError, RuntimeError, StorageError):
        with suppress(OSError):
            os.unlink(new)
        if descriptor >= 0:
            os.close(descriptor)
        return wasteful
    wasteful.close()
    return RunFile(path, descriptor)


def close_all() -> None:
    """Give back all files, as the end of the process does; sessions that are still open must not be used any more."""
    with _lock:
        while _open:
            _open.popitem()[1].close()


def locked(path: str) -> int:
    """The file at a path, which is made if need be, for this process alone."""
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


def empty(journal: str) -> None:
    """A file without content has no journal: one that lies there belonged to a file that was removed."""
    try:
        os.truncate(journal, 0)
    except FileNotFoundError:
        pass


def identity_of(descriptor: int) -> bytes:
    """What the journal of a file knows it by."""
    return struct.pack("<QQ", os.fstat(descriptor).st_ino, 0)


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


def write(group: Any, name: str, content: Content, file: RunFile, compression: Compression = None) -> Dataset:
    """A new dataset of a run, with its checksum, at a place of the file that no committed state of it uses."""
    dataset = create(group, name, content, compression, file.descriptor)
    for offset, size in dataset.direct():
        file.journal.written(offset, size)
    dataset.write(content)
    return dataset


def write_text(group: Any, name: str, text: str, file: RunFile) -> None:
    """A text as a dataset, with its checksum."""
    array = np.array(text.encode())
    write(group, name, Content(name, (), array.dtype, (array,)), file)


def read_text(group: Any, name: str, descriptor: int) -> str:
    """A text that `write_text` has written, verified."""
    return bytes(opened(group, name, descriptor).loaded()[()]).decode()
