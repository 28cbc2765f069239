"""NumPy's functions that make arrays: while a step is being differentiated, they make arrays that the tape watches.

They do not take part in NumPy's dispatch protocols, because they make arrays out of something else. `checkpointer.numpy`
offers them in the place of the originals.
"""

from __future__ import annotations

import functools
import itertools
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from checkpointer.arrays import TracedArray
from checkpointer.boxes import (
    constant,
    is_traced,
    is_varied,
    plain,
    plain_nested,
    refuse_objects,
    result,
    traced_in,
)
from checkpointer.memory import root_of
from checkpointer.refusals import refuse
from checkpointer.registry import rebased
from checkpointer.scalars import TracedNumber, tape_of
from checkpointer.tape import TapeNode, active


def _watched(original: Callable[..., Any]) -> Callable[..., Any]:
    """``original``, whose result the tape watches if one is recording."""

    @functools.wraps(original)
    def create(*args: Any, **kwargs: Any) -> Any:
        tape = active.tape
        if tape is None:
            return original(*args, **kwargs)
        if not _dispatches(original) and any(map(is_varied, traced_in((args, kwargs)))):
            raise _unknown(original)
        args = tuple(_gathered(original, x) for x in args)
        value = original(*args, **{name: _gathered(original, x) for name, x in kwargs.items()})
        made = _adopted(tape, value)
        if type(made) is TracedArray and made is not value:
            roots = [id(root_of(x)) for x in args if type(x) is np.ndarray]
            made._node.memory.borrowed = id(made._node.memory.root) in roots
        return made

    return create


_DISPATCHING = type(np.sum)
"""The type of NumPy's functions that ask their arguments (``__array_function__``) before they compute."""


def _dispatches(function: Any) -> bool:
    return isinstance(function, _DISPATCHING) or isinstance(
        getattr(function, "__wrapped__", None), _DISPATCHING
    )


def _unknown(function: Any) -> Exception:
    return refuse(
        "CKP201",
        f"np.{function.__name__} was called on a value that is being differentiated, and no derivative rule for it is known",
        "write it with functions that have a rule",
    )


def _reader(original: Callable[..., Any]) -> Callable[..., Any]:
    """A function that only looks at its arguments, such as one that makes a text of them."""

    @functools.wraps(original)
    def read(*args: Any, **kwargs: Any) -> Any:
        if active.tape is None:
            return original(*args, **kwargs)
        return original(*plain_nested(args), **plain_nested(kwargs))

    return read


def _adopted(tape: Any, value: Any) -> Any:
    return value if is_traced(value) or any(map(is_traced, traced_in(value))) else constant(tape, value)


def _watched_all() -> dict[str, Callable[..., Any]]:
    """Every function of NumPy that may make an array; constructors of types and ufuncs are none."""
    return {
        name: _watched(function)
        for name, function in vars(np).items()
        if callable(function) and not isinstance(function, type | np.ufunc) and not name.startswith("_")
    }


@functools.wraps(np.array)
def array(object: Any, dtype: Any = None, **options: Any) -> Any:  # noqa: A002  NumPy's name
    tape = active.tape
    if tape is None:
        return np.array(object, dtype, **options)
    if is_traced(object):
        return _from_array(object, dtype, **options)
    ndmin = options.pop("ndmin", 0)
    value = np.array(plain_nested(object), dtype, **options)
    if ndmin > value.ndim:
        return array(object, dtype, **options).reshape((1,) * (ndmin - value.ndim) + value.shape)
    if any(map(is_varied, traced_in(object))):
        refuse_objects(value)
    if value.dtype.kind not in "fc" or not any(map(is_varied, traced_in(object))):
        return constant(tape, value)
    parts = list(_parts(object, ()))
    return result(tape, value, lambda g: [g[place] for place, _ in parts], [node for _, node in parts])


def _from_array(
    source: Any, dtype: Any, *, copy: bool | None = True, order: Any = "K", ndmin: int = 0, **_: Any
) -> Any:
    """``np.array`` of an array or number that is traced already."""
    made = source.astype(dtype, order=order, copy=bool(copy)) if dtype is not None else source
    if made is source and copy:
        made = source.copy(order) if isinstance(source, np.ndarray) else source
    if not isinstance(made, np.ndarray):
        tape = tape_of(made) if is_traced(made) else tape_of(source)
        value = np.array(plain(made))
        made = (
            result(tape, value, lambda g: (g,), (made._node,)) if is_varied(made) else constant(tape, value)
        )
    return made.reshape((1,) * (ndmin - made.ndim) + made.shape) if made.ndim < ndmin else made


