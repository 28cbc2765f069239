"""``float(x)`` and ``complex(x)`` in rewritten modules: conversions that a derivative goes through."""

from __future__ import annotations

from typing import Any

from checkpointer.arrays import TracedArray
from checkpointer.scalars import TracedNumber, unary


def as_float(x: Any) -> Any:
    """``float(x)``, also of a value that is being differentiated."""
    if type(x) is TracedArray:
        x = x.item()
    if type(x) is not TracedNumber:
        return float(x)
    return unary(x, float(x._value), 1.0)


def type_of(x: Any) -> type:
    """``type(x)``: of a traced value, the type of what it stands for."""
    return x.__class__ if type(x) in (TracedArray, TracedNumber) else type(x)


def as_complex(x: Any) -> Any:
    """``complex(x)``, also of a value that is being differentiated."""
    if type(x) is TracedArray:
        x = x.item()
    if type(x) is not TracedNumber:
        return complex(x)
    return unary(x, complex(x._value), 1.0)
