"""What an option may be, besides what click knows: counts, sizes, speeds and times, as people write them."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation

import click

from checkpointer.errors import ArgumentError
from checkpointer.sizes import parse_size


class Count(click.ParamType):
    """A whole number, also as ``1e6`` or ``1_000_000``."""

    name = "count"

    def __init__(self, least: int, most: int = 10**18) -> None:
        self._least = least
        self._most = most

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number as an int."""
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal("nan")
        if not number.is_finite() or not self._least <= number <= self._most or number != int(number):
            self.fail(
                f"{value!r} is not a whole number, {self._least} or more, such as 1000, 1_000 or 1e3", param, ctx
            )
        return int(number)


class Size(click.ParamType):
    """A number of bytes; the text is kept beside it, to tell units of 1000 from those of 1024."""

    name = "size"

    def __init__(self, least: int = 1) -> None:
        self._least = least

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The size in bytes."""
        return _size(self, value, self._least, param, ctx)


class Speed(click.ParamType):
    """Bytes in a second: a size, with or without ``/s`` behind it."""

    name = "speed"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The speed in bytes per second."""
        text = value.strip().removesuffix("/s") if isinstance(value, str) else value
        return _size(self, text, 1, param, ctx)


class Time(click.ParamType):
    """A number of seconds."""

    name = "seconds"

    def __init__(self, *, positive: bool) -> None:
        self._positive = positive

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The time as a float."""
        try:
            seconds = float(str(value))
        except ValueError:
            seconds = math.nan
        if not (math.isfinite(seconds) and (seconds > 0 or (seconds == 0 and not self._positive))):
            least = "more than 0" if self._positive else "0 or more"
            self.fail(f"{value!r} is not a number of seconds, {least}, such as 0.02", param, ctx)
        return seconds


def _size(
    kind: click.ParamType, value: object, least: int, param: click.Parameter | None, ctx: click.Context | None
) -> int:
    try:
        return parse_size(value, least=least)
    except ArgumentError:
        more = ", more than nothing" if least else ""
        kind.fail(f'{value!r} is not a size such as "2 GiB", 500MB or 1.5e9{more}', param, ctx)
