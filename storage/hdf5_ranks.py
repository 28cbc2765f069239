"""`HDF5Storage` on one of several ranks: its file is one of those in the folder of the path."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checkpointer.storage.base import Session, Storage
from checkpointer.storage.compression import require
from checkpointer.storage.hdf5 import HDF5Session, HDF5Storage
from checkpointer.storage.hdf5_files import failed, shared_file
from checkpointer.storage.rank_files import make_folder, rank_file
from checkpointer.storage.ranks import Ranks

if TYPE_CHECKING:
    from checkpointer.storage.durable import DurableSession


@dataclass(frozen=True)
class HDF5OnRanks(Storage):
    """What a storage with a path is on one of the ranks.

    Attributes
    ----------
    storage : HDF5Storage
        As the user wrote it.
    ranks : Ranks
    """

    storage: HDF5Storage
    ranks: Ranks

    @property
    def _path(self) -> str:
        assert self.storage.path is not None
        return os.fspath(self.storage.path)

    def session(self) -> Session:
        """A session of this rank. With ``resume``, all ranks have to open theirs; otherwise each is on its own."""
        if self.storage.resume:
            return self._durable()
        require(self.storage.compression)
        try:
            make_folder(self._path, self.ranks.size)
        except OSError as error:
            raise failed(f"make the folder {self._path}", 0, os.path.dirname(self._path), error) from error
        own = rank_file(self._path, self.ranks.rank, self.ranks.size)
        return HDF5Session(shared_file(own), self.storage.compression)

    def inner_session(self) -> Session:
        return self.storage.inner_session() if self.storage.resume else self.session()

    def _durable(self) -> DurableSession:
        from checkpointer.storage.durable import DurableSession
        from checkpointer.storage.run_set import run_file_of_rank

        storage = self.storage
        self.ranks.together(f"open {self._path}", lambda: require(storage.compression))
        return DurableSession(
            run_file_of_rank(self._path, self.ranks), storage.compression, float(storage.every)
        )
