import doctest
import importlib

import pytest

from checkpointer.errors import StorageError
from checkpointer.storage import MemoryStorage, Session, Storage


def test_save_load_discard():
    session = MemoryStorage().session()
    snapshot = object()
    session.save(3, snapshot)
    session.save(1, None)
    assert session.load(3) is session.load(3) is snapshot
    assert session.load(1) is None
    assert len(session) == 2
    session.discard(3)
    assert len(session) == 1
    session.save(3, "another")
    assert session.load(3) == "another"


@pytest.mark.parametrize("verb", ["load", "discard"])
def test_a_missing_key_is_refused_with_those_that_stand(verb):
    session = MemoryStorage().session()
    with pytest.raises(
        StorageError, match=f"^cannot {verb} key 5: there is no snapshot .* keys that stand: none$"
    ):
        getattr(session, verb)(5)
    session.save(7, "seven")
    session.save(2, "two")
    with pytest.raises(StorageError, match=r"keys that stand: 2, 7$"):
        getattr(session, verb)(5)


def test_an_occupied_key_is_refused_and_keeps_what_it_has():
    session = MemoryStorage().session()
    session.save(0, "first")
    with pytest.raises(StorageError, match=r"^a snapshot stands under key 0: discard it before"):
        session.save(0, "second")
    assert session.load(0) == "first"


def test_a_closed_session_holds_nothing_and_refuses():
    with MemoryStorage().session() as session:
        session.save(0, "state")
    assert len(session) == 0
    session.close()
    for use in (lambda: session.save(0, "state"), lambda: session.load(0), lambda: session.discard(0)):
        with pytest.raises(
            StorageError, match=r"^cannot (save|load|discard): this storage session is closed"
        ):
            use()


def test_a_session_closes_when_its_block_fails():
    session = MemoryStorage().session()
    with pytest.raises(ZeroDivisionError), session:
        session.save(0, 1 / 0)
    with pytest.raises(StorageError, match="closed"):
        session.load(0)


def test_sessions_of_one_storage_do_not_meet():
    storage = MemoryStorage()
    with storage.session() as outer:
        outer.save(0, "outer")
        with storage.session() as inner:
            inner.save(0, "inner")
            assert outer.load(0) == "outer"
        assert outer.load(0) == "outer"


def test_a_storage_is_a_value():
    assert MemoryStorage() == MemoryStorage()
    assert repr(MemoryStorage()) == "MemoryStorage()"
    assert hash(MemoryStorage()) == hash(MemoryStorage())
    assert isinstance(MemoryStorage(), Storage)


class FullSession(Session):
    """A storage that has no room."""

    def _save(self, key, snapshot, level):
        raise StorageError("the disk is full")

    def _load(self, key):
        raise AssertionError("nothing was saved")

    def _discard(self, key):
        raise AssertionError("nothing was saved")

    def _close(self):
        pass


def test_what_could_not_be_saved_does_not_stand():
    session = FullSession()
    with pytest.raises(StorageError, match="full"):
        session.save(0, "state")
    assert len(session) == 0
    with pytest.raises(StorageError, match="there is no snapshot under it"):
        session.load(0)


def test_docstring_examples():
    failed, tried = doctest.testmod(importlib.import_module("checkpointer.storage.memory"))
    assert tried
    assert failed == 0
