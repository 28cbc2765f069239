"""Datasets that HDF5 writes and reads itself: those that are compressed, without loss or with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checkpointer.storage.checksums import Prepared, Units, unit_digests
from checkpointer.storage.compression import (
    Compression,
    Losses,
    largest_difference,
    lossless,
    with_loss,
)
from checkpointer.storage.hdf5_base import Check, DamageError, Dataset
from checkpointer.storage.hdf5_forms import file_form, form_of, note_type
from checkpointer.storage.portable import Content


class Filtered(Dataset):
    """A dataset that HDF5 writes and reads itself: one that is compressed."""

    def __init__(self, content: Content, form: bytes, dataset: Any, units: Units | None = None) -> None:
        super().__init__(content, form, units)
        self._dataset = dataset
        self.once = False
        """It is for one content, and not to be overwritten: another one may be compressed with loss."""

    def fits(self, content: Content) -> bool:
        return not self.once and super().fits(content)

    def _write(self, prepared: Prepared, numbers: Sequence[int]) -> None:
        prepared.find_digests(range(self.units.count))
        self._dataset.write_direct(prepared.joined().view(self._dataset.dtype).reshape(self._dataset.shape))
        self._dataset.flush()  # so that a full disk is noticed now

    def _read(self, numbers: range, row: NDArray[np.uint8], check: Check) -> None:
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


class Approximate(Filtered):
    """A dataset that is compressed with loss, or without if the bound would be broken.

    Parameters
    ----------
    tolerance : float
        By how much each float may differ.
    exact : function
        Makes a dataset in its place that is written without loss.
    """

    def __init__(
        self,
        content: Content,
        form: bytes,
        dataset: Any,
        tolerance: float,
        losses: Losses,
        exact: Callable[[], Dataset],
    ) -> None:
        super().__init__(content, form, dataset)
        self._tolerance = tolerance
        self._losses = losses
        self._exact = exact
        self._found: list[bytes] = []
        self.once = True

    @property
    def _stored(self) -> Sequence[bytes]:
        return self._found

    def _write(self, prepared: Prepared, numbers: Sequence[int]) -> None:
        super()._write(prepared, numbers)
        found = np.empty(self._dataset.shape, self._dataset.dtype)
        self._dataset.read_direct(found)
        given = prepared.joined().view(found.dtype)
        error = largest_difference(given, found.reshape(-1))
        if error <= self._tolerance:
            self._losses.arrays += 1
            self._losses.error = max(self._losses.error, error)
            self._losses.before += self.units.nbytes
            self._losses.after += self._dataset.id.get_storage_size()
            self._found = unit_digests(found.reshape(-1).view(np.uint8), self.units.size)
            return
        self._losses.refused += 1
        exact = self._exact()
        assert isinstance(exact, Filtered)
        self._described, self._dataset, self._made = exact._described, exact._dataset, exact._made
        super()._write(prepared, numbers)
        self._found = prepared.all_digests()


def new_filtered(
    group: Any, name: str, content: Content, how: dict[str, Any], units: Units | None = None
) -> tuple[Filtered, Any]:
    """A dataset that is filtered as h5py is told, and its low-level id."""
    kind, shape = file_form(content)
    shape = shape or (1,)
    form, other = form_of(content, kind, shape)
    wrapped = group.create_dataset(name, shape, kind, **how)
    note_type(wrapped.id, other)
    return Filtered(content, form, wrapped, units), wrapped.id


def new_approximate(
    group: Any, name: str, content: Content, compression: Compression, tolerance: float, losses: Losses
) -> tuple[Dataset, Any]:
    """A dataset that is compressed with loss, and its low-level id."""
    kind, shape = content.dtype, content.shape or (1,)
    if kind.kind == "c":
        kind, shape = np.dtype(f"f{kind.itemsize // 2}"), (*shape, 2)
    form, other = form_of(content, kind, shape)
    wrapped = group.create_dataset(name, shape, kind, **with_loss(shape, kind, tolerance))
    note_type(wrapped.id, other)

    def exact() -> Dataset:
        group.id.unlink(name.encode())
        dataset, made = new_filtered(group, name, content, lossless(compression))
        dataset.noted_at(made)
        return dataset

    return Approximate(content, form, wrapped, tolerance, losses, exact), wrapped.id
