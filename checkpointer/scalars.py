"""Traced numbers: Python floats and NumPy scalars that a derivative flows through.

Their arithmetic is the arithmetic of the numbers that they hold, so types, rounding and errors are those of the
untraced program. What is recorded is the pair of partial derivatives; going through autograd's array rules would
cost ten times as much, and scalar loops do little else. The tests compare every partial derivative with autograd's rule.
"""

from __future__ import annotations

import dis
import functools
import math
import operator
import sys
from collections.abc import Callable
from typing import Any

import autograd  # noqa: F401  whole, before any part of it: see lazy.py
import numpy as np
from autograd.tracer import Box

from checkpointer import arrays
from checkpointer.memory import NumberMemory
from checkpointer.refusals import refuse
from checkpointer.tape import Tape, TapeNode, active, node_of

Number = Any
Binary = Callable[[Number, Number], Number]
Partials = Callable[[Number, Number, Number], tuple[Number, Number]]

_NUMBERS = (int, float, complex, np.number, np.bool_)
_COMPLEX = (complex, np.complexfloating)


class NumberOperation:
    """A function of one or two traced numbers with known partial derivatives."""

    __slots__ = ("first", "out", "partial1", "partial2", "second")

    def __init__(
        self,
        out: NumberMemory,
        first: NumberMemory,
        partial1: Number,
        second: NumberMemory | None = None,
        partial2: Number = 0.0,
    ) -> None:
        self.out = out
        self.first = first
        self.partial1 = partial1
        self.second = second
        self.partial2 = partial2

    def reverse(self) -> None:
        adjoint = self.out.number
        self.out.number = None
        if adjoint is None or adjoint == 0:  # zero stays zero also where a partial derivative is not finite
            return
        memory = self.first
        memory.number = adjoint * self.partial1 + (0.0 if memory.number is None else memory.number)
        second = self.second
        if second is not None:
            second.number = adjoint * self.partial2 + (0.0 if second.number is None else second.number)


class ComplexNumberOperation:
    """The same for complex numbers; ``memory.add`` drops the imaginary part where the argument is real."""

    __slots__ = ("out", "terms")

    def __init__(self, out: NumberMemory, terms: list[tuple[TapeNode, Number]]) -> None:
        self.out = out
        self.terms = terms

    def reverse(self) -> None:
        adjoint = self.out.number
        self.out.number = None
        if adjoint is None or adjoint == 0:
            return
        for node, partial in self.terms:
            node.memory.add(node.value, adjoint * np.conj(partial))


class Conjugation:
    """The complex conjugate, the one function here that is not holomorphic."""

    __slots__ = ("number", "out")

    def __init__(self, out: NumberMemory, number: TapeNode) -> None:
        self.out = out
        self.number = number

    def reverse(self) -> None:
        adjoint = self.out.take(None)
        if adjoint is not None:
            self.number.memory.add(self.number.value, np.conj(adjoint))


