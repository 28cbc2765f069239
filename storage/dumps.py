"""What of a loop is written to a file for people to look at: the description that a user passes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np

from checkpointer.errors import ArgumentError

RUN = "{run}"
"""In a path: the number of the run."""


@dataclass(frozen=True, repr=False)
class Dump:
    """Write the state and the adjoint of every Nth step to an HDF5 file, in order of time.

    Given to a marked loop, it takes effect when the loop is differentiated. Any tool for HDF5 or netCDF-4 reads the file:
    ``xarray.open_dataset(path, engine="h5netcdf")`` has the variables of the loop under the names of the program, ``u``
    for example, their adjoints as ``u_adjoint``, both along ``step``. Row n holds them before step n, after n steps.

    Parameters
    ----------
    path : str or path
        The file. It must not exist, unless ``overwrite`` is given. ``{run}`` in it stands for the number of the run: 1 for
        the first loop of the process that is differentiated with this path, 2 for the next one.
    every : int, optional
        Steps from one row to the next. The first row is the state before the loop, the last one that after it.
    variables : sequence of str, optional
        The names of those to write, such as ``["u", "model.t"]``; otherwise all arrays and floats of the loop's state.
    dims : mapping of str to sequence of str, optional
        Names for the axes of variables, such as ``{"u": ("x", "y")}``; otherwise ``u_0``, ``u_1``. Axes of the same name
        have to have the same length.
    state, adjoint : bool, optional
        Whether to write the states, and the adjoints.
    compression : "gzip", optional
        Compress without loss.
    overwrite : bool, optional
        Replace a file that exists. Of several runs, the last one stays.

    Raises
    ------
    ArgumentError
        If an argument is none of these.

    >>> Dump("adjoint.h5", every=100)
    Dump('adjoint.h5', every=100)
    """

    path: str | os.PathLike[str]
    _: KW_ONLY
    every: int = 1
    variables: Iterable[str] | None = None
    dims: Mapping[str, Iterable[str]] | None = field(default=None, hash=False)
    state: bool = True
    adjoint: bool = True
    compression: str | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", _path(self.path))
        object.__setattr__(self, "every", _every(self.every))
        if self.variables is not None:
            object.__setattr__(self, "variables", _names("variables", self.variables))
        if self.dims is not None:
            object.__setattr__(self, "dims", _dims(self.dims))
            for name in self.dims:
                if self.variables is not None and name not in self.variables:
                    raise ArgumentError(
                        f"Dump: dims names {name!r}, which is not among variables {self.variables!r}"
                    )
        for name in ("state", "adjoint", "overwrite"):
            if not isinstance(value := getattr(self, name), bool):
                raise ArgumentError(f"Dump: {name} must be True or False, but is {value!r}")
        if not self.state and not self.adjoint:
            raise ArgumentError("Dump: state and adjoint are both False, so that there is nothing to write")
        if self.compression not in (None, "gzip"):
            raise ArgumentError(f'Dump: compression must be None or "gzip", but is {self.compression!r}')

    def path_of(self, run: int) -> str:
        """The file of a run."""
        return os.fspath(self.path).replace(RUN, str(run))

    def __repr__(self) -> str:
        rest = [
            f"{name}={value!r}"
            for name, item in type(self).__dataclass_fields__.items()
            if name not in ("path", "_") and (value := getattr(self, name)) != item.default
        ]
        return f"Dump({', '.join([repr(self.path), *rest])})"


def _path(value: object) -> str:
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str) or not text:
        raise ArgumentError(f"Dump: path must be a path, such as 'adjoint.h5', but is {value!r}")
    return text


def _every(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ArgumentError(f"Dump: every must be a number of steps, at least 1, but is {value!r}")
    return int(value)


def _names(name: str, value: Any) -> tuple[str, ...]:
    names = () if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)
    if not names or not all(isinstance(item, str) and item for item in names):
        raise ArgumentError(f'Dump: {name} must be names, such as ["u", "v"], but is {value!r}')
    if len(set(names)) < len(names):
        raise ArgumentError(f"Dump: {name} has a name twice: {value!r}")
    return names


def _dims(value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ArgumentError(
            f'Dump: dims must be a dict of the names of axes, such as {{"u": ("x", "y")}}, but is {value!r}'
        )
    found = {name: _names(f"dims[{name!r}]", axes) for name, axes in value.items()}
    for name, axes in found.items():
        if any(axis == "step" or "/" in axis for axis in axes):
            raise ArgumentError(
                f"Dump: dims[{name!r}]: no axis can be called 'step', or have a '/': {axes!r}"
            )
    return found
