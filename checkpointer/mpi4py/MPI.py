"""Drop-in ``mpi4py.MPI``: everything that it has, and communicators that can be differentiated through.

They are mpi4py's own communicators as long as nothing is differentiated. From the moment when a program loads this module,
`mpi4py.MPI` has the same ``COMM_WORLD``, so that modules which are not rewritten make such communicators from it, too.
"""

import atexit as _atexit
from typing import Any as _Any

from mpi4py import MPI as _MPI

from checkpointer.dropin import register as _register
from checkpointer.mpi4py import methods as _methods  # noqa: F401  they are registered
from checkpointer.mpi4py.communicators import Intracomm as _Intracomm
from checkpointer.mpi4py.persistent import Prequest as _Prequest
from checkpointer.mpi4py.private import prepare_world as _prepare_world
from checkpointer.mpi4py.requests import Request as _Request
from checkpointer.mpi4py.waiting import leave as _leave

_prepare_world()
_atexit.register(_leave)
vars(_MPI)["COMM_WORLD"] = _Intracomm(_MPI.COMM_WORLD)
vars(_MPI)["COMM_SELF"] = _Intracomm(_MPI.COMM_SELF)

_register(globals(), _MPI, {"Request": _Request, "Prequest": _Prequest})


def __getattr__(name: str) -> _Any:
    return getattr(_MPI, name)


def __dir__() -> list[str]:
    return dir(_MPI)
