"""Datasets of an HDF5 file that hold the contents of arrays.

Without compression a dataset is one contiguous stretch of the file. HDF5 says where it lies, and its bytes are written and
read there directly (`os.pwritev`, `os.preadv`): as fast as HDF5 does it, in pieces without joining them, and with the
operating system's own errors.
"""

from __future__ import annotations

import functools
import os
from abc import ABC, abstractmethod
from collections import deque
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checkpointer.errors import StorageError
from checkpointer.storage.portable import Content

Row = NDArray[np.uint8]

_AT_ONCE = 512
"""Pieces in one call of the system, which allows 1024 at least on Linux and macOS."""
_COMPARED = 1 << 20
"""Bytes that are read at once to be compared."""
_SAMPLE = 512
"""Words of eight bytes that are remembered of what was written."""


class Dataset(ABC):
    """A dataset that can be overwritten with arrays of the same shape and type.

    Attributes
    ----------
    places : dict of (int, str) to h5py.Group
        The groups that it stands in, by their ``id`` and its name there. Without any, its bytes may be another's by now.
    """

    def __init__(self, content: Content) -> None:
        self.places: dict[tuple[int, str], Any] = {}
        self._form = content.shape, content.dtype
        self._nbytes = content.nbytes
        self._sample: NDArray[Any] | None = None

    def fits(self, content: Content) -> bool:
        """Whether the array can be written into this dataset."""
        return self._form == (content.shape, content.dtype)

    def write(self, content: Content) -> None:
        """Overwrite it."""
        self._sample = None
        rows = content.rows()
        self._write(rows)
        self._sample = _sample_of(rows)

    def holds(self, content: Content) -> bool:
        """Whether it holds the very bits of the array. A sample tells of most that it does not."""
        if self._sample is None or not self.places or not self.fits(content):
            return False
        rows = content.rows()
        if not np.array_equal(_sample_of(rows), self._sample):
            return False
        return self._nbytes <= 8 * _SAMPLE or self._same(rows)

    def link(self, group: Any, name: str) -> None:
        """Let it stand in one more group."""
        (_, its_name), there = next(iter(self.places.items()))
        _, names = _properties()
        group.id.links.create_hard(name.encode(), there.id, its_name.encode(), lcpl=names)
        self.places[id(group), name] = group

    def unlink(self, group: Any, name: str) -> None:
        """Let it stand in one group less; HDF5 frees its bytes with the last one."""
        del self.places[id(group), name]
        group.id.unlink(name.encode())

    @abstractmethod
    def give_up(self) -> None:
        """It could not be written: give back the part of the disk that it took, if HDF5 does not do that."""

    @abstractmethod
    def read(self, array: NDArray[Any]) -> None:
        """Fill a C-contiguous array of as many bytes."""

    def loaded(self) -> NDArray[Any]:
        """A new array with the content."""
        array = np.empty(*self._form)
        self.read(array)
        return array

    def direct(self) -> list[tuple[int, int]]:
        """Where in the file `write` puts bytes without HDF5, and how many."""
        return []

    @abstractmethod
    def _write(self, rows: list[Row]) -> None: ...

    @abstractmethod
    def _same(self, rows: list[Row]) -> bool: ...


class Contiguous(Dataset):
    """A dataset whose bytes stand in the file as they are, ``offset`` bytes from its beginning."""

    def __init__(self, content: Content, descriptor: int, offset: int) -> None:
        super().__init__(content)
        self._descriptor = descriptor
        self._offset = offset

    def _write(self, rows: list[Row]) -> None:
        pending = deque(row.data for row in rows)
        offset = self._offset
        while pending:
            written = os.pwritev(self._descriptor, list(islice(pending, _AT_ONCE)), offset)
            offset += written
            while pending and written >= len(pending[0]):
                written -= len(pending.popleft())
            if written:
                pending[0] = pending[0][written:]

    def read(self, array: NDArray[Any]) -> None:
        self._read(array.reshape(-1).view(np.uint8), self._offset)

    def direct(self) -> list[tuple[int, int]]:
        return [(self._offset, self._nbytes)]

    def give_up(self) -> None:
        if os.fstat(self._descriptor).st_size <= self._offset + self._nbytes:
            os.ftruncate(self._descriptor, self._offset)

    def _read(self, row: Row, offset: int) -> None:
        rest = row.data
        while rest:
            count = os.preadv(self._descriptor, [rest], offset)
            if not count:
                raise StorageError(
                    "cannot load a snapshot: its file ends before it, so that somebody must have cut it off;"
                    " keep other programs away from it"
                )
            offset += count
            rest = rest[count:]

    def _same(self, rows: list[Row]) -> bool:
        offset = self._offset
        read = np.empty(min(self._nbytes, _COMPARED), np.uint8)
        for row in rows:
            for start in range(0, row.size, _COMPARED):
                part = row[start : start + _COMPARED]
                self._read(read[: part.size], offset)
                if not np.array_equal(read[: part.size], part):
                    return False
                offset += part.size
        return True


