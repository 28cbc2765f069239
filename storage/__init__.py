"""Storage: snapshots in, snapshots out."""

from typing import TYPE_CHECKING

from checkpointer.lazy import on_demand

if TYPE_CHECKING:  # for those who read; for those who run, the table below
    from checkpointer.storage.background import BackgroundSession as BackgroundSession
    from checkpointer.storage.background import BackgroundStorage as BackgroundStorage
    from checkpointer.storage.base import Session as Session
    from checkpointer.storage.base import Storage as Storage
    from checkpointer.storage.compression import Lossy as Lossy
    from checkpointer.storage.dump_file import DumpFile as DumpFile
    from checkpointer.storage.dump_file import stored_type as stored_type
    from checkpointer.storage.dumps import Dump as Dump
    from checkpointer.storage.hdf5 import HDF5Session as HDF5Session
    from checkpointer.storage.hdf5 import HDF5Storage as HDF5Storage
    from checkpointer.storage.hdf5_integrity import verify as verify
    from checkpointer.storage.memory import MemorySession as MemorySession
    from checkpointer.storage.memory import MemoryStorage as MemoryStorage
    from checkpointer.storage.portable import Content as Content
    from checkpointer.storage.portable import Fill as Fill
    from checkpointer.storage.portable import Frame as Frame
    from checkpointer.storage.portable import Portable as Portable
    from checkpointer.storage.tiered import TieredSession as TieredSession
    from checkpointer.storage.tiered import TieredStorage as TieredStorage
else:
    __getattr__, __dir__, __all__ = on_demand(
        __name__,
        {
            "background": "BackgroundSession BackgroundStorage",
            "base": "Session Storage",
            "compression": "Lossy",
            "dump_file": "DumpFile stored_type",
            "dumps": "Dump",
            "hdf5": "HDF5Session HDF5Storage",
            "hdf5_integrity": "verify",
            "memory": "MemorySession MemoryStorage",
            "portable": "Content Fill Frame Portable",
            "tiered": "TieredSession TieredStorage",
        },
    )
