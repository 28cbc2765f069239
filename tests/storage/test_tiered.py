import doctest
import importlib

import pytest

from checkpointer.errors import ArgumentError, StorageError
from checkpointer.storage import MemoryStorage, Session, Storage, TieredStorage


class Shelf(Storage):
    """A storage that can be looked into, or that cannot be opened."""

    def __init__(self, fails=False):
        self.opened = []
        self.fails = fails

    def session(self):
        if self.fails:
            raise StorageError("no room")
        self.opened.append(ShelfSession())
        return self.opened[-1]


class ShelfSession(Session):
    def __init__(self):
        super().__init__()
        self.held, self.closed = {}, False

    def _save(self, key, snapshot, level):
        self.held[key] = snapshot

    def _load(self, key):
        return self.held[key]

    def _discard(self, key):
        del self.held[key]

    def _close(self):
        self.closed = True


def test_each_level_has_its_storage_and_the_last_one_takes_the_rest():
    fast, slow = Shelf(), Shelf()
    with TieredStorage(fast, slow).session() as session:
        for key, level in enumerate([0, 1, 2, 0]):
            session.save(key, f"state {key}", level)
        assert fast.opened[0].held == {0: "state 0", 3: "state 3"}
        assert slow.opened[0].held == {1: "state 1", 2: "state 2"}
        assert [session.load(key) for key in range(4)] == [f"state {key}" for key in range(4)]
        session.discard(1)
        session.save(1, "moved", 0)
        assert fast.opened[0].held[1] == session.load(1) == "moved"
        assert slow.opened[0].held == {2: "state 2"}
        assert len(session) == 4
    assert fast.opened[0].closed
    assert slow.opened[0].closed


def test_a_storage_that_cannot_be_opened_leaves_none_open():
    fast = Shelf()
    with pytest.raises(StorageError, match="no room"):
        TieredStorage(fast, Shelf(fails=True)).session()
    assert fast.opened[0].closed


def test_what_is_no_storage_is_refused():
    with pytest.raises(ArgumentError, match=r"^TieredStorage: at least one storage is needed"):
        TieredStorage()
    with pytest.raises(
        ArgumentError, match=r"^TieredStorage: every argument must be a Storage.* one is 'disk'$"
    ):
        TieredStorage(MemoryStorage(), "disk")


def test_it_is_a_value():
    one, other = TieredStorage(MemoryStorage()), TieredStorage(MemoryStorage())
    assert one == other
    assert hash(one) == hash(other)
    assert one != TieredStorage(MemoryStorage(), MemoryStorage())
    assert repr(one) == "TieredStorage(MemoryStorage())"


def test_docstring_example():
    failed, tried = doctest.testmod(importlib.import_module("checkpointer.storage.tiered"))
    assert tried
    assert failed == 0
