"""The state of a loop: everything that its body can reach and change.

`State.survey` walks from the roots (the step function, its items) through closure cells, globals, containers and
attributes, and lists the containers, the base arrays, and the *leaves*: the arrays and floating-point numbers, each
with a key that is the same at the same moment of the program, in the first sweep and in every recomputation.
"""

from __future__ import annotations

import argparse
import array
import builtins
import collections
import dataclasses
import functools
import io
import types
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from checkpointer.arrays import TracedArray
from checkpointer.containers import (
    Cell,
    ClassAttributes,
    Container,
    Deque,
    Dict,
    Held,
    List,
    MemoryFile,
    Numbers,
    ObjectArray,
    Partial,
    RandomState,
    Set,
    Slots,
    SparseMatrix,
    is_sparse,
)
from checkpointer.generators import GENERATORS, WatchedGenerator
from checkpointer.hidden import HiddenItem, refuse_reading
from checkpointer.memory import Array, root_of
from checkpointer.reach import CodeReach, Defaults, functions_of, is_foreign
from checkpointer.refusals import refuse
from checkpointer.replay import is_standard_stream
from checkpointer.scalars import TracedNumber
from checkpointer.tails import Tail, inherited, tails_of

Key = tuple[Any, ...]

_ATOMS = frozenset(
    (
        int,
        str,
        bool,
        type(None),
        bytes,
        range,
        slice,
        type(Ellipsis),
        type(NotImplemented),
        np.bool_,
        np.dtype,
        types.ModuleType,
    )
    + (
        np.ufunc,
        types.CodeType,
        types.GenericAlias,
        np.int64,
        np.int32,
        np.int8,
        np.int16,
    )
    + (np.uint8, np.uint16, np.uint32, np.uint64, np.str_, np.bytes_, np.datetime64, np.timedelta64)
)
_NUMBERS = frozenset(
    (
        float,
        complex,
        np.float64,
        np.float32,
        np.float16,
        np.longdouble,
        np.complex128,
        np.complex64,
        np.clongdouble,
    )
)
_DRAWING = GENERATORS | {WatchedGenerator}
_BOUND = (types.BuiltinMethodType, types.MethodWrapperType)
_ITERATORS: tuple[type, ...] = (
    *(types.GeneratorType, map, filter, zip, enumerate, reversed),
    *(type(iter([])), type(iter(())), type(iter(range(0)))),
)


_NAMESPACES = (
    types.SimpleNamespace,
    argparse.Namespace,
    collections.UserDict,
    collections.UserList,
    collections.ChainMap,
    Held,
)
_OBJECTS = (
    *(Dict, List, Deque, Set, Slots, Partial, Numbers, ObjectArray, RandomState),
    *(MemoryFile, SparseMatrix),
)


class Leaf:
    """An array or number in the state, traced or not, with its key and its place."""

    __slots__ = ("container", "key", "place", "value")

    def __init__(self, key: Key, value: Any, container: Container, place: Any) -> None:
        self.key = key
        self.value = value
        self.container = container
        self.place = place

    @property
    def name(self) -> str:
        """What the user would call it."""
        return self.container.label(self.place)


class Survey:
    """What one walk found.

    Attributes
    ----------
    containers : list of Container
        Everything mutable, in the order of the walk.
    leaves : list of Leaf
        Every array and floating-point number, in the order of the walk.
    roots : dict
        The base arrays by their ``id``.
    """

    def __init__(self) -> None:
        self.containers: list[Container] = []
        self.leaves: list[Leaf] = []
        self.roots: dict[int, Array] = {}
        self.slots: list[tuple[Container, Any, Any]] = []

    def replace(self, change: Callable[[Any], Any]) -> None:
        """Put ``change(value)`` in the place of every leaf and generator, tuples being rebuilt."""
        leaves = iter(self.leaves)
        leaf = next(leaves, None)

        def changed(value: Any) -> Any:
            nonlocal leaf
            new = change(value)
            if leaf is not None and value is leaf.value:
                leaf.value = new
                leaf = next(leaves, None)
            return new

        for number, (container, key, value) in enumerate(self.slots):
            new = _changed(value, changed)
            if new is not value:
                container.put(key, new)
                self.slots[number] = container, key, new


def replace_in(container: Container, change: Callable[[Any], Any]) -> None:
    """Put ``change(value)`` in the place of every value of one container, and of what its tuples hold."""
    for key, value in container.pairs():
        new = _changed(value, change)
        if new is not value:
            container.put(key, new)


