"""Drop-in ``scipy.linalg``. The rules are in `checkpointer.scipy.linalg_rules`."""

from typing import Any as _Any

import scipy.linalg as _original

from checkpointer.scipy.aware import drop_in as _drop_in
from checkpointer.scipy.linalg_rules import RULES as _RULES

__all__ = list(_original.__all__)

globals().update(_drop_in(_original, _RULES))


def __getattr__(name: str) -> _Any:
    return getattr(_original, name)
