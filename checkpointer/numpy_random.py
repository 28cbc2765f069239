"""Drop-in ``numpy.random``: the original. A rewritten module imports it in the place of ``numpy.random``.

While something is differentiated, the tape watches what its functions and generators draw (`checkpointer.draws`).
"""

from typing import Any as _Any

import autograd as _autograd  # noqa: F401  whole, before any part of NumPy: see lazy.py
import numpy.random as _random

from checkpointer.draws import REPLACEMENTS as _REPLACEMENTS
from checkpointer.dropin import register as _register

_register(globals(), _random, _REPLACEMENTS)


def __getattr__(name: str) -> _Any:
    return getattr(_random, name)
