"""Snapshots in the memory of the process."""

from __future__ import annotations

from dataclasses import dataclass

from checkpointer.storage.base import Session, Storage


@dataclass(frozen=True)
class MemoryStorage(Storage):
    """Keep snapshots in memory, as they are and without a copy.

    >>> with MemoryStorage().session() as session:
    ...     session.save(0, "a state")
    ...     session.load(0), len(session)
    ('a state', 1)
    """

    def session(self) -> Session:
        """A new, empty session for one run of one loop."""
        return MemorySession()


class MemorySession(Session):
    """A dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self._snapshots: dict[int, object] = {}

    def in_memory(self, level: int = 0) -> bool:
        return True

    def _save(self, key: int, snapshot: object, level: int) -> None:
        self._snapshots[key] = snapshot

    def _load(self, key: int) -> object:
        return self._snapshots[key]

    def _discard(self, key: int) -> None:
        del self._snapshots[key]

    def _close(self) -> None:
        self._snapshots.clear()
