"""Several storages, one for each level of a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from checkpointer.errors import ArgumentError
from checkpointer.storage.base import Session, Storage

if TYPE_CHECKING:
    from checkpointer.storage.durable import DurableSession
    from checkpointer.storage.ranks import RanksOf


class TieredStorage(Storage):
    """Keep the snapshots of each level of a schedule in a storage of its own, the fastest first.

    For the schemes of several levels: memory and disk for `Multistage`, `DiskRevolve` and their kin. A level for
    which there is no storage is kept in the last one.

    Parameters
    ----------
    *storages : Storage
        One for level 0, one for level 1, and so on.

    Raises
    ------
    ArgumentError
        If there is none, or one is no storage.

    >>> from checkpointer.storage.memory import MemoryStorage
    >>> with TieredStorage(MemoryStorage(), MemoryStorage()).session() as session:
    ...     session.save(0, "a state", level=0)
    ...     session.save(1, "another", level=1)
    ...     session.load(1), len(session)
    ('another', 2)
    """

    def __init__(self, *storages: Storage) -> None:
        if not storages:
            raise ArgumentError("TieredStorage: at least one storage is needed, one for each level")
        for storage in storages:
            if not isinstance(storage, Storage):
                raise ArgumentError(
                    f"TieredStorage: every argument must be a Storage, such as MemoryStorage(), but one is {storage!r}"
                )
        self.storages = storages

    def session(self) -> Session:
        """A new, empty session of each storage for one run of one loop."""
        return TieredSession(self.storages)

    def inner_session(self) -> Session:
        return TieredSession(self.storages, inner=True)

    def on_ranks(self, ranks_of: RanksOf) -> Storage:
        return TieredStorage(*(storage.on_ranks(ranks_of) for storage in self.storages))

    def __repr__(self) -> str:
        return f"TieredStorage({', '.join(map(repr, self.storages))})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TieredStorage) and self.storages == other.storages

    def __hash__(self) -> int:
        return hash(self.storages)


class TieredSession(Session):
    """A session for each level, and the level of each key."""

    def __init__(self, storages: tuple[Storage, ...], *, inner: bool = False) -> None:
        super().__init__()
        self._sessions: list[Session] = []
        self._of: dict[int, Session] = {}
        try:
            for storage in storages:
                self._sessions.append(storage.inner_session() if inner else storage.session())
        except BaseException:
            self._close()
            raise

    @property
    def kinds(self) -> tuple[type[Session], ...]:
        return tuple(map(type, self._sessions))

    @property
    def exact(self) -> bool:
        return all(session.exact for session in self._sessions)

    def in_memory(self, level: int = 0) -> bool:
        return self._at(level).in_memory()

    def copies(self, level: int = 0) -> bool:
        return self._at(level).copies()

    def wants_description(self, level: int = 0) -> bool:
        return self._at(level).wants_description()

    @property
    def durable(self) -> DurableSession | None:
        return next((session.durable for session in self._sessions if session.durable is not None), None)

    def adopt(self, key: int, step: int, level: int = 0) -> bool:
        session = self._at(level)
        if not session.adopt(key, step):
            return False
        self._of[key] = session
        self._keys.add(key)
        return True

    @property
    def buffers(self) -> int:
        return sum(session.buffers for session in self._sessions)

    @property
    def lasting(self) -> bool:
        return any(session.lasting for session in self._sessions)

    def prefetch(self, keys: Sequence[int]) -> None:
        for session in self._sessions:
            session.prefetch([key for key in keys if self._of.get(key) is session])

    def drain(self, *, let_go: bool = False) -> None:
        for session in self._sessions:
            session.drain(let_go=let_go)

    def _at(self, level: int) -> Session:
        return self._sessions[min(level, len(self._sessions) - 1)]

    def _save(self, key: int, snapshot: object, level: int) -> None:
        session = self._at(level)
        session.save(key, snapshot)
        self._of[key] = session

    def _load(self, key: int) -> object:
        return self._of[key].load(key)

    def _discard(self, key: int) -> None:
        self._of.pop(key).discard(key)

    def _close(self) -> None:
        with ExitStack() as all_of_them:  # also those after one that fails
            for session in self._sessions:
                all_of_them.callback(session.close)
