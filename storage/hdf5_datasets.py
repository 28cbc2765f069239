"""Datasets of an HDF5 file that hold the contents of arrays.

Without compression a dataset is one contiguous stretch of the file. HDF5 says where it lies, and its bytes are written and
read there directly (`os.pwritev`, `os.preadv`): as fast as HDF5 does it, in pieces without joining them, and with the
operating system's own errors.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checkpointer.storage.checksums import Prepared, Units
from checkpointer.storage.compression import SMALLEST, Compression, Losses, Lossy, lossless
from checkpointer.storage.hdf5_base import Check, DamageError, Dataset
from checkpointer.storage.hdf5_filtered import Filtered, new_approximate, new_filtered
from checkpointer.storage.hdf5_forms import (
    CHECKSUM,
    described,
    file_form,
    form_of,
    new_contiguous,
    note_type,
    noted_type,
)
from checkpointer.storage.portable import Content
from checkpointer.storage.two_threads import in_two_threads

__all__ = ["Contiguous", "DamageError", "Dataset", "create", "opened"]

_AT_ONCE = 512
"""Pieces in one call of the system, which allows 1024 at least on Linux and macOS."""


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

    def _read(self, numbers: range, row: NDArray[np.uint8], check: Check) -> None:
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

    def direct(self) -> list[tuple[int, int]]:
        return [(self._offset, self.units.nbytes)]

    def give_up(self) -> None:
        if os.fstat(self._descriptor).st_size <= self._offset + self.units.nbytes:
            os.ftruncate(self._descriptor, self._offset)


def create(
    group: Any,
    name: str,
    content: Content | Prepared,
    compression: Compression,
    descriptor: int,
    losses: Losses | None = None,
) -> Dataset:
    """A new dataset in an h5py group, with room for the array; ``descriptor`` is that of the open file.

    ``losses`` is told of what a compression with loss does.
    """
    units = content.units if isinstance(content, Prepared) else None
    content = content.content if isinstance(content, Prepared) else content
    tolerance = compression.tolerance(content) if isinstance(compression, Lossy) else None
    if tolerance is not None:
        dataset, made = new_approximate(group, name, content, compression, tolerance, losses or Losses())
    elif content.nbytes and (_compressed(content, compression) or not hasattr(os, "pwritev")):
        dataset, made = new_filtered(group, name, content, lossless(compression), units)
        dataset.once = isinstance(compression, Lossy) and content.dtype.kind in "fc"
    else:
        kind, shape = file_form(content)
        form, other = form_of(content, kind, shape)
        made = new_contiguous(group, name, kind, shape)
        dataset = Contiguous(content, form, descriptor, made.get_offset() or 0, units)
        note_type(made, other)
    dataset.noted_at(made)
    dataset.places[id(group), name] = group
    return dataset


def opened(group: Any, name: str, descriptor: int) -> Dataset:
    """A dataset of an earlier process, which is verified when it is read.

    Raises
    ------
    DamageError
        If it has no checksum.
    """
    found = group[name]
    kind = np.dtype(noted_type(found) or found.dtype)
    shape = found.shape if kind == found.dtype else found.shape[:-1]
    content = Content(name, shape, kind, (np.broadcast_to(np.empty((), kind), shape),))
    form = described(found.shape, found.dtype, noted_type(found))
    dataset: Dataset
    if found.chunks is None and not found.is_virtual:
        dataset = Contiguous(content, form, descriptor, found.id.get_offset() or 0)
    else:
        dataset = Filtered(content, form, found)
    try:
        dataset.found(bytes(found.attrs[CHECKSUM]))
    except (KeyError, ValueError) as error:
        raise DamageError(f"{name} has no checksum ({error})") from error
    dataset.places[id(group), name] = group
    return dataset


def _compressed(content: Content, compression: Compression) -> bool:
    """Whether it is worth while: a single number is not, nor are a few bytes beside arrays with loss."""
    if compression is None or not content.shape:
        return False
    return not isinstance(compression, Lossy) or content.nbytes >= SMALLEST
