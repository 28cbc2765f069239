"""The HDF5 files that snapshots are written to: who may use which, and what is said when the disk fails.

A temporary file belongs to one session. Where the system allows it, its name is taken away as soon as it is open, so
that nothing is left of it however the process ends. A file that the user named is shared by all sessions of one process,
and kept; a file that this process did not make is never written to.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from checkpointer.errors import StorageError
from checkpointer.storage.compression import register
from checkpointer.storage.rank_files import rank_of, refuse_folder

FORMAT = "checkpointer snapshots"
RUN = "checkpointer run"
"""What a file says of itself: it holds snapshots to look into, or a run that can be resumed."""
VERSION = 1

_lock = (
    threading.RLock()
)  # a session that is collected as garbage releases its file wherever the thread is just then
_open: dict[str, SnapshotFile] = {}
_made: dict[str, tuple[int, int, int]] = {}
"""The files of this process's loops by their path: the process, and the file's identity."""


_all: weakref.WeakSet[SnapshotFile] = weakref.WeakSet()


def _let_go_after_fork() -> None:
    """A child that ends lets HDF5 close its parent's files, which would cut them off where they ended at the fork."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for file in list(_all):
        file.let_go(nowhere)
    os.close(nowhere)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_after_fork)


class SnapshotFile:
    """An open file.

    Attributes
    ----------
    path : str
        Where it is, or was made.
    file : h5py.File
    """

    def __init__(self, path: str, file: Any, *, temporary: bool) -> None:
        self.path = path
        self.file = file
        self.temporary = temporary
        self.users = 1
        self._failed = False
        self._busy = threading.RLock()  # loops in several threads may share the file
        self._process = os.getpid()
        self._descriptor = file.id.get_vfd_handle()
        self._identity = _identity(os.fstat(self._descriptor))
        _all.add(self)

    @property
    def called(self) -> str:
        """What a message calls it."""
        return f"a temporary file in {self.folder}" if self.temporary else self.path

    @property
    def folder(self) -> str:
        """The folder it is in."""
        return os.path.dirname(self.path) or "."

    def new_group(self) -> Any:
        """A group for one more session."""
        number = len(self.file) + 1
        while True:
            try:
                return self.file.create_group(f"loop-{number}")
            except ValueError:  # another thread was quicker
                number += 1

    def check(self) -> None:
        """Refuse to go on with a file that is no longer there, or in another process than the one that opened it."""
        refuse_after_fork(self.path, self._process)
        if self.temporary:
            return
        try:
            same = _identity(os.stat(self.path)) == self._identity
        except OSError as error:
            raise StorageError(
                f"{self.path} is lost ({error.strerror}): somebody removed it, or its disk is gone, while a loop used it;"
                " run the program again, and keep the file until it has ended"
            ) from error
        if not same:
            raise StorageError(
                f"{self.path} is another file now: somebody replaced it while a loop was using it; run the program again,"
                " with a path that nothing else writes to"
            )

    @contextmanager
    def errors(self, task: str, size: int) -> Iterator[None]:
        """Turn the errors of the disk into ones that say what was to be done, where, and what helps."""
        try:
            with self._busy:
                yield
        except (OSError, RuntimeError) as error:
            self._failed = True
            raise failed(task, size, self.folder, error, "" if self.temporary else self.path) from error

    def let_go(self, nowhere: int) -> None:
        """In a child process: whatever HDF5 does to the file from here on goes nowhere."""
        if self._descriptor >= 0:  # h5py may not be asked: a thread that has its lock is not here
            os.dup2(nowhere, self._descriptor, inheritable=False)

    def settle(self) -> None:
        """Write HDF5's own data of a file that is kept, so that it can be read even if the process is killed."""
        if not self.temporary:
            self.file.flush()

    def release(self) -> None:
        """One session less uses it."""
        with _lock:
            if os.getpid() != self._process:
                return  # it is the parent's
            self.users -= 1
            if self.users:
                return
            _open.pop(self.path, None)
            self._descriptor, descriptor = -1, self._descriptor
            if self.temporary:
                self._close_and_forget(descriptor)
                return
            try:
                self.file.close()
            except (OSError, RuntimeError) as error:
                if self._failed:
                    return  # and somebody was told
                raise failed("close a file of snapshots", 0, self.folder, error, self.path) from error

    def _close_and_forget(self, descriptor: int) -> None:
        try:
            os.ftruncate(descriptor, 0)  # a full disk has room again for what HDF5 writes at the end
            self.file.close()
        except (OSError, RuntimeError):
            pass
        if os.name != "posix":
            _remove(self.path)


