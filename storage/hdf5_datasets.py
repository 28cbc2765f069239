"""Datasets of an HDF5 file that hold the contents of arrays.

Without compression a dataset is one contiguous stretch of the file. HDF5 says where it lies, and its bytes are written and
read there directly (`os.pwritev`, `os.preadv`): as fast as HDF5 does it, in pieces without joining them, and with the
operating system's own errors. Each dataset has a checksum (`checkpointer.storage.checksums`), as an attribute and in memory.
"""

from __future__ import annotations

import functools
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checkpointer.errors import StorageError
from checkpointer.storage.checksums import (
    Prepared,
    Units,
    checksum,
    digest_of,
    in_two_threads,
    units_alike,
    units_of,
)
from checkpointer.storage.portable import Content

CHECKSUM = "checksum"
CHECKSUM_BYTES = 64

_AT_ONCE = 512
"""Pieces in one call of the system, which allows 1024 at least on Linux and macOS."""


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
            numbers = units_alike(prepared.sample, self._sample)
        prepared.find_digests(numbers)
        return [number for number in numbers if prepared.digests[number] == self.digests[number]]

    def holds(self, content: Content | Prepared) -> bool:
        """Whether it holds the very bits of the array."""
        return bool(self.digests) and len(self.unchanged(content)) == self.units.count

    def link(self, group: Any, name: str) -> None:
        """Let it stand in one more group."""
        (_, its_name), there = next(iter(self.places.items()))
        _, names = _properties()
        group.id.links.create_hard(name.encode(), there.id, its_name.encode(), lcpl=names)
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
        units = self.units
        damaged = self.read_units(range(units.count), array.reshape(-1).view(np.uint8))
        if damaged:
            raise DamageError(
                f"{len(damaged)} of its {units.count} parts of {units.size} bytes, the first from byte"
                f" {units.start(min(damaged))} of the array on, do not have the checksum that they were written with"
                if units.count > 1
                else "its bytes do not have the checksum that they were written with"
            )

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
    def _read(self, numbers: range, row: NDArray[np.uint8], check: Any) -> None:
        """Fill a row with these units, calling ``check`` with the numbers of some of them when they are there."""


class Contiguous(Dataset):
    """A dataset whose bytes stand in the file as they are, ``offset`` bytes from its beginning."""

    def __init__(
        self, content: Content, form: bytes, descriptor: int, offset: int, units: Units | None = None
    ) -> None:
        super().__init__(content, form, units)
        self._descriptor = descriptor
        self._offset = offset

    def _write(self, prepared: Prepared, numbers: Sequence[int]) -> None:
        units = self.units
        if units.count == 1:
            self._write_at(self._offset, prepared.group(range(1)))
            return

        def write(group: range) -> None:
            self._write_at(self._offset + units.start(group.start), prepared.group(group))

        in_two_threads(write, units.groups(numbers), len(numbers) * units.size)

    def _write_at(self, offset: int, views: list[memoryview]) -> None:
        pending = deque(views)
        while pending:
            written = os.pwritev(self._descriptor, list(islice(pending, _AT_ONCE)), offset)
            offset += written
            while pending and written >= len(pending[0]):
                written -= len(pending.popleft())
            if written:
                pending[0] = pending[0][written:]

    def _read(self, numbers: range, row: NDArray[np.uint8], check: Any) -> None:
        units, origin = self.units, self.units.start(numbers.start)
        if len(numbers) == 1:
            self._read_at(self._offset + origin, row.data)
            check(numbers)
            return

        def read(group: range) -> None:
            start, stop = units.start(group.start), units.start(group.stop)
            self._read_at(self._offset + start, row.data[start - origin : stop - origin])
            check(group)

        in_two_threads(read, units.groups(numbers), row.size)

    def _read_at(self, offset: int, rest: memoryview) -> None:
        while rest:
            count = os.preadv(self._descriptor, [rest], offset)
            if not count:
                raise DamageError("its file ends before it, so that somebody must have cut it off")
            offset += count
            rest = rest[count:]

    def give_up(self) -> None:
        if os.fstat(self._descriptor).st_size <= self._offset + self.units.nbytes:
            os.ftruncate(self._descriptor, self._offset)


class Filtered(Dataset):
    """A dataset that HDF5 writes and reads itself: one that is compressed."""

    def __init__(self, content: Content, form: bytes, dataset: Any, units: Units | None = None) -> None:
        super().__init__(content, form, units)
        self._dataset = dataset

    def _write(self, prepared: Prepared, numbers: Sequence[int]) -> None:
        prepared.find_digests(range(self.units.count))
        self._dataset.write_direct(prepared.joined().view(self._dataset.dtype).reshape(self._dataset.shape))
        self._dataset.flush()  # so that a full disk is noticed now

    def _read(self, numbers: range, row: NDArray[np.uint8], check: Any) -> None:
        shape, where = self._dataset.shape, None
        if len(numbers) < self.units.count:
            axis, rows = self.units.axis, self.units.rows
            last = min(numbers.stop * rows, shape[axis])
            shape = (*shape[:axis], last - numbers.start * rows, *shape[axis + 1 :])
            where = (*(slice(None) for _ in range(axis)), slice(numbers.start * rows, last))
        try:
            self._dataset.read_direct(row.view(self._dataset.dtype).reshape(shape), where)
        except (OSError, RuntimeError) as error:
            raise DamageError(f"HDF5 cannot read it ({error})") from error
        check(numbers)

    def give_up(self) -> None:
        pass


