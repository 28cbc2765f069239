"""New objects, empty: what a later process makes first, before it puts in what they hold."""

from __future__ import annotations

import array
import functools
import io
import random
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

import numpy as np

from checkpointer.containers import (
    Container,
    Deque,
    Dict,
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
from checkpointer.encoding import NotDescribedError, as_atom, from_atom
from checkpointer.reach import is_foreign

_PLAIN: dict[str, Any] = {
    "list": list,
    "dict": dict,
    "OrderedDict": OrderedDict,
    "Counter": Counter,
    "set": set,
    "bytearray": bytearray,
    "StringIO": io.StringIO,
    "BytesIO": io.BytesIO,
    "Random": random.Random,
    "RandomState": np.random.RandomState,
    "SeedSequence": np.random.SeedSequence,
}
_BITS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox)
}
_BITS["SFC64"] = np.random.SFC64
_CONTAINERS: dict[str, Callable[..., Container]] = {
    kind.__name__: kind
    for kind in (
        Deque,
        Dict,
        List,
        MemoryFile,
        Numbers,
        ObjectArray,
        Partial,
        RandomState,
        Set,
        Slots,
        SparseMatrix,
    )
}


def shell_of(value: Any, describe: Callable[[Any], Any]) -> Any:
    """What a later process needs to make an empty object like this one; ``describe`` makes a text of a value.

    Raises
    ------
    NotDescribedError
    """
    kind = type(value)
    if _PLAIN.get(kind.__name__) is kind:
        return [kind.__name__]
    if kind is defaultdict:
        return ["defaultdict", describe(value.default_factory)]
    if kind is deque:
        return ["deque", value.maxlen]
    if kind is array.array:
        return ["array", value.typecode]
    if kind is np.ndarray:
        return ["objects", list(value.shape)]
    if kind is functools.partial:
        return ["partial", describe(value.func)]
    if kind is np.random.Generator and type(value.bit_generator).__name__ in _BITS:
        return ["Generator", type(value.bit_generator).__name__]
    if _BITS.get(kind.__name__) is kind:
        return ["bits", kind.__name__]
    bound = getattr(value, "__self__", None)
    if bound is not None and getattr(bound, getattr(value, "__name__", ""), None) == value:
        return ["method", describe(bound), value.__name__]
    if is_sparse(value) or not is_foreign(kind.__module__):
        if hasattr(kind, "__next__"):
            raise NotDescribedError(f"an iterator of the class {kind.__qualname__}")
        return ["instance", as_atom(kind)]
    raise NotDescribedError(f"an object of the class {kind.__module__}.{kind.__qualname__}")


class Shells:
    """The new objects of a text, each made when it is first asked for."""

    def __init__(self, texts: list[Any], read: Callable[[Any], Any]) -> None:
        self._texts = texts
        self._read = read
        self._made: dict[int, Any] = {}

    def __getitem__(self, number: int) -> Any:
        if number not in self._made:
            self._made[number] = self._make(*self._texts[number])
        return self._made[number]

    def container(self, kind: str, number: int, attributes: bool) -> Container:
        """The container of a new object: the object itself, or the dict of its attributes."""
        value = self[number]
        return _CONTAINERS[kind](value.__dict__ if attributes else value, "")

    def _make(self, kind: str, *rest: Any) -> Any:
        if kind in _PLAIN:
            return _PLAIN[kind]()
        return getattr(self, f"_{kind}")(*rest)

    def _defaultdict(self, factory: Any) -> Any:
        return defaultdict(self._read(factory))

    def _deque(self, most: int | None) -> Any:
        return deque(maxlen=most)

    def _array(self, kind: str) -> Any:
        return array.array(kind)

    def _objects(self, shape: list[int]) -> Any:
        return np.empty(shape, object)

    def _partial(self, function: Any) -> Any:
        return functools.partial(self._read(function))

    def _Generator(self, kind: str) -> Any:  # noqa: N802  the name of the class
        return np.random.Generator(_BITS[kind]())

    def _bits(self, kind: str) -> Any:
        return _BITS[kind]()

    def _method(self, owner: Any, name: str) -> Any:
        return getattr(self._read(owner), name)

    def _instance(self, kind: Any) -> Any:
        cls = from_atom(kind)
        return _builtin_new(cls)(cls)


def _builtin_new(cls: type) -> Callable[..., Any]:
    """What makes an empty object of a class, past a ``__new__`` of the program's own, which may want arguments."""
    found = (base.__dict__.get("__new__") for base in cls.__mro__)
    return next(new for new in found if isinstance(new, types.BuiltinFunctionType))
