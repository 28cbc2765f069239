"""Drop-in ``scipy.integrate``. The rules are in `checkpointer.scipy.integrate_rules`."""

from typing import Any as _Any

import scipy.integrate as _original

from checkpointer.scipy.aware import drop_in as _drop_in
from checkpointer.scipy.integrate_rules import RULES as _RULES

_INSTEAD = (
    "it steps on plain values, by an error estimate of its own: write the steps (RK4, for example) in the rewritten module,"
    " or use trapezoid or simpson for samples"
)

__all__ = list(_original.__all__)

globals().update(_drop_in(_original, _RULES, _INSTEAD))


def __getattr__(name: str) -> _Any:
    return getattr(_original, name)
