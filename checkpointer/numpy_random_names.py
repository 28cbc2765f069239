"""The names of `checkpointer.numpy_random` for ``from numpy.random import rand``: they know about traced values always.

The classes of generators stay what they are, since annotations and subclasses are made of them.
"""

from typing import Any as _Any

import autograd as _autograd  # noqa: F401  whole, before any part of NumPy: see lazy.py
import numpy.random as _random

from checkpointer.draws import FUNCTIONS as _FUNCTIONS
from checkpointer.dropin import names_of as _names_of

__all__ = list(_random.__all__)

globals().update(_names_of(_random) | _FUNCTIONS)


def __getattr__(name: str) -> _Any:
    return getattr(_random, name)
