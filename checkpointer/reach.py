"""What code can reach: the cells, globals and class attributes that a function, and all it calls, may read or change.

The names are read off the bytecode, so a global that no reachable code mentions is no part of the state.
"""

from __future__ import annotations

import dis
import functools
import random
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from checkpointer.containers import Cell, ClassAttributes, Container, Dict, Global, RandomState
from checkpointer.refusals import refuse
from checkpointer.tails import NO_USES, REFLECTION, REFLECTIVE, Uses, uses_in

_FOREIGN = frozenset(
    (
        "IPython",
        "_pytest",
        "autograd",
        "checkpointer",
        "click",
        "h5py",
        "hypothesis",
        "libcst",
        "matplotlib",
        "mpi4py",
    )
    + ("numpy", "pandas", "pluggy", "pytest", "rich", "scipy", "tqdm")
)
"""Packages whose functions and objects are held by reference: they keep no state of the user's simulation."""


_RANDOM = ("numpy.random", "checkpointer.numpy_random")
_FIXED = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type, np.ufunc)
"""What a global name may hold without being a variable of the simulation, as long as no code assigns to it."""


def is_foreign(module: str | None) -> bool:
    """Whether code or objects of this module are left alone."""
    top = (module or "").partition(".")[0]
    return top in _FOREIGN or top in sys.stdlib_module_names


@dataclass(frozen=True, slots=True)
class Names:
    """What code mentions.

    Globals that it reads or writes (`used`), and those that it writes; variables of enclosing functions that it writes
    (`rebound`); attributes; and modules that it imports.
    """

    used: frozenset[str]
    stored: frozenset[str]
    rebound: frozenset[str]
    attributes: frozenset[str]
    imported: frozenset[str]


