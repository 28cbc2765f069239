"""Integers and costs that a caller passed, checked once, at the call that received them."""

from __future__ import annotations

import math
import operator
from fractions import Fraction
from numbers import Real

from checkpointer.errors import ArgumentError


def integer(value: object, name: str, owner: str, least: int) -> int:
    """The argument ``name`` of ``owner`` as an int that is at least ``least``.

    NumPy's integers are integers here; bools, floats and strings are not, even where they have an integer's
    value.

    Raises
    ------
    ArgumentError
        If it is no integer, or smaller than ``least``.

    >>> integer(8, "snapshots", "Revolve", 1)
    8
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or number < least:
        raise ArgumentError(f"{owner}: {name} must be an integer, {least} or more, but is {value!r}")
    return number


def price(value: object, name: str, owner: str) -> float | Fraction:
    """The argument ``name`` of ``owner`` as a cost: a finite number that is not negative.

    Any real number of Python's or NumPy's will do; all but fractions become floats.

    Raises
    ------
    ArgumentError
        If it is no such number.

    >>> price(2, "write", "DiskRevolve")
    2.0
    """
    try:
        real = isinstance(value, Real) and not isinstance(value, bool)
        number = value if isinstance(value, Fraction) else float(value) if real else None  # type: ignore[arg-type]
    except OverflowError:
        number = None
    if number is None or not 0 <= number < math.inf:
        raise ArgumentError(f"{owner}: {name} must be a finite number, 0 or more, but is {value!r}")
    return number
