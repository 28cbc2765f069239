"""Drop-in SciPy: a rewritten module imports it in the place of ``scipy``.

Each submodule with a file here is SciPy's own, except that its functions know about traced values: they are recorded with
a derivative rule, or refused by name (`checkpointer.scipy.aware`). Everything else is SciPy's.

SciPy is no requirement of checkpointer. Nothing here is imported before a program imports SciPy itself.
"""

import importlib as _importlib
from typing import Any as _Any

import scipy as _scipy

_SUBMODULES = frozenset(
    "fft fftpack integrate interpolate linalg ndimage optimize signal sparse special".split()
)

__all__ = list(_scipy.__all__)


def __getattr__(name: str) -> _Any:
    if name in _SUBMODULES:
        return _importlib.import_module(f"checkpointer.scipy.{name}")
    return getattr(_scipy, name)
