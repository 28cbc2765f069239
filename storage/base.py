"""What a storage is: the description that a user passes, and the session of one run of one loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from checkpointer.errors import StorageError

if TYPE_CHECKING:
    from checkpointer.storage.durable import DurableSession
    from checkpointer.storage.ranks import RanksOf


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

    def __contains__(self, key: int) -> bool:
        """Whether a snapshot stands under the key."""
        return key in self._keys

    def __len__(self) -> int:
        """How many snapshots stand."""
        return len(self._keys)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            with suppress(StorageError):  # it must not hide the error that is under way
                self.close()

    @property
    def kinds(self) -> tuple[type[Session], ...]:
        """What keeps the snapshots of each level."""
        return (type(self),)

    def in_memory(self, level: int = 0) -> bool:
        """Whether snapshots of this level stay in memory as they are saved."""
        return False

    def copies(self, level: int = 0) -> bool:
        """Whether `save` on this level has copied all that a snapshot shows before it returns.

        Then a snapshot need not hold copies of the program's arrays: it may show the live ones.
        """
        return False

    def wants_description(self, level: int = 0) -> bool:
        """Whether what is saved on this level outlives the process, so that it has to be described (`Portable`)."""
        return False

    @property
    def durable(self) -> DurableSession | None:
        """The session, this one or one below it, whose snapshots outlive the process."""
        return None

    def adopt(self, key: int, step: int, level: int = 0) -> bool:
        """Let a snapshot of the state before ``step`` that an earlier process has left stand under ``key``."""
        return False

    @property
    def buffers(self) -> int:
        """How many snapshots it may hold in memory on their way to a disk or back; 0 if `prefetch` does nothing."""
        return 0

    @property
    def lasting(self) -> bool:
        """Whether what was saved is still there, for others, when the session is closed."""
        return False

    def prefetch(self, keys: Sequence[int]) -> None:  # noqa: B027  most have no use for it
        """Be told which snapshots will be loaded next, the nearest first; what was told before counts no more.

        They may be read ahead. It is a hint: a key that is empty by then, or never loaded, does no harm.
        """

    def drain(self, *, let_go: bool = False) -> None:  # noqa: B027  most save at once
        """Wait until all that was saved is where it is kept, and raise what went wrong on the way.

        With ``let_go``, copies in memory that are only there to be loaded quickly are dropped too.
        """

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

    def inner_session(self) -> Session:
        """A session for a loop that runs in a step of another loop, and is gone when that step is done."""
        return self.session()

    def on_ranks(self, ranks_of: RanksOf) -> Storage:
        """What this storage is to one of the ranks of a program, such that they do not get in each other's way.

        Parameters
        ----------
        ranks_of : function
            Of a communicator, or None for all ranks of the program: its `Ranks`.

        Raises
        ------
        StorageError
            If there is something amiss with the communicator.
        """
        return self
