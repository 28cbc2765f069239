"""What an option may be, besides what click knows: counts, sizes, speeds and times, as people write them.

Each is a function from the text to the value that raises click.BadParameter; click adds the name of the option.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

import click

from checkpointer.errors import ArgumentError
from checkpointer.schemes.sizes import parse_size

_MOST = 10**10
"""Enough for any loop; what takes square roots of the number of steps is still quick."""


def count(least: int) -> Callable[[str], int]:
    """A whole number, also as ``1e6`` or ``1_000_000``.

    >>> count(1)("1e6")
    1000000
    """

    def convert(text: str) -> int:
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("nan")
        if not number.is_finite() or not least <= number <= _MOST or number != int(number):
            raise click.BadParameter(
                f"{text!r} is not a whole number from {least} to 1e10, such as 1000, 1_000 or 1e3"
            )
        return int(number)

    return convert


def size(least: int) -> Callable[[str], int]:
    """A number of bytes.

    >>> size(1)("2 GiB")
    2147483648
    """

    def convert(text: str) -> int:
        try:
            return parse_size(text, least=least)
        except ArgumentError:
            more = ", more than nothing" if least else ""
            raise click.BadParameter(f"{text!r} is not a size such as 2GiB, 500MB or 1.5e9{more}") from None

    return convert


def speed(text: str) -> int:
    """Bytes in a second: a size, with or without ``/s`` behind it.

    >>> speed("500 MB/s")
    500000000
    """
    try:
        return parse_size(text.strip().removesuffix("/s"), least=1)
    except ArgumentError:
        raise click.BadParameter(f"{text!r} is not a speed such as 500MB/s or 1.5e9") from None


def time(*, positive: bool) -> Callable[[str], float]:
    """A number of seconds.

    >>> time(positive=True)("2e-3")
    0.002
    """

    def convert(text: str) -> float:
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not math.isfinite(seconds) or seconds < 0 or (positive and seconds == 0):
            least = "more than 0" if positive else "0 or more"
            raise click.BadParameter(f"{text!r} is not a number of seconds, {least}, such as 0.02")
        return seconds

    return convert
