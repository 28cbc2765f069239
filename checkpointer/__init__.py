"""Exact gradients of NumPy time loops in the memory you choose."""

from checkpointer import arrays as _arrays  # noqa: F401  first: the dispatch finds itself by it
from checkpointer.differentiation import grad, value_and_grad, vjp
from checkpointer.errors import (
    ArgumentError,
    CheckpointerError,
    NotRewrittenError,
    RefusedError,
    ReplayError,
    ScheduleError,
    StorageError,
    TraceError,
    TransformError,
)
from checkpointer.hook import install_import_hook
from checkpointer.markers import checkpointed
from checkpointer.replay import replaying
from checkpointer.schemes import (
    Auto,
    DiskRevolve,
    FromCheckpointSchedules,
    HRevolve,
    Level,
    Mixed,
    Multistage,
    Online,
    Periodic,
    PeriodicDiskRevolve,
    Revolve,
    Scheme,
    StoreAll,
    TwoLevel,
)
from checkpointer.showing import show
from checkpointer.storage import (
    BackgroundStorage,
    Dump,
    HDF5Storage,
    Lossy,
    MemoryStorage,
    Storage,
    TieredStorage,
)
from checkpointer.transform import transform
from checkpointer.version import VERSION as __version__

__all__ = [
    "ArgumentError",
    "Auto",
    "BackgroundStorage",
    "CheckpointerError",
    "DiskRevolve",
    "Dump",
    "FromCheckpointSchedules",
    "HDF5Storage",
    "HRevolve",
    "Level",
    "Lossy",
    "MemoryStorage",
    "Mixed",
    "Multistage",
    "NotRewrittenError",
    "Online",
    "Periodic",
    "PeriodicDiskRevolve",
    "RefusedError",
    "ReplayError",
    "Revolve",
    "ScheduleError",
    "Scheme",
    "Storage",
    "StorageError",
    "StoreAll",
    "TieredStorage",
    "TraceError",
    "TransformError",
    "TwoLevel",
    "__version__",
    "checkpointed",
    "grad",
    "install_import_hook",
    "replaying",
    "show",
    "transform",
    "value_and_grad",
    "vjp",
]
