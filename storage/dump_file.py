"""The file of a dump: HDF5 with the dimension scales of netCDF-4, one dataset for each variable, one row for each step.

What stands in it can be read whenever it is written to: every row is flushed. A row in which a variable was not written
holds NaN there. Complex numbers are two datasets, ``u_real`` and ``u_imag``, since netCDF-4 has no type for them.
"""

from __future__ import annotations

import errno
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checkpointer.errors import ArgumentError, StorageError
from checkpointer.storage.hdf5_files import error_number, h5py_module

Array = NDArray[Any]

_CHUNK = 1 << 13
"""Bytes of a chunk of small rows."""
_MOST = 1 << 28
"""Bytes of a chunk at most: HDF5 has a limit."""
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable."
_KINDS = {"e": "f4", "f": "f4", "d": "f8", "F": "c8", "D": "c16", "?": "?"}
"""What floats of each type are written as."""


def stored_type(dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """The type that values of this one can be written as without loss, or None if netCDF-4 has none."""
    if dtype.kind in "iu":
        return np.dtype(f"{dtype.kind}{dtype.itemsize}")
    kind = _KINDS.get(dtype.char)
    return None if kind is None else np.dtype(kind)


class DumpFile:
    """A file that is open for writing.

    Parameters
    ----------
    path : str
    overwrite : bool
        Whether a file that exists is replaced.
    compression : str or None
    dims : mapping
        The names of the axes of some variables.
    attributes : mapping
        What is said of the whole file.

    Attributes
    ----------
    rows : int

    Raises
    ------
    StorageError
        If the file exists or cannot be made, or if h5py is not installed.
    """

    def __init__(
        self,
        path: str,
        *,
        overwrite: bool,
        compression: str | None,
        dims: Mapping[str, Iterable[str]],
        attributes: Mapping[str, Any],
    ) -> None:
        self.path = os.path.abspath(path)
        self.rows = 0
        self._given = path
        self._dims = {name: tuple(axes) for name, axes in dims.items()}
        self._options = {"compression": compression, "shuffle": True} if compression else {}
        self._parts: dict[tuple[str, bool], list[str]] = {}
        self._taken = {"step", *(axis for axes in dims.values() for axis in axes)}
        self._axes: dict[str, str] = {}
        self._datasets: dict[str, Any] = {}
        self._created = datetime.now(UTC).isoformat(timespec="microseconds")
        self._file = self._new(overwrite)
        with self.errors("write the head of the dump", 0):
            self._file.attrs.update(attributes, date_created=self._created)
            self._step = self._file.create_dataset("step", (0,), "i8", maxshape=(None,), chunks=(1024,))
            self._step.make_scale("step")
            self._step.attrs["long_name"] = "steps that were done before this state"

    # --- the file ----------------------------------------------------------------------------------------------------

    def _new(self, overwrite: bool) -> Any:
        h5py = h5py_module("Dump")
        try:
            if overwrite and os.path.lexists(self.path):
                os.unlink(self.path)  # whoever reads it goes on reading what it held
            return h5py.File(self.path, "x", libver="v108", locking="best-effort", track_order=True)
        except OSError as error:
            if os.path.lexists(self.path) and not overwrite:
                raise StorageError(
                    f"{self._given} exists, and a dump does not replace a file unless it is told to:"
                    ' Dump("name.h5", overwrite=True) keeps that of the last run, Dump("name-{run}.h5") those of all runs'
                    " of this process; or choose a path that is not in use"
                ) from None
            raise self._failed("make the dump", 0, error) from error

    def open_again(self) -> None:
        """Go on after `close`, if the file is still the one that was closed."""
        try:
            self._file = h5py_module("Dump").File(self.path, "r+", libver="v108", locking="best-effort")
        except OSError as error:
            if not os.path.lexists(self.path):
                raise StorageError(
                    f"{self._given} is lost: somebody removed it before the adjoint could be written to it"
                ) from error
            raise self._failed("open the dump again", 0, error) from error
        if self._file.attrs.get("date_created") != self._created:
            self.close()
            raise StorageError(
                f"{self._given} is another file now: another run replaced it before the adjoint could be written to it."
                " Give each loop a path of its own, such as Dump('name-{run}.h5')"
            )
        self._step = self._file["step"]
        self._datasets = {name: self._file[name] for name in self._datasets}

    def set_attribute(self, name: str, value: Any) -> None:
        """Say something of the whole file."""
        with self.errors("write the head of the dump", 0):
            self._file.attrs[name] = value
            self._file.flush()

    def flush(self) -> None:
        """Let everything that was written so far be readable, whatever happens to the process."""
        with self.errors("write the dump", 0):
            self._file.flush()

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        if self._file:
            with self.errors("close the dump", 0):
                self._file.close()

    def discard(self) -> None:
        """Close the file and remove it."""
        self.close()
        with suppress(OSError):
            os.unlink(self.path)

    def _abandon(self) -> None:
        """Close a file that cannot be written to, as it is: what HDF5 still wants to write, it writes to nowhere.

        Otherwise it would try again when the process ends, and crash.
        """
        with suppress(
            OSError, RuntimeError, ValueError
        ):  # the error that is about to be raised says what happened
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, self._file.id.get_vfd_handle(), inheritable=False)
            os.close(nowhere)
            self._file.close()

    @contextmanager
    def errors(self, task: str, size: int) -> Iterator[None]:
        """Turn the errors of the disk into ones that say what was to be done, where, and what helps."""
        try:
            yield
        except (OSError, RuntimeError) as error:
            self._abandon()
            raise self._failed(task, size, error) from error

    def _failed(self, task: str, size: int, error: BaseException) -> StorageError:
        number = error_number(error)
        needed = f" of {size / 1e6:.3g} MB" if size else ""
        text = f"cannot {task}{needed} ({self._given}): {os.strerror(number) if number else error}"
        folder = os.path.dirname(self.path)
        if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            free = shutil.disk_usage(folder).free
            text += (
                f" ({free / 1e6:.3g} MB are free there). Make room, choose another disk, or write less: every=,"
                ' variables=, compression="gzip"'
            )
        elif number in (errno.ENOENT, errno.ENOTDIR):
            text += ". Make the folder first, or choose another path"
        elif number in (errno.EACCES, errno.EPERM, errno.EROFS):
            text += ". Choose a path in a folder that you may write to"
        elif number == errno.EAGAIN:
            text += ". Another program has it open: close it there"
        return StorageError(text)

    # --- rows and variables --------------------------------------------------------------------------------------------

    def reserve(self, sizes: Iterable[int]) -> None:
        """Refuse to begin with a row whose variables, of these bytes, have no room on the disk.

        What was written before stays readable then; it may not if the disk is full in the middle of a row.
        """
        needed = sum(max(size, _CHUNK) for size in sizes) + _CHUNK
        if shutil.disk_usage(os.path.dirname(self.path)).free < needed:
            raise self._failed("write the dump", needed, OSError(errno.ENOSPC, ""))

    def add_row(self, step: int) -> None:
        """One more row, of the state before this step."""
        with self.errors("write the dump", 0):
            self.rows += 1
            for dataset in (self._step, *self._datasets.values()):
                dataset.resize(self.rows, axis=0)
            self._step[self.rows - 1] = step

    def has(self, name: str, *, adjoint: bool) -> bool:
        """Whether `define` was called for this."""
        return (name, adjoint) in self._parts

    def define(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], *, adjoint: bool) -> None:
        """Make room for a variable of the program, or for its adjoint."""
        with self.errors("write the dump", 0):
            axes = self._axes_of(name, shape)
            parts = self._parts[name, adjoint] = []
            for suffix, text in _parts_of(name, dtype, adjoint=adjoint):
                label = self._free(name + suffix)
                real = np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype
                parts.append(label)
                self._datasets[label] = self._dataset(label, shape, real, axes)
                self._datasets[label].attrs.update(long_name=text, variable=name)

    def write(self, name: str, row: int, value: Array, *, adjoint: bool) -> None:
        """Write the value of a variable in a row."""
        parts = [value]
        if value.dtype.kind == "c":
            parts = [value.real, value.imag]
        with self.errors("write the dump", value.nbytes):
            for label, part in zip(self._parts[name, adjoint], parts, strict=True):
                self._datasets[label][row] = part.view(np.int8) if part.dtype.kind == "b" else part

    def remove(self, name: str) -> None:
        """Take a variable out of the file again."""
        with self.errors("write the dump", 0):
            for label in self._parts.pop((name, False), []):
                dataset = self._datasets.pop(label)
                for dimension in dataset.dims:
                    for scale in dimension.values():
                        dimension.detach_scale(scale)
                del self._file[label]

    def _dataset(self, label: str, shape: tuple[int, ...], dtype: np.dtype[Any], axes: list[str]) -> Any:
        is_bool = dtype.kind == "b"
        dataset = self._file.create_dataset(
            label,
            (self.rows, *shape),
            np.int8 if is_bool else dtype,
            maxshape=(None, *shape),
            chunks=_chunks(shape, dtype.itemsize),
            fillvalue=np.nan if dtype.kind == "f" else None,
            **self._options,
        )
        for number, scale in enumerate([self._step, *(self._file[axis] for axis in axes)]):
            dataset.dims[number].attach_scale(scale)
        if is_bool:
            dataset.attrs["dtype"] = "bool"  # which xarray goes by
        return dataset

    def _axes_of(self, name: str, shape: tuple[int, ...]) -> list[str]:
        """The dimensions of a variable, which exist then."""
        given = self._dims.get(name)
        if given is not None and len(given) != len(shape):
            raise ArgumentError(
                f"Dump: dims[{name!r}] names {len(given)} axes, {', '.join(given)}, but {name} has the shape {shape}"
            )
        axes = []
        for number, length in enumerate(shape):
            axis = given[number] if given is not None else self._axes.get(f"{name} {number}")
            if axis is None:
                axis = self._axes[f"{name} {number}"] = self._free(f"{name}_{number}")
            if axis not in self._file:
                self._file.create_dataset(axis, (length,), ">f4").make_scale(f"{_NO_VARIABLE}{length:10d}")
            elif (other := self._file[axis].shape[0]) != length:
                raise ArgumentError(
                    f"Dump: dims calls an axis of {name} {axis!r}, which has the length {length} there, but"
                    f" {other} elsewhere"
                )
            axes.append(axis)
        return axes

    def _free(self, name: str) -> str:
        """The name, or one like it, such that netCDF-4 allows it and it is not taken."""
        name = name.encode("utf-8", "replace").decode().replace("/", "|").strip() or "_"
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


def _parts_of(name: str, dtype: np.dtype[Any], *, adjoint: bool) -> list[tuple[str, str]]:
    """The datasets of a variable: what is put behind its name, and what each holds."""
    if not adjoint:
        if dtype.kind == "c":
            return [
                ("_real", f"real part of {name} before the step"),
                ("_imag", f"imaginary part of {name} before the step"),
            ]
        return [("", f"{name} before the step")]
    if dtype.kind == "c":
        return [
            ("_adjoint_real", f"adjoint of {name}: dJ/d(real part of {name}) before the step"),
            ("_adjoint_imag", f"adjoint of {name}: -dJ/d(imaginary part of {name}) before the step"),
        ]
    return [("_adjoint", f"adjoint of {name}: dJ/d{name} before the step")]


def _chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """One row of a large variable, many of a small one; of a huge one a part."""
    size = math.prod(shape) * itemsize
    if size * 2 <= _CHUNK:
        return (min(1024, _CHUNK // size), *shape)
    part = list(shape)
    while math.prod(part) * itemsize > _MOST:
        longest = part.index(max(part))
        part[longest] = -(-part[longest] // 2)
    return (1, *part)
