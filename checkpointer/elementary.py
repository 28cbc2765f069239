"""The functions of ``math`` for traced numbers. `checkpointer.math` offers them in the place of the originals.

For plain numbers the standard functions compute, to the same bit.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from checkpointer.arrays import TracedArray
from checkpointer.refusals import refuse
from checkpointer.scalars import TracedNumber, binary, combined, unary

_LN2 = math.log(2.0)
_LN10 = math.log(10.0)
_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)


def _over(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.inf


_DERIVATIVES: dict[str, Callable[[float, float], float]] = {
    "acos": lambda x, y: -_over(1, math.sqrt(1 - x * x)),
    "acosh": lambda x, y: _over(1, math.sqrt(x * x - 1)),
    "asin": lambda x, y: _over(1, math.sqrt(1 - x * x)),
    "asinh": lambda x, y: 1 / math.sqrt(x * x + 1),
    "atan": lambda x, y: 1 / (1 + x * x),
    "atanh": lambda x, y: _over(1, 1 - x * x),
    "cbrt": lambda x, y: _over(1, 3 * y * y),
    "cos": lambda x, y: -math.sin(x),
    "cosh": lambda x, y: math.sinh(x),
    "degrees": lambda x, y: 180 / math.pi,
    "erf": lambda x, y: _TWO_OVER_ROOT_PI * math.exp(-x * x),
    "erfc": lambda x, y: -_TWO_OVER_ROOT_PI * math.exp(-x * x),
    "exp": lambda x, y: y,
    "exp2": lambda x, y: y * _LN2,
    "expm1": lambda x, y: y + 1,
    "fabs": lambda x, y: 1.0 if x > 0 else (-1.0 if x < 0 else 0.0),
    "log10": lambda x, y: 1 / (x * _LN10),
    "log1p": lambda x, y: 1 / (1 + x),
    "log2": lambda x, y: 1 / (x * _LN2),
    "radians": lambda x, y: math.pi / 180,
    "sin": lambda x, y: math.cos(x),
    "sinh": lambda x, y: math.cosh(x),
    "sqrt": lambda x, y: _over(0.5, y),
    "tan": lambda x, y: 1 + y * y,
    "tanh": lambda x, y: 1 - y * y,
}
_PARTIALS: dict[str, Callable[[float, float, float], tuple[float, float]]] = {
    "atan2": lambda x, y, value: (y / (x * x + y * y), -x / (x * x + y * y)),
    "copysign": lambda x, y, value: (math.copysign(1.0, x) * math.copysign(1.0, y), 0.0),
    "ldexp": lambda x, i, value: (2.0**i, 0.0),
    "nextafter": lambda x, y, value: (1.0, 0.0),
    "fmod": lambda x, y, value: (1.0, -float(math.trunc(x / y))),
    "remainder": lambda x, y, value: (1.0, -(x - value) / y),
    "pow": lambda x, y, value: (
        y * x ** (y - 1) if y and (x or y >= 1) else (math.inf if y else 0.0),
        value * math.log(x) if x > 0 else 0.0,
    ),
}
_PIECEWISE_CONSTANT = ("ceil", "floor", "isclose", "isfinite", "isinf", "isnan", "trunc", "ulp")
_OF_INTEGERS = ("comb", "factorial", "gcd", "isqrt", "lcm", "perm")
_UNKNOWN = ("gamma", "lgamma")


def _one(name: str, derivative: Callable[[float, float], float]) -> Callable[..., Any]:
    original = getattr(math, name)

    @functools.wraps(original)
    def function(x: Any, /) -> Any:
        x = _single(x)
        if type(x) is not TracedNumber:
            return original(x)
        number = x._value
        value = original(number)
        return unary(x, value, derivative(float(number), value))

    return function


def _two(name: str, partials: Callable[[float, float, float], tuple[float, float]]) -> Callable[..., Any]:
    original = getattr(math, name)

    @functools.wraps(original)
    def function(x: Any, y: Any, /) -> Any:
        x, y = _single(x), _single(y)
        if type(x) is not TracedNumber and type(y) is not TracedNumber:
            return original(x, y)
        return binary(x, y, original(_plain(x), _plain(y)), partials)

    return function


def _constant(name: str) -> Callable[..., Any]:
    original = getattr(math, name)

    @functools.wraps(original)
    def function(*args: Any, **kwargs: Any) -> Any:
        return original(*map(_plain, args), **{name: _plain(x) for name, x in kwargs.items()})

    return function


def _single(x: Any) -> Any:
    """``math`` accepts arrays of one element; the element of a traced one is traced."""
    return x.item() if type(x) is TracedArray else x


def _plain(x: Any) -> Any:
    x = _single(x)
    return x._value if type(x) is TracedNumber else x


@functools.wraps(math.log)
def log(x: Any, *base: Any) -> Any:
    x = _single(x)
    if base:
        traced = type(x) is TracedNumber or type(base[0]) is TracedNumber
        return log(x) / log(base[0]) if traced else math.log(x, *base)
    if type(x) is not TracedNumber:
        return math.log(x)
    return unary(x, math.log(x._value), 1 / float(x._value))


@functools.wraps(math.hypot)
def hypot(*coordinates: Any) -> Any:
    coordinates = tuple(map(_single, coordinates))
    if not any(type(x) is TracedNumber for x in coordinates):
        return math.hypot(*coordinates)
    value = math.hypot(*map(_plain, coordinates))
    return combined(value, [(x, _over(float(_plain(x)), value) if value else 0.0) for x in coordinates])


@functools.wraps(math.fsum)
def fsum(seq: Any, /) -> Any:
    items = list(map(_single, seq))
    if not any(type(x) is TracedNumber for x in items):
        return math.fsum(items)
    return combined(math.fsum(map(_plain, items)), [(x, 1.0) for x in items])


@functools.wraps(math.dist)
def dist(p: Any, q: Any, /) -> Any:
    p, q = list(map(_single, p)), list(map(_single, q))
    value = math.dist(list(map(_plain, p)), list(map(_plain, q)))
    if not any(type(x) is TracedNumber for x in (*p, *q)):
        return value
    steps = [_over(float(_plain(a) - _plain(b)), value) if value else 0.0 for a, b in zip(p, q, strict=True)]
    return combined(
        value, [*zip(p, steps, strict=True), *((b, -step) for b, step in zip(q, steps, strict=True))]
    )


@functools.wraps(math.prod)
def prod(iterable: Any, /, *, start: Any = 1) -> Any:
    factors = [start, *iterable]
    if not any(type(x) is TracedNumber for x in factors):
        return math.prod(factors[1:], start=start)
    if any(isinstance(x, np.ndarray | np.generic) or not isinstance(x, int | float) for x in factors):
        return functools.reduce(
            operator.mul, factors
        )  # as math.prod does for everything but numbers of Python
    plain = list(map(_plain, factors))
    before = list(itertools.accumulate([1.0, *plain[:-1]], operator.mul))
    after = list(itertools.accumulate([1.0, *plain[:0:-1]], operator.mul))[::-1]
    value = math.prod(plain[1:], start=plain[0])
    return combined(value, [(x, a * b) for x, a, b in zip(factors, before, after, strict=True)])


def sumprod(p: Any, q: Any, /) -> Any:
    """``math.sumprod`` of Python 3.12 and later."""
    p, q = list(map(_single, p)), list(map(_single, q))
    original = getattr(math, "sumprod")  # noqa: B009  older versions have none, as the type checker knows
    value = original(list(map(_plain, p)), list(map(_plain, q)))
    if not any(type(x) is TracedNumber for x in (*p, *q)):
        return value
    return combined(
        value, [pair for a, b in zip(p, q, strict=True) for pair in ((a, _plain(b)), (b, _plain(a)))]
    )


def fma(x: Any, y: Any, z: Any, /) -> Any:
    """``math.fma`` of Python 3.13 and later."""
    x, y, z = _single(x), _single(y), _single(z)
    original = getattr(math, "fma")  # noqa: B009
    value = original(_plain(x), _plain(y), _plain(z))
    if not any(type(a) is TracedNumber for a in (x, y, z)):
        return value
    return combined(value, [(x, _plain(y)), (y, _plain(x)), (z, 1.0)])


@functools.wraps(math.modf)
def modf(x: Any, /) -> Any:
    x = _single(x)
    if type(x) is not TracedNumber:
        return math.modf(x)
    fraction, whole = math.modf(x._value)
    return unary(x, fraction, 1.0), whole


@functools.wraps(math.frexp)
def frexp(x: Any, /) -> Any:
    x = _single(x)
    if type(x) is not TracedNumber:
        return math.frexp(x)
    mantissa, exponent = math.frexp(x._value)
    return unary(x, mantissa, 2.0**-exponent), exponent


def _refused(name: str) -> Callable[..., Any]:
    original = getattr(math, name)

    @functools.wraps(original)
    def function(*args: Any, **kwargs: Any) -> Any:
        if any(type(_single(x)) is TracedNumber for x in args):
            raise refuse(
                "CKP201",
                f"math.{name} was called on a number that is being differentiated, and no derivative rule for it is known",
                f"write it with other functions, or wrap math.{name} with autograd.extend.primitive and give it a rule",
            )
        return original(*args, **kwargs)

    return function


REPLACEMENTS: dict[str, Callable[..., Any]] = {
    "dist": dist,
    "frexp": frexp,
    "fsum": fsum,
    "hypot": hypot,
    "log": log,
    "modf": modf,
    "prod": prod,
    **{function.__name__: function for function in (fma, sumprod) if hasattr(math, function.__name__)},
    **{name: _one(name, derivative) for name, derivative in _DERIVATIVES.items() if hasattr(math, name)},
    **{name: _two(name, partials) for name, partials in _PARTIALS.items()},
    **{name: _constant(name) for name in _PIECEWISE_CONSTANT},
    **{name: _refused(name) for name in (*_OF_INTEGERS, *_UNKNOWN)},
}
