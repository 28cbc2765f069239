"""Integers that a caller passed, checked once, at the call that received them."""

from __future__ import annotations

import operator

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