def refuse_after_fork(path: str, process: int) -> None:
    """Refuse to use a file in another process than the one that opened it."""
    if os.getpid() != process:
        raise StorageError(
            f"{path} was opened before this process was forked: open the loop's storage in the process that runs it"
        )


def temporary_file(folder: str | None) -> SnapshotFile:
    """A new file that nobody else can find."""
    h5py = h5py_module()
    folder = _usual_folder() if folder is None else folder
    try:
        descriptor, path = tempfile.mkstemp(".h5", "checkpointer-", folder)
        _close_for_us_alone(descriptor)
    except OSError as error:
        raise failed("make a temporary file", 0, folder, error) from error
    try:
        opened = SnapshotFile(path, _new(h5py, path), temporary=True)
    except BaseException:
        _remove(path)
        raise
    if os.name == "posix":
        _remove(path)
    return opened


def _usual_folder() -> str:
    try:
        return tempfile.gettempdir()
    except OSError as error:  # it tries whether a file can be written there
        raise StorageError(
            f"cannot make a temporary file: {error.strerror}. Make room, or choose a folder with HDF5Storage(folder=...)"
        ) from error


def shared_file(path: str) -> SnapshotFile:
    """The file that the user named: new, or made by an earlier loop of this process."""
    h5py = h5py_module()
    try:
        path = os.path.realpath(path)
    except (OSError, ValueError) as error:  # the working directory is gone, or a name with a null in it
        raise StorageError(f"cannot find {path!r}: {error}. Choose another path, an absolute one") from error
    with _lock:
        opened = _open.get(path)
        if opened is not None and opened._process == os.getpid():
            opened.check()
            opened.users += 1
            return opened
        file = _again(h5py, path) if os.path.lexists(path) else _first(h5py, path)
        opened = _open[path] = SnapshotFile(path, file, temporary=False)
        _made[path] = (os.getpid(), *opened._identity)
        return opened


@contextmanager
def opened_to_read(path: str) -> Iterator[Any]:
    """A file of an earlier run, or of anybody; it is not written to."""
    register()
    try:
        file = h5py_module().File(path, "r", locking="best-effort")
    except OSError as error:
        number = error_number(error)
        if number in (errno.EAGAIN, errno.ENOENT, errno.EISDIR, errno.EACCES, errno.EPERM):
            reason = "it is open in another process" if number == errno.EAGAIN else os.strerror(number)
            raise StorageError(f"cannot read {path}: {reason}") from error
        raise StorageError(
            f"{path} is damaged, cut off, or no HDF5 file: HDF5 cannot open it ({error}). Run the program again, or keep"
            " the file away from other programs"
        ) from error
    with file:
        yield file


def in_use(path: str) -> bool:
    """Whether a loop of this process has the file open."""
    return os.path.realpath(path) in _open