class Filtered(Dataset):
    """A dataset that HDF5 writes and reads itself: one that is compressed."""

    def __init__(self, content: Content, dataset: Any) -> None:
        super().__init__(content)
        self._dataset = dataset

    def _write(self, rows: list[Row]) -> None:
        joined = rows[0] if len(rows) == 1 else np.concatenate(rows)
        self._dataset.write_direct(joined.view(self._dataset.dtype).reshape(self._dataset.shape))
        self._dataset.flush()  # so that a full disk is noticed now

    def read(self, array: NDArray[Any]) -> None:
        self._dataset.read_direct(array.view(self._dataset.dtype).reshape(self._dataset.shape))

    def give_up(self) -> None:
        pass

    def _same(self, rows: list[Row]) -> bool:
        joined = np.concatenate(rows)
        found = np.empty_like(joined)
        self.read(found)
        return np.array_equal(found, joined)


def create(group: Any, name: str, content: Content, compression: str | None, descriptor: int) -> Dataset:
    """A new dataset in an h5py group, with room for the array; ``descriptor`` is that of the open file."""
    kind, shape = _file_form(content)
    dataset: Dataset
    if content.nbytes and (compression is not None or not hasattr(os, "pwritev")):
        how = {"chunks": True, "compression": compression, "shuffle": True} if compression else {}
        dataset = Filtered(content, group.create_dataset(name, shape or (1,), kind, **how))
    else:
        offset = _contiguous(group, name, kind, shape).get_offset()
        dataset = Contiguous(content, descriptor, offset or 0)
    if kind != content.dtype:
        group[name].attrs["dtype"] = content.dtype.str
    dataset.places[id(group), name] = group
    return dataset


def opened(group: Any, name: str, descriptor: int) -> Dataset:
    """A dataset of an earlier process."""
    found = group[name]
    kind = np.dtype(found.attrs.get("dtype", found.dtype))
    shape = found.shape if kind == found.dtype else found.shape[:-1]
    content = Content(name, shape, kind, (np.broadcast_to(np.empty((), kind), shape),))
    dataset: Dataset
    if found.chunks is None:
        dataset = Contiguous(content, descriptor, found.id.get_offset() or 0)
    else:
        dataset = Filtered(content, found)
    dataset.places[id(group), name] = group
    return dataset


def _contiguous(group: Any, name: str, kind: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    """A dataset for which HDF5 sets aside its place in the file at once, and does not fill it."""
    import h5py

    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    how, names = _properties()
    return h5py.h5d.create(
        group.id, name.encode(), h5py.h5t.py_create(kind, logical=True), space, dcpl=how, lcpl=names
    )


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


def set_attribute(group: Any, name: str, value: np.generic) -> None:
    """Overwrite an attribute with one of the same type: h5py's own way makes a new one, and takes much longer."""
    import h5py

    h5py.h5a.open(group.id, name.encode()).write(np.array(value))


def _file_form(content: Content) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape in the file: those of the array, or rows of bytes if HDF5 has no such type."""
    if _is_known(content.dtype):
        return content.dtype, content.shape
    return np.dtype(np.uint8), (*content.shape, content.dtype.itemsize)


@functools.lru_cache(maxsize=256)
def _is_known(kind: np.dtype[Any]) -> bool:
    import h5py

    try:
        return bool(h5py.h5t.py_create(kind, logical=True).get_size() == kind.itemsize)
    except TypeError:
        return False


def _sample_of(rows: list[Row]) -> NDArray[Any]:
    """All bytes of a small array; words that are spread over a large one."""
    size = sum(row.size for row in rows)
    if size <= 8 * _SAMPLE:
        return np.concatenate(rows) if rows else np.empty(0, np.uint8)
    stride = max(1, size // (8 * _SAMPLE))
    return np.concatenate([row[: row.size // 8 * 8].view(np.uint64)[::stride] for row in rows])
