"""The places where a program keeps its variables, behind one small interface.

A container is something mutable that holds values: a closure cell, a global name, a dict, a list, an object's attributes.
"""

from __future__ import annotations

import io
import random
import types
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import Any, ClassVar

import numpy as np

UNBOUND = object()
"""Stands for a name that is not bound yet."""


class Container(ABC):
    """One mutable place. ``name`` is how the user would call it."""

    __slots__ = ("name", "owner")

    owner: Any
    name: str

    def __init__(self, owner: Any, name: str) -> None:
        self.owner = owner
        self.name = name

    @abstractmethod
    def pairs(self) -> list[tuple[Any, Any]]:
        """The values in it with the keys under which they stand."""

    @abstractmethod
    def put(self, key: Any, value: Any) -> None:
        """Replace one value."""

    @abstractmethod
    def content(self) -> Any:
        """A shallow copy of everything in it."""

    @abstractmethod
    def restore(self, content: Any) -> None:
        """Put a shallow copy back, in place."""

    def label(self, key: Any) -> str:
        """The name of one value in it."""
        return f"{self.name}[{key!r}]"

    @property
    def identity(self) -> tuple[Any, ...]:
        """What two containers of the same place have in common."""
        return type(self), id(self.owner)


class Cell(Container):
    """A variable of an enclosing function."""

    __slots__ = ()

    def content(self) -> Any:
        try:
            return self.owner.cell_contents
        except ValueError:
            return UNBOUND

    def pairs(self) -> list[tuple[Any, Any]]:
        value = self.content()
        return [] if value is UNBOUND else [(None, value)]

    def put(self, key: Any, value: Any) -> None:
        self.owner.cell_contents = value

    def restore(self, content: Any) -> None:
        if content is not UNBOUND:
            self.owner.cell_contents = content
        elif self.pairs():
            del self.owner.cell_contents

    def label(self, key: Any) -> str:
        return self.name


class Global(Container):
    """A global name of a module."""

    __slots__ = ()

    def content(self) -> Any:
        return self.owner.get(self.name, UNBOUND)

    def pairs(self) -> list[tuple[Any, Any]]:
        value = self.content()
        return [] if value is UNBOUND else [(None, value)]

    def put(self, key: Any, value: Any) -> None:
        self.owner[self.name] = value

    def restore(self, content: Any) -> None:
        if content is UNBOUND:
            self.owner.pop(self.name, None)
        elif self.owner.get(self.name, UNBOUND) is not content:
            self.owner[self.name] = content

    def label(self, key: Any) -> str:
        return self.name

    @property
    def identity(self) -> tuple[Any, ...]:
        return Global, id(self.owner), self.name


class Dict(Container):
    """A dict, or the attributes of an object."""

    __slots__ = ()

    def pairs(self) -> list[tuple[Any, Any]]:
        return list(self._kind().items(self.owner))

    def put(self, key: Any, value: Any) -> None:
        dict.__setitem__(self.owner, key, value)

    def content(self) -> Any:
        return dict(self._kind().items(self.owner))

    def restore(self, content: Any) -> None:
        self._kind().clear(self.owner)
        self._kind().update(self.owner, content)

    def _kind(self) -> Any:
        """Whose methods to use: not those of the user's own class, but an ``OrderedDict`` keeps an order of its own."""
        return OrderedDict if isinstance(self.owner, OrderedDict) else dict

    def label(self, key: Any) -> str:
        return f"{self.name}{key}" if self.name.endswith(".") else f"{self.name}[{key!r}]"


class List(Container):
    """A list."""

    __slots__ = ()

    def pairs(self) -> list[tuple[Any, Any]]:
        return list(enumerate(list.__iter__(self.owner)))

    def put(self, key: Any, value: Any) -> None:
        list.__setitem__(self.owner, key, value)

    def content(self) -> Any:
        return list.copy(self.owner)

    def restore(self, content: Any) -> None:
        list.__setitem__(self.owner, slice(None), content)


class Deque(Container):
    """A ``collections.deque``."""

    __slots__ = ()

    def pairs(self) -> list[tuple[Any, Any]]:
        return list(enumerate(self.owner))

    def put(self, key: Any, value: Any) -> None:
        self.owner[key] = value

    def content(self) -> Any:
        return list(self.owner)

    def restore(self, content: Any) -> None:
        self.owner.clear()
        self.owner.extend(content)


