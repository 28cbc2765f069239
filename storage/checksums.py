"""Checksums of arrays: what is read from a file is what was written to it.

An array is taken in units of whole rows, and each unit has a digest (XXH3-128). The checksum of an array of one unit is its
digest, and of a larger one the digest of the digests of its units, one after another. So the units can be hashed by two
threads, at the moment when they are in the processor's cache anyway, because they are written or were read; and what is
known of a unit need not be found out again. XXH3-128 is no protection against forgery.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checkpointer.errors import StorageError
from checkpointer.storage.portable import Content
from checkpointer.storage.two_threads import in_two_threads

NAME = "xxh3-128"
DIGEST_BYTES = 16
UNIT_BYTES = 1 << 18
"""A unit is not smaller than this,"""
MOST_UNITS = 256
"""and an array has no more of them than this."""
_GROUP_BYTES = 1 << 20
"""Bytes that are hashed and then written, or read and then hashed: they fit into a cache."""


# --- units ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Units:
    """How the bytes of an array are divided.

    Attributes
    ----------
    axis : int
        The axis along which it is: those before it have a length of one.
    rows : int
        Rows along this axis in a unit; the last may have fewer.
    size : int
        Bytes of a unit.
    nbytes : int
        Bytes of the array.
    count : int
        How many units there are.
    """

    axis: int
    rows: int
    size: int
    nbytes: int
    count: int

    def start(self, number: int) -> int:
        """The first byte of a unit; that of the one after the last is the end."""
        return min(number * self.size, self.nbytes)

    def groups(self, numbers: Sequence[int]) -> list[range]:
        """Numbers in rising order as runs of units that follow one another, of about a megabyte at most."""
        most = max(1, _GROUP_BYTES // max(1, self.size))
        return [
            range(start, min(start + most, run.stop))
            for run in runs(numbers)
            for start in range(run.start, run.stop, most)
        ]


def runs(numbers: Sequence[int]) -> list[range]:
    """Numbers in rising order as ranges that are as long as can be."""
    found: list[range] = []
    for number in numbers:
        if found and found[-1].stop == number:
            found[-1] = range(found[-1].start, number + 1)
        else:
            found.append(range(number, number + 1))
    return found


@lru_cache(maxsize=1024)
def units_of(shape: tuple[int, ...], itemsize: int) -> Units:
    """The units of an array of this shape. One of up to `UNIT_BYTES` is one unit."""
    nbytes = prod(shape) * itemsize
    axis = next((number for number, length in enumerate(shape) if length != 1), 0)
    length = shape[axis] if shape else 1
    if nbytes <= UNIT_BYTES:
        return Units(axis, length, nbytes, nbytes, 1)
    row = nbytes // length
    rows = -(-max(UNIT_BYTES, -(-nbytes // MOST_UNITS)) // row)
    return Units(axis, rows, rows * row, nbytes, -(-length // rows))


# --- digests ----------------------------------------------------------------------------------------------------------


def digest(parts: Iterable[Any]) -> bytes:
    """The digest of the bytes of some buffers, one after another."""
    found = _xxhash().xxh3_128()
    for part in parts:
        found.update(part)
    return bytes(found.digest())


def digest_of(part: Any) -> bytes:
    """The digest of the bytes of one buffer."""
    return bytes(_xxhash().xxh3_128_digest(part))


def checksum(size: int, digests: Sequence[bytes]) -> bytes:
    """The checksum of an array as it is written to a file, given the digests of its units of so many bytes.

    It is the text 'xxh3-128/bytes:digits'.
    """
    whole = digests[0] if len(digests) == 1 else digest(digests)
    return f"{NAME}/{size}:{whole.hex()}".encode()


def unit_bytes(noted: bytes) -> int:
    """The bytes of a unit, as a checksum in a file says.

    Raises
    ------
    ValueError
        If it is none.
    """
    method, _, digits = noted.decode("ascii", "replace").partition(":")
    if not method.startswith(f"{NAME}/") or len(digits) != 2 * DIGEST_BYTES:
        raise ValueError(f"its checksum reads {noted!r}")
    return int(method.removeprefix(f"{NAME}/"))


def unit_digests(whole: Any, size: int) -> list[bytes]:
    """The digests of the units of so many bytes of a buffer."""
    view = memoryview(whole)
    return [digest_of(view[start : start + size]) for start in range(0, len(view), size or 1)] or [digest([])]


@lru_cache(maxsize=1)
def _xxhash() -> Any:
    try:
        import xxhash
    except ImportError as error:
        raise StorageError(
            f"HDF5Storage needs xxhash, which cannot be imported ({error}): pip install xxhash"
        ) from error
    return xxhash


class Prepared:
    """A content on its way to a file.

    Attributes
    ----------
    content : Content
    units : Units
    digests : list of bytes or None
        Those of its units that are known by now.
    """

    def __init__(self, content: Content, units: Units | None = None) -> None:
        self.content = content
        self.units = units or units_of(content.shape, content.dtype.itemsize)
        self.digests: list[bytes | None] = [None] * self.units.count
        self._rows = content.rows()
        self._starts = [0, *accumulate(row.size for row in self._rows)]

    @staticmethod
    def of(content: Content | Prepared) -> Prepared:
        """It, or one of the content."""
        return content if isinstance(content, Prepared) else Prepared(content)

    def views(self, start: int, stop: int) -> list[memoryview]:
        """The bytes from ``start`` to before ``stop``."""
        if len(self._rows) == 1:
            return [self._rows[0].data[start:stop]]
        found = []
        number = bisect_right(self._starts, start) - 1
        while start < stop:
            end = min(stop, self._starts[number + 1])
            begin = self._starts[number]
            found.append(self._rows[number].data[start - begin : end - begin])
            start, number = end, number + 1
        return found

    def joined(self) -> NDArray[np.uint8]:
        """All bytes in one row."""
        return self._rows[0] if len(self._rows) == 1 else np.concatenate(self._rows)

    def digest(self, number: int) -> bytes:
        """The digest of a unit."""
        found = self.digests[number]
        if found is None:
            views = self.views(self.units.start(number), self.units.start(number + 1))
            found = digest_of(views[0]) if len(views) == 1 else digest(views)
            self.digests[number] = found
        return found

    def group(self, numbers: range) -> list[memoryview]:
        """The bytes of some units, and their digests are taken."""
        units, known = self.units, self.digests
        if len(self._rows) == 1:
            size, view = (
                units.size,
                self._rows[0].data[units.start(numbers.start) : units.start(numbers.stop)],
            )
            for place, number in enumerate(numbers):
                if known[number] is None:
                    known[number] = digest_of(view[place * size : (place + 1) * size])
            return [view]
        found = []
        for number in numbers:
            views = self.views(units.start(number), units.start(number + 1))
            if known[number] is None:
                known[number] = digest(views)
            found += views
        return found

    def find_digests(self, numbers: Sequence[int]) -> None:
        """Take the digests of these units."""
        if len(numbers) == 1:
            self.digest(numbers[0])
            return
        in_two_threads(
            self.group,
            self.units.groups(numbers),
            len(numbers) * self.units.size,
        )

    def all_digests(self) -> list[bytes]:
        """The digests of all units, as far as they are not known."""
        return [known or self.digest(number) for number, known in enumerate(self.digests)]

    @cached_property
    def sample(self) -> NDArray[np.uint64]:
        """A word of each unit: where it is another one than in another content, the unit is."""
        words = _sampled(self.units)
        if len(self._rows) == 1:
            row = self._rows[0]
            return np.asarray(row[: row.size // 8 * 8].view(np.uint64)[words])
        return np.array([self._word(8 * word) for word in words.tolist()], np.uint64)

    def _word(self, place: int) -> int:
        """The word at a byte, or before the end of its piece."""
        number = bisect_right(self._starts, place) - 1
        row, start = self._rows[number], place - self._starts[number]
        return int.from_bytes(row.data[max(0, min(start, row.size - 8)) :][:8], sys.byteorder)


@lru_cache(maxsize=64)
def _sampled(units: Units) -> NDArray[np.int64]:
    """The numbers of the words in an array that are its sample: about the middle of each unit."""
    ends = np.minimum((np.arange(units.count) + 1) * units.size, units.nbytes)
    return np.asarray((np.arange(units.count) * units.size + ends) // 16)
