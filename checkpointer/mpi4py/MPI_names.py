"""The names of `checkpointer.mpi4py.MPI` for ``from mpi4py.MPI import Request``: they always know about traced values."""

from typing import Any as _Any

from mpi4py import MPI as _MPI

import checkpointer.mpi4py.MPI  # noqa: F401  whose communicators mpi4py has from now on
from checkpointer.dropin import names_of as _names_of
from checkpointer.mpi4py.persistent import Prequest as _Prequest
from checkpointer.mpi4py.requests import Request as _Request

globals().update(_names_of(_MPI) | {"Request": _Request, "Prequest": _Prequest})


def __getattr__(name: str) -> _Any:
    return getattr(_MPI, name)


def __dir__() -> list[str]:
    return dir(_MPI)
