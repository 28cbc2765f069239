"""What a message is made of: the elements of an array that a buffer argument of mpi4py names.

mpi4py takes an array, or a list: ``[array, count]``, ``[array, datatype]``, ``[array, count, datatype]``,
``[array, (count, displacement), datatype]``. The elements are counted in the order of memory. A derived datatype (a column
of an array, a face of a block) is asked which elements it picks: it packs an array of the same layout that holds their
numbers.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from mpi4py import MPI

from checkpointer.arrays import TracedArray
from checkpointer.boxes import is_traced
from checkpointer.indexing import untraced_target
from checkpointer.refusals import refuse

PREDEFINED = (MPI.COMBINER_NAMED, MPI.COMBINER_F90_REAL, MPI.COMBINER_F90_COMPLEX, MPI.COMBINER_F90_INTEGER)


class Buffer:
    """The part of an array that is sent, or received into.

    Parameters
    ----------
    given : object
        As mpi4py takes it.
    name : str
        The operation, as messages call it.

    Attributes
    ----------
    array : TracedArray or ndarray
        The array, flat, in the order of its memory.
    places : slice or 1-D ndarray of int
        Which of its elements.
    size : int
        How many elements that are.
    """

    def __init__(self, given: Any, name: str) -> None:
        array, count, displacement, datatype = _parts(given)
        self.name = name
        self.array = flat(array, name)
        self.places = _places(self.array, count, displacement, datatype, name)

    @property
    def plain(self) -> Any:
        """The flat array without the tape."""
        return self.array._value if type(self.array) is TracedArray else self.array

    @property
    def dtype(self) -> Any:
        return self.plain.dtype

    @property
    def differentiable(self) -> bool:
        """Whether numbers are in it that a derivative may flow through."""
        return bool(self.dtype.kind in "fc")

    @functools.cached_property
    def size(self) -> int:
        places = self.places
        return len(range(*places.indices(len(self.plain)))) if type(places) is slice else len(places)

    def content(self) -> Any:
        """A copy of the elements."""
        return np.array(self.plain[self.places])

    def blank(self) -> Any:
        """An array of as many elements, to receive into."""
        return np.empty(self.size, self.dtype)

    def part(self) -> Any:
        """The elements as a traced array: a view where they stand in a row, otherwise gathered on the tape."""
        return self.array[self.places]

    def store(self, made: Any) -> None:
        """Write an array of elements, traced or not, into the first places."""
        if type(self.array) is not TracedArray:
            if is_traced(made):
                raise untraced_target(self.name)
            self.array[self.first(len(made))] = made
            return
        self.array[self.first(len(made))] = made

    def first(self, count: int) -> Any:
        """The places of the first so many elements."""
        if type(self.places) is slice:
            start = self.places.indices(len(self.plain))[0]
            return slice(start, start + count)
        return self.places[:count]


def _parts(given: Any) -> tuple[Any, Any, int, Any]:
    """Array, count (None for all), displacement, datatype (None for the array's own)."""
    if not isinstance(given, list | tuple):
        return given, None, 0, None
    array, *rest = given
    datatype = rest.pop() if rest and isinstance(rest[-1], MPI.Datatype | str) else None
    if len(rest) == 1 and isinstance(rest[0], list | tuple):
        rest = list(rest[0])
    count = rest[0] if rest else None
    displacement = rest[1] if len(rest) > 1 else 0
    return array, count, int(displacement or 0), datatype


def flat(array: Any, name: str) -> Any:
    if array is MPI.BOTTOM or array is MPI.IN_PLACE or array is None:
        raise refuse(
            "CKP228",
            f"{name} with the buffer {array!r}, on values that are being differentiated",
            "give it an array",
        )
    if not isinstance(array, np.ndarray):  # which traced arrays pass for
        array = np.asarray(memoryview(array))
    plain = array._value if type(array) is TracedArray else array
    if plain.flags.c_contiguous:
        return array.reshape(-1)
    if plain.flags.f_contiguous:
        return array.T.reshape(-1)
    raise ValueError("ndarray is not contiguous")  # as mpi4py says


def _places(array: Any, count: Any, displacement: int, datatype: Any, name: str) -> Any:
    plain = array._value if type(array) is TracedArray else array
    if datatype is None or is_of(datatype, plain.dtype):
        stop = len(plain) if count is None else displacement + int(count)
        if stop > len(plain):
            raise ValueError(f"message: buffer too small for requested count ({name})")
        return slice(displacement, stop)
    if isinstance(datatype, str) or datatype.combiner in PREDEFINED:
        found = None if plain.dtype.kind in "fc" else _by_bytes(plain, count, displacement, datatype)
        if found is not None:
            return found
        raise refuse(
            "CKP228",
            f"{name} reads an array of {plain.dtype} as {datatype if isinstance(datatype, str) else datatype.name}",
            "leave the datatype away, or name that of the array's elements",
        )
    if count is None:
        count = plain.nbytes // datatype.extent
    return picked(plain.size, plain.itemsize, int(count), displacement, datatype, name)


def _by_bytes(plain: Any, count: Any, displacement: int, datatype: Any) -> Any:
    """The elements that entries of another size are; None if they are no whole elements."""
    extent = (MPI.Datatype.fromcode(datatype) if isinstance(datatype, str) else datatype).extent
    size = plain.itemsize
    start = displacement * extent
    stop = plain.nbytes if count is None else start + int(count) * extent
    return None if start % size or stop % size else slice(start // size, stop // size)


def is_of(datatype: Any, dtype: np.dtype[Any]) -> bool:
    """Whether a datatype of MPI is that of a NumPy array's elements."""
    if isinstance(datatype, str):
        return bool(np.dtype(datatype) == dtype)
    if datatype.combiner not in PREDEFINED:
        return False
    try:
        return bool(np.dtype(datatype.tocode()) == dtype)
    except ValueError:
        return False


def picked(size: int, itemsize: int, count: int, displacement: int, datatype: Any, name: str) -> Any:
    """The numbers of the elements that a derived datatype picks."""
    columns = itemsize // 4
    extent = datatype.extent
    start = displacement * extent
    reach = start + max(count * extent, (count - 1) * extent + datatype.true_ub if count else 0)
    if itemsize % 4 or datatype.true_lb < 0 or extent <= 0:
        raise _not_of_elements(name)
    elements = max(size, -(-reach // itemsize))  # what is beyond the array is found by its number
    numbers = np.repeat(np.arange(elements, dtype=np.int32)[:, None], columns, axis=1)
    found = []
    for code in (numbers, ~numbers):
        packed = np.empty(datatype.Get_size() * count, np.uint8)
        if packed.size % itemsize:
            raise _not_of_elements(name)
        if count:  # mpi4py packs as many as there are extents in the part of the memory that it is given
            memory = code.reshape(-1).view(np.uint8)[start : start + count * extent]
            datatype.Pack(memory, packed, 0, MPI.COMM_SELF)
        found.append(packed.view(np.int32).reshape(-1, columns))
    places, inverse = found
    if (places != ~inverse).any() or (places != places[:, :1]).any():
        raise _not_of_elements(name)
    if places.size and places.max() >= size:
        raise ValueError(f"message: buffer too small for requested count ({name})")
    return places[:, 0].astype(np.intp)


def _not_of_elements(name: str) -> Exception:
    return refuse(
        "CKP228",
        f"{name} with a datatype that does not consist of whole elements of the array",
        "build the datatype from that of the array's elements",
    )