@functools.lru_cache(maxsize=4096)
def names_in(code: types.CodeType) -> Names:
    """What the code of a function, and of the functions inside it, mentions."""
    used: set[str] = set()
    stored: set[str] = set()
    rebound: set[str] = set()
    attributes: set[str] = set()
    imported: set[str] = set()
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        if name in ("LOAD_GLOBAL", "LOAD_NAME"):
            used.add(instruction.argval)
        elif name in ("STORE_GLOBAL", "DELETE_GLOBAL", "STORE_NAME", "DELETE_NAME"):
            stored.add(instruction.argval)
        elif name in ("STORE_DEREF", "DELETE_DEREF"):
            rebound.add(instruction.argval)
        elif name in ("LOAD_ATTR", "STORE_ATTR", "LOAD_METHOD", "IMPORT_FROM"):
            attributes.add(instruction.argval)
        elif name == "IMPORT_NAME":
            imported.add(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            inner = names_in(constant)
            used |= inner.used
            stored |= inner.stored
            rebound |= inner.rebound
            attributes |= inner.attributes
            imported |= inner.imported
    return Names(*map(frozenset, (used | stored, stored, rebound, attributes, imported)))


class CodeReach:
    """The places that code reaches, in the order in which they were found; the list only grows.

    Attributes
    ----------
    containers : list of Container
    uses : Uses
        What the code does with names.
    """

    def __init__(self) -> None:
        self.containers: list[Container] = []
        self.uses: Uses = NO_USES
        self._attributes: set[str] = set()
        self._cached_methods: dict[str, str] = {}
        self._seen: set[Any] = set()
        self._cached_reaches: list[CodeReach] = []
        self._alive: list[Any] = []  # ids in _seen stay unique as long as the objects live

    def discover(self, value: Any) -> None:
        """Add what a function, method or class can reach by its code."""
        if isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, types.ModuleType):
            return
        elif isinstance(value, functools._lru_cache_wrapper):
            self._cached(value)

    def _cached(self, function: Any) -> None:
        """A cache answers with what was right for another state, unless the function is one of its arguments alone."""
        if not self._first_time(id(function), function):
            return
        inner = CodeReach()
        inner.discover(function.__wrapped__)
        self._cached_reaches.append(inner)
        names = [
            container.label(key)
            for container in inner.containers
            for key, value in container.pairs()
            if _varies(value)
        ]
        if names:
            raise refuse(
                "CKP218",
                f"the function {function.__qualname__} has a cache, but its result also depends on {names[0]}",
                "leave the cache away, or pass everything that the result depends on as an argument",
            )

    def check_caches(self) -> None:
        """Refuse methods with a cache, if any code that was found calls them: they depend on the object's attributes."""
        for name in sorted(self._cached_methods.keys() & self._attributes):
            raise refuse(
                "CKP218",
                f"the method {self._cached_methods[name]} has a cache, but its result depends on the object's attributes",
                "leave the cache away",
            )

    def _first_time(self, key: Any, value: Any) -> bool:
        if key in self._seen:
            return False
        self._seen.add(key)
        self._alive.append(value)
        return True

    def _add(self, key: Any, value: Any, make: Callable[[], Container]) -> None:
        if self._first_time(key, value):
            self.containers.append(make())

    def _function(self, function: types.FunctionType) -> None:
        if not self._first_time(id(function), function):
            return
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            self._add(id(cell), cell, lambda name=name, cell=cell: Cell(cell, name))  # type: ignore[misc]
        if function.__dict__.keys() - {"__wrapped__"}:
            self._add(
                id(function.__dict__), function, lambda: Dict(function.__dict__, f"{function.__qualname__}.")
            )
        if function.__globals__.get("__name__") == "checkpointer.bridge":
            self.discover(function.__dict__.get("__wrapped__"))
        for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            if not isinstance(
                default, int | float | complex | str | bytes | type | types.FunctionType | None
            ):
                self._add(("default", id(function)), function, lambda: Defaults(function))
        self.mention(function)

    def code(self) -> list[types.CodeType]:
        """The code of all functions that were found."""
        found = [value for value in self._alive if isinstance(value, types.CodeType)]
        return found + [code for inner in self._cached_reaches for code in inner.code()]

    def functions(self) -> list[types.FunctionType]:
        """All functions that were found."""
        return [value for value in self._alive if isinstance(value, types.FunctionType)]

    def constants(self) -> list[str]:
        """What the code depends on and is no part of the state: plain defaults, and what functions with a cache mention."""
        found = []
        for function in self._alive:
            if isinstance(function, types.FunctionType):
                defaults = [*enumerate(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).items()]
                found += [
                    f"{function.__qualname__} {key} {value!r}"
                    for key, value in defaults
                    if _is_constant(value)
                ]
        for inner in self._cached_reaches:
            found += inner.constants()
            for container in inner.containers:
                pairs = container.pairs()
                found += [f"{container.label(key)} {value!r}" for key, value in pairs if _is_constant(value)]
        return found

    def knows(self, value: Any) -> bool:
        """Whether a function, class or cell has been found before."""
        return id(value) in self._seen

    def mention(self, function: types.FunctionType) -> None:
        """Add the globals that a function's code mentions."""
        if is_foreign(function.__globals__.get("__name__")):
            return
        if not self._first_time((id(function.__code__), id(function.__globals__)), function.__code__):
            return
        names = names_in(function.__code__)
        self.uses = self.uses.united(uses_in(function.__code__))
        self._attributes |= names.attributes
        for name in sorted(names.used):
            self._global(function.__globals__, name, names)
        if not names.imported <= sys.modules.keys():
            self.uses = self.uses.united(REFLECTION)  # code that nobody has seen yet
        for name in sorted(names.imported & sys.modules.keys()):
            self._module(sys.modules[name], names)

    def _global(self, namespace: dict[str, Any], name: str, names: Names) -> None:
        value = namespace.get(name)
        if name not in namespace and name in _builtins(namespace):
            return
        if isinstance(value, types.ModuleType):
            self._module(value, names)
        elif isinstance(value, types.FunctionType | type | functools._lru_cache_wrapper):
            self.discover(value)
        if any(value is function for function in REFLECTIVE):
            self.uses = self.uses.united(REFLECTION)
        if isinstance(value, _FIXED) and name not in names.stored and not _is_bound(value):
            return
        self._add((id(namespace), name), namespace, lambda: Global(namespace, name))

    def _module(self, module: types.ModuleType, names: Names) -> None:
        if module is random or "random" in names.attributes or module.__name__ in _RANDOM:
            self._random(random._inst)
            self._random(np.random.mtrand._rand)
        if not is_foreign(module.__name__):
            for name in sorted(names.attributes & vars(module).keys()):
                self._global(vars(module), name, names)

    def _random(self, generator: Any) -> None:
        self._add(id(generator), generator, lambda: RandomState(generator))

    def _class(self, cls: type) -> None:
        for base in cls.__mro__:
            if is_foreign(base.__module__) or not self._first_time(id(base), base):
                continue
            for function in functions_of(base):
                self._function(function)
            for name, member in vars(base).items():
                if isinstance(member, functools._lru_cache_wrapper):
                    self._cached_methods[name] = member.__qualname__
            self.containers.append(ClassAttributes(base))


