"""Storage: snapshots in, snapshots out."""

from checkpointer.storage.base import Session, Storage
from checkpointer.storage.memory import MemorySession, MemoryStorage
from checkpointer.storage.tiered import TieredSession, TieredStorage

__all__ = ["MemorySession", "MemoryStorage", "Session", "Storage", "TieredSession", "TieredStorage"]
