"""What a storage is: the description that a user passes, and the session of one run of one loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from checkpointer.errors import StorageError


class Session(ABC):
    """The snapshots of one run of one loop, by key. A context manager that closes itself.

    Keys are integers, the slots of a schedule. A key is empty until something is saved under it, and is
    empty again once that was discarded. Subclasses implement the four underscored methods, which are only
    called where they make sense; this class refuses the rest.
    """

    def __init__(self) -> None:
        self._keys: set[int] = set()
        self._closed = False

    def save(self, key: int, snapshot: object, level: int = 0) -> None:
        """Keep ``snapshot`` under ``key``.

        ``level`` is where a schedule of several levels wants it: 0 for memory, 1 for a disk, and so on. It makes a
        difference to a storage of several kinds (`TieredStorage`) only.

        The caller does not change the snapshot afterwards: it may be kept as it is, without a copy.

        Raises
        ------
        StorageError
            If there is a snapshot under the key, if it cannot be saved, or if the session is closed.
        """
        self._refuse_closed("save")
        if key in self._keys:
            raise StorageError(f"a snapshot stands under key {key}: discard it before another is saved there")
        self._save(key, snapshot, level)
        self._keys.add(key)

    def load(self, key: int) -> object:
        """The snapshot under ``key``, which stays there.

        The caller does not change it: it may be the very object that was saved. It is good until the key is discarded:
        a storage outside of memory may read the large parts of it only when they are used.

        Raises
        ------
        StorageError
            If there is none, if it cannot be loaded as it was saved, or if the session is closed.
        """
        self._refuse_missing("load", key)
        return self._load(key)

    def discard(self, key: int) -> None:
        """Forget the snapshot under ``key``.

        Raises
        ------
        StorageError
            If there is none, or if the session is closed.
        """
        self._refuse_missing("discard", key)
        self._discard(key)
        self._keys.remove(key)

    def close(self) -> None:
        """Forget all snapshots and give back what holds them. A second call does nothing."""
        if not self._closed:
            self._closed = True
            self._keys.clear()
            self._close()

    def __len__(self) -> int:
        """How many snapshots stand."""
        return len(self._keys)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def kinds(self) -> tuple[type[Session], ...]:
        """What keeps the snapshots of each level."""
        return (type(self),)

    def copies(self, level: int = 0) -> bool:
        """Whether `save` on this level has copied all that a snapshot shows before it returns.

        Then a snapshot need not hold copies of the program's arrays: it may show the live ones.
        """
        return False

    @property
    def exact(self) -> bool:
        """Whether what is loaded is what was saved, to the last bit; if not, recomputed steps differ."""
        return True

    @abstractmethod
    def _save(self, key: int, snapshot: object, level: int) -> None: ...

    @abstractmethod
    def _load(self, key: int) -> object: ...

    @abstractmethod
    def _discard(self, key: int) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...

    def _refuse_closed(self, verb: str) -> None:
        if self._closed:
            raise StorageError(f"cannot {verb}: this storage session is closed, and its snapshots are gone")

    def _refuse_missing(self, verb: str, key: int) -> None:
        self._refuse_closed(verb)
        if key not in self._keys:
            keys = ", ".join(map(str, sorted(self._keys))) or "none"
            raise StorageError(
                f"cannot {verb} key {key}: there is no snapshot under it; keys that stand: {keys}"
            )


class Storage(ABC):
    """Where snapshots go: a small, immutable description that any number of loops may share.

    Each run of a loop opens a `session` of its own, so that loops that follow one another, that are nested,
    or that run at the same time never see each other's snapshots.
    """

    @abstractmethod
    def session(self) -> Session:
        """A new, empty session for one run of one loop.

        Raises
        ------
        StorageError
            If there is no room for it.
        """