def _first(h5py: Any, path: str) -> Any:
    try:
        _close_for_us_alone(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        raise _refusal(h5py, path) from None
    except OSError as error:
        raise failed(f"make the file {path}", 0, os.path.dirname(path), error) from error
    try:
        return _new(h5py, path)
    except BaseException:
        _remove(path)
        raise


def _again(h5py: Any, path: str) -> Any:
    """Open a file of an earlier loop of this process again, and no other."""
    try:
        if _made.get(path) != (os.getpid(), *_identity(os.stat(path))):
            raise _refusal(h5py, path)
        return h5py.File(path, "r+", libver="v108", locking="best-effort", rdcc_nbytes=0)
    except OSError as error:
        if error_number(error) in (errno.EAGAIN, errno.EACCES):
            raise _refusal(h5py, path) from error
        if error_number(error) is None:
            raise StorageError(
                f"{path} is not complete, since an earlier loop of this process failed to write it: remove it, or choose"
                " another path"
            ) from error
        raise failed(f"open the file {path}", 0, os.path.dirname(path), error) from error


def _new(h5py: Any, path: str) -> Any:
    """Make an HDF5 file of an empty one of this process."""
    file = None
    try:
        file = h5py.File(path, "w", libver="v108", locking="best-effort", rdcc_nbytes=0)
        file.attrs["format"] = np.bytes_(
            FORMAT
        )  # a text of any length would stand where HDF5 has no checksums
        file.attrs["version"] = VERSION
        file.flush()
    except (OSError, RuntimeError) as error:
        if file is not None:
            with suppress(OSError, RuntimeError):
                file.close()
        raise failed(f"make the file {path}", 0, os.path.dirname(path), error) from error
    return file


def _refusal(h5py: Any, path: str) -> StorageError:
    """Why a file that exists is left alone. Only ordinary ones are opened to see: a pipe would let one wait for ever."""
    refuse_folder(path)
    ours = False
    try:
        if stat.S_ISREG(os.stat(path).st_mode):
            with h5py.File(path, "r", locking="best-effort") as file:
                ours = file.attrs.get("format") == FORMAT.encode()
    except OSError as error:
        if error_number(error) in (errno.EAGAIN, errno.EACCES) and os.access(path, os.R_OK):
            return StorageError(
                f"{path} is open in another process: give each process (and each MPI rank) a path of its own, or no path,"
                " for a temporary file"
            )
    if ours:
        return StorageError(
            f"{path} holds the snapshots of another run, which are never overwritten: remove it, or choose another path;"
            " processes that run at the same time need one each"
        )
    return StorageError(
        f"{path} exists and was not written by checkpointer, so it is left as it is: choose a path that is not in use"
    )


def failed(task: str, size: int, folder: str, error: BaseException, path: str = "") -> StorageError:
    """What is said when the disk fails. Of the files of ranks, whose names tell the rank, it names the very one."""
    number = error_number(error)
    reason = os.strerror(number) if number else str(error)
    needed = f" of {_readable(size)}" if size else ""
    text = f"cannot {task}{needed} in {path if rank_of(path) else folder or '.'}: {reason}"
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageError(
            f"{text} ({_free(folder, number)}). Make room, choose a folder on another disk with HDF5Storage(folder=...), or"
            " give the scheme fewer snapshots"
        )
    if number in (errno.ENAMETOOLONG, errno.ELOOP):
        return StorageError(f"{text}. Choose another path")
    if number in (errno.ENOENT, errno.ENOTDIR):
        return StorageError(f"{text}. Make the folder first, or choose another one")
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(
            f"{text}. Choose a folder that you may write to, with HDF5Storage(folder=...) or a path"
        )
    if number in (errno.EMFILE, errno.ENFILE):
        return StorageError(
            f"{text}. Raise the limit of open files (ulimit -n), or run fewer loops at the same time"
        )
    return StorageError(f"{text}. Look after the disk, or choose a folder on another one")


def _free(folder: str, number: int | None) -> str:
    """What limits the size of a file, and the room that is left."""
    try:
        free = f"{_readable(shutil.disk_usage(folder or '.').free)} are free there"
    except OSError:
        free = "nothing is known about its free space"
    return f"{_most_in_a_file()}{free}" if number == errno.EFBIG else free


def _most_in_a_file() -> str:
    try:
        import resource
    except ImportError:
        return ""
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return "" if most == resource.RLIM_INFINITY else f"ulimit -f allows {_readable(most)} in a file, and "


def _readable(size: int) -> str:
    return f"{size / 1e6:.3g} MB" if size < 1e9 else f"{size / 1e9:.3g} GB"


def error_number(error: BaseException) -> int | None:
    """The system's number of an error; HDF5 has it in its text only."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = re.search(r"errno = (\d+)", str(error))
    return int(found[1]) if found else None


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _close_for_us_alone(descriptor: int) -> None:
    """Close a new file that its owner may read and write, whatever the process's umask, and nobody else."""
    try:
        if hasattr(os, "fchmod"):
            os.fchmod(descriptor, 0o600)
    except OSError:
        pass  # a file system without permissions
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def h5py_module(user: str = "HDF5Storage") -> Any:
    """The module h5py, which is imported when it is first needed."""
    try:
        import h5py
    except OSError as error:
        raise failed("import h5py", 0, os.path.dirname(error.filename or ""), error) from error
    except ImportError as error:
        raise StorageError(
            f"{user} needs h5py, which cannot be imported ({error}): pip install h5py"
        ) from error
    return h5py
