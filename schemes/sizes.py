"""Numbers of bytes as people write and read them: "2 GiB", "500 MB"."""

from __future__ import annotations

import operator
import re
from decimal import Decimal
from itertools import count

from checkpointer.errors import ArgumentError

_PREFIXES = "kMGTPE"
_UNITS = {"": 1, "b": 1}
"""A unit, in lower case -> bytes. "2G" is 2 GB: the smaller reading, which a budget survives."""
for _power, _prefix in enumerate(_PREFIXES.lower(), start=1):
    _UNITS[_prefix] = _UNITS[f"{_prefix}b"] = 1000**_power
    _UNITS[f"{_prefix}ib"] = _UNITS[f"{_prefix}i"] = 1024**_power

_SIZE = re.compile(r"\s*((?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*([a-zA-Z]*)\s*")
_MOST = 2**63


def parse_size(size: object, name: str = "size", owner: str = "parse_size", *, least: int = 0) -> int:
    """A size, as a number or as a text with a unit, in bytes; fractions of a byte are dropped.

    Units are kB, MB, GB, TB, PB, EB (powers of 1000; also written K, M, ...) and KiB, MiB, GiB, TiB, PiB, EiB
    (powers of 1024), in upper or lower case; without one, bytes are meant.

    Parameters
    ----------
    size : int, float or str
        What a caller passed as the argument ``name`` of ``owner``.
    name, owner : str
        For the message.
    least : int
        The fewest bytes that are accepted.

    Raises
    ------
    ArgumentError
        If it is no such size, smaller than ``least``, or 8 EiB or more.

    >>> parse_size("2 GiB"), parse_size("500MB"), parse_size("1.5e9"), parse_size(4096)
    (2147483648, 500000000, 1500000000, 4096)
    """
    number = _bytes(size)
    if number is None or not least <= number < _MOST:
        fewest = "" if least == 0 else f", {least} bytes or more" if least > 1 else ", more than nothing"
        raise ArgumentError(
            f'{owner}: {name} must be a size such as "2 GiB", "500 MB" or a number of bytes{fewest}, but is {size!r}'
        )
    return number


def show_size(size: int, *, binary: bool = True) -> str:
    """A number of bytes with three digits and a unit, of 1024s or of 1000s.

    >>> show_size(2147483648), show_size(1234567), show_size(1234567, binary=False), show_size(12)
    ('2 GiB', '1.18 MiB', '1.23 MB', '12 B')
    """
    base = 1024 if binary else 1000
    units = ["B", *((f"{prefix.upper()}iB" if binary else f"{prefix}B") for prefix in _PREFIXES)]
    for power in count():
        value = size / base**power
        text = f"{value:.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f}"
        if float(text) < base or power == len(_PREFIXES):
            break
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {units[power]}"


def _bytes(size: object) -> int | None:
    """The size in bytes, or None if it is none."""
    if isinstance(size, str):
        match = _SIZE.fullmatch(size)
        unit = _UNITS.get(match[2].lower()) if match else None
        return int(Decimal(match[1]) * unit) if match and unit else None
    if isinstance(size, float):
        return int(size) if 0 <= size < _MOST else None
    try:
        return None if isinstance(size, bool) else operator.index(size)  # type: ignore[arg-type]
    except TypeError:
        return None
