"""``float(x)`` and ``complex(x)`` in rewritten modules: conversions that a derivative goes through."""

from __future__ import annotations

from typing import Any

from checkpointer.arrays import TracedArray
from checkpointer.refusals import refuse
from checkpointer.scalars import TracedNumber, unary
from checkpointer.tape import active


def as_float(x: Any) -> Any:
    """``float(x)``, also of a value that is being differentiated."""
    if type(x) is TracedArray:
        x = x.item()
    if type(x) is not TracedNumber:
        return _checked(x, float(x))
    return unary(x, float(x._value), 1.0)


def type_of(x: Any) -> type:
    """``type(x)``: of a traced value, the type of what it stands for."""
    return x.__class__ if type(x) in (TracedArray, TracedNumber) else type(x)


def as_complex(x: Any) -> Any:
    """``complex(x)``, also of a value that is being differentiated."""
    if type(x) is TracedArray:
        x = x.item()
    if type(x) is not TracedNumber:
        return _checked(x, complex(x))
    return unary(x, complex(x._value), 1.0)


def _checked(x: Any, value: Any) -> Any:
    """The converted value; a text must not hold a number that is being differentiated."""
    if isinstance(x, str) and active.tape is not None and active.tape.printed:
        digits = max(1, sum(map(str.isdigit, x.lower().partition("e")[0].lstrip("+-0."))))
        for number in active.tape.printed:
            if number == value or (
                not isinstance(number, complex) and float(f"{number:.{min(digits, 17)}g}") == value
            ):
                raise refuse(
                    "CKP224",
                    f"{x!r} is read as a number, and seems to be the text of one that is being differentiated, whose"
                    " derivative would be lost",
                    "use the number itself, or round() where it is to be rounded",
                )
    return value