def create(
    group: Any, name: str, content: Content | Prepared, compression: str | None, descriptor: int
) -> Dataset:
    """A new dataset in an h5py group, with room for the array; ``descriptor`` is that of the open file."""
    units = content.units if isinstance(content, Prepared) else None
    content = content.content if isinstance(content, Prepared) else content
    kind, shape = file_form(content)
    other = "" if kind == content.dtype else content.dtype.str
    form = described(shape, kind, other)
    dataset: Dataset
    if content.nbytes and (compression is not None or not hasattr(os, "pwritev")):
        how = {"chunks": True, "compression": compression, "shuffle": True} if compression else {}
        shape = shape or (1,)
        wrapped = group.create_dataset(name, shape, kind, **how)
        made = wrapped.id
        dataset = Filtered(content, described(shape, kind, other), wrapped, units)
    else:
        made = _contiguous(group, name, kind, shape)
        dataset = Contiguous(content, form, descriptor, made.get_offset() or 0, units)
    _note_type(made, other)
    dataset.noted_at(made)
    dataset.places[id(group), name] = group
    return dataset


def new_virtual(
    group: Any,
    name: str,
    kind: np.dtype[Any],
    shape: tuple[int, ...],
    other: str,
    axis: int,
    parts: Sequence[tuple[str, tuple[int, ...], tuple[int, int], int]],
) -> Any:
    """A virtual dataset in an h5py group, as its low-level id.

    Each of its parts is the path of a dataset and its shape, and the rows along the axis: from and to where they stand
    in the virtual dataset, and from where in the other one.
    """
    import h5py

    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    whole = h5py.h5s.create_simple(shape)
    for path, its_shape, (start, stop), its_start in parts:
        count = (*shape[:axis], stop - start, *shape[axis + 1 :])
        there = h5py.h5s.create_simple(its_shape)
        zeros = [0] * len(shape)
        there.select_hyperslab((*zeros[:axis], its_start, *zeros[axis + 1 :]), count)
        whole.select_hyperslab((*zeros[:axis], start, *zeros[axis + 1 :]), count)
        how.set_virtual(whole, b".", path.encode(), there)
    whole.select_all()
    _, names = _properties()
    made = h5py.h5d.create(group.id, name.encode(), type_of(kind), whole, dcpl=how, lcpl=names)
    _note_type(made, other)
    return made


def _note_type(made: Any, other: str) -> None:
    """Note the type that the bytes of a dataset stand for, if HDF5 has no such type."""
    if other:
        import h5py

        h5py.Dataset(made).attrs["dtype"] = other


def described(shape: tuple[int, ...], kind: np.dtype[Any], other: str) -> bytes:
    """The form of a dataset in a few words: its shape and type in the file, and the other type that its bytes stand for."""
    return f"{shape} {kind.descr if kind.names else kind.str} {other} ".encode()


def _contiguous(group: Any, name: str, kind: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    """A dataset for which HDF5 sets aside its place in the file at once, and does not fill it."""
    import h5py

    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    how, names = _properties()
    return h5py.h5d.create(group.id, name.encode(), type_of(kind), space, dcpl=how, lcpl=names)


@functools.cache
def _properties() -> tuple[Any, Any]:
    """How contiguous datasets are made, and how names are written."""
    import h5py

    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    how.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    how.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    names = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    names.set_char_encoding(h5py.h5t.CSET_UTF8)
    return how, names


@functools.lru_cache(maxsize=256)
def type_of(kind: np.dtype[Any]) -> Any:
    """HDF5's type for one of NumPy, made once."""
    import h5py

    return h5py.h5t.py_create(kind, logical=True)


def new_attribute(owner: Any, name: str, value: np.ndarray[Any, Any]) -> Any:
    """Give a dataset or group (as its low-level id) an attribute, and return it to be overwritten by its `write`.

    h5py's own way takes five times as long.
    """
    import h5py

    space = h5py.h5s.create(h5py.h5s.SCALAR)
    made = h5py.h5a.create(owner, name.encode(), type_of(value.dtype), space)
    made.write(value, type_of(value.dtype))
    return made


def file_form(content: Content) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape in the file: those of the array, or rows of bytes if HDF5 has no such type."""
    if _is_known(content.dtype):
        return content.dtype, content.shape
    return np.dtype(np.uint8), (*content.shape, content.dtype.itemsize)


@functools.lru_cache(maxsize=256)
def _is_known(kind: np.dtype[Any]) -> bool:
    try:
        return bool(type_of(kind).get_size() == kind.itemsize)
    except TypeError:
        return False
