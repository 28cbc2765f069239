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
from collections.abc import Container, Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checkpointer.errors import ArgumentError, StorageError
from checkpointer.storage.base import Session, Storage
from checkpointer.storage.checksums import Prepared
from checkpointer.storage.compression import Compression, Losses, Lossy, checked, require
from checkpointer.storage.hdf5_base import DamageError, Dataset
from checkpointer.storage.hdf5_datasets import create
from checkpointer.storage.hdf5_files import SnapshotFile, shared_file, temporary_file
from checkpointer.storage.hdf5_forms import new_attribute, type_of
from checkpointer.storage.hdf5_integrity import damage, joined, manifest
from checkpointer.storage.hdf5_pieces import Pieces
from checkpointer.storage.portable import Content, Frame, Portable

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
        it; all loops of a process that have this path share the file. Every process needs a path of its own. Without
        a path, each run of a loop has a temporary file, which is gone at the end, whatever happens.
    folder : str or path, optional
        Where the temporary file is made, instead of the system's usual place.
    compression : "gzip", "lzf", "zstd", "blosc" or Lossy, optional
        Compress the arrays, without loss, or within a stated bound (`Lossy`). It saves disk space, and takes much longer
        than the writing. All but "gzip" and "lzf" need the package hdf5plugin.

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

    def __post_init__(self) -> None:
        for name in ("path", "folder"):
            object.__setattr__(self, name, _checked_path(name, getattr(self, name)))
        if self.path is not None and self.folder is not None:
            raise ArgumentError(
                "HDF5Storage: path names a file that is kept and folder a place for a temporary one: give one of them"
            )
        checked(self.compression)

    def session(self) -> Session:
        """A new, empty session for one run of one loop.

        Raises
        ------
        StorageError
            If the file cannot be made, or is another's; or if a package that is needed is not installed.
        """
        require(self.compression)
        if self.path is not None:
            file = shared_file(os.fspath(self.path))
        else:
            file = temporary_file(None if self.folder is None else os.fspath(self.folder))
        return HDF5Session(file, self.compression)

    def __repr__(self) -> str:
        path = [] if self.path is None else [repr(self.path)]
        rest = [f"{key}={value!r}" for key in ("folder", "compression") if (value := getattr(self, key))]
        return f"HDF5Storage({', '.join(path + rest)})"


def _checked_path(name: str, value: object) -> str | None:
    if value is None:
        return None
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str) or not text:
        raise ArgumentError(f"HDF5Storage: {name} must be a path, such as 'snapshots.h5', but is {value!r}")
    return text


