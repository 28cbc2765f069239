"""Storage: snapshots in, snapshots out."""

from checkpointer.storage.background import BackgroundSession, BackgroundStorage
from checkpointer.storage.base import Session, Storage
from checkpointer.storage.compression import Lossy
from checkpointer.storage.dump_file import DumpFile, stored_type
from checkpointer.storage.dumps import Dump
from checkpointer.storage.hdf5 import HDF5Session, HDF5Storage
from checkpointer.storage.hdf5_integrity import verify
from checkpointer.storage.memory import MemorySession, MemoryStorage
from checkpointer.storage.portable import Content, Fill, Frame, Portable
from checkpointer.storage.tiered import TieredSession, TieredStorage

__all__ = [
    "BackgroundSession",
    "BackgroundStorage",
    "Content",
    "Dump",
    "DumpFile",
    "Fill",
    "Frame",
    "HDF5Session",
    "HDF5Storage",
    "Lossy",
    "MemorySession",
    "MemoryStorage",
    "Portable",
    "Session",
    "Storage",
    "TieredSession",
    "TieredStorage",
    "stored_type",
    "verify",
]
