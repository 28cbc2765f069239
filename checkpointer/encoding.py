"""Plain values as JSON, exactly: a later process gets the same bits back.

None, True, integers and texts stand for themselves; every other value is a list that begins with its kind.
"""

from __future__ import annotations

import datetime
import enum
import functools
import sys
import types
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from checkpointer.errors import CheckpointerError
from checkpointer.memory import Array


class NotDescribedError(CheckpointerError):
    """Something that a text cannot describe.

    Attributes
    ----------
    what : str
        What it is.
    name : str
        What the user calls it, as far as that is known.
    """

    def __init__(self, what: str, name: str = "") -> None:
        super().__init__(f"{name or 'a value'}: {what}")
        self.what = what
        self.name = name


ATOMS = frozenset((type(None), bool, int, str))
_TIMES = (datetime.date, datetime.datetime, datetime.time)
_NMANT_80 = 63
_LONG = 10_000
"""Bits of an integer from which on Python does not like to write it in decimal digits."""
_MORE_ATOMS = frozenset((bytes, range, slice, type(Ellipsis), type(NotImplemented)))
NAMED = (type, types.FunctionType, types.BuiltinFunctionType, np.ufunc, functools._lru_cache_wrapper)


VALUES = (
    *(float, complex, np.generic, tuple, frozenset, Decimal, Fraction),
    *(datetime.date, datetime.time, datetime.timedelta),
)
"""Values that hold what they are, and which of several equal ones it is hardly matters; tuples may hold objects."""


def is_atom(value: Any) -> bool:
    """Whether a value is described by its content alone, and its identity is nobody's concern."""
    kind = type(value)
    return kind in ATOMS or kind in _MORE_ATOMS or isinstance(value, np.dtype | types.ModuleType)


def as_atom(value: Any) -> Any:
    """A value that holds no others, as JSON.

    Raises
    ------
    NotDescribedError
    """
    kind = type(value)
    if kind is int and value.bit_length() > _LONG:
        return ["i", hex(value)]
    if kind in ATOMS:
        return value
    if kind is float:
        return ["f", value.hex() if value == value else np.float64(value).tobytes().hex()]
    if kind is complex:
        return ["c", np.complex128(value).tobytes().hex()]
    if kind is bytes:
        return ["b", value.hex()]
    if kind is range or kind is slice:
        return [kind.__name__, as_atom(value.start), as_atom(value.stop), as_atom(value.step)]
    if value is Ellipsis or value is NotImplemented:
        return ["k", repr(value)]
    if isinstance(value, np.generic) and value.dtype.kind not in "OV":
        return ["n", value.dtype.str, bits(np.asarray(value)).tobytes().hex()]
    if isinstance(value, np.dtype):
        return ["dtype", _listed(np.lib.format.dtype_to_descr(value))]
    if isinstance(value, types.ModuleType):
        return ["m", value.__name__]
    if isinstance(value, enum.Enum):
        if kind.__members__.get(value.name or "") is value:
            return ["enum", as_atom(kind), value.name]
        return ["flag", as_atom(kind), value.value]  # several of its members together, or none
    if kind in _TIMES and getattr(value, "tzinfo", None) in (None, datetime.UTC):
        return ["time", kind.__name__, value.isoformat()]
    if kind is datetime.timedelta:
        return ["span", value.days, value.seconds, value.microseconds]
    if kind is Decimal or kind is Fraction:
        return [kind.__name__, str(value)]
    if isinstance(value, frozenset):
        return ["fs", sorted((as_atom(item) for item in value), key=repr)]
    if isinstance(value, NAMED):
        return _named(value)
    raise NotDescribedError(f"an object of the class {kind.__qualname__}")


def bits(array: Array) -> Array:
    """The bytes of an array, row by row; those that only fill up the 80 bits of a long double are zero."""
    raw: Array = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    if array.dtype.char in "gG" and np.finfo(array.dtype).nmant == _NMANT_80:
        raw = raw.reshape(-1, np.dtype(np.longdouble).itemsize).copy()
        raw[:, 10:] = 0
    return raw.reshape(-1)


def from_atom(text: Any) -> Any:
    """The value that `as_atom` described."""
    if not isinstance(text, list):
        return text
    kind, *rest = text
    return _READERS[kind](*rest)


def _named(value: Any) -> Any:
    """A class or function by its module and its name there."""
    module = getattr(value, "__module__", None) or ("numpy" if isinstance(value, np.ufunc) else "builtins")
    name = getattr(value, "__qualname__", value.__name__)
    try:
        same = _find(module, name) is value
    except (KeyError, AttributeError):
        same = False
    if not same:
        raise NotDescribedError(f"the {type(value).__name__} {name}")
    return ["g", module, name]


def _find(module: str, name: str) -> Any:
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _float(text: str) -> float:
    return (
        float.fromhex(text) if "x" in text or "inf" in text else float(np.frombuffer(bytes.fromhex(text))[0])
    )


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value] if isinstance(value, tuple | list) else value


def _dtype(text: Any) -> np.dtype[Any]:
    return np.lib.format.descr_to_dtype(_descr(text))


def _descr(text: Any) -> Any:
    """Fields are tuples in NumPy's own description, and so is a type with a shape."""
    if isinstance(text, str):
        return text
    if text and isinstance(text[0], list):
        return [(field[0], _descr(field[1]), *map(tuple, field[2:])) for field in text]
    return _descr(text[0]), tuple(text[1])


_READERS: dict[str, Any] = {
    "time": lambda kind, text: getattr(datetime, kind).fromisoformat(text),
    "span": datetime.timedelta,
    "Decimal": Decimal,
    "Fraction": Fraction,
    "f": _float,
    "c": lambda text: complex(np.frombuffer(bytes.fromhex(text), complex)[0]),
    "b": bytes.fromhex,
    "range": lambda *ends: range(*map(from_atom, ends)),
    "slice": lambda *ends: slice(*map(from_atom, ends)),
    "k": lambda name: Ellipsis if name == "Ellipsis" else NotImplemented,
    "n": lambda kind, text: np.frombuffer(bytes.fromhex(text), kind)[0],
    "dtype": _dtype,
    "m": lambda name: sys.modules[name],
    "enum": lambda kind, name: from_atom(kind)[name],
    "flag": lambda kind, value: from_atom(kind)(value),
    "i": lambda text: int(text, 16),
    "fs": lambda items: frozenset(map(from_atom, items)),
    "g": _find,
}


def as_data(value: Any) -> Any:
    """Nested lists, tuples, dicts and arrays by their content: what nobody but one object refers to."""
    if type(value) is dict:
        return ["d", [[as_data(key), as_data(item)] for key, item in value.items()]]
    if type(value) in (list, tuple):
        return [type(value).__name__, [as_data(item) for item in value]]
    if type(value) is np.ndarray and value.dtype.kind not in "OV":
        return ["array", value.dtype.str, list(value.shape), value.tobytes().hex()]
    return as_atom(value)


def from_data(text: Any) -> Any:
    """The value that `as_data` described."""
    if isinstance(text, list):
        kind, *rest = text
        if kind == "d":
            return {from_data(key): from_data(item) for key, item in rest[0]}
        if kind in ("list", "tuple"):
            items = [from_data(item) for item in rest[0]]
            return items if kind == "list" else tuple(items)
        if kind == "array":
            return np.frombuffer(bytes.fromhex(rest[2]), rest[0]).reshape(rest[1]).copy()
    return from_atom(text)