class HDF5Session(Session):
    """A group of a file, and what is kept in memory of its snapshots."""

    def __init__(self, file: SnapshotFile, compression: Compression) -> None:
        super().__init__()
        self._release = weakref.finalize(self, file.release)  # also of a loop that is never reversed
        self._file = file
        self._compression = compression
        self._losses = Losses()
        self._slots: dict[int, _Slot] = {}
        with file.errors("begin the snapshots of a loop", 0):
            self._group = file.new_group()
            self._pieces = Pieces(self._group, compression)

    def copies(self, level: int = 0) -> bool:
        return True

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
                slot = self._slots[key] = _Slot(
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


class _Slot:
    """The group of one slot.

    Attributes
    ----------
    arrays : list of Dataset
        The datasets of the snapshot that stands in it, in the order of its arrays.
    names : list of str
        The names of these datasets.
    frame : Frame or None
        The rest of that snapshot.
    step : int
        The step that it belongs to, or -1.
    age : int
        How many snapshots of this slot were discarded.
    """

    def __init__(self, group: Any, compression: Compression, pieces: Pieces, losses: Losses) -> None:
        self.arrays: list[Dataset] = []
        self.names: list[str] = []
        self.frame: Frame | None = None
        self.step = -1
        self.age = 0
        self._state = group.create_group("state")
        self._compression = compression
        self._pieces = pieces
        self._losses = losses
        self._descriptor = group.file.id.get_vfd_handle()
        self._datasets: dict[str, Dataset] = {}
        self._group = group
        self._written = np.bytes_()
        self._attributes: dict[str, Any] = {}
        self._joined: bytes | None = None

    def write(self, contents: Mapping[str, Content]) -> None:
        """Let the group have these arrays; what of them stands in the file already is not written again."""
        for name in self._datasets.keys() - contents.keys():
            self._unlink(name)
        self.names = list(contents)
        self.arrays = []
        for name, content in contents.items():
            dataset = self._put(name, Prepared(content))
            self.arrays.append(dataset)
            self._pieces.note(name, dataset)

    def _put(self, name: str, prepared: Prepared) -> Dataset:
        """A dataset with the array.

        It is the one that was written last under this name, if that holds it; one that is put together, if that holds a
        part of it; the slot's own, if it has no other place (overwriting is much faster); or a new one.
        """
        own, last = self._datasets.get(name), self._pieces.latest.get(name)
        same = last.unchanged(prepared) if last is not None else []
        if last is not None and last.digests and len(same) == prepared.units.count:
            return self._linked(name, last)
        free = own is not None and len(own.places) == 1 and own.fits(prepared.content)
        found = None if free and own is last else self._pieces.find(name, prepared, same)
        if found is not None:
            where = self._pieces.assemble(name, prepared, found)
            self._unlink(name)
            self._datasets[name] = self._pieces.put_together(self._state, name, prepared, where)
            return self._datasets[name]
        if own is not None and free:
            known = set(same) if own is last else ()
            own.write(prepared, [number for number in range(prepared.units.count) if number not in known])
            return own
        return self._new(name, prepared)

    def _linked(self, name: str, last: Dataset) -> Dataset:
        if self._datasets.get(name) is not last:
            self._unlink(name)
            last.link(self._state, name)
            self._datasets[name] = last
        return last

    def _new(self, name: str, prepared: Prepared) -> Dataset:
        self._unlink(name)
        dataset = self._datasets[name] = create(
            self._state, name, prepared.content, self._compression, self._descriptor, self._losses
        )
        try:
            dataset.write(prepared)
        except OSError:
            dataset.give_up()
            self._unlink(name)
            raise
        return dataset

    def _unlink(self, name: str) -> None:
        dataset = self._datasets.pop(name, None)
        if dataset is not None:
            dataset.unlink(self._state, name)

    def stamp(self, step: int) -> None:
        """Note the step that the snapshot belongs to, and the time."""
        self.step = step
        self._seal(standing=True)

    def retire(self) -> None:
        """The snapshot is discarded: it can be read in the file until the slot is used again."""
        self.frame = None
        self.age += 1
        self._seal(standing=False)

    def give_up(self) -> None:
        """A snapshot could not be written: nothing is left of its slot, if the disk still allows that."""
        self.age += 1
        try:
            for name in list(self._datasets):
                self._unlink(name)
            self._group.parent.id.unlink(self._group.name.rpartition("/")[2].encode())
        except (OSError, RuntimeError):
            pass  # the error that led here says more

    def _seal(self, *, standing: bool) -> None:
        """Write the attributes, and the manifest over them and the datasets."""
        if standing or not self._written:
            self._written = now()
        names = joined(list(self._datasets))
        if names != self._joined:
            if self._joined is not None:
                del self._group.attrs["names"]
            new_attribute(self._group.id, "names", np.array(names, f"S{max(1, len(names))}"))
            self._joined = names
        datasets = {name: dataset.described for name, dataset in self._datasets.items()}
        self._set("step", np.array(self.step, np.int64))
        self._set("written", np.array(self._written))
        self._set("standing", np.array(standing))
        self._set("manifest", np.array(manifest(self.step, bytes(self._written), standing, names, datasets)))

    def _set(self, name: str, value: NDArray[Any]) -> None:
        """Overwrite an attribute with a value of the same type."""
        known = self._attributes.get(name)
        if known is None:
            self._attributes[name] = new_attribute(self._group.id, name, value)
        else:
            known.write(value, type_of(value.dtype))


def now() -> np.bytes_:
    """The time, for people who look into a file."""
    return np.bytes_(datetime.now(UTC).isoformat(timespec="microseconds"))
