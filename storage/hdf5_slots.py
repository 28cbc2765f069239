"""The group of one slot of a schedule in an HDF5 file, with the datasets of the snapshot that stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checkpointer.storage.checksums import Prepared
from checkpointer.storage.compression import Compression, Losses
from checkpointer.storage.hdf5_base import Dataset
from checkpointer.storage.hdf5_datasets import create
from checkpointer.storage.hdf5_forms import new_attribute, type_of
from checkpointer.storage.hdf5_integrity import joined, manifest
from checkpointer.storage.hdf5_pieces import Pieces
from checkpointer.storage.portable import Content, Frame


class Slot:
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
