"""Traced arrays: NumPy arrays, with NumPy's views and aliases, that the tape watches.

A traced array holds a concrete array and knows the memory of its base's adjoint. Operations run NumPy itself on the
concrete arrays, in place where the program says so; whether an index gave a view is read off the result's base.
A derivative cannot leak: a traced array refuses to become a plain one as long as anything differentiated is in it.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import autograd  # noqa: F401  whole, before any part of it: see lazy.py
import numpy as np
from autograd.tracer import Box

from checkpointer.refusals import refuse
from checkpointer.tape import TapeNode, node_of

if TYPE_CHECKING:  # they need the class below; `checkpointer.dispatch` puts them here
    from checkpointer import boxes as boxes
    from checkpointer import functions as functions
    from checkpointer import indexing as indexing
    from checkpointer import scalars as scalars
    from checkpointer import ufuncs as ufuncs


class TracedArray(Box):  # type: ignore[misc]
    """An array that the tape watches. It passes for an ndarray (``isinstance``), and is none."""

    __slots__ = ()
    __array_priority__ = 1000.0

    _value: np.ndarray[Any, Any]
    _trace: int
    _node: TapeNode

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # isinstance(u, np.ndarray) has to hold
        return np.ndarray

    def _view(self, value: np.ndarray[Any, Any]) -> TracedArray:
        """The traced array for another view of the same memory."""
        return TracedArray(value, self._trace, node_of(self._node.tape, value, self._node.memory))

    # --- what NumPy asks -------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return ufuncs.call(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return functions.call(func, args, kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if self._node.memory.varied:
            raise _leaves_the_tape()
        value = self._value.view()
        value.flags.writeable = False  # a write would pass by the tape
        if dtype is not None and value.dtype != dtype:
            value = value.astype(dtype)
        if copy or value.base is None:
            return value.copy()
        self._node.memory.borrowed = True  # whoever asked may keep it
        return value

    # --- reading and writing ------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        return indexing.read(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        if type(value) is TracedArray and value._node.memory is self._node.memory:
            _refuse_compiled_exchange(sys._getframe(1))
        indexing.write(self, index, value)

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[Any]:
        if self._value.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return iter(Rows(self))

    def __contains__(self, item: Any) -> bool:
        return boxes.plain(item) in self._value

    def fill(self, value: Any) -> None:
        self[...] = value

    def tofile(self, file: Any, sep: str = "", format: str = "%s") -> None:  # noqa: A002  NumPy's name
        self._value.tofile(file, sep, format)

    def put(self, indices: Any, values: Any, mode: Any = "raise") -> None:
        np.put(self, indices, values, mode=mode)

    def itemset(self, *args: Any) -> None:
        raise AttributeError(
            "`itemset` was removed from the ndarray class in NumPy 2.0. Use `arr[index] = value` instead."
        )

    def sort(self, axis: int = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> None:
        self[...] = np.sort(self, axis, kind, order, stable=stable)

    def partition(self, kth: Any, axis: int = -1, kind: Any = "introselect", order: Any = None) -> None:
        self[...] = np.partition(self, kth, axis, kind, order)

    def item(self, *args: Any) -> Any:
        if not args:
            number = self.reshape(-1)[_only(self._value)]
        elif len(args) == 1 and isinstance(args[0], int):
            number = self.reshape(-1)[args[0]]
        else:
            number = self[args[0] if len(args) == 1 else args]
        return number.item() if hasattr(number, "item") else number

    def tolist(self) -> Any:
        if self._value.ndim == 0:
            return self.item()
        return [row.tolist() if isinstance(row, np.ndarray) else row.item() for row in self]

    def compress(self, condition: Any, axis: int | None = None, out: Any = None) -> Any:
        return np.compress(condition, self, axis=axis, out=out)

    def take(self, indices: Any, axis: int | None = None, out: Any = None, mode: Any = "raise") -> Any:
        return np.take(self, indices, axis=axis, out=out, mode=mode)

    def conj(self) -> Any:
        return (
            np.conjugate(self) if self._value.dtype.kind == "c" else self
        )  # a real array answers with itself

    conjugate = conj

    # --- attributes -------------------------------------------------------------------------------------------------

    shape = property(lambda self: self._value.shape)
    ndim = property(lambda self: self._value.ndim)
    size = property(lambda self: self._value.size)
    dtype = property(lambda self: self._value.dtype)
    itemsize = property(lambda self: self._value.itemsize)
    nbytes = property(lambda self: self._value.nbytes)
    strides = property(lambda self: self._value.strides)
    device = property(lambda self: self._value.device)
    flags = property(lambda self: self._value.flags)
    base = property(
        lambda self: None if self._value is self._node.memory.root else self._view(self._node.memory.root)
    )
    T = property(lambda self: self._view(self._value.T))
    mT = property(lambda self: self._view(self._value.mT))  # noqa: N815  NumPy's name

    @property
    def flat(self) -> Any:
        return indexing.Flat(self)

    @flat.setter
    def flat(self, value: Any) -> None:
        self.flat[:] = value

    @property
    def real(self) -> Any:
        return self._view(self._value.real) if self._value.dtype.kind == "c" else self

    @real.setter
    def real(self, value: Any) -> None:
        self.real[...] = value

    @property
    def imag(self) -> Any:
        if self._value.dtype.kind == "c":
            return self._view(self._value.imag)
        return boxes.constant(self._node.tape, self._value.imag)

    @imag.setter
    def imag(self, value: Any) -> None:
        self.imag[...] = value

    # --- views ------------------------------------------------------------------------------------------------------

    def view(self, *args: Any, **kwargs: Any) -> Any:
        value = self._value.view(*args, **kwargs)
        if type(value) is not np.ndarray or _component(value) != _component(self._value):
            raise refuse(
                "CKP207",
                f"a view of type {type(value).__name__} and dtype {value.dtype} would reinterpret the bytes of an array"
                f" of dtype {self._value.dtype} that the tape watches",
                "use astype, or real and imag for complex numbers",
            )
        return self._view(value)

    def reshape(self, *shape: Any, **kwargs: Any) -> Any:
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, **kwargs)

    def transpose(self, *axes: Any) -> Any:
        return self._view(self._value.transpose(*axes))

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        return self._view(self._value.swapaxes(axis1, axis2))

    def squeeze(self, axis: Any = None) -> Any:
        return self._view(self._value.squeeze(axis))

    # --- copies ------------------------------------------------------------------------------------------------------

    def copy(self, order: Any = "C") -> Any:
        return indexing.copy(self, self._value.copy(order))

    def flatten(self, order: Any = "C") -> Any:
        return self.copy().reshape(-1, order=order) if order in "CF" else np.ravel(self, order=order).copy()

    def astype(
        self, dtype: Any, order: Any = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        value = self._value.astype(dtype, order, casting, subok, copy)
        if value is self._value:
            return self
        if value.dtype.kind in "fc":
            return indexing.copy(self, value)
        if self._node.memory.varied:
            boxes.refuse_objects(value)
        return boxes.constant(self._node.tape, value)

    def to_device(self, device: str, /, *, stream: Any = None) -> Any:
        value: Any = self._value
        value.to_device(device, stream=stream)  # refuses all but the one there is
        return self

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        from checkpointer import numpy  # needs this class

        return numpy

    def __copy__(self) -> Any:
        return self.copy("K")

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy("K")

    def __reduce__(self) -> Any:
        return self.__reduce_ex__(2)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise refuse(
            "CKP205",
            "an array that is being differentiated would be pickled, and its derivative would be lost",
            "do the work of the other process in this one, or outside the differentiated code",
        )

    # --- what Python asks ----------------------------------------------------------------------------------------------

    def __bool__(self) -> bool:
        return bool(self._value)

    def __int__(self) -> int:
        return int(self._value)

    def __index__(self) -> int:
        return self._value.__index__()

    def __float__(self) -> float:
        if scalars.formats_a_string(sys._getframe(1)) and self._value.ndim == 0:
            return float(self._value)
        return float(self.item())  # refused there, unless it is a constant

    def __complex__(self) -> complex:
        return complex(self.item())

    __hash__ = None  # type: ignore[assignment]  # like an ndarray

    def __repr__(self) -> str:
        return repr(self._value)

    def __str__(self) -> str:
        return str(self._value)

    def __format__(self, spec: str) -> str:
        return format(self._value, spec)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("shape", "dtype", "strides"):
            raise refuse(
                "CKP208",
                f"the {name} of an array that the tape watches was set in place, behind the back of its other names",
                "make a new view: u = u.reshape(...)",
            )
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        if name in _FOREIGN_DOORS and self._node.memory.varied:
            raise _leaves_the_tape()
        if name in _WRITTEN_OUT or (name in _BYTES and not self._node.memory.varied):
            return getattr(self._value.copy(), name)
        if hasattr(np.ndarray, name) and not name.startswith("__"):
            raise refuse(
                "CKP208",
                f"ndarray.{name} was used on an array that the tape watches, and it is not supported there",
                f"use a NumPy function in the place of .{name}",
            )
        raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r}")


_FOREIGN_DOORS = frozenset(("__array_interface__", "__array_struct__", "__dlpack__", "__dlpack_device__"))
"""Attributes by which NumPy, and code outside of it, comes to the memory of an array."""
_WRITTEN_OUT = ("dump",)  # a file holds plain values
_BYTES = ("byteswap", "dumps", "getfield", "tobytes")


def _leaves_the_tape() -> Exception:
    return refuse(
        "CKP203",
        f"an array that is being differentiated would become a plain array here ({_who_asks()}), and its derivative"
        " would be lost",
        "call a NumPy function that has a derivative rule; create the target array in a module that checkpointer"
        " rewrites; or give the compiled function a rule with autograd.extend.primitive and defvjp",
    )


def _who_asks() -> str:
    """By what an array is turned into a plain one: the function of NumPy that the program called, where Python knows it."""
    frame: Any = sys._getframe(3)
    name = ""
    while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == "numpy":
        name = frame.f_code.co_qualname
        frame = frame.f_back
    if name:
        return f"in numpy's {name}"
    return "by np.asarray, by assignment into a plain array, or inside a compiled function"


def _refuse_compiled_exchange(frame: Any) -> None:
    """Refuse ``Generator.shuffle`` of rows: NumPy exchanges the rows of an array, but views in any other sequence."""
    if not dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith("STORE_"):
        raise refuse(
            "CKP201",
            "a compiled function, such as Generator.shuffle, exchanges rows of an array that the tape watches",
            "take the rows in a random order: u = u[rng.permutation(len(u))]",
        )


def _component(array: np.ndarray[Any, Any]) -> Any:
    """What an array consists of: for complex numbers, the type of their two parts."""
    return array.real.dtype if array.dtype.kind == "c" else array.dtype


class Rows:
    """The rows of an array as a sequence, whose iterator tells where it stands (`checkpointer.sequences`)."""

    def __init__(self, array: TracedArray) -> None:
        self.array = array

    def __getitem__(self, number: int) -> Any:
        return self.array[number]  # an IndexError ends the iteration


def _only(value: np.ndarray[Any, Any]) -> int:
    if value.size != 1:
        raise ValueError("can only convert an array of size 1 to a Python scalar")
    return 0


_BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.true_divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "pow": np.power,
    "matmul": np.matmul,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "lshift": np.left_shift,
    "rshift": np.right_shift,
}
_COMPARISONS = {
    "lt": np.less,
    "le": np.less_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
_UNARY = {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}
_FUNCTIONS = (
    (
        "all",
        "any",
        "argmax",
        "argmin",
        "argpartition",
        "argsort",
        "clip",
        "cumprod",
        "cumsum",
        "diagonal",
    )
    + (
        "dot",
        "max",
        "mean",
        "min",
        "nonzero",
        "prod",
        "ravel",
        "repeat",
        "round",
        "searchsorted",
        "std",
        "sum",
        "trace",
    )
    + ("var", "choose")
)


def _operator(ufunc: np.ufunc) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    def forward(self: TracedArray, other: Any) -> Any:
        if hasattr(type(other), "tocoo"):  # a sparse matrix: it answers, as it does to an ndarray
            return NotImplemented
        return ufuncs.call(ufunc, "__call__", (self, other), {})

    def reflected(self: TracedArray, other: Any) -> Any:
        return ufuncs.call(ufunc, "__call__", (other, self), {})

    def in_place(self: TracedArray, other: Any) -> Any:
        return ufuncs.call(ufunc, "__call__", (self, other), {"out": (self,)})

    return forward, reflected, in_place


def _power(self: TracedArray, other: Any) -> Any:
    """``u ** p``: NumPy's operator takes short cuts for some exponents, and the value has to be the operator's."""
    return ufuncs.recorded(np.power, (self, other), boxes.plain(self) ** boxes.plain(other))


def _power_in_place(self: TracedArray, other: Any) -> Any:
    value = self._value
    return ufuncs.in_place(np.power, (self, other), self, lambda: value.__ipow__(boxes.plain(other)))


def _function(name: str) -> Callable[..., Any]:
    function = getattr(np, name)

    def method(self: TracedArray, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    return method


def _install() -> None:
    for name, ufunc in _BINARY.items():
        forward, reflected, in_place = _operator(ufunc)
        setattr(TracedArray, f"__{name}__", forward)
        setattr(TracedArray, f"__r{name}__", reflected)
        setattr(TracedArray, f"__i{name}__", in_place)
    TracedArray.__pow__ = _power
    TracedArray.__ipow__ = _power_in_place
    for name, ufunc in _COMPARISONS.items():
        setattr(TracedArray, f"__{name}__", _operator(ufunc)[0])
    for name, ufunc in _UNARY.items():
        setattr(
            TracedArray, f"__{name}__", lambda self, ufunc=ufunc: ufuncs.call(ufunc, "__call__", (self,), {})
        )
    for name in _FUNCTIONS:
        setattr(TracedArray, name, _function(name))


_install()
