"""Snapshots as text, for another process that runs the same program: which object stands where.

Every process that runs a program from its start comes to a loop with the same objects in the same places. So what a
later state refers to is either one of those objects, which a text can name by its number (`Entry`), or was made in the
loop, and can be described: a number, a text, a tuple, an array, a list, an object of a class that a module defines. What
cannot be described is refused. Nothing in a text is ever executed: classes are looked up among the modules that the program
has loaded, and their objects are made without calling their code.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from checkpointer.containers import (
    UNBOUND,
    Cell,
    Container,
    Dict,
    Global,
    Numbers,
    ObjectArray,
    Opaque,
    Partial,
    Set,
    Slots,
)
from checkpointer.encoding import (
    ATOMS,
    NAMED,
    VALUES,
    NotDescribedError,
    as_atom,
    as_data,
    from_atom,
    from_data,
    is_atom,
)
from checkpointer.frames import Contents, can_be_made_again, named_arrays, values
from checkpointer.memory import Array, offset_in, root_of
from checkpointer.reach import Defaults
from checkpointer.shells import Shells, shell_of
from checkpointer.snapshots import Snapshot, StoredBuffer
from checkpointer.storage import Fill, Frame


class Entry:
    """The objects at a loop's entry, in the order of the walk: the same numbers in every process.

    Attributes
    ----------
    containers : list of Container
    roots : list of ndarray
        The base arrays.
    objects : list
        The objects that the containers hold, and the containers' owners, each once.
    values : list
        The numbers, tuples and the like that they hold, in every place: whether two places hold the same float or two
        equal ones may differ from process to process.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.containers = [container for container, _ in snapshot.contents]
        self.roots = [buffer.root for buffer in snapshot.buffers.values()]
        self.objects: list[Any] = []
        self.values: list[Any] = []
        self._positions: dict[int, int] = {}
        self._numbers: dict[int, int] = {}
        self._containers = {container.identity: number for number, container in enumerate(self.containers)}
        self._roots = {id(root): number for number, root in enumerate(self.roots)}
        for container, content in snapshot.contents:
            self._add(container.owner)
            for _, value in values(container, content):
                self._add(value)

    def _add(self, value: Any) -> None:
        if isinstance(value, VALUES):
            self._positions.setdefault(id(value), len(self.values))
            self.values.append(value)
            for item in value if isinstance(value, tuple) else ():
                self._add(item)
        elif id(value) not in self._numbers and not is_atom(value):
            self._numbers[id(value)] = len(self.objects)
            self.objects.append(value)

    def number(self, value: Any) -> int | None:
        """The number of an object, if it was there."""
        return self._numbers.get(id(value))

    def position(self, value: Any) -> int | None:
        """Where this very number or tuple stood, if it was there."""
        return self._positions.get(id(value))

    def container(self, container: Container) -> int | None:
        """The number of a container."""
        return self._containers.get(container.identity)

    def root(self, root: Array) -> int | None:
        """The number of a base array."""
        return self._roots.get(id(root))


# --- to text ----------------------------------------------------------------------------------------------------------


def described(snapshot: Snapshot, entry: Entry, *, alike: bool = False) -> str:
    """A snapshot as text, without the contents of its arrays.

    With ``alike``, the same for any two states that no program can tell from each other, and not meant to be read.

    Raises
    ------
    NotDescribedError
        If the state holds something that was made in the loop and cannot be described.
    """
    return json.dumps(_Describer(snapshot, entry, alike=alike).text(), separators=(",", ":"))


