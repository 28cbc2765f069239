"""What a dataset of an HDF5 file is that holds the content of an array, however its bytes are kept.

Each has a checksum (`checkpointer.storage.checksums`), as an attribute and in memory, which is verified when it is read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checkpointer.errors import StorageError
from checkpointer.storage.checksums import (
    Prepared,
    Units,
    checksum,
    digest_of,
    unit_bytes,
    unit_digests,
    units_of,
)
from checkpointer.storage.hdf5_forms import (
    CHECKSUM,
    CHECKSUM_BYTES,
    file_form,
    link_names,
    new_attribute,
    type_of,
)
from checkpointer.storage.portable import Content

Check = Callable[[range], None]


class DamageError(StorageError):
    """What was read is not what was written. Whoever knows the file, the step and the variable says so."""


class Dataset(ABC):
    """A dataset that can be overwritten with arrays of the same shape and type.

    Attributes
    ----------
    places : dict of (int, str) to h5py.Group
        The groups that it stands in, by their ``id`` and its name there. Without any, its bytes may be another's by now.
    units : Units
        The parts of it that are hashed, and compared, each by itself.
    digests : list of bytes
        Those of the units of the content that it was given; empty if that is not written.
    file_shape : tuple of int
        Its shape in the file.
    part_of, numbers
        Shape and type of the array that it is a part of, and the numbers of its units there: all of it, if it is no piece.
    """

    def __init__(self, content: Content, form: bytes, units: Units | None = None) -> None:
        self.places: dict[tuple[int, str], Any] = {}
        self.units = units or units_of(content.shape, content.dtype.itemsize)
        self.digests: list[bytes] = []
        self.file_shape: tuple[int, ...] = file_form(content)[1]
        self.part_of = self._form = content.form
        self.numbers: Sequence[int] = range(self.units.count)
        self._described = form
        self._checksum = b""
        self._made: Any = None
        self._attribute: Any = None
        self._sample: NDArray[Any] | None = None

    @property
    def described(self) -> bytes:
        """Its form and checksum, for the manifest of a slot."""
        return self._described + self._checksum

    def fits(self, content: Content) -> bool:
        """Whether the array can be written into this dataset."""
        return self._form == content.form

    def write(self, content: Content | Prepared, only: Sequence[int] | None = None) -> None:
        """Overwrite it; given numbers of units, these ``only``: the others hold what they should."""
        prepared = Prepared.of(content)
        self.digests, self._sample = [], None
        self._write(prepared, range(self.units.count) if only is None else only)
        self._remember(prepared)

    def _remember(self, prepared: Prepared) -> None:
        self.digests = prepared.all_digests()
        if self.units.count > 1:
            self._sample = prepared.sample
        self._note(checksum(self.units.size, self._stored))

    def where(self, number: int) -> tuple[Dataset, int]:
        """The dataset that the bytes of a unit stand in, and the number of the unit there."""
        return self, number

    def unchanged(self, content: Content | Prepared) -> list[int]:
        """The numbers of the units that it holds to the last bit. A sample tells of most others that it does not."""
        prepared = Prepared.of(content)
        if not self.digests or not self.places or self._form != prepared.content.form:
            return []
        numbers: Sequence[int] = range(self.units.count)
        if self._sample is not None:
            numbers = np.flatnonzero(prepared.sample == self._sample).tolist()
        prepared.find_digests(numbers)
        return [number for number in numbers if prepared.digests[number] == self.digests[number]]

    def holds(self, content: Content | Prepared) -> bool:
        """Whether it holds the very bits of the array."""
        return bool(self.digests) and len(self.unchanged(content)) == self.units.count

    def link(self, group: Any, name: str) -> None:
        """Let it stand in one more group."""
        (_, its_name), there = next(iter(self.places.items()))
        group.id.links.create_hard(name.encode(), there.id, its_name.encode(), lcpl=link_names())
        self.places[id(group), name] = group

    def unlink(self, group: Any, name: str) -> None:
        """Let it stand in one group less; HDF5 frees its bytes with the last one."""
        del self.places[id(group), name]
        if not self.places:
            self._made = self._attribute = None
        group.id.unlink(name.encode())

    def read(self, array: NDArray[Any]) -> None:
        """Fill a C-contiguous array of as many bytes.

        Raises
        ------
        DamageError
            If that is not what was written.
        """
        units, row = self.units, array.reshape(-1).view(np.uint8)
        if not self.digests:
            self._read_first(row)
            return
        damaged = self.read_units(range(units.count), row)
        if damaged:
            raise DamageError(
                f"{len(damaged)} of its {units.count} parts of {units.size} bytes, the first from byte"
                f" {units.start(min(damaged))} of the array on, do not have the checksum that they were written with"
                if units.count > 1
                else "its bytes do not have the checksum that they were written with"
            )

    def loaded(self) -> NDArray[Any]:
        """A new array with the content."""
        shape, kind = self._form
        array = np.empty(shape, kind)
        self.read(array)
        return array

    def direct(self) -> list[tuple[int, int]]:
        """Where in the file `write` puts bytes without HDF5, and how many."""
        return []

    def found(self, noted: bytes) -> None:
        """An earlier process has written it, and has noted this checksum."""
        self._checksum = noted
        size = unit_bytes(noted)
        if size != self.units.size:
            rows = max(1, size * self.units.rows // max(1, self.units.size))
            self.units = Units(
                self.units.axis, rows, size, self.units.nbytes, -(-self.units.nbytes // max(1, size))
            )

    def _read_first(self, row: NDArray[np.uint8]) -> None:
        """Read what an earlier process has written: of the units, only the checksum of all digests is known."""
        self._read(range(self.units.count), row, lambda group: None)
        digests = unit_digests(row, self.units.size)
        if checksum(self.units.size, digests) != self._checksum:
            raise DamageError("its bytes do not have the checksum that they were written with")
        self.digests = digests

    def read_units(self, numbers: range, row: NDArray[np.uint8]) -> list[int]:
        """Fill a row of bytes with these units; the numbers of those that are not what was written."""
        units, origin = self.units, self.units.start(numbers.start)
        damaged: list[int] = []

        def check(group: range) -> None:
            for number in group:
                part = row[units.start(number) - origin : units.start(number + 1) - origin]
                if digest_of(part) != self._stored[number]:
                    damaged.append(number)

        self._read(numbers, row, check)
        return damaged

    @property
    def _stored(self) -> Sequence[bytes]:
        """The digests of what stands in the file."""
        return self.digests

    def noted_at(self, made: Any) -> None:
        """Note the checksum in an attribute of this new dataset."""
        self._made = made

    def _note(self, new: bytes) -> None:
        self._checksum = new
        value = np.array(new, f"S{CHECKSUM_BYTES}")
        if self._attribute is None:
            self._attribute = new_attribute(self._made, CHECKSUM, value)
            self._made = None
        else:
            self._attribute.write(value, type_of(value.dtype))

    @abstractmethod
    def give_up(self) -> None:
        """It could not be written: give back the part of the disk that it took, if HDF5 does not do that."""

    @abstractmethod
    def _write(self, prepared: Prepared, numbers: Sequence[int]) -> None:
        """Write these units, and take their digests."""

    @abstractmethod
    def _read(self, numbers: range, row: NDArray[np.uint8], check: Check) -> None:
        """Fill a row with these units, calling ``check`` with the numbers of some of them when they are there."""
