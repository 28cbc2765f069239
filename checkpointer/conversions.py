"""``float(x)``, ``np.float64(x)``, ``sum(xs)`` in rewritten modules: what a derivative goes through there."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from typing import Any

from checkpointer.arrays import TracedArray
from checkpointer.refusals import refuse
from checkpointer.scalars import TracedNumber, binary, combined, unary
from checkpointer.tape import active


def as_float(x: Any) -> Any:
    """``float(x)``, also of a value that is being differentiated."""
    if type(x) is TracedArray:
        x = x.item()
    if type(x) is TracedNumber:
        return unary(x, float(x._value), 1.0)
    return float(x) if type(x) is not str else _read(x, float(x))


def type_of(x: Any) -> type:
    """``type(x)``: of a traced value, the type of what it stands for."""
    return x.__class__ if type(x) in (TracedArray, TracedNumber) else type(x)


def as_complex(*parts: Any) -> Any:
    """``complex(x)`` or ``complex(x, y)``, also of values that are being differentiated."""
    parts = tuple(x.item() if type(x) is TracedArray else x for x in parts)
    value = complex(*map(_plain, parts))
    if not any(type(x) is TracedNumber for x in parts):
        return _read(parts[0], value) if type(parts[0]) is str else value
    if len(parts) == 1:
        return unary(parts[0], value, 1.0)
    real, imaginary = parts
    return binary(real, imaginary, value, lambda x, y, z: (1.0, 1j))


def _read(text: str, value: Any) -> Any:
    """What a text says; it must not be a number that is being differentiated."""
    for number in active.tape.printed if active.tape is not None else ():
        if number == value or _is_text_of(number, text, value):
            raise refuse(
                "CKP224",
                f"{text!r} is read as a number, and seems to be the text of one that is being differentiated, whose"
                " derivative would be lost",
                "use the number itself, or round() where it is to be rounded",
            )
    return value


def _is_text_of(number: Any, text: str, value: Any) -> bool:
    """Whether a text says a number, rounded; one digit alone may be anything's."""
    digits = sum(map(str.isdigit, text.lower().partition("e")[0].strip().lstrip("+-0.")))
    return 1 < digits < 20 and not isinstance(number, complex) and float(f"{number:.{digits}g}") == value


def as_scalar(kind: type, x: Any) -> Any:
    """``np.float64(x)``, ``np.complex64(x)`` ..., also of a value that is being differentiated."""
    if type(x) is TracedArray:
        made = x.astype(kind, copy=False)
        return made if made.ndim else made[()]
    if type(x) is not TracedNumber:
        return kind(x)
    return unary(x, kind(x._value), 1.0)


def sum_of(items: Iterable[Any], start: Any = 0) -> Any:
    """``sum(items, start)``; Python adds its own floats more exactly than one by one, from version 3.12 on."""
    if type(items) is TracedArray:
        return sum(items, start)
    items = list(items)
    numbers = [start, *items]
    if not any(type(x) is TracedNumber for x in numbers) or not all(
        isinstance(x, float | int) for x in numbers
    ):
        return sum(items, start)
    value = sum(map(_plain, items), _plain(start))
    return combined(value, [(x, 1.0) for x in numbers])


def sum_by(function: Any, *args: Any) -> Any:
    """``sum(...)`` in a module where a star import may have given the name to another function, such as NumPy's."""
    return sum_of(*args) if function is builtins.sum else function(*args)


def _plain(x: Any) -> Any:
    return x._value if type(x) is TracedNumber else x
