"""Exact gradients of NumPy time loops in the memory you choose."""

from typing import TYPE_CHECKING, Any

from checkpointer.lazy import on_demand
from checkpointer.version import VERSION

__version__ = VERSION

if TYPE_CHECKING:  # for those who read; for those who run, the table below
    from checkpointer import errors as errors
    from checkpointer import schemes as schemes
    from checkpointer import storage as storage
    from checkpointer.checking import check as check
    from checkpointer.decorator import transform as transform
    from checkpointer.differentiation import grad as grad
    from checkpointer.differentiation import value_and_grad as value_and_grad
    from checkpointer.differentiation import vjp as vjp
    from checkpointer.errors import ArgumentError as ArgumentError
    from checkpointer.errors import CheckpointerError as CheckpointerError
    from checkpointer.errors import NotRewrittenError as NotRewrittenError
    from checkpointer.errors import RankError as RankError
    from checkpointer.errors import RefusedError as RefusedError
    from checkpointer.errors import ReplayError as ReplayError
    from checkpointer.errors import ScheduleError as ScheduleError
    from checkpointer.errors import StorageError as StorageError
    from checkpointer.errors import TraceError as TraceError
    from checkpointer.errors import TransformError as TransformError
    from checkpointer.errors import WrongGradientError as WrongGradientError
    from checkpointer.hook import install_import_hook as install_import_hook
    from checkpointer.markers import checkpointed as checkpointed
    from checkpointer.replay import replaying as replaying
    from checkpointer.runs import last_run as last_run
    from checkpointer.runs import watching as watching
    from checkpointer.schemes import Auto as Auto
    from checkpointer.schemes import DiskRevolve as DiskRevolve
    from checkpointer.schemes import FromCheckpointSchedules as FromCheckpointSchedules
    from checkpointer.schemes import HRevolve as HRevolve
    from checkpointer.schemes import Level as Level
    from checkpointer.schemes import Mixed as Mixed
    from checkpointer.schemes import Multistage as Multistage
    from checkpointer.schemes import Online as Online
    from checkpointer.schemes import Periodic as Periodic
    from checkpointer.schemes import PeriodicDiskRevolve as PeriodicDiskRevolve
    from checkpointer.schemes import Revolve as Revolve
    from checkpointer.schemes import Scheme as Scheme
    from checkpointer.schemes import StoreAll as StoreAll
    from checkpointer.schemes import TwoLevel as TwoLevel
    from checkpointer.showing import show as show
    from checkpointer.storage import BackgroundStorage as BackgroundStorage
    from checkpointer.storage import Dump as Dump
    from checkpointer.storage import HDF5Storage as HDF5Storage
    from checkpointer.storage import Lossy as Lossy
    from checkpointer.storage import MemoryStorage as MemoryStorage
    from checkpointer.storage import Storage as Storage
    from checkpointer.storage import TieredStorage as TieredStorage
else:
    __getattr__, __dir__, __all__ = on_demand(
        __name__,
        {
            "decorator": "transform",
            "differentiation": "grad value_and_grad vjp",
            "errors": "ArgumentError CheckpointerError NotRewrittenError RankError RefusedError ReplayError"
            " ScheduleError StorageError TraceError TransformError WrongGradientError",
            "checking": "check",
            "hook": "install_import_hook",
            "markers": "checkpointed",
            "replay": "replaying",
            "runs": "last_run watching",
            "schemes": "Auto DiskRevolve FromCheckpointSchedules HRevolve Level Mixed Multistage Online Periodic"
            " PeriodicDiskRevolve Revolve Scheme StoreAll TwoLevel",
            "showing": "show",
            "storage": "BackgroundStorage Dump HDF5Storage Lossy MemoryStorage Storage TieredStorage",
        },
        subpackages="errors schemes storage",
    )
    __all__ += ["__version__"]


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext checkpointer``: the magics of `checkpointer.notebook`."""
    from checkpointer import notebook

    notebook.load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """``%unload_ext checkpointer``: what is transformed remains so."""
    from checkpointer import notebook

    notebook.unload(shell)