class TracedNumber(Box):  # type: ignore[misc]
    """A number that a derivative flows through. It passes for a number of the type that it holds."""

    __slots__ = ()
    __array_priority__ = 1000.0

    _value: Number
    _trace: int
    _node: TapeNode

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # isinstance(x, float) has to hold
        return type(self._value)

    # --- what NumPy asks -------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return arrays.ufuncs.call(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return arrays.functions.call(func, args, kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise refuse(
            "CKP203",
            "a number that is being differentiated would become a plain array here, and its derivative would be lost",
            "build the array with numpy.array of a rewritten module, or assign the number to an element of an array",
        )

    # --- what Python asks ------------------------------------------------------------------------------------

    def __float__(self) -> float:
        if formats_a_string(sys._getframe(1)):
            self._node.tape.printed.append(self._value)
            return float(self._value)
        raise refuse(
            "CKP204",
            "a number that is being differentiated would become a plain float here (by float(), by assignment into a plain"
            " array, or in a function that was compiled), and its derivative would be lost",
            "leave float() away; create the array in a module that checkpointer rewrites; or call the function there",
        )

    def __complex__(self) -> complex:
        raise refuse(
            "CKP204",
            "complex() of a number that is being differentiated would lose its derivative",
            "leave complex() away, or call it in a module that checkpointer rewrites",
        )

    def __bool__(self) -> bool:
        return bool(self._value)

    def __int__(self) -> int:
        return int(self._value)

    def __trunc__(self) -> int:
        value: int = math.trunc(self._value)
        return value

    def __floor__(self) -> int:
        value: int = math.floor(self._value)
        return value

    def __ceil__(self) -> int:
        value: int = math.ceil(self._value)
        return value

    def __round__(self, ndigits: int | None = None) -> Any:
        return round(self._value) if ndigits is None else round(self._value, ndigits)

    def __hash__(self) -> int:
        raise refuse(
            "CKP217",
            "a number that is being differentiated is looked up in a dict, a set or the cache of a function, where it would"
            " be taken for the plain number of the same value",
            "use an integer as the key, such as the number of the step, or leave the cache away",
        )

    def __repr__(self) -> str:
        self._node.tape.printed.append(self._value)
        return repr(self._value)

    def __str__(self) -> str:
        self._node.tape.printed.append(self._value)
        return str(self._value)

    def __format__(self, spec: str) -> str:
        self._node.tape.printed.append(self._value)
        return format(self._value, spec)

    def __copy__(self) -> TracedNumber:
        return self

    def __deepcopy__(self, memo: Any) -> TracedNumber:
        return self

    def __reduce__(self) -> Any:
        return self.__reduce_ex__(2)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise refuse(
            "CKP205",
            "a number that is being differentiated would be pickled, and its derivative would be lost",
            "do the work of the other process in this one, or outside the differentiated code",
        )

    # --- attributes and methods of NumPy scalars -----------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        if name in _PASSED_ON:
            return getattr(self._value, name)
        if not hasattr(self._value, name) or name.startswith("__"):
            raise AttributeError(f"{type(self._value).__name__!r} object has no attribute {name!r}")
        if name in _AS_ARRAY:
            return functools.partial(_method_of_array, self, name)
        raise refuse(
            "CKP208",
            f"{type(self._value).__name__}.{name} was used on a number that is being differentiated, and it is not supported"
            " there",
            "write it with arithmetic and functions that have a rule",
        )

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(self._value, np.generic):
            raise TypeError(f"{type(self._value).__name__!r} object is not subscriptable")
        return self if isinstance(index, tuple) and not index else as_array(self)[index]

    @property
    def T(self) -> Any:  # noqa: N802  NumPy's name
        return self if isinstance(self._value, np.generic) else self.__getattr__("T")

    def tolist(self) -> Any:
        return self.item()

    @property
    def real(self) -> Any:
        return unary(self, self._value.real, 1.0)

    @property
    def imag(self) -> Any:
        value = self._value.imag
        return unary(self, value, -1j) if isinstance(self._value, _COMPLEX) else value

    def conjugate(self) -> Any:
        if not isinstance(self._value, _COMPLEX):
            return self
        tape = tape_of(self)
        node = node_of(tape, self._value.conjugate(), NumberMemory())
        tape.entries.append(Conjugation(node.memory, self._node))
        return TracedNumber(node.value, tape.trace, node)

    conj = conjugate

    def item(self, *args: Any) -> Any:
        return unary(self, self._value.item(*args), 1.0)

    def copy(self, order: Any = "C") -> TracedNumber:
        self._value.copy  # noqa: B018  a Python float has none
        return self

    def astype(self, dtype: Any, **kwargs: Any) -> Any:
        value = self._value.astype(dtype, **kwargs)
        arrays.boxes.refuse_objects(value)
        return unary(self, value, 1.0) if value.dtype.kind in "fc" else value