class _Describer:
    def __init__(self, snapshot: Snapshot, entry: Entry, *, alike: bool) -> None:
        self._snapshot = snapshot
        self._entry = entry
        self._alike = alike
        self._numbers: dict[int, int] = {}
        self._shared: list[Any] = []
        self._roots = {id(buffer.root): number for number, buffer in enumerate(snapshot.buffers.values())}
        self._new: dict[int, tuple[int, Any, Any]] = {}
        self._attributes: dict[int, int] = {}
        self._name = ""

    def text(self) -> dict[str, Any]:
        contents = [
            (container, self._content(container, content)) for container, content in self._snapshot.contents
        ]
        found = []
        for container, text in contents:
            place = self._place(container)
            if place is not None:  # otherwise a list of the walk's own
                found.append([*place, text])
        names = named_arrays(self._snapshot.contents)
        roots = [
            self._root(buffer.root, *names.get(key, ("",))[:1])
            for key, buffer in self._snapshot.buffers.items()
        ]
        new = [shell for _, shell, _ in self._new.values()]
        return {"roots": roots, "shared": self._shared, "new": new, "contents": found}

    def _place(self, container: Container) -> tuple[str, Any] | None:
        number = self._entry.container(container)
        if number is not None:
            return "entry", number
        kind = type(container).__name__
        if id(container.owner) in self._attributes:
            return kind, [self._attributes[id(container.owner)], True]
        if id(container.owner) in self._new:
            return kind, [self._new[id(container.owner)][0], False]
        return None

    def _root(self, root: Array, name: str) -> Any:
        number = self._entry.root(root)
        if number is not None:
            return number
        if root.size and not can_be_made_again(root):
            raise NotDescribedError("an array in memory that NumPy does not own", name)
        order = "C" if root.flags.c_contiguous else "F"
        return [list(root.shape), as_atom(root.dtype), order, root.flags.writeable]

    def _content(self, container: Container, content: Any) -> Any:
        if content is UNBOUND:
            return None
        self._name = container.name
        if isinstance(container, Cell | Global | Partial):
            return [self._labelled(container, None, content)]
        if isinstance(container, Defaults):
            return [
                self.value(content[0]),
                [[key, self._labelled(container, key, item)] for key, item in content[1].items()],
            ]
        if isinstance(container, ObjectArray):
            return [self.value(item) for item in content.flat]
        if isinstance(container, Set):
            return sorted((self.value(item) for item in content), key=json.dumps)
        if isinstance(container, Numbers):
            return as_data(bytes(memoryview(content)))
        if isinstance(container, Opaque):
            return as_data(content)
        if isinstance(content, dict):
            content = list(content.items())
        elif not isinstance(container, Slots):
            return [self._labelled(container, number, item) for number, item in enumerate(content)]
        return [[self.value(key), self._labelled(container, key, item)] for key, item in content]

    def _labelled(self, container: Container, key: Any, value: Any) -> Any:
        if type(value) not in ATOMS:
            self._name = container.label(key)
        return self.value(value)

    def value(self, value: Any) -> Any:
        """A value as text: by its number, by its content, or as a new object that is described elsewhere."""
        if isinstance(value, VALUES):
            return self._value(value)
        number = self._entry.number(value)
        if number is not None:
            return ["e", number]
        if is_atom(value):
            return as_atom(value)
        if type(value) is np.ndarray and value.dtype != object:
            return self._once(value, self._array)
        try:
            return as_atom(value)
        except NotDescribedError as error:
            if isinstance(value, NAMED):
                raise NotDescribedError(error.what, self._name) from None
            return self._object(value)

    def _value(self, value: Any) -> Any:
        describe = self._tuple if isinstance(value, tuple) else as_atom
        if self._alike:
            return describe(value)
        position = self._entry.position(value)
        return self._once(value, describe) if position is None else ["x", position]

    def _once(self, value: Any, describe: Callable[[Any], Any]) -> Any:
        """What stands in several places is described once, and is one object again."""
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._shared)
            self._shared.append(None)
            self._shared[number] = describe(value)
        return ["s", number]

    def _tuple(self, value: tuple[Any, ...]) -> Any:
        items = [self.value(item) for item in value]
        return ["t", items] if type(value) is tuple else ["nt", as_atom(type(value)), items]

    def _array(self, value: Array) -> Any:
        root = root_of(value)
        number = self._roots.get(id(root))
        if number is None:
            raise NotDescribedError("an array that the walk of the state did not find", self._name)
        if value is root:
            return ["a", number]
        offset = offset_in(root, value)
        kind = as_atom(value.dtype)
        return ["v", number, kind, offset, list(value.shape), list(value.strides), value.flags.writeable]

    def _object(self, value: Any) -> Any:
        known = self._new.get(id(value))
        if known is None:
            number = len(self._new)
            self._new[id(value)] = number, None, value
            try:
                shell = shell_of(value, self.value)
            except NotDescribedError as error:
                raise NotDescribedError(error.what, error.name or self._name) from None
            known = self._new[id(value)] = number, shell, value
            attributes = getattr(value, "__dict__", None)
            if isinstance(attributes, dict):
                self._attributes[id(attributes)] = number
        return ["o", known[0]]


def key_described(key: Any, entry: Entry) -> Any:
    """The key of a leaf as JSON: it holds numbers, texts and what stands as a key in the program's dicts."""
    number = entry.number(key)
    if number is not None:
        return ["e", number]
    if isinstance(key, tuple):
        return ["t", [key_described(part, entry) for part in key]]
    return as_atom(key)


