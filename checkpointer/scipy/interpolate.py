"""Drop-in ``scipy.interpolate``. What its objects do with traced values is in `checkpointer.scipy.interpolate_rules`."""

from typing import Any as _Any

import scipy.interpolate as _original

from checkpointer.scipy.aware import drop_in as _drop_in
from checkpointer.scipy.interpolate_rules import INSTEAD as _INSTEAD

__all__ = list(_original.__all__)

globals().update(_drop_in(_original, {}, _INSTEAD))


def __getattr__(name: str) -> _Any:
    return getattr(_original, name)