class Opaque(Container):
    """Something that is restored as a whole: no differentiated value stands in it."""

    __slots__ = ()

    def pairs(self) -> list[tuple[Any, Any]]:
        return []

    def put(self, key: Any, value: Any) -> None:
        raise NotImplementedError


class Set(Opaque):
    """A set; its elements are hashable and hold no differentiated values."""

    __slots__ = ()

    def content(self) -> Any:
        return set(self.owner)

    def restore(self, content: Any) -> None:
        if self.owner != content:  # filling it anew may change the order of its elements
            self.owner.clear()
            self.owner.update(content)


class Partial(Container):
    """A ``functools.partial``: its arguments, which are a tuple; its keywords are a dict that is replaced in place."""

    __slots__ = ()

    def pairs(self) -> list[tuple[Any, Any]]:
        return [("args", self.owner.args), ("keywords", self.owner.keywords)]

    def put(self, key: Any, value: Any) -> None:
        self.owner.__setstate__((self.owner.func, value, self.owner.keywords, vars(self.owner)))

    def content(self) -> Any:
        return self.owner.args

    def restore(self, content: Any) -> None:
        self.put("args", content)

    def label(self, key: Any) -> str:
        return f"{self.name}{key}"


class Numbers(Opaque):
    """A ``bytearray`` or ``array.array``: numbers that are restored, and not differentiated."""

    __slots__ = ()

    def content(self) -> Any:
        return self.owner[:]

    def restore(self, content: Any) -> None:
        self.owner[:] = content


class Slots(Container):
    """The attributes of an object whose class defines ``__slots__``."""

    __slots__ = ("members",)

    def __init__(self, owner: Any, name: str) -> None:
        self.owner = owner
        self.name = name
        self.members = {
            key: member
            for cls in type(owner).__mro__
            if "__slots__" in vars(cls)
            for key, member in vars(cls).items()
            if isinstance(member, types.MemberDescriptorType)
        }

    def pairs(self) -> list[tuple[Any, Any]]:
        found = []
        for key, member in self.members.items():
            try:
                found.append((key, member.__get__(self.owner)))
            except AttributeError:
                continue
        return found

    def put(self, key: Any, value: Any) -> None:
        self.members[key].__set__(self.owner, value)

    def content(self) -> Any:
        return self.pairs()

    def restore(self, content: Any) -> None:
        kept = dict(content)
        for key, _ in self.pairs():
            if key not in kept:
                self.members[key].__delete__(self.owner)
        for key, value in content:
            self.put(key, value)

    def label(self, key: Any) -> str:
        return f"{self.name}{key}"


class ClassAttributes(Container):
    """The data that a class keeps for all its instances."""

    __slots__ = ()

    def __init__(self, owner: type) -> None:
        self.owner = owner
        self.name = f"{owner.__qualname__}."

    def pairs(self) -> list[tuple[Any, Any]]:
        return [
            (key, value)
            for key, value in vars(self.owner).items()
            if not key.startswith("__") and not _is_code(value)
        ]

    def put(self, key: Any, value: Any) -> None:
        type.__setattr__(self.owner, key, value)

    def content(self) -> Any:
        return dict(self.pairs())

    def restore(self, content: Any) -> None:
        now = dict(self.pairs())
        for key in now.keys() - content.keys():
            type.__delattr__(self.owner, key)
        for key, value in content.items():
            if now.get(key, UNBOUND) is not value:
                self.put(key, value)

    def label(self, key: Any) -> str:
        return f"{self.name}{key}"


def _is_code(value: Any) -> bool:
    """Whether a class attribute is a method, a property or the like rather than data.

    A descriptor of the user's is data as well: it may keep values, and its methods are code of the program.
    """
    getter = getattr(type(value), "__get__", None)
    return isinstance(value, type) or not isinstance(getter, types.FunctionType | None)


class ObjectArray(Container):
    """An array of Python objects."""

    __slots__ = ()

    def pairs(self) -> list[tuple[Any, Any]]:
        return [(index, self.owner[index]) for index in np.ndindex(self.owner.shape)]

    def put(self, key: Any, value: Any) -> None:
        self.owner[key] = value

    def content(self) -> Any:
        return self.owner.copy()

    def restore(self, content: Any) -> None:
        self.owner[...] = content