def key_read(text: Any, entry: Entry) -> Any:
    """The key that `key_described` described."""
    if isinstance(text, list) and text[0] == "e":
        return entry.objects[text[1]]
    if isinstance(text, list) and text[0] == "t":
        return tuple(key_read(part, entry) for part in text[1])
    return from_atom(text)


# --- and back -----------------------------------------------------------------------------------------------------------


class ReadFrame(Frame):
    """A snapshot without the contents of its arrays, from text."""

    def __init__(self, text: str, entry: Entry) -> None:
        self._text = json.loads(text)
        self._entry = entry

    def filled(self, fill: Fill) -> Snapshot:
        reader = _Reader(self._text, self._entry)
        buffers = {
            id(root): StoredBuffer(root, number, fill, frozen=reader.frozen[number])
            for number, root in enumerate(reader.roots)
        }
        return Snapshot(reader.contents(), buffers)


class _Reader:
    def __init__(self, text: Any, entry: Entry) -> None:
        self._entry = entry
        self._contents = text["contents"]
        self._texts = text["shared"]
        self._made: dict[int, Any] = {}
        self.frozen = [not isinstance(root, int) and not root[3] for root in text["roots"]]
        self.roots = [self._root(root) for root in text["roots"]]
        self._shells = Shells(text["new"], self.value)

    def _root(self, text: Any) -> Array:
        if isinstance(text, int):
            return self._entry.roots[text]
        shape, kind, order, _ = text
        return np.empty(shape, from_atom(kind), order)

    def contents(self) -> Contents:
        found = []
        for kind, place, text in self._contents:
            container = (
                self._entry.containers[place] if kind == "entry" else self._shells.container(kind, *place)
            )
            found.append((container, self._content(container, text)))
        return found

    def _content(self, container: Container, text: Any) -> Any:
        if isinstance(container, Cell | Global | Partial):
            return UNBOUND if text is None else self.value(text[0])
        if isinstance(container, Defaults):
            return self.value(text[0]), {key: self.value(item) for key, item in text[1]}
        if isinstance(container, ObjectArray):
            content = np.empty(container.owner.shape, object)
            content.reshape(-1)[:] = _objects(map(self.value, text))
            return content
        if isinstance(container, Set):
            return set(map(self.value, text))
        if isinstance(container, Numbers):
            content = container.owner[:0]
            content.frombytes(from_data(text)) if hasattr(content, "frombytes") else content.extend(
                from_data(text)
            )
            return content
        if isinstance(container, Opaque):
            return from_data(text)
        if isinstance(container, Slots):
            return [(self.value(key), self.value(item)) for key, item in text]
        if isinstance(container.content(), dict):
            pairs = [(self.value(key), self.value(item)) for key, item in text]
            ordered = isinstance(container, Dict) and isinstance(container.owner, OrderedDict)
            return OrderedDict(pairs) if ordered else dict(pairs)
        return [self.value(item) for item in text]

    def value(self, text: Any) -> Any:
        if not isinstance(text, list):
            return text
        kind, *rest = text
        if kind == "e":
            return self._entry.objects[rest[0]]
        if kind == "x":
            return self._entry.values[rest[0]]
        if kind == "s":
            return self._shared(rest[0])
        if kind == "a":
            return self.roots[rest[0]]
        if kind == "v":
            return self._view(*rest)
        if kind == "o":
            return self._shells[rest[0]]
        if kind == "t":
            return tuple(map(self.value, rest[0]))
        if kind == "nt":
            return from_atom(rest[0])(*map(self.value, rest[1]))
        return from_atom(text)

    def _shared(self, number: int) -> Any:
        if number not in self._made:
            self._made[number] = self.value(self._texts[number])
        return self._made[number]

    def _view(
        self, number: int, kind: Any, offset: int, shape: list[int], strides: list[int], writeable: bool
    ) -> Array:
        root = self.roots[number]
        raw = root.reshape(-1, order="A").view(np.uint8)
        view: Array = np.ndarray(shape, from_atom(kind), raw, offset, strides)
        if not writeable:
            view.flags.writeable = False
        return view


def _objects(items: Iterable[Any]) -> Array:
    """A row of objects, also where those are sequences."""
    listed = list(items)
    row = np.empty(len(listed), object)
    for number, item in enumerate(listed):
        row[number] = item
    return row
