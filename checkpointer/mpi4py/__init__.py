"""Drop-in mpi4py: a rewritten module imports it in the place of ``mpi4py``.

Its ``MPI`` is mpi4py's own, except that communicators know about traced values while something is differentiated.
mpi4py is no requirement of checkpointer. Nothing here is imported before a program imports mpi4py itself.
"""

import importlib as _importlib
from typing import Any as _Any

import mpi4py as _mpi4py


def __getattr__(name: str) -> _Any:
    if name == "MPI":
        return _importlib.import_module("checkpointer.mpi4py.MPI")
    try:
        return getattr(_mpi4py, name)
    except AttributeError:
        if name.startswith("_"):
            raise
    try:
        return _importlib.import_module(f"mpi4py.{name}")
    except ModuleNotFoundError:
        raise AttributeError(f"module 'mpi4py' has no attribute {name!r}") from None
