"""Drop-in NumPy: everything that ``numpy`` has. A rewritten module imports it in the place of ``numpy``.

While something is differentiated, the functions that make arrays make arrays that the tape watches
(`checkpointer.creation`); what NumPy's own protocols dispatch to traced arrays is NumPy's own at all times.
"""

from typing import Any as _Any

import numpy as _numpy

from checkpointer import numpy_random as _random
from checkpointer.creation import REPLACEMENTS as _REPLACEMENTS
from checkpointer.dropin import register as _register

_register(globals(), _numpy, {**_REPLACEMENTS, "random": _random})


def __getattr__(name: str) -> _Any:
    return getattr(_numpy, name)


def __dir__() -> list[str]:
    return dir(_numpy)