def _parts(item: Any, place: tuple[int, ...]) -> Any:
    """The traced values in nested sequences, with their places in the array that is made of them."""
    if is_varied(item):
        node: TapeNode = item._node
        yield place, node
    elif isinstance(item, list | tuple):
        for number, part in enumerate(item):
            yield from _parts(part, (*place, number))


def _converter(original: Callable[..., Any]) -> Callable[..., Any]:
    """``asarray`` and its kin: no copy where none is needed."""

    @functools.wraps(original)
    def convert(a: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        tape = active.tape
        if tape is None:
            return original(a, dtype, *args, **kwargs)
        if isinstance(a, np.ndarray) and is_traced(a):
            if dtype is None or np.dtype(dtype) == a.dtype:
                return a
            return a.astype(dtype)
        if is_traced(a) or isinstance(a, list | tuple):
            return array(a, dtype)
        made = _adopted(tape, original(a, dtype, *args, **kwargs))
        if isinstance(a, np.ndarray) and is_traced(made):
            made._node.memory.borrowed = made._node.memory.root is root_of(a)
        return made

    return convert


def _contiguous(original: Callable[..., Any], flag: str, order: str) -> Callable[..., Any]:
    """``ascontiguousarray`` and ``asfortranarray``."""

    @functools.wraps(original)
    def convert(a: Any, dtype: Any = None, **kwargs: Any) -> Any:
        if active.tape is None:
            return original(a, dtype, **kwargs)
        made = asarray(a, dtype)
        made = made if made.ndim else made.reshape(1)
        return made if made.flags[flag] else made.copy(order)

    return convert


@functools.wraps(np.full)
def full(shape: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Any:
    tape = active.tape
    if tape is None:
        return np.full(shape, fill_value, dtype, **options)
    value = constant(tape, np.full(shape, plain_nested(fill_value), dtype, **options))
    if is_varied(fill_value):
        value[...] = fill_value
    return value


@functools.wraps(np.arange)
def arange(*args: Any, **options: Any) -> Any:
    if active.tape is None:
        return np.arange(*args, **options)
    value = np.arange(*plain_nested(args), **plain_nested(options))
    names = ("start", "stop", "step") if len(args) > 1 or "stop" in options else ("stop",)
    given = {**dict(zip(names, args, strict=False)), **options}
    start, step = given.get("start", 0), given.get("step", 1)
    return rebased(active.tape, value, start + step * np.arange(value.size))


@functools.wraps(np.fromiter)
def fromiter(iter: Any, dtype: Any, count: int = -1, **options: Any) -> Any:  # noqa: A002  NumPy's name
    if active.tape is None:
        return np.fromiter(iter, dtype, count, **options)
    items = list(iter if count < 0 else itertools.islice(iter, count))
    value = np.fromiter(map(plain, items), dtype, count, **options)  # checks, and NumPy's own errors
    return array(items, dtype) if items else constant(active.tape, value)


@functools.wraps(np.fromfunction)
def fromfunction(function: Callable[..., Any], shape: Any, **options: Any) -> Any:
    if active.tape is None:
        return np.fromfunction(function, shape, **options)
    return np.fromfunction(lambda *indices, **rest: function(*map(_adopt, indices), **rest), shape, **options)


def _adopt(made: Any) -> Any:
    return _adopted(active.tape, made)


@functools.wraps(np.asarray_chkfinite)
def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Any:
    if active.tape is None:
        return np.asarray_chkfinite(a, dtype, order)
    np.asarray_chkfinite(plain_nested(a))  # raises what NumPy raises
    return asarray(a, dtype)


def ndenumerate(arr: Any) -> Any:
    """``np.ndenumerate``: the pairs of an index and the element there."""
    if type(arr) is not TracedArray:
        return np.ndenumerate(arr)
    return ((index, arr[index]) for index in np.ndindex(arr.shape))


class _Indexed:
    """``np.r_``, ``np.c_``, ``np.mgrid`` and ``np.ogrid``: what makes an array of an index."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._original = getattr(np, name)

    def __getitem__(self, key: Any) -> Any:
        tape = active.tape
        if tape is None:
            return self._original[key]
        sources = list(traced_in(key))
        if not any(map(is_varied, sources)):
            return _adopted(tape, self._original[plain_nested(key)])
        items = key if isinstance(key, tuple) else (key,)
        how = [item for item in items if isinstance(item, str)]
        items = tuple(
            self._original[x] if isinstance(x, slice) else x for x in items if not isinstance(x, str)
        )

        def joined(items: Any) -> Any:
            return self._original[(*how, *items)]

        joined.__name__, joined.__module__ = self._name, "numpy"
        return movers.moved(tape, joined, (items,), {}, joined(plain_nested(items)), sources)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def __len__(self) -> int:
        return 0


@functools.wraps(np.full_like)
def full_like(a: Any, fill_value: Any, *args: Any, **options: Any) -> Any:
    if active.tape is None:
        return np.full_like(a, fill_value, *args, **options)
    if not is_varied(fill_value):
        return _adopt(np.full_like(a, plain_nested(fill_value), *args, **options))
    made = _adopt(np.zeros_like(a, *args, **options))
    made[...] = fill_value
    return made


class _Submodule(types.ModuleType):
    """``np.linalg`` or ``np.fft``, whose functions accept lists with traced values in them."""

    def __init__(self, original: types.ModuleType) -> None:
        super().__init__(original.__name__, original.__doc__)
        self.__dict__["_original"] = original

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._original, name)
        if callable(found) and not isinstance(found, type):
            found = _watched(found)
        self.__dict__[name] = found
        return found


asarray = _converter(np.asarray)
asanyarray = _converter(np.asanyarray)
ascontiguousarray = _contiguous(np.ascontiguousarray, "C_CONTIGUOUS", "C")
asfortranarray = _contiguous(np.asfortranarray, "F_CONTIGUOUS", "F")


_OF_SEQUENCES = frozenset(
    "array_split block broadcast_arrays choose column_stack concat concatenate dstack einsum hstack ix_ lexsort meshgrid"
    " multi_dot row_stack select stack vstack".split()
)
"""Functions that NumPy asks for the items of a list, and that take the list for several arrays."""


def _gathered(function: Any, argument: Any) -> Any:
    """An argument as an array, if it is a list with traced values in it, where NumPy's protocols would not look for them."""
    if type(argument) not in (list, tuple) or not any(True for _ in traced_in(argument)):
        return argument
    if function.__name__ not in _OF_SEQUENCES or not any(
        isinstance(item, np.ndarray | list | tuple) for item in argument
    ):
        return array(argument)
    if function is np.block:
        return [array(item) if type(item) is TracedNumber else _gathered(function, item) for item in argument]
    return type(argument)(
        array(item) if type(item) in (list, tuple, TracedNumber) else item for item in argument
    )


def _zeroed(original: Callable[..., Any]) -> Callable[..., Any]:
    """``np.empty`` with zeros: what stands in uninitialised memory would differ between a step and its recomputation."""

    @functools.wraps(original)
    def create(*args: Any, **kwargs: Any) -> Any:
        value = original(*args, **kwargs)
        value[...] = np.zeros((), value.dtype)
        return value

    return create


_READERS = (
    "base_repr binary_repr broadcast_shapes format_float_positional format_float_scientific info isdtype isfortran isscalar"
    " issubdtype iterable typename"
).split()

REPLACEMENTS: dict[str, Any] = {
    **_watched_all(),
    "array": array,
    "asarray": asarray,
    "asanyarray": asanyarray,
    "ascontiguousarray": ascontiguousarray,
    "asfortranarray": asfortranarray,
    "full": full,
    "full_like": full_like,
    "linalg": _Submodule(np.linalg),
    "fft": _Submodule(np.fft),
    "arange": arange,
    "fromiter": fromiter,
    "fromfunction": fromfunction,
    "ndenumerate": ndenumerate,
    "asarray_chkfinite": asarray_chkfinite,
    **{name: _reader(getattr(np, name)) for name in _READERS},
    **{name: _Indexed(name) for name in ("r_", "c_", "mgrid", "ogrid")},
    "empty": _watched(_zeroed(np.empty)),
    "empty_like": _watched(_zeroed(np.empty_like)),
}

from checkpointer import movers  # noqa: E402  it needs the functions above
