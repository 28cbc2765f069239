"""How arrays are compressed in an HDF5 file: without loss, or with a stated error bound.

Without loss the bytes of the elements are shuffled first, so that bytes of the same meaning follow one another. With loss,
ZFP's fixed-accuracy mode is used, and what it has written is read back and compared: an array for which it does not keep the
bound is written without loss.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checkpointer.errors import ArgumentError, StorageError
from checkpointer.storage.portable import Content

LOSSLESS = (None, "gzip", "lzf", "zstd", "blosc")
_OF_PLUGIN = ("zstd", "blosc")
SMALLEST = 4096
"""Bytes of an array that are worth being compressed with loss."""
_CHUNK = 1 << 20
"""Bytes of a chunk that is compressed with loss, at most."""
_AXES = 3
"""Axes along which the elements of a chunk with loss are related to each other."""


@dataclass(frozen=True, repr=False)
class Lossy:
    """Compress arrays of floats and complex numbers with an error that is bounded.

    An array stays as it is to the last bit if it is smaller than 4 KiB, holds NaN or infinity, or has no bound
    (``relative`` of zeros), and so do integers, booleans, texts and single numbers. The steps that are recomputed from such
    snapshots are not those of the first sweep, so the gradient has an error too: try several bounds. Needs the package
    hdf5plugin.

    Parameters
    ----------
    absolute : float, optional
        No element differs by more than this from what it was.
    relative : float, optional
        No element differs by more than this times the largest magnitude in its array. One of the two is needed.

    Raises
    ------
    ArgumentError
        If neither or both are given, or the bound is no positive number.

    >>> Lossy(absolute=1e-6)
    Lossy(absolute=1e-06)
    """

    _: KW_ONLY
    absolute: float | None = None
    relative: float | None = None

    def __post_init__(self) -> None:
        if (self.absolute is None) == (self.relative is None):
            raise ArgumentError("Lossy: give one bound, as in Lossy(absolute=1e-6) or Lossy(relative=1e-5)")
        name = "absolute" if self.relative is None else "relative"
        bound = getattr(self, name)
        if (
            not isinstance(bound, int | float | np.number)
            or isinstance(bound, bool)
            or not 0 < bound < math.inf
        ):
            raise ArgumentError(f"Lossy: {name} must be a positive number, such as 1e-6, but is {bound!r}")

    def __repr__(self) -> str:
        name, bound = ("absolute", self.absolute) if self.relative is None else ("relative", self.relative)
        return f"Lossy({name}={bound!r})"

    def tolerance(self, content: Content) -> float | None:
        """By how much each float of an array may differ; None if it is to be written without loss."""
        if content.dtype not in (np.float32, np.float64, np.complex64, np.complex128):
            return None
        if content.nbytes < SMALLEST or not content.dtype.isnative:
            return None
        floats = [parts_of(piece) for piece in content.pieces if piece.size]
        largest = float(
            np.max([(abs(part.max()), abs(part.min())) for part in floats])
        )  # NaN if there is one
        if not math.isfinite(largest):
            return None
        bound = float(self.absolute) if self.absolute is not None else float(self.relative or 0) * largest
        if content.dtype.kind == "c":
            bound /= math.sqrt(2)  # so that the complex number is within it
        return bound if 0 < bound < math.inf else None


Compression = str | Lossy | None


@dataclass
class Losses:
    """What compression with loss did in a session.

    Attributes
    ----------
    arrays : int
        How many were written so.
    error : float
        The largest difference of an element from what it was.
    before, after : int
        Bytes of the arrays, and of what was written of them.
    refused : int
        Arrays for which the bound was not kept, so that they were written without loss.
    """

    arrays: int = 0
    error: float = 0.0
    before: int = 0
    after: int = 0
    refused: int = field(default=0)

    def __str__(self) -> str:
        ratio = self.before / self.after if self.after else 1.0
        text = (
            f"{self.arrays} arrays were compressed with loss: the largest absolute error is {self.error:.3g}, and"
            f" {self.before / 1e6:.3g} MB became {self.after / 1e6:.3g} MB (ratio {ratio:.3g})"
        )
        return f"{text}; {self.refused} more would not have kept the bound" if self.refused else text


def checked(compression: object) -> None:
    """Refuse what is no compression."""
    if not isinstance(compression, Lossy) and compression not in LOSSLESS:
        names = ", ".join(f'"{name}"' for name in LOSSLESS[1:])
        raise ArgumentError(
            f"HDF5Storage: compression must be None, {names}, or Lossy(...), but is {compression!r}"
        )


def require(compression: Compression) -> None:
    """Refuse a compression that needs a package which is not installed."""
    if isinstance(compression, Lossy) or compression in _OF_PLUGIN:
        _plugin()


def lossless(compression: Compression) -> dict[str, Any]:
    """What h5py is told of a dataset that is written without loss."""
    if isinstance(compression, Lossy) or compression == "zstd":
        return {"chunks": True, "shuffle": True, **_plugin().Zstd()}
    if compression == "blosc":
        plugin = _plugin()
        return {"chunks": True, **plugin.Blosc(cname="lz4", clevel=5, shuffle=plugin.Blosc.SHUFFLE)}
    return {"chunks": True, "shuffle": True, "compression": compression} if compression else {}


def with_loss(shape: tuple[int, ...], kind: np.dtype[Any], tolerance: float) -> dict[str, Any]:
    """What h5py is told of a dataset of this shape and type in the file, whose elements may differ by so much."""
    chunk = list(shape)
    long = [axis for axis, length in enumerate(shape) if length > 1]
    for axis in long[:-_AXES]:
        chunk[axis] = 1
    for axis in long[-_AXES:]:
        rest = math.prod(chunk) // chunk[axis] * kind.itemsize
        chunk[axis] = min(chunk[axis], max(4, _CHUNK // rest // 4 * 4))
    return {"chunks": tuple(chunk), **_plugin().Zfp(accuracy=tolerance)}


def parts_of(array: NDArray[Any]) -> NDArray[Any]:
    """The floats of a C-contiguous array, one after another: complex numbers are pairs of them."""
    row = array.reshape(-1)
    return row.view(row.real.dtype) if row.dtype.kind == "c" else row


def largest_difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    """The largest difference of two rows of floats; NaN if there is one in them."""
    with np.errstate(all="ignore"):
        return float(np.abs(one.astype(float) - other.astype(float)).max())


def register() -> None:
    """Let HDF5 read the compressions of hdf5plugin, if that is installed."""
    try:
        _plugin()
    except StorageError:
        pass


def _plugin() -> Any:
    try:
        import hdf5plugin
    except ImportError as error:
        raise StorageError(
            'HDF5Storage: compression="zstd", "blosc" and Lossy(...) need hdf5plugin, which cannot be imported'
            f" ({error}): pip install 'checkpointer-ad[compression]'"
        ) from error
    return hdf5plugin
