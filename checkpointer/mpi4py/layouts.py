"""Buffers with a part for each rank: what an operation of all ranks takes from whom, and where it puts it.

mpi4py takes an array, ``[array, count]``, ``[array, datatype]``, ``[array, count, datatype]``, or ``[array, (count,
displacement), datatype]``. Operations whose name ends with ``v`` take counts and displacements for each rank in the same
places, as sequences, the two as a tuple, or as four items. What is left away is all of the array, shared among the ranks.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI

from checkpointer.mpi4py.buffers import PREDEFINED, Buffer, flat, is_of, picked
from checkpointer.refusals import refuse
from checkpointer.scalars import TracedNumber


class Layout(NamedTuple):
    """A buffer argument, understood but not looked into.

    Attributes
    ----------
    array : TracedArray, ndarray or other buffer
    counts : list of int
        For each part, how many entries it has.
    starts : list of int
        For each part, after how many extents of an entry it begins.
    datatype : Datatype or None
        What an entry is; None for an element of the array.
    dtype : dtype
        Of the array's elements.
    """

    array: Any
    counts: list[int]
    starts: list[int]
    datatype: Any
    dtype: np.dtype[Any]

    @property
    def sizes(self) -> list[int]:
        """For each part, how many bytes of data it has."""
        entry = self.dtype.itemsize if self.datatype is None else self.datatype.size
        return [count * entry for count in self.counts]

    @property
    def size(self) -> int:
        """How many bytes of data the parts have together."""
        return sum(self.sizes)

    @property
    def kind(self) -> str:
        """The type of the elements if a derivative may flow through them: all ranks give and take the same."""
        return self.dtype.name if self.dtype.kind in "fc" else "no floating-point numbers"

    def part(self, rank: int) -> Layout:
        """The part of one rank."""
        return self._replace(counts=[self.counts[rank]], starts=[self.starts[rank]])


def layout(given: Any, parts: int = 1, *, vector: bool = False) -> Layout:
    """What a buffer argument says.

    Parameters
    ----------
    given : object
        As mpi4py takes it.
    parts : int, optional
        How many parts it has.
    vector : bool, optional
        Whether counts and displacements are given for each part.
    """
    array, count, displacement, datatype = _items(given, vector)
    if isinstance(datatype, str):
        datatype = MPI.Datatype.fromcode(datatype)
    dtype = _dtype(array, datatype)
    length = 0 if array is None else _length(array)
    extent = dtype.itemsize if datatype is None else datatype.extent
    entries = length // extent if extent > 0 else 0
    if vector:
        counts = _counts(count, entries, parts)
        starts = _starts(displacement, counts)
    else:
        start = int(displacement or 0)
        each = (entries - start) // max(parts, 1) if count is None else int(count)
        counts = [each] * parts
        starts = [start + each * number for number in range(parts)]
    return Layout(array, counts, starts, datatype, dtype)


def _items(given: Any, vector: bool) -> tuple[Any, Any, Any, Any]:
    """Array, counts, displacements and datatype, each None if it is left away."""
    if not isinstance(given, list | tuple):
        return given, None, None, None
    array, *rest = given
    datatype = rest.pop() if rest and (rest[-1] is None or isinstance(rest[-1], MPI.Datatype | str)) else None
    if len(rest) == 1 and isinstance(rest[0], tuple if vector else list | tuple):
        rest = list(rest[0])
    if len(given) > 4 or len(rest) > 2:
        raise ValueError("message: expecting 2 to 4 items")
    return array, *(*rest, None, None)[:2], datatype


def _dtype(array: Any, datatype: Any) -> np.dtype[Any]:
    if array is None:  # an empty part, which needs no memory
        return np.dtype(datatype.tocode()) if datatype is not None else np.dtype(float)
    if isinstance(array, np.ndarray | np.generic) or type(array) is TracedNumber:
        return np.dtype(array.dtype)
    if array is MPI.BOTTOM or array is MPI.IN_PLACE:
        flat(array, "a collective operation")  # which says why this is refused
    view = memoryview(array)
    return np.dtype(view.format if view.format in np.typecodes["All"] else np.uint8)


def _length(array: Any) -> int:
    """Its bytes."""
    return int(array.nbytes) if hasattr(array, "nbytes") else memoryview(array).nbytes


def _counts(given: Any, entries: int, parts: int) -> list[int]:
    if given is None:
        return [entries // parts + (entries % parts > number) for number in range(parts)]
    return _for_each("counts", given, [int(given)] * parts if np.ndim(given) == 0 else given, parts)


def _starts(given: Any, counts: list[int]) -> list[int]:
    if given is None:
        return [0, *itertools.accumulate(counts)][: len(counts)]
    every = [int(given) * number for number in range(len(counts))] if np.ndim(given) == 0 else given
    return _for_each("displacements", given, every, len(counts))


def _for_each(what: str, given: Any, every: Any, parts: int) -> list[int]:
    if len(every) != parts:
        raise ValueError(f"message: expecting {parts} {what}, got {given!r}")
    return [int(number) for number in every]


class Parts(Buffer):
    """The parts of an array that an operation takes or puts, one after the other.

    Attributes
    ----------
    counts : list of int
        For each part, how many elements of the array it has.
    """

    def __init__(self, given: Layout, name: str) -> None:
        self.name = name
        array = given.array
        if array is None:
            array = np.empty(0, given.dtype)
        if type(array) is TracedNumber:
            array = np.reshape(array, 1)
        self.array = flat(array, name)
        found = self._found(given)
        self.counts = [
            len(range(part.start, part.stop)) if type(part) is slice else len(part) for part in found
        ]
        self.places = _joined(found)

    def _found(self, given: Layout) -> list[Any]:
        """The places of each part."""
        plain, datatype = self.plain, given.datatype
        scale = 1, 1
        if datatype is not None and not is_of(datatype, plain.dtype):
            if datatype.combiner not in PREDEFINED:
                size = plain.size, plain.itemsize
                return [
                    picked(*size, count, start, datatype, self.name)
                    for count, start in zip(given.counts, given.starts, strict=True)
                ]
            scale = datatype.extent, plain.itemsize
            if plain.dtype.kind in "fc" or any(
                count * scale[0] % scale[1] for count in given.counts + given.starts
            ):
                raise refuse(
                    "CKP228",
                    f"{self.name} reads an array of {plain.dtype} as {datatype.name}",
                    "leave the datatype away, or name that of the array's elements",
                )
        found = []
        for count, start in zip(given.counts, given.starts, strict=True):
            first = start * scale[0] // scale[1]
            stop = first + count * scale[0] // scale[1]
            if stop > len(plain) and count:
                raise ValueError(f"message: buffer too small for requested count ({self.name})")
            found.append(slice(first, stop))
        return found

    def check_apart(self) -> None:
        """Refuse parts that overlap, where something is to be put."""
        if type(self.places) is not slice and len(np.unique(self.places)) < len(self.places):
            raise refuse(
                "CKP228",
                f"{self.name} puts what comes from several ranks into the same elements, so that it is left open which of it"
                " stays",
                "give displacements that are as far apart as the counts",
            )

    def packed(self, content: Any) -> list[Any]:
        """A buffer argument, for an operation whose name ends with ``v``, of the elements in an array of their own."""
        return packed(content, self.counts)


def packed(content: Any, counts: list[int]) -> list[Any]:
    """A buffer argument of parts that stand one after the other in an array."""
    if content.dtype.kind in "biufc":
        return [content, counts]
    if content.dtype.hasobject:
        raise KeyError("cannot map 'O' to MPI datatype")
    return [content.view(np.uint8), [count * content.itemsize for count in counts], MPI.BYTE]


def packed_one(content: Any) -> list[Any]:
    """A buffer argument of a whole array."""
    array, counts, *datatype = packed(content, [len(content)])
    return [array, counts[0], *datatype]


def _joined(found: list[Any]) -> Any:
    """The places of all parts: a slice where they stand in a row."""
    rest = [part for part in found if type(part) is not slice or part.start < part.stop]
    if not rest:
        return slice(0, 0)
    if all(type(part) is slice for part in rest):
        if all(one.stop == next_one.start for one, next_one in itertools.pairwise(rest)):
            return slice(rest[0].start, rest[-1].stop)
        rest = [np.arange(part.start, part.stop) for part in rest]
    return np.concatenate(rest)