_PASSED_ON = frozenset(
    "shape ndim size dtype itemsize nbytes strides flags device is_integer fromhex".split()
)
_AS_ARRAY = frozenset(
    "all any argmax argmin argsort choose clip compress cumprod cumsum flatten max mean min nonzero prod ravel repeat"
    " reshape round searchsorted squeeze std sum swapaxes take trace transpose var".split()
)


def _method_of_array(number: TracedNumber, name: str, *args: Any, **kwargs: Any) -> Any:
    """A method of a NumPy scalar: that of an array without axes, which answers with a number where it can."""
    value = getattr(as_array(number), name)(*args, **kwargs)
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value


def formats_a_string(frame: Any) -> bool:
    """Whether ``float(x)`` is asked for by ``"%g" % x``: no other binary operator does, and a text has no derivative."""
    code = frame.f_code.co_code
    return bool(dis.opname[code[frame.f_lasti]].startswith("BINARY_OP"))


def tape_of(value: Any) -> Tape:
    """The tape of a traced value, which must be the one that records now."""
    tape: Tape = value._node.tape
    recording: Tape | None = active.tape
    if tape is not recording:
        raise stale()
    return tape


def stale() -> Exception:
    """The refusal of a traced value outside the stretch of the program that traced it."""
    return refuse(
        "CKP206",
        "a value that was being differentiated has left the step or function that was differentiated",
        "keep it where the loop's variables can reach it (a name, an attribute, a list), not in a place that"
        " checkpointer cannot see, such as a cache of a library",
    )


def unary(number: TracedNumber, value: Number, partial: Number) -> TracedNumber:
    """Record ``value`` as a function of ``number`` with the given derivative."""
    tape = tape_of(number)
    node = node_of(tape, value, NumberMemory())
    if isinstance(value, _COMPLEX) or isinstance(number._value, _COMPLEX):
        tape.entries.append(ComplexNumberOperation(node.memory, [(number._node, partial)]))
    else:
        tape.entries.append(NumberOperation(node.memory, number._node.memory, partial))
    return TracedNumber(value, tape.trace, node)


def binary(a: Any, b: Any, value: Number, partials: Partials) -> TracedNumber:
    """Record ``value`` as a function of two numbers, one of which at least is traced."""
    x = a._value if type(a) is TracedNumber else a
    y = b._value if type(b) is TracedNumber else b
    dx, dy = partials(x, y, value)
    if type(a) is not TracedNumber:
        return unary(b, value, dy)
    if type(b) is not TracedNumber:
        return unary(a, value, dx)
    tape = tape_of(a)
    tape_of(b)
    node = node_of(tape, value, NumberMemory())
    if isinstance(value, _COMPLEX):
        tape.entries.append(ComplexNumberOperation(node.memory, [(a._node, dx), (b._node, dy)]))
    else:
        tape.entries.append(NumberOperation(node.memory, a._node.memory, dx, b._node.memory, dy))
    return TracedNumber(value, tape.trace, node)


def combined(value: Number, terms: list[tuple[Any, float]]) -> Any:
    """Record ``value`` as a function of several numbers: a chain of sums whose last link carries the value."""
    traced = [(x, partial) for x, partial in terms if type(x) is TracedNumber]
    total = unary(traced[0][0], value, traced[0][1])
    for x, partial in traced[1:]:
        total = binary(total, x, value, lambda a, b, v, partial=partial: (1.0, partial))  # type: ignore[misc]
    return total


def as_array(number: TracedNumber) -> Any:
    """The number as a traced array without axes."""
    tape = tape_of(number)
    return arrays.boxes.result(tape, np.array(number._value), lambda g: (g,), (number._node,))


# --- operators ---------------------------------------------------------------------------------------------------


def _inverse(y: Number) -> Number:
    return 1 / y if y else math.inf


def _power_partials(x: Number, y: Number, value: Number) -> tuple[Number, Number]:
    if not y:
        dx = 0.0
    elif x or (not isinstance(y, _COMPLEX) and y >= 1):
        dx = y * x ** (y - 1)
    else:
        dx = math.inf
    if isinstance(value, _COMPLEX):
        return dx, value * np.log(complex(x)) if x else 0.0
    if x > 0:
        return dx, value * (np.log(x) if isinstance(x, np.longdouble) else math.log(x))
    return dx, 0.0 if x == 0 else math.nan


