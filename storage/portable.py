"""What a storage outside of memory asks of a snapshot: the contents of its arrays, apart from the rest of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Fill = Callable[[int, NDArray[Any]], None]
"""Put the content of the array of this number into a C-contiguous array of its shape and type."""


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """The content of one array.

    Attributes
    ----------
    name : str
        What the user would call it; several may have the same name.
    shape, dtype
        As in NumPy.
    pieces : tuple of ndarray
        C-contiguous arrays, the elements of which one after another are those of the array in C order.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pieces: tuple[NDArray[Any], ...]

    def rows(self) -> list[NDArray[np.uint8]]:
        """The pieces as rows of bytes, without a copy."""
        return [piece.reshape(-1).view(np.uint8) for piece in self.pieces if piece.size]

    @property
    def form(self) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and type."""
        return self.shape, self.dtype

    @property
    def nbytes(self) -> int:
        """The size of the array in bytes."""
        return sum(piece.nbytes for piece in self.pieces)


class Frame(ABC):
    """What is left of a snapshot without the contents of its arrays: it is small, and stays in memory."""

    @abstractmethod
    def filled(self, fill: Fill) -> object:
        """The snapshot again. It calls ``fill`` with the number of each array, in the order of `Portable.arrays`."""


class Portable(ABC):
    """A snapshot that can be taken apart."""

    __slots__ = ()

    step: int | None
    """The step before which it was taken, if it is that of a loop."""
    description: str
    """What a later process needs beside the contents of the arrays to make the snapshot again; empty if nobody asked."""

    @abstractmethod
    def arrays(self) -> list[Content]:
        """The contents of all arrays."""

    @abstractmethod
    def numbers(self) -> list[tuple[str, Any]]:
        """Numbers, texts, and rows of numbers with their names: for people who look into a file, not for restoring."""

    @abstractmethod
    def emptied(self) -> Frame:
        """The snapshot without the contents; it keeps no array alive that nothing else holds."""
