"""A stand-in for a generator of random numbers, whose arrays the tape watches."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

GENERATORS = frozenset((np.random.Generator, np.random.RandomState))


class WatchedGenerator:
    """Draws what the generator that it stands for draws, from the same stream.

    Generators are compiled and cannot be taught about traced values. So while a step is traced, one of these is put into
    their places, as traced arrays are into those of arrays. It passes for a generator (``isinstance``).
    """

    __slots__ = ("_value",)

    def __init__(self, generator: Any) -> None:
        self._value = generator

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._value)

    def __getattr__(self, name: str) -> Any:
        from checkpointer.draws import watching  # it needs traced values, and they this class

        return watching(getattr(self._value, name))

    def __copy__(self) -> WatchedGenerator:
        return WatchedGenerator(copy.copy(self._value))

    def __deepcopy__(self, memo: Any) -> WatchedGenerator:
        return WatchedGenerator(copy.deepcopy(self._value, memo))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._value.__reduce_ex__(protocol)

    def __repr__(self) -> str:
        return repr(self._value)