def _is_bound(value: Any) -> bool:
    """Whether a builtin is a method of some object: ``append = log.append``, ``draw = rng.normal``."""
    owner = value.__self__ if isinstance(value, types.BuiltinMethodType) else None
    return not isinstance(owner, types.ModuleType | type | None)


def _varies(value: Any) -> bool:
    """Whether what a global name or cell holds may change, or hold something that changes."""
    return not isinstance(value, (*_FIXED, int, str, bytes, type(None)))


def _builtins(namespace: dict[str, Any]) -> dict[str, Any]:
    builtins = namespace.get("__builtins__", {})
    return vars(builtins) if isinstance(builtins, types.ModuleType) else builtins


def functions_of(cls: type) -> Iterator[types.FunctionType]:
    """The functions that a class defines: methods of all kinds, and property accessors."""
    for member in vars(cls).values():
        candidates: tuple[Any, ...] = (member,)
        if isinstance(member, staticmethod | classmethod):
            candidates = (member.__func__,)
        elif isinstance(member, property):
            candidates = (member.fget, member.fset, member.fdel)
        elif isinstance(member, functools.cached_property | functools.partialmethod):
            candidates = (member.func,)
        elif isinstance(member, functools.singledispatchmethod):
            candidates = tuple(member.dispatcher.registry.values())
        for candidate in candidates:
            if isinstance(candidate, types.FunctionType):
                yield candidate


def _is_constant(value: Any) -> bool:
    """Whether a value is a number or a text, and prints the same in every process."""
    return isinstance(value, int | float | complex | str | bytes | None)


class Defaults(Container):
    """The mutable defaults of a function's parameters, which live as long as the function does."""

    def __init__(self, function: types.FunctionType) -> None:
        self.owner = function
        self.name = f"default of {function.__qualname__}"

    def pairs(self) -> list[tuple[Any, Any]]:
        positional = list(enumerate(self.owner.__defaults__ or ()))
        return [*positional, *(self.owner.__kwdefaults__ or {}).items()]

    def put(self, key: Any, value: Any) -> None:
        if isinstance(key, int):
            defaults = list(self.owner.__defaults__ or ())
            defaults[key] = value
            self.owner.__defaults__ = tuple(defaults)
        else:
            self.owner.__kwdefaults__[key] = value

    def content(self) -> Any:
        return self.owner.__defaults__, dict(self.owner.__kwdefaults__ or {})

    def restore(self, content: Any) -> None:
        self.owner.__defaults__ = content[0]
        if content[1]:
            self.owner.__kwdefaults__ = dict(content[1])