_ARITHMETIC: dict[str, tuple[Binary, Any, Partials]] = {
    "add": (operator.add, np.add, lambda x, y, value: (1.0, 1.0)),
    "sub": (operator.sub, np.subtract, lambda x, y, value: (1.0, -1.0)),
    "mul": (operator.mul, np.multiply, lambda x, y, value: (y, x)),
    "truediv": (operator.truediv, np.true_divide, lambda x, y, value: (_inverse(y), -value * _inverse(y))),
    "pow": (operator.pow, np.power, _power_partials),
    "mod": (operator.mod, np.remainder, lambda x, y, value: (1.0, -(x // y) if y else math.nan)),
}
_PIECEWISE_CONSTANT = {"floordiv": (operator.floordiv, np.floor_divide)}
_COMPARISONS = {
    "lt": (operator.lt, np.less),
    "le": (operator.le, np.less_equal),
    "eq": (operator.eq, np.equal),
    "ne": (operator.ne, np.not_equal),
    "gt": (operator.gt, np.greater),
    "ge": (operator.ge, np.greater_equal),
}


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)  # a traced array passes for one


def _arithmetic(operation: Binary, ufunc: Any, partials: Partials) -> tuple[Any, Any]:
    def forward(self: TracedNumber, other: Any) -> Any:
        if type(other) is TracedNumber:
            return binary(self, other, operation(self._value, other._value), partials)
        if _is_array(other):
            return ufunc(self, other)
        if not isinstance(other, _NUMBERS):
            return NotImplemented
        return binary(self, other, operation(self._value, other), partials)

    def reflected(self: TracedNumber, other: Any) -> Any:
        if _is_array(other):
            return ufunc(other, self)
        if not isinstance(other, _NUMBERS):
            return NotImplemented
        return binary(other, self, operation(other, self._value), partials)

    return forward, reflected


def _constant_binary(operation: Binary, ufunc: Any) -> tuple[Any, Any]:
    def forward(self: TracedNumber, other: Any) -> Any:
        if _is_array(other):
            return ufunc(self, other)
        return operation(self._value, other._value if type(other) is TracedNumber else other)

    def reflected(self: TracedNumber, other: Any) -> Any:
        return ufunc(other, self) if _is_array(other) else operation(other, self._value)

    return forward, reflected


def _install_operators() -> None:
    for name, (operation, ufunc, partials) in _ARITHMETIC.items():
        forward, reflected = _arithmetic(operation, ufunc, partials)
        setattr(TracedNumber, f"__{name}__", forward)
        setattr(TracedNumber, f"__r{name}__", reflected)
    for name, (operation, ufunc) in _PIECEWISE_CONSTANT.items():
        forward, reflected = _constant_binary(operation, ufunc)
        setattr(TracedNumber, f"__{name}__", forward)
        setattr(TracedNumber, f"__r{name}__", reflected)
    for name, (operation, ufunc) in _COMPARISONS.items():
        setattr(TracedNumber, f"__{name}__", _constant_binary(operation, ufunc)[0])
    TracedNumber.__neg__ = lambda self: unary(self, -self._value, -1.0)
    TracedNumber.__pos__ = lambda self: unary(self, +self._value, 1.0)
    TracedNumber.__abs__ = _absolute
    TracedNumber.__divmod__ = lambda self, other: (self // other, self % other)
    TracedNumber.__rdivmod__ = lambda self, other: (other // self, other % self)


def _absolute(self: TracedNumber) -> Any:
    value = abs(self._value)
    if isinstance(self._value, _COMPLEX):
        return unary(self, value, self._value.conjugate() / value if value else 0.0)
    return unary(self, value, 1.0 if self._value > 0 else (-1.0 if self._value < 0 else 0.0))


_install_operators()
