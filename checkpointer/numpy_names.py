"""The names of `checkpointer.numpy` for ``from numpy import zeros``: they know about traced values at all times."""

from typing import Any as _Any

import numpy as _numpy

from checkpointer import numpy_random as _random
from checkpointer.creation import REPLACEMENTS as _REPLACEMENTS
from checkpointer.dropin import names_of as _names_of

__all__ = list(_numpy.__all__)

globals().update(_names_of(_numpy) | _REPLACEMENTS | {"random": _random})


def __getattr__(name: str) -> _Any:
    return getattr(_numpy, name)


def __dir__() -> list[str]:
    return dir(_numpy)
