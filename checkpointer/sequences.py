"""Sequences behind iterators: ``enumerate``, ``zip``, ``reversed``, views of dicts, iterators of lists, ranges and arrays.

Such an iterator has not been read yet, or only in part, and what it will hand out can be told from the sequences below
it. So item number k can be asked for again, and the sequences themselves, instead of all the items, are what belongs to
the state of a loop: an array of forcings is one array there, and not as many views as it has rows.
"""

from __future__ import annotations

import gc
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from checkpointer.arrays import Rows, TracedArray

_SEQUENCES: tuple[Any, ...] = ([], (), range(0), range(1 << 70), "", b"", np.zeros(1))
_ITERATORS = (
    *(type(iter(sequence)) for sequence in _SEQUENCES),
    type(reversed([])),
    type(reversed(range(0))),
    reversed,
)
_INDEXED: tuple[Any, ...] = (range, list, tuple, np.ndarray, str, bytes)
_VALUES: Any = type({}.values())
_ENTRIES: Any = type({}.items())


class Sequence(ABC):
    """Items by their numbers."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, number: int) -> Any: ...

    @abstractmethod
    def places(self) -> Iterator[Place]:
        """The sequences of the user's below it."""


class Place(Sequence):
    """Every item of a sequence of the user's from some index on, forwards or backwards.

    Attributes
    ----------
    owner : sequence
    in_state : list or None
        Whose first item stands for the owner, if that is part of the state and may be traced there.
    length : int
        That of the owner at the beginning.
    """

    def __init__(self, owner: Any, start: int, step: int) -> None:
        self.owner = owner
        self.in_state: list[Any] | None = None
        self.length = len(owner)
        self._start = start
        self._step = step

    def __len__(self) -> int:
        return max(0, self.length - self._start if self._step > 0 else self._start + 1)

    def __getitem__(self, number: int) -> Any:
        owner = self.owner if self.in_state is None else self.in_state[0]
        return owner[self._start + number * self._step]

    def places(self) -> Iterator[Place]:
        yield self


class _Entries(Place):
    """The values of a dict, as they are when their turn comes, with their keys if ``named``."""

    def __init__(self, owner: dict[Any, Any], *, named: bool) -> None:
        super().__init__(owner, 0, +1)
        self._keys = list(owner)
        self._named = named

    def __getitem__(self, number: int) -> Any:
        owner = self.owner if self.in_state is None else self.in_state[0]
        key = self._keys[number]
        value = dict.__getitem__(owner, key)
        return (key, value) if self._named else value


class _Counted(Sequence):
    """What ``enumerate`` makes of another sequence."""

    def __init__(self, inner: Sequence, first: int) -> None:
        self._inner = inner
        self._first = first

    def __len__(self) -> int:
        return len(self._inner)

    def __getitem__(self, number: int) -> Any:
        return self._first + number, self._inner[number]

    def places(self) -> Iterator[Place]:
        return self._inner.places()


class _Zipped(Sequence):
    """What ``zip`` makes of several."""

    def __init__(self, parts: list[Sequence]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return min(map(len, self._parts), default=0)

    def __getitem__(self, number: int) -> Any:
        return tuple(part[number] for part in self._parts)

    def places(self) -> Iterator[Place]:
        for part in self._parts:
            yield from part.places()


def sequence_of(iterable: Any) -> Sequence | None:
    """The items that an iterable will hand out, or None if only iterating can tell. Nothing is read."""
    kind = type(iterable)
    if isinstance(iterable, _VALUES | _ENTRIES):
        owner = next(item for item in gc.get_referents(iterable) if isinstance(item, dict))
        return _Entries(owner, named=isinstance(iterable, _ENTRIES))
    if isinstance(iterable, _INDEXED):
        return _placed(iterable, 0, +1) if _iterates_as_it_indexes(kind) else None
    if kind is enumerate:
        inner, first = iterable.__reduce__()[1]
        part = sequence_of(inner)
        return None if part is None else _Counted(part, first)
    if kind is zip:
        _, inner, *strict = iterable.__reduce__()
        parts = [part for part in map(sequence_of, inner) if part is not None]
        known = len(parts) == len(inner) and (not strict or len(set(map(len, parts))) == 1)
        return _Zipped(parts) if known and not _share(inner) else None
    return _place(iterable) if kind in _ITERATORS else None


def _share(iterables: tuple[Any, ...]) -> bool:
    """Whether one iterator is behind several, so that each takes items away from the others."""
    sources = [id(source) for iterable in iterables for source in _sources(iterable)]
    return len(set(sources)) < len(sources)


def _sources(iterable: Any) -> Iterator[Any]:
    """The iterators that ``enumerate`` and ``zip`` read."""
    if type(iterable) not in (enumerate, zip):
        yield iterable
        return
    below = iterable.__reduce__()[1]
    for inner in below[:1] if type(iterable) is enumerate else below:
        yield from _sources(inner)


def _iterates_as_it_indexes(kind: Any) -> bool:
    """Whether it is one of the known types, or a subclass that has not made iteration its own."""
    return kind is TracedArray or any(
        issubclass(kind, known) and kind.__iter__ is known.__iter__ and kind.__getitem__ is known.__getitem__
        for known in _INDEXED
    )


def _place(iterator: Any) -> Place | None:
    """Where an iterator of Python's own stands."""
    function, (owner, *_), *state = iterator.__reduce__()
    if isinstance(owner, Rows):
        owner = owner.array
    if not isinstance(owner, _INDEXED) or not _iterates_as_it_indexes(type(owner)):
        return None
    backwards = function is reversed
    start = state[0] if state and state[0] is not None else -1 if backwards else 0
    return _placed(owner, start, -1 if backwards else +1)


def _placed(owner: Any, start: int, step: int) -> Place | None:
    try:
        return Place(owner, start, step)
    except OverflowError:  # a range with more items than can be counted
        return None
