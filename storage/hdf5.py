"""Snapshots in an HDF5 file, which any tool for such files can read.

In the file, each session has a group ``loop-1``, ``loop-2``, and so on. In it, each slot of the schedule has a group
``slot-0``, ... with the attributes ``step``, ``written`` (the time, UTC) and ``standing``: a snapshot that was discarded
stays readable until the slot is used again. Its subgroup ``state`` has a dataset for each array, and for each number and
text, named after the program's variables. What has not changed since an earlier snapshot is a hard link to its dataset, or
put together of parts (`checkpointer.storage.hdf5_pieces`). Everything has checksums (`checkpointer.storage.hdf5_integrity`).
docs/storage.md describes the file.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Container
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checkpointer.errors import ArgumentError, StorageError
from checkpointer.storage.base import Session, Storage
from checkpointer.storage.compression import Compression, Losses, Lossy, checked, require
from checkpointer.storage.hdf5_base import DamageError
from checkpointer.storage.hdf5_files import SnapshotFile, shared_file, temporary_file
from checkpointer.storage.hdf5_integrity import damage
from checkpointer.storage.hdf5_pieces import Pieces
from checkpointer.storage.hdf5_slots import Slot, now
from checkpointer.storage.portable import Content, Portable
from checkpointer.storage.ranks import RanksOf

__all__ = ["HDF5Session", "HDF5Storage", "named", "now"]

_log = logging.getLogger("checkpointer")
_TEXT = 200
"""Characters of a text variable that are written."""


@dataclass(frozen=True, repr=False)
class HDF5Storage(Storage):
    """Keep the contents of snapshots in an HDF5 file.

    Only what is small stays in memory: which object is bound to which name. Nothing is pickled.

    Parameters
    ----------
    path : str or path, optional
        A file that is kept after the run, to look into. It must not exist, unless an earlier loop of the same process made
        it; all loops of a process that have this path share the file. Every process needs a path of its own, but the ranks
        of an MPI program have one together: it is the name of a folder then, with a file for each. Without a path, each run
        of a loop has a temporary file, which is gone at the end, whatever happens.
    folder : str or path, optional
        Where the temporary file is made, instead of the system's usual place.
    compression : "gzip", "lzf", "zstd", "blosc" or Lossy, optional
        Compress the arrays, without loss, or within a stated bound (`Lossy`). It saves disk space, and takes much longer
        than the writing. All but "gzip" and "lzf" need the package hdf5plugin.
    resume : bool, optional
        Let a run that was killed go on when the same program is started again, from the last durable point of its forward
        or its reverse sweep (docs/resume.md). The file is made, or gone on with; it stays when the run is done, and a
        program that is started then finds its result in it. Remove it to start anew.
    every : float, optional
        With ``resume``: seconds of work that a loop may lose, that is, how long it goes on before it makes the next durable
        point. Points come less often where making one takes more than a twentieth of this time.
    comm : mpi4py communicator, optional
        The ranks that run the loop, if they are not all of the program: ``MPI.COMM_SELF`` on one rank alone. Each
        communicator needs a path of its own.

    Raises
    ------
    ArgumentError
        If an argument is none of these, or both path and folder are given.

    >>> HDF5Storage("run.h5")
    HDF5Storage('run.h5')
    """

    path: str | os.PathLike[str] | None = None
    _: KW_ONLY
    folder: str | os.PathLike[str] | None = None
    compression: Compression = None
    resume: bool = False
    every: float = 10.0
    comm: Any = field(default=None, hash=False)

    def __post_init__(self) -> None:
        for name in ("path", "folder"):
            object.__setattr__(self, name, _checked_path(name, getattr(self, name)))
        if self.path is not None and self.folder is not None:
            raise ArgumentError(
                "HDF5Storage: path names a file that is kept and folder a place for a temporary one: give one of them"
            )
        if not isinstance(self.resume, bool):
            raise ArgumentError(f"HDF5Storage: resume must be True or False, but is {self.resume!r}")
        if self.resume and self.path is None:
            raise ArgumentError("HDF5Storage: resume=True needs a path, by which the run is found again")
        every = self.every
        if isinstance(every, bool) or not isinstance(every, int | float) or not every >= 0:
            raise ArgumentError(
                f"HDF5Storage: every must be a number of seconds, 0 or more, but is {every!r}"
            )
        _check_comm(self.comm, self.path)
        checked(self.compression)
        if self.resume and isinstance(self.compression, Lossy):
            raise ArgumentError(
                "HDF5Storage: with snapshots that are not exact, a resumed run would not give the same gradient: use a"
                ' compression without loss, such as "zstd", or leave resume=True away'
            )

    def session(self) -> Session:
        """A new, empty session for one run of one loop.

        Raises
        ------
        StorageError
            If the file cannot be made, or is another's; or if a package that is needed is not installed.
        """
        require(self.compression)
        if self.resume:
            from checkpointer.storage.durable import DurableSession
            from checkpointer.storage.run_files import run_file

            assert self.path is not None
            return DurableSession(run_file(os.fspath(self.path)), self.compression, float(self.every))
        if self.path is not None:
            file = shared_file(os.fspath(self.path))
        else:
            file = temporary_file(None if self.folder is None else os.fspath(self.folder))
        return HDF5Session(file, self.compression)

    def inner_session(self) -> Session:
        """A session for a loop in a step of another loop. With ``resume`` it has a temporary file: it goes with the step."""
        return HDF5Session(temporary_file(None), self.compression) if self.resume else self.session()

    def on_ranks(self, ranks_of: RanksOf) -> Storage:
        ranks = ranks_of(self.comm) if self.path is not None else None
        if ranks is None or ranks.size == 1:
            return self
        from checkpointer.storage.hdf5_ranks import HDF5OnRanks

        return HDF5OnRanks(self, ranks)

    def __repr__(self) -> str:
        path = [] if self.path is None else [repr(self.path)]
        named = ("folder", "compression", "resume")
        rest = [f"{key}={value!r}" for key in named if (value := getattr(self, key))]
        if self.every != HDF5Storage.every:
            rest.append(f"every={self.every!r}")
        if self.comm is not None:
            rest.append("comm=...")
        return f"HDF5Storage({', '.join(path + rest)})"


def _checked_path(name: str, value: object) -> str | None:
    if value is None:
        return None
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str) or not text:
        raise ArgumentError(f"HDF5Storage: {name} must be a path, such as 'snapshots.h5', but is {value!r}")
    return text


def _check_comm(comm: Any, path: object) -> None:
    """Refuse what is no communicator of this process, or has nothing to do."""
    if comm is None:
        return
    if not all(hasattr(comm, name) for name in ("Get_rank", "Get_size", "Is_inter")):
        raise ArgumentError(
            f"HDF5Storage: comm must be a communicator of mpi4py, such as MPI.COMM_WORLD, but is {comm!r}"
        )
    if not comm:
        raise ArgumentError(
            "HDF5Storage: comm is MPI.COMM_NULL, which is what a rank gets that is in none of the new communicators: run the"
            " loop on the ranks that are in one"
        )
    if comm.Is_inter():
        raise ArgumentError(
            "HDF5Storage: comm is an intercommunicator; the ranks that run one loop are those of an intracommunicator"
        )
    if path is None:
        raise ArgumentError(
            "HDF5Storage: comm says whose files stand in the folder of a path, and a temporary file is in none: give a path"
            " too, or leave comm away"
        )


class HDF5Session(Session):
    """A group of a file, and what is kept in memory of its snapshots."""

    def __init__(self, file: SnapshotFile, compression: Compression) -> None:
        super().__init__()
        self._release = weakref.finalize(self, file.release)  # also of a loop that is never reversed
        self._file = file
        self._compression = compression
        self._losses = Losses()
        self._slots: dict[int, Slot] = {}
        with file.errors("begin the snapshots of a loop", 0):
            self._group = file.new_group()
            self._pieces = Pieces(self._group, compression)

    def copies(self, level: int = 0) -> bool:
        return True

    @property
    def lasting(self) -> bool:
        return not self._file.temporary

    @property
    def exact(self) -> bool:
        return not isinstance(self._compression, Lossy)

    def _save(self, key: int, snapshot: object, level: int) -> None:
        if not isinstance(snapshot, Portable):
            raise StorageError(f"HDF5Storage keeps snapshots of loops only, not {snapshot!r}")
        self._file.check()
        contents = named(snapshot)
        size = sum(content.nbytes for content in contents.values())
        with self._file.errors("save a snapshot", size):
            slot = self._slots.get(key)
            if slot is None:
                slot = self._slots[key] = Slot(
                    self._group.create_group(f"slot-{key}"), self._compression, self._pieces, self._losses
                )
            try:
                slot.write(contents)
                slot.stamp(-1 if snapshot.step is None else snapshot.step)
            except BaseException:
                self._slots.pop(key).give_up()
                raise
            self._file.settle()
        slot.frame = snapshot.emptied()

    def _load(self, key: int) -> object:
        slot = self._slots[key]
        frame, age = slot.frame, slot.age
        assert frame is not None

        def fill(number: int, array: NDArray[Any]) -> None:
            if slot.age != age:
                raise StorageError(f"the snapshot under key {key} was discarded after it was loaded")
            self._file.check()
            with self._file.errors("load a snapshot", array.nbytes):
                try:
                    slot.arrays[number].read(array)
                except DamageError as error:
                    raise damage(self._file.called, slot.step, slot.names[number], error) from None

        return frame.filled(fill)

    def _discard(self, key: int) -> None:
        with self._file.errors("discard a snapshot", 0):
            self._slots[key].retire()

    def _close(self) -> None:
        if self._losses.arrays or self._losses.refused:
            _log.info("%s: %s", self._file.called, self._losses)
        for slot in self._slots.values():
            slot.age += 1
        self._slots.clear()
        self._pieces.clear()
        self._release()


def named(snapshot: Portable) -> dict[str, Content]:
    """The arrays of a snapshot, in order, by names that differ and are valid in HDF5; then its numbers and texts."""
    contents: dict[str, Content] = {}
    for content in snapshot.arrays():
        contents[_valid(content.name, contents)] = content
    for name, value in snapshot.numbers():
        array = np.asarray(_short(value))
        contents[_valid(name, contents)] = Content(name, array.shape, array.dtype, (array,))
    return contents


def _short(value: Any) -> Any:
    """What can be written of a number or text: a long text is cut, and an integer of more than 64 bits becomes a text."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        value = str(value)
    return value[:_TEXT].encode("utf-8", "replace") if isinstance(value, str) else value


def _valid(name: str, taken: Container[str]) -> str:
    """The name, or one like it, such that HDF5 allows it and it is not taken."""
    name = name.encode("utf-8", "replace").decode().replace("/", "|").replace("\0", "")
    if name in ("", "."):
        name += "_"
    new, number = name, 2
    while new in taken:
        new, number = f"{name}~{number}", number + 1
    return new