def _changed(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, tuple):
        items = [_changed(item, change) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return change(value)


def in_tuples(key: Key) -> str:
    """What follows the name of a place in the name of something that a tuple in it holds; it has a longer key."""
    return "".join(f"[{number}]" for number in key[3:])


def is_leaf(value: Any) -> bool:
    """Whether this is an array or a floating-point number; a tuple may hold other things beside them."""
    kind = type(value)
    if kind is np.ndarray or kind is TracedArray:
        return value.dtype.kind in "biufc"
    return kind in _NUMBERS or kind is TracedNumber


class State:
    """The state reachable from some roots.

    Parameters
    ----------
    code : functions
        Their closures, and the globals that they use, belong to the state.
    holder : list
        Values that belong to it too: the loop's items, a function's arguments.
    """

    def __init__(self, code: list[Any], holder: list[Any]) -> None:
        self.holder = List(holder, "arguments")
        self._kept = List([], "kept")
        self._code_roots = code
        self._code = CodeReach()
        self._tails: dict[int, Tail] = {}
        for function in code:
            self._code.discover(getattr(function, "__func__", function))

    def survey(self, *, lenient: bool = False) -> Survey:
        """Walk the state as it is now; a lenient walk passes over what would be refused."""
        first = [self.holder, *self._bound()]
        return _Walk(self._code, first, self._kept, self._tails, lenient=lenient).run()

    @property
    def tails(self) -> Mapping[int, Tail]:
        """The lists of which only the end is walked, by their ``id``."""
        return self._tails

    def inherit(self, outer: Mapping[int, Tail]) -> None:
        """Take over the tails of a loop in whose step this one runs."""
        self._tails = inherited(outer, self._code.uses)

    def settle(self, survey: Survey) -> None:
        """From now on, walk lists that the code only appends to at their ends only (`checkpointer.tails`)."""
        self._tails = {**self._tails, **tails_of(survey.containers, self._code.uses)}

    def look_from_outside(self) -> None:
        """Walk what the code around the loop can reach, until the next `begin`."""
        for tail in self._tails.values():
            tail.look_from_outside()

    def begin(self, step: int) -> None:
        """The state is now the one before this step of the loop."""
        for tail in self._tails.values():
            tail.begin(step)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Keep the items of those lists that are not walked out of them, so that none can be read unnoticed."""
        for tail in self._tails.values():
            tail.guard()
        try:
            yield
        finally:
            for tail in self._tails.values():
                tail.reveal()

    def code(self) -> list[types.CodeType]:
        """The code that has been found so far."""
        return self._code.code()

    def functions(self) -> list[types.FunctionType]:
        """The functions of which that is the code."""
        return self._code.functions()

    def constants(self) -> list[str]:
        """What that code depends on, and is no part of the state."""
        return self._code.constants()

    def reach(self) -> int:
        """How many places of code have been found so far; the state as a whole may have more of them than it had."""
        return len(self._code.containers)

    def keep(self, survey: Survey) -> None:
        """Let everything that is in the state now belong to it from now on, also where the program lets go of it.

        Code outside may hold an array or object that a loop's own names point to only at first.
        """
        owners = [container.owner for container in survey.containers if isinstance(container, _OBJECTS)]
        self._kept.owner[:] = [*survey.roots.values(), *owners]

    def keeps(self, container: Container) -> bool:
        """Whether a container holds what `keep` was given; in a survey it comes behind all that a name leads to."""
        return container.owner is self._kept.owner

    def _bound(self) -> Iterator[Container]:
        for function in self._code_roots:
            if isinstance(function, types.MethodType):
                yield List([function.__self__], "self of the function")


class _Walk:
    """One depth-first walk; keys count data containers and code containers apart, since code is only ever added."""

    def __init__(
        self,
        code: CodeReach,
        first: list[Container],
        kept: Container,
        tails: dict[int, Tail],
        *,
        lenient: bool,
    ) -> None:
        self.code = code
        self.tails = tails
        self.found = Survey()
        self.seen: dict[int, Any] = {}
        self.made: dict[int, Any] = {}
        self.stack: list[tuple[str, int, Container]] = []
        self.phase = "data"
        self.count = 0
        self.done = 0
        self.first = first
        self.kept = kept
        self.lenient = lenient

    def run(self) -> Survey:
        for container in reversed(self.first):
            self._push_data(container)
        self._drain()
        while self.done < len(self.code.containers):
            number = self.done
            self.done += 1
            if id(self.code.containers[number].owner) in self.made:
                continue  # found among the data before the code that leads to it was
            self.stack.append(("code", number, self.code.containers[number]))
            self._drain()
        self._ends()
        self.phase, self.count = "kept", 0
        self._push_data(self.kept)
        self._drain()
        check_no_hidden_overlap(self.found.roots)
        self.code.check_caches()
        return self.found

    def _ends(self) -> None:
        """The ends of long lists, last: what can be reached otherwise has its key from there, and makes them visible."""
        self.phase, self.count = "tail", len(self.tails)
        for number, tail in enumerate(self.tails.values()):
            if id(tail.owner) not in self.seen:
                continue
            if self.code.uses.depth(tail.variable) is None:
                tail.show_all()
            tail.look(self.found.roots)
            self.stack.append((self.phase, number, tail))
            self._drain()

    def _push_data(self, container: Container) -> None:
        self.stack.append((self.phase, self.count, container))
        self.count += 1

    def _drain(self) -> None:
        while self.stack:
            kind, number, container = self.stack.pop()
            self.found.containers.append(container)
            start = len(self.stack)
            for place, value in container.pairs():
                if self._visit(value, (kind, number, place), container, place):
                    self.found.slots.append((container, place, value))
            self.stack[start:] = self.stack[start:][::-1]

    def _visit(self, value: Any, key: Key, container: Container, place: Any) -> bool:
        """Look at one value; whether it is, or as a tuple holds, a leaf."""
        kind = type(value)
        if kind in _ATOMS:
            return False
        if kind in _BOUND:  # append = log.append
            value = value.__self__
            return not isinstance(value, types.ModuleType | None) and self._visit_object(
                value, key, container, place
            )
        if kind in _NUMBERS or kind is TracedNumber:
            self.found.leaves.append(Leaf(key, value, container, place))
            return True
        if kind is np.ndarray or kind is TracedArray:
            return self._array(value, key, container, place)
        if kind in _DRAWING:
            self._visit_object(value._value if kind is WatchedGenerator else value, key, container, place)
            return True
        if isinstance(value, tuple):
            hits = [self._visit(item, (*key, number), container, place) for number, item in enumerate(value)]
            return any(hits)
        return self._visit_object(value, key, container, place)

    def _visit_object(self, value: Any, key: Key, container: Container, place: Any) -> bool:
        if id(value) not in self.seen:
            self.seen[id(value)] = value
            if id(value) in self.tails:
                return False
            self._object(value, container.label(place) + in_tuples(key))
        return False

    def _array(self, value: Any, key: Key, container: Container, place: Any) -> bool:
        array = value._value if type(value) is TracedArray else value
        if array.dtype == object:
            if id(value) not in self.seen:
                self.seen[id(value)] = value
                self._push_data(ObjectArray(array, container.label(place)))
            return False
        root = root_of(array)
        self.found.roots.setdefault(id(root), root)
        if array.dtype.kind not in "biufc":
            return False
        if root.dtype.kind not in "biufc":
            self._refuse(_structured, value, container.label(place))
        self.found.leaves.append(Leaf(key, value, container, place))
        return True

    def _object(self, value: Any, name: str) -> None:
        """A container, an object or code that was not met before."""
        if type(value) is HiddenItem:
            refuse_reading(value)
        if value is vars(builtins):
            return  # `exec` puts them into the namespace that it is given; they are no variables of a program
        if hasattr(type(value), "tocoo"):
            self._sparse(value, name)
        elif isinstance(value, dict):
            self._push_data(Dict(value, name))
            self._elements(value, name)
            self._attributes(value, name)
        elif isinstance(value, list):
            self._push_data(List(value, name))
            self._attributes(value, name)
        elif isinstance(value, deque):
            self._push_data(Deque(value, name))
            self._attributes(value, name)
        elif isinstance(value, set):
            self._push_data(Set(value, name))
            self._elements(value, name)
        elif isinstance(value, frozenset):
            self._elements(value, name)
        elif isinstance(value, RandomState.KINDS):
            self._push_data(RandomState(value, name))
        elif isinstance(value, functools._lru_cache_wrapper):
            self.code.discover(value)
        elif isinstance(value, types.FunctionType | type):
            self._function_or_class(value)
        elif isinstance(value, types.MethodType):
            self._function_or_class(value.__func__)
            self._visit_inner(value.__self__, name)
        elif isinstance(value, functools.partial):
            self._visit_inner(value.func, name)
            self._push_data(Partial(value, f"{name}."))
        elif isinstance(value, bytearray | array.array):
            self._push_data(Numbers(value, name))
        elif isinstance(value, MemoryFile.KINDS):
            self._push_data(MemoryFile(value, name))
        elif isinstance(value, io.IOBase):
            self._file(value, name)
        elif isinstance(value, np.ndarray):
            self._refuse(_subclass, value, name)
        elif hasattr(type(value), "__next__") and (
            isinstance(value, _ITERATORS) or is_foreign(type(value).__module__)
        ):
            self._refuse(_iterator, value, name)
        else:
            self._instance(value, name)

    def _sparse(self, value: Any, name: str) -> None:
        """A SciPy sparse matrix, with the arrays that it is made of; some have lists or a dict in their place."""
        if not is_sparse(value):
            self._attributes(value, name)
            return
        matrix = SparseMatrix(value, name)
        for part in matrix.structure():
            root = root_of(part)
            self.found.roots.setdefault(id(root), root)
        self._push_data(matrix)

    def _function_or_class(self, value: Any) -> None:
        """Code that stands in a file is the same at all times. What a function makes while it runs is walked like data.

        A step that is run again makes other functions and classes than those of the first sweep.
        """
        if not isinstance(value, types.FunctionType | type) or "<locals>" not in value.__qualname__:
            self.code.discover(value)
        elif not self.code.knows(value) and id(value) not in self.made:
            self.made[id(value)] = value
            if isinstance(value, type):
                self._made_class(value)
            else:
                self._made_function(value)

    def _made_class(self, cls: type) -> None:
        self._push_data(ClassAttributes(cls))
        for base in cls.__mro__[1:]:
            self._function_or_class(base)
        for function in functions_of(cls):
            self._function_or_class(function)

    def _made_function(self, function: types.FunctionType) -> None:
        self.code.mention(function)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            if not self.code.knows(cell) and id(cell) not in self.made:
                self.made[id(cell)] = cell
                self._push_data(Cell(cell, name))
        if function.__defaults__ or function.__kwdefaults__:
            self._push_data(Defaults(function))
        if function.__dict__:
            self._push_data(Dict(function.__dict__, f"{function.__qualname__}."))

    def _refuse(self, error: Callable[[Any, str], Exception], value: Any, name: str) -> None:
        if not self.lenient:
            raise error(value, name)

    def _elements(self, value: Any, name: str) -> None:
        """Objects that are elements of a set, or keys of a dict."""
        objects = [
            item for item in value if not isinstance(item, str | float | complex | int | tuple | type(None))
        ]
        if objects:
            self._push_data(List(objects, name))

    def _file(self, value: Any, name: str) -> None:
        """A file that is written to is held by reference; what was read from one cannot be read again."""
        if not value.closed and value.readable() and not is_standard_stream(value):
            self._refuse(_iterator, value, name)

    def _visit_inner(self, value: Any, name: str) -> None:
        """A value inside an object that cannot be changed; arrays in it are reached through a list of their own."""
        self._push_data(List([value], name))

    def _instance(self, value: Any, name: str) -> None:
        cls = type(value)
        known = dataclasses.is_dataclass(cls) or isinstance(value, _NAMESPACES)
        if is_foreign(cls.__module__) and not known:
            return
        self._attributes(value, name)

    def _attributes(self, value: Any, name: str) -> None:
        """What an object keeps in attributes and slots, and the code of its class."""
        cls = type(value)
        if cls in (list, dict, deque):
            return
        self._function_or_class(cls)
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict) and id(attributes) not in self.seen:
            self.seen[id(attributes)] = attributes
            self._push_data(Dict(attributes, f"{name}."))
        slots = Slots(value, f"{name}.")
        if slots.members:
            self._push_data(slots)


def check_no_hidden_overlap(roots: dict[int, Array]) -> None:
    """Refuse base arrays that share memory without NumPy knowing: views made from buffers, not from arrays."""
    borrowed = [root for root in roots.values() if root.base is not None]
    for root in borrowed:
        low, high = np.lib.array_utils.byte_bounds(root)
        for other in roots.values():
            other_low, other_high = np.lib.array_utils.byte_bounds(other)
            if other is not root and low < other_high and other_low < high:
                raise refuse(
                    "CKP202",
                    f"two arrays of shapes {root.shape} and {other.shape} in the loop's state share memory through a buffer,"
                    " so that NumPy does not tell that they belong together",
                    "make one a view of the other by slicing or reshaping, or copy it with np.array",
                )


def _structured(value: Any, name: str) -> Exception:
    return refuse(
        "CKP211",
        f"{name} is a field of a structured array, whose other names the tape does not watch",
        "use a plain array for each field: np.array(records['x'])",
    )


def _subclass(value: Any, name: str) -> Exception:
    return refuse(
        "CKP211",
        f"{name} is a {type(value).__name__}, a subclass of numpy.ndarray with rules of its own,"
        " and part of the loop's state",
        "use a plain array: numpy.asarray(...), or .filled(...) for masked arrays",
    )


def _iterator(value: Any, name: str) -> Exception:
    return refuse(
        "CKP212",
        f"{name} is a {type(value).__name__}: what it has already handed out cannot be put back when steps are recomputed",
        "make a list or an array of its items before the loop, and count with an integer",
    )
