"""Snapshots without the contents of their arrays, for storages outside of memory.

What a program binds to its names must be the same objects after a restore as before, where anything else holds them. An
array that nobody holds any more but a snapshot would stand in memory for nothing, though: a loop that makes new arrays at
every step (``u = u + f(u)``) would have one for each snapshot. So a frame refers to arrays weakly, and an array
that is gone when the snapshot is loaded is made again; nobody can tell the difference.

Objects, lists and dicts are held as they are, with what they hold: those that a step makes anew, and that nothing else holds
afterwards, keep their arrays in memory.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from checkpointer.containers import Cell, Container, Deque, Global, List, ObjectArray, Opaque, Partial, Slots
from checkpointer.memory import Array, offset_in, root_of
from checkpointer.reach import Defaults
from checkpointer.tails import Tail

Contents = list[tuple[Container, Any]]
"""The bindings of a state: each container with its `Container.content`."""

_Plain = str | bool | int | float | complex | np.number | np.bool_


# --- what contents hold ----------------------------------------------------------------------------------------------


def values(container: Container, content: Any) -> Iterator[tuple[Any, Any]]:
    """The values in the content of a container, each with the key under which it stands there."""
    if isinstance(container, Opaque | Tail):
        return
    if isinstance(container, Cell | Global | Partial):
        yield None, content
    elif isinstance(container, Defaults):
        yield from enumerate(content[0] or ())
        yield from content[1].items()
    elif isinstance(container, ObjectArray):
        yield from np.ndenumerate(content)
    elif isinstance(content, dict):
        yield from content.items()
    elif isinstance(container, Slots):
        yield from content
    else:
        yield from enumerate(content)


def with_values(container: Container, content: Any, change: Callable[[Any], Any]) -> Any:
    """The content of a container with ``change(value)`` in the place of each value."""
    if isinstance(container, Opaque | Tail):
        return content
    if isinstance(container, Cell | Global | Partial):
        return change(content)
    if isinstance(container, Defaults):
        return change(content[0]), {key: change(value) for key, value in content[1].items()}
    if isinstance(container, ObjectArray):
        new = content.copy()
        for place in np.ndindex(content.shape):
            new[place] = change(content[place])
        return new
    if isinstance(content, dict):
        return {key: change(value) for key, value in content.items()}
    if isinstance(container, Slots):
        return [(key, change(value)) for key, value in content]
    return [change(value) for value in content]


def labelled(contents: Contents) -> Iterator[tuple[str, Any]]:
    """Every array, number and text in the contents, also those in tuples, with what the user would call it."""
    for container, content in contents:
        for key, value in values(container, content):
            if isinstance(value, tuple):
                yield from _in_tuple(container.label(key), value)
            elif isinstance(value, np.ndarray | _Plain):
                yield container.label(key), value


def _in_tuple(name: str, value: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    for number, item in enumerate(value):
        if isinstance(item, tuple):
            yield from _in_tuple(f"{name}[{number}]", item)
        elif isinstance(item, np.ndarray | _Plain):
            yield f"{name}[{number}]", item


def named_arrays(contents: Contents) -> dict[int, tuple[str, Array]]:
    """For the ``id`` of each base array: the simplest name of it, or else of a view of it, and what has this name."""
    found: dict[int, tuple[str, Array]] = {}
    ranks: dict[int, tuple[bool, int]] = {}
    for name, value in labelled(contents):
        if type(value) is np.ndarray:
            root = root_of(value)
            rank = value.size != root.size, name.count("[") + name.count(".")
            if id(root) not in ranks or rank < ranks[id(root)]:
                ranks[id(root)] = rank
                found[id(root)] = name, value
    return found


def named_numbers(contents: Contents) -> list[tuple[str, Any]]:
    """The numbers and texts with their names; a list of nothing but numbers is a row of them."""
    rows: list[tuple[str, Any]] = []
    others: Contents = []
    for container, content in contents:
        row = _row(content) if isinstance(container, List | Deque) else None
        if row is None:
            others.append((container, content))
        else:
            rows.append((container.name, row))
    return rows + [(name, value) for name, value in labelled(others) if isinstance(value, _Plain)]


def _row(content: list[Any]) -> Array | None:
    """A list as an array, if it holds numbers of one type only."""
    if len(set(map(type, content))) != 1 or not isinstance(content[0], float | complex | np.number):
        return None
    return np.array(content)


# --- contents without arrays ------------------------------------------------------------------------------------------


class Root:
    """A base array that may be gone when its content is needed."""

    __slots__ = ("alive", "dtype", "order", "shape", "writeable")

    def __init__(self, root: Array) -> None:
        self.alive = weakref.ref(root)
        self.shape = root.shape
        self.dtype = root.dtype
        self.order: Any = "C" if root.flags.c_contiguous else "F"
        self.writeable = root.flags.writeable

    def again(self) -> Array:
        """The array itself, or a new one like it."""
        root = self.alive()
        return np.empty(self.shape, self.dtype, self.order) if root is None else root


def can_be_made_again(root: Array) -> bool:
    """Whether a new array can take the place of a base array: it must own dense memory."""
    return (
        type(root) is np.ndarray
        and root.base is None
        and root.size > 0
        and (root.flags.c_contiguous or root.flags.f_contiguous)
    )


class _View:
    """Stands for an array in contents."""

    __slots__ = ("alive", "dtype", "number", "offset", "shape", "strides", "whole", "writeable")

    def __init__(self, view: Array, root: Array, number: int) -> None:
        self.alive = weakref.ref(view)
        self.number = number
        self.whole = view is root
        self.shape = view.shape
        self.strides = view.strides
        self.dtype = view.dtype
        self.offset = offset_in(root, view)
        self.writeable = view.flags.writeable

    def again(self, root: Array) -> Array:
        """The array itself, or the same view of its base array."""
        if self.whole:
            return root
        view = self.alive()
        if view is None:
            bytes_ = root.reshape(-1, order="A").view(np.uint8)
            view = np.ndarray(self.shape, self.dtype, bytes_, self.offset, self.strides)
            view.flags.writeable = self.writeable and view.flags.writeable
        return view


class _Tuple:
    """Stands for a tuple with arrays in contents."""

    __slots__ = ("items", "kind")

    def __init__(self, kind: type, items: list[Any]) -> None:
        self.kind = kind
        self.items = items


class Emptying:
    """Puts `_View` and `_Tuple` in the place of arrays, the same one for the same object.

    Parameters
    ----------
    numbers : dict
        The numbers of the base arrays, by their ``id``, that may go.
    """

    def __init__(self, numbers: dict[int, int]) -> None:
        self._numbers = numbers
        self._made: dict[int, Any] = {}

    def __call__(self, value: Any) -> Any:
        if type(value) is not np.ndarray and not isinstance(value, tuple):
            return value
        if id(value) not in self._made:
            self._made[id(value)] = self._tuple(value) if isinstance(value, tuple) else self._view(value)
        return self._made[id(value)]

    def _view(self, value: Array) -> Any:
        root = root_of(value)
        number = self._numbers.get(id(root))
        return value if number is None else _View(value, root, number)

    def _tuple(self, value: tuple[Any, ...]) -> Any:
        items = [self(item) for item in value]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else _Tuple(type(value), items)


class Filling:
    """Puts the arrays, or new ones in their place, back into what `Emptying` has left."""

    def __init__(self, roots: list[Array]) -> None:
        self._roots = roots
        self._made: dict[int, Any] = {}

    def __call__(self, value: Any) -> Any:
        if not isinstance(value, _View | _Tuple):
            return value
        if id(value) not in self._made:
            self._made[id(value)] = (
                self._tuple(value) if isinstance(value, _Tuple) else value.again(self._roots[value.number])
            )
        return self._made[id(value)]

    def _tuple(self, value: _Tuple) -> Any:
        items = [self(item) for item in value.items]
        return value.kind(*items) if hasattr(value.kind, "_fields") else value.kind(items)