class Held:
    """A base of checkpointer's own classes whose objects stand in the program's variables and belong to its state."""


DROPPED = "checkpointer_dropped"
"""The attribute of a sparse matrix for differentiated entries that are zero, and that SciPy therefore does not store."""


def is_sparse(value: Any) -> bool:
    """Whether it is a SciPy sparse matrix or array that keeps its values in an array, the attribute ``data``."""
    kind = type(value)
    return (
        hasattr(kind, "tocoo")
        and any(base.__module__.startswith("scipy.sparse.") for base in kind.__mro__)
        and isinstance(vars(value).get("data"), np.ndarray)
        and value.data.dtype != object
    )


class SparseMatrix(Container):
    """A SciPy sparse matrix. The values that it stores may be differentiated; where they stand is only restored."""

    __slots__ = ()

    def __init__(self, owner: Any, name: str) -> None:
        self.owner = owner
        self.name = f"{name}."

    def pairs(self) -> list[tuple[Any, Any]]:
        dropped = vars(self.owner).get(DROPPED)
        return [("data", self.owner.data if dropped is None else dropped.guarded(self.owner.data))]

    def put(self, key: Any, value: Any) -> None:
        self.owner.data = value
        vars(self.owner).pop(DROPPED, None)

    def content(self) -> Any:
        return dict(vars(self.owner))

    def restore(self, content: Any) -> None:
        vars(self.owner).clear()
        vars(self.owner).update(content)

    def label(self, key: Any) -> str:
        return f"{self.name}{key}"

    def structure(self) -> list[np.ndarray[Any, Any]]:
        """The arrays that say where the values stand."""
        found: list[np.ndarray[Any, Any]] = []
        for key, value in vars(self.owner).items():
            if key != "data":
                found += [
                    item
                    for item in (value if isinstance(value, tuple) else (value,))
                    if isinstance(item, np.ndarray)
                ]
        return found


class RandomState(Opaque):
    """A source of random numbers: NumPy's new and legacy ones, and the standard library's."""

    __slots__ = ()
    KINDS: ClassVar[tuple[type, ...]] = (
        np.random.Generator,
        np.random.BitGenerator,
        np.random.SeedSequence,
        np.random.RandomState,
        random.Random,
    )

    def __init__(self, owner: Any, name: str = "a random generator") -> None:
        self.owner = owner
        self.name = name

    def content(self) -> Any:
        owner = self.owner
        if isinstance(owner, random.SystemRandom):
            return (
                None  # it has no state: what it draws cannot be drawn again, and the replay check will see it
            )
        if isinstance(owner, random.Random):
            return owner.getstate()
        if isinstance(owner, np.random.RandomState):
            return owner.get_state()
        bits, seed = _source(owner)
        return bits and bits.state, seed and seed.__reduce__()[2]

    def restore(self, content: Any) -> None:
        owner = self.owner
        if content is None:
            return
        if isinstance(owner, random.Random):
            owner.setstate(content)
        elif isinstance(owner, np.random.RandomState):
            owner.set_state(content)
        else:
            for part, state in zip(_source(owner), content, strict=True):
                if isinstance(part, np.random.SeedSequence):
                    part.__setstate__(state)  # type: ignore[attr-defined]
                elif part is not None:
                    part.state = state


def _source(owner: Any) -> tuple[Any, Any]:
    """The bit generator, and the seed sequence from which it spawns others and which counts them."""
    bits = owner.bit_generator if isinstance(owner, np.random.Generator) else owner
    if isinstance(bits, np.random.SeedSequence):
        return None, bits
    seed = getattr(bits, "seed_seq", None)
    return bits, seed if isinstance(seed, np.random.SeedSequence) else None


class MemoryFile(Opaque):
    """A file in memory: its content and its position."""

    __slots__ = ()
    KINDS: ClassVar[tuple[type, ...]] = (io.StringIO, io.BytesIO)

    def content(self) -> Any:
        return None if self.owner.closed else self.owner.__getstate__()

    def restore(self, content: Any) -> None:
        if content is not None and not self.owner.closed:
            self.owner.__setstate__(content)
