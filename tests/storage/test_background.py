import doctest
import gc
import importlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import traceback
import weakref

import h5py
import numpy as np
import pytest

from checkpointer.errors import ArgumentError, StorageError
from checkpointer.storage import (
    BackgroundSession,
    BackgroundStorage,
    Content,
    Frame,
    HDF5Storage,
    MemoryStorage,
    Portable,
    Session,
    Storage,
    TieredStorage,
)
from checkpointer.storage import buffers as module
from checkpointer.storage.worker import Worker

PATIENCE = 30
"""Seconds after which a test that waits for an event fails."""


class Filled(Frame):
    """The frame of a `Plain` snapshot: the arrays are all there is to it."""

    def __init__(self, arrays):
        self.forms = [(array.shape, array.dtype) for array in arrays]

    def filled(self, fill):
        arrays = [np.empty(shape, dtype) for shape, dtype in self.forms]
        for number, array in enumerate(arrays):
            fill(number, array)
        return arrays


class Plain(Portable):
    """A snapshot that is nothing but arrays."""

    def __init__(self, *arrays, step=None):
        self.arrays_ = arrays
        self.step = step

    def arrays(self):
        return [
            Content(f"a{number}", array.shape, array.dtype, (np.ascontiguousarray(array),))
            for number, array in enumerate(self.arrays_)
        ]

    def numbers(self):
        return [("steps", 3)]

    def emptied(self):
        return Filled(self.arrays_)


def state(value, size=5):
    return Plain(np.full(size, float(value)))


def value_of(loaded):
    arrays = loaded.arrays_ if isinstance(loaded, Plain) else loaded
    (value,) = set(arrays[0].tolist())
    return value


class Slow(Storage):
    """A storage in memory that works when the test says so, and notes what it does, in which thread.

    ``allow(n)`` lets it do n more things, and `open` everything. What fails is told by ``fails``: what it does -> error.
    """

    def __init__(self, *, lasting=False, fails=(), opened=False):
        self.lasting = lasting
        self.fails = dict(fails)
        self.done = []
        self.threads = set()
        self.begun = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)
        self.opened = opened

    def session(self):
        return SlowSession(self)

    def allow(self, count=1):
        self.gate.release(count)

    def open(self):
        self.opened = True
        self.gate.release()

    def work(self, what):
        self.threads.add(threading.current_thread())
        self.begun.release()
        assert self.opened or self.gate.acquire(timeout=PATIENCE), f"nobody allowed to {what}"
        if what in self.fails:
            raise self.fails.pop(what)
        self.done.append(what)

    def wait_until_begun(self, count=1):
        for _ in range(count):
            assert self.begun.acquire(timeout=PATIENCE)


class SlowSession(Session):
    def __init__(self, slow):
        super().__init__()
        self.slow, self.held = slow, {}

    @property
    def lasting(self):
        return self.slow.lasting

    def _save(self, key, snapshot, level):
        self.slow.work(f"save {key}")
        copies = [[piece.copy() for piece in content.pieces] for content in snapshot.arrays()]
        self.held[key] = copies, snapshot.emptied(), level

    def _load(self, key):
        self.slow.work(f"load {key}")
        copies, frame, _ = self.held[key]

        def fill(number, array):
            array.reshape(-1)[...] = np.concatenate([piece.reshape(-1) for piece in copies[number]])

        return frame.filled(fill)

    def _discard(self, key):
        self.slow.work(f"discard {key}")
        del self.held[key]

    def _close(self):
        self.slow.done.append("close")
        if "close" in self.slow.fails:
            raise self.slow.fails.pop("close")


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    if set(threading.enumerate()) - before:
        gc.collect()  # sessions of tests that failed
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.fixture
def blocked(monkeypatch):
    """A semaphore that is released whenever somebody begins to wait for a worker."""
    waits = threading.Semaphore(0)
    wait = Worker.wait

    def announced(worker, until):
        def so():
            if until():
                return True
            waits.release()
            return False

        wait(worker, so)

    monkeypatch.setattr(Worker, "wait", announced)
    return waits


def in_thread(function):
    """Begin something in a thread; what is returned waits for it and gives its result, or raises its error."""
    outcome = []

    def run():
        try:
            outcome.append((function(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()

    def result():
        thread.join(PATIENCE)
        assert not thread.is_alive()
        value, error = outcome[0]
        if error is not None:
            raise error
        return value

    return result


# --- what is saved is what is loaded ---------------------------------------------------------------------------------


@pytest.mark.parametrize("small", [0, 1 << 20], ids=["array by array", "at once"])
def test_every_kind_of_array_comes_back(monkeypatch, small):
    monkeypatch.setattr(module, "_SMALL", small)
    arrays = [
        np.random.default_rng(0).normal(size=(40, 1000)),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.array(3.5),
        np.zeros((0, 2)),
        np.array([True, False]),
        np.array(["a", "bc"]),
        np.array(["2020-01-01"], "M8[D]"),
        np.array([1 + 2j, np.nan]),
        np.array([(1, 2.0)], [("n", "i4"), ("x", "f8")]),
    ]
    with BackgroundStorage(HDF5Storage(), buffers=1).session() as session:
        session.save(0, Plain(*arrays, step=4))
        session.save(1, state(1))  # lets go of the copy of 0
        session.drain(let_go=True)
        for prefetched in ([], [0]):
            session.prefetch(prefetched)
            session.drain()
            for found, array in zip(session.load(0), arrays, strict=True):
                assert found.dtype == array.dtype
                assert found.shape == array.shape
                assert found.tobytes() == array.tobytes()


def test_the_snapshot_itself_is_loaded_as_long_as_there_is_a_copy():
    slow = Slow()
    with BackgroundStorage(slow).session() as session:
        first = state(0)
        session.save(0, first)
        slow.wait_until_begun()
        assert session.load(0) is first  # it is being written
        slow.allow()
        session.drain()
        assert session.load(0) is first  # it was written
        session.drain(let_go=True)
        slow.allow()
        assert value_of(session.load(0)) == 0.0
        assert slow.done == ["save 0", "load 0"]
        slow.open()


def test_the_other_storage_is_used_in_one_thread_only():
    slow = Slow(opened=True)
    with BackgroundStorage(slow, buffers=1).session() as session:
        for key in range(4):
            session.save(key, state(key))
        session.prefetch([2])
        assert [value_of(session.load(key)) for key in range(4)] == [0.0, 1.0, 2.0, 3.0]
        for key in range(4):
            session.discard(key)
    assert len(slow.threads) == 1
    assert threading.current_thread() not in slow.threads
    assert slow.done[-1] == "close"


def test_a_program_that_goes_on_does_not_change_what_is_written():
    slow = Slow()
    live = np.zeros(5)
    with BackgroundStorage(slow).session() as session:
        session.save(0, Plain(live.copy()))
        slow.wait_until_begun()
        live += 1  # which was copied
        session.save(1, Plain(live.copy()))
        live += 1
        slow.open()
        session.drain(let_go=True)
        assert [value_of(session.load(key)) for key in (0, 1)] == [0.0, 1.0]


def test_levels_are_passed_on():
    slow = Slow(opened=True)
    session = BackgroundStorage(slow).session()
    session.save(0, state(0), level=3)
    session.drain()
    assert session._desk._inner.held[0][2] == 3
    session.close()


def test_a_storage_in_memory_may_be_wrapped():
    with BackgroundStorage(MemoryStorage(), buffers=1).session() as session:
        for key in range(3):
            session.save(key, state(key))
        session.drain(let_go=True)
        assert [value_of(session.load(key)) for key in range(3)] == [0.0, 1.0, 2.0]


def test_a_level_of_a_tiered_storage():
    slow = Slow(opened=True)
    with TieredStorage(MemoryStorage(), BackgroundStorage(slow)).session() as session:
        assert session.buffers == 3
        assert not session.copies(0)
        assert not session.copies(1)
        session.save(0, "anything", level=0)
        session.save(1, state(1), level=1)
        session.save(2, state(2), level=1)
        session.drain(let_go=True)
        session.prefetch([0, 2, 9])
        session.drain()
        assert slow.done == ["save 1", "save 2", "load 2"]
        assert value_of(session.load(2)) == 2.0
        assert slow.done == ["save 1", "save 2", "load 2"]
        assert session.load(0) == "anything"
    assert TieredStorage(MemoryStorage()).session().buffers == 0


# --- buffers ---------------------------------------------------------------------------------------------------------


def test_saving_waits_when_the_buffers_are_full(blocked):
    slow = Slow()
    with BackgroundStorage(slow, buffers=2).session() as session:
        session.save(0, state(0))
        session.save(1, state(1))
        third = in_thread(lambda: session.save(2, state(2)))
        assert blocked.acquire(timeout=PATIENCE)
        assert len(session) == 2
        assert slow.done == []
        slow.allow()
        third()
        assert slow.done == ["save 0"]
        slow.open()
    assert slow.done[0] == "save 0"
    assert slow.done[-1] == "close"


@pytest.mark.parametrize("buffers", [1, 3])
def test_no_more_copies_than_buffers_are_kept(buffers):
    alive = []
    with BackgroundStorage(Slow(opened=True), buffers=buffers).session() as session:
        for key in range(9):
            snapshot = state(key)
            alive.append(weakref.ref(snapshot))
            session.save(key, snapshot)
            del snapshot
            assert sum(ref() is not None for ref in alive) <= buffers
        session.prefetch(range(9))
        session.drain()
        assert len(session._desk._used) == buffers
        session.drain(let_go=True)
        assert len(session._desk._used) == 0
        assert not any(ref() for ref in alive)


def test_what_is_discarded_before_it_is_written_is_never_written():
    slow = Slow()
    with BackgroundStorage(slow, buffers=4).session() as session:
        for key in range(3):
            session.save(key, state(key))
        slow.wait_until_begun()
        session.discard(1)
        session.discard(0)  # that is being written
        session.save(1, state(11))
        session.save(0, state(10))  # there is room again: nothing waits
        slow.open()
        session.drain()
        assert len(session._desk._used) == 3
        session.drain(let_go=True)
        assert slow.done == ["save 0", "save 2", "discard 0", "save 1", "save 0"]
        assert [value_of(session.load(key)) for key in range(3)] == [10.0, 11.0, 2.0]


# --- reading ahead ---------------------------------------------------------------------------------------------------


def stored(slow, count, buffers):
    """A session with so many snapshots, of which none has a copy in memory."""
    session = BackgroundStorage(slow, buffers=buffers).session()
    slow.allow(count)
    for key in range(count):
        session.save(key, state(key))
    session.drain(let_go=True)
    slow.wait_until_begun(count)
    slow.done.clear()
    return session


def test_what_is_foreseen_is_read_ahead():
    slow = Slow()
    with stored(slow, 5, buffers=2) as session:
        session.prefetch([3, 1, 4])
        slow.allow(2)
        session.drain()
        assert slow.done == ["load 3", "load 1"]  # there is no room for more
        assert [value_of(session.load(key)) for key in (3, 1)] == [3.0, 1.0]
        assert slow.done == ["load 3", "load 1"]
        slow.allow()
        session.prefetch([1, 4])
        session.drain()
        assert slow.done == ["load 3", "load 1", "load 4"]  # in the place of 3, that is not foreseen any more
        assert value_of(session.load(1)) == 1.0
        slow.open()


def test_a_copy_that_is_still_there_is_not_read():
    slow = Slow(opened=True)
    with BackgroundStorage(slow, buffers=2).session() as session:
        for key in range(4):
            session.save(key, state(key))
        session.prefetch([3, 2, 0])
        session.drain()
        assert [value_of(session.load(key)) for key in (3, 2)] == [3.0, 2.0]
        assert "load 3" not in slow.done
        assert "load 2" not in slow.done


def test_what_snapshots_share_is_read_once():
    slow = Slow(opened=True)
    constant = np.arange(4.0)
    with BackgroundStorage(slow, buffers=2).session() as session:
        session.save(0, Plain(np.zeros(3), constant))
        session.save(1, Plain(np.ones(3), constant))
        session.save(2, Plain(np.ones(3), constant + 1))
        session.save(3, Plain(constant, np.ones(3)))  # of another shape in the same place
        session.save(4, Plain(constant.reshape(2, 2).T, constant))
        session.drain(let_go=True)
        for first, second, shared in ((0, 1, True), (1, 2, False), (3, 4, False)):
            session.drain(let_go=True)
            session.prefetch([first, second])
            session.drain()
            one, other = (session._desk._slots[key].copy.arrays for key in (first, second))
            assert (one[1] is other[1]) is shared
            assert one[0] is not other[0]
        session.drain(let_go=True)
        session.prefetch([0, 1])
        session.drain()
        assert [array.tolist() for array in session.load(0)] == [[0.0] * 3, [0.0, 1.0, 2.0, 3.0]]
        assert [array.tolist() for array in session.load(1)] == [[1.0] * 3, [0.0, 1.0, 2.0, 3.0]]
        assert [array.tolist() for array in session.load(4)] == [
            [[0.0, 2.0], [1.0, 3.0]],
            [0.0, 1.0, 2.0, 3.0],
        ]


def test_saving_takes_the_buffer_of_what_is_needed_last():
    slow = Slow()
    with stored(slow, 3, buffers=2) as session:
        session.prefetch([2, 1])
        slow.allow(2)
        session.drain()
        session.save(5, state(5))
        slow.open()
        session.drain()
        value_of(session.load(2))
        assert slow.done[:3] == ["load 2", "load 1", "save 5"]
        assert slow.done.count("load 2") == 1


def test_loading_does_not_wait_for_the_writes_before_it(blocked):
    slow = Slow()
    with stored(slow, 1, buffers=3) as session:
        for key in (1, 2, 3):
            session.save(key, state(key))
        slow.wait_until_begun()
        found = in_thread(lambda: session.load(0))
        assert blocked.acquire(timeout=PATIENCE)
        slow.allow(2)
        assert value_of(found()) == 0.0
        assert slow.done == ["save 1", "load 0"]
        slow.open()


def test_loading_what_is_being_read_ahead_waits_for_it(blocked):
    slow = Slow()
    with stored(slow, 2, buffers=1) as session:
        session.prefetch([1])
        slow.wait_until_begun()
        found = in_thread(lambda: session.load(1))
        assert blocked.acquire(timeout=PATIENCE)
        slow.allow()
        assert value_of(found()) == 1.0
        assert slow.done == ["load 1"]


def test_what_was_read_of_a_slot_that_is_used_anew_is_forgotten():
    slow = Slow()
    with stored(slow, 1, buffers=2) as session:
        session.prefetch([0])
        slow.wait_until_begun()
        session.discard(0)  # while it is being read
        session.save(0, state(100))
        assert value_of(session.load(0)) == 100.0
        slow.open()
        session.drain()
        assert len(session._desk._used) == 1
        assert value_of(session.load(0)) == 100.0
        session.drain(let_go=True)
        assert value_of(session.load(0)) == 100.0


def test_hints_about_snapshots_that_are_not_there_do_no_harm():
    slow = Slow(opened=True)
    with BackgroundStorage(slow).session() as session:
        session.prefetch([7])
        session.save(0, state(0))
        session.prefetch([7, 0])
        session.discard(0)
        session.drain()
        session.save(7, state(7))
        assert value_of(session.load(7)) == 7.0
    for other in (MemoryStorage().session(), HDF5Storage().session()):
        with other:
            other.prefetch([3])
            other.drain(let_go=True)


def test_no_memory_to_read_ahead_is_no_error():
    slow = Slow(opened=True, fails={"load 0": MemoryError()})
    with BackgroundStorage(slow, buffers=1).session() as session:
        session.save(0, state(0))
        session.save(1, state(1))
        session.drain(let_go=True)
        session.prefetch([0])
        session.drain()
        assert value_of(session.load(0)) == 0.0


def test_a_loaded_snapshot_that_was_discarded_is_refused(monkeypatch):
    monkeypatch.setattr(module, "_SMALL", 0)

    class Late(Filled):
        def filled(self, fill):
            return lambda: Filled.filled(self, fill)

    class Later(Plain):
        def emptied(self):
            return Late(self.arrays_)

    slow = Slow(opened=True)
    with BackgroundStorage(slow).session() as session:
        session.save(0, Later(np.ones(3)))
        session.drain(let_go=True)
        loaded = session.load(0)
        assert value_of(loaded()) == 1.0
        session.discard(0)
        with pytest.raises(
            StorageError, match=r"^the snapshot under key 0 was discarded after it was loaded$"
        ):
            loaded()
        session.save(0, state(1))  # nothing is broken


# --- errors ----------------------------------------------------------------------------------------------------------

CALLS = {
    "save": lambda session: session.save(5, state(5)),
    "load": lambda session: session.load(0),
    "discard": lambda session: session.discard(0),
    "prefetch": lambda session: session.prefetch([0]),
    "drain": lambda session: session.drain(),
}


@pytest.mark.parametrize("error", [StorageError("the disk is full"), MemoryError("no room"), SystemExit(3)])
@pytest.mark.parametrize("call", CALLS)
def test_an_error_of_the_thread_is_raised_once_by_the_next_call(call, error):
    slow = Slow(opened=True, fails={"save 1": error})
    session = BackgroundStorage(slow, buffers=3).session()
    session.save(0, state(0))
    session.save(1, state(1))
    wait_for_failure(session)
    with pytest.raises(type(error)) as found:
        CALLS[call](session)
    assert found.value is error
    assert any(frame.name == "work" for frame in traceback.extract_tb(found.value.__traceback__))
    session._keys = {0}  # also if it was discarded in vain
    for other in CALLS.values():
        with pytest.raises(
            StorageError, match=r"^the storage failed in the background, and is not used any more: "
        ):
            other(session)
    assert slow.done == ["save 0"]
    session.close()
    assert slow.done == ["save 0", "close"]


def wait_for_failure(session):
    worker = session._desk.worker
    with worker.lock:
        assert worker._changed.wait_for(lambda: worker._failure is not None and worker.idle, PATIENCE)


def test_a_disk_that_fails_while_saving_waits_for_it(blocked):
    slow = Slow(fails={"save 0": StorageError("the disk is full")})
    with BackgroundStorage(slow, buffers=1).session() as session:
        session.save(0, state(0))
        second = in_thread(lambda: session.save(1, state(1)))
        assert blocked.acquire(timeout=PATIENCE)
        slow.allow()
        with pytest.raises(StorageError, match=r"^the disk is full$"):
            second()


def test_a_disk_that_fails_while_loading_waits_for_it(blocked):
    slow = Slow(fails={"load 0": StorageError("a damaged file")})
    with stored(slow, 1, buffers=1) as session:
        first = in_thread(lambda: session.load(0))
        assert blocked.acquire(timeout=PATIENCE)
        slow.allow()
        with pytest.raises(StorageError, match=r"^a damaged file$"):
            first()


def test_a_disk_that_fails_while_reading_ahead():
    slow = Slow(opened=True, fails={"load 0": StorageError("a damaged file")})
    with BackgroundStorage(slow).session() as session:
        session.save(0, state(0))
        session.drain(let_go=True)
        session.prefetch([0])
        wait_for_failure(session)
        with pytest.raises(StorageError, match=r"^a damaged file$"):
            session.load(0)


def test_an_error_that_nobody_was_told_of_is_raised_in_the_end_if_the_file_is_kept():
    error = StorageError("the disk is full")
    session = BackgroundStorage(Slow(opened=True, lasting=True, fails={"save 0": error})).session()
    session.save(0, state(0))
    with pytest.raises(StorageError, match=r"^the disk is full$"):
        session.close()
    session.close()
    session = BackgroundStorage(Slow(opened=True, fails={"save 0": error})).session()
    session.save(0, state(0))
    wait_for_failure(session)
    session.close()  # nobody would have read it
    session = BackgroundStorage(Slow(opened=True, fails={"close": error})).session()
    session.save(0, state(0))
    with pytest.raises(StorageError, match=r"^the disk is full$"):
        session.close()


def test_a_disk_that_is_full(tmp_path, monkeypatch):
    def write(*args):
        raise OSError(28, "No space left on device")

    with BackgroundStorage(HDF5Storage(folder=tmp_path)).session() as session:
        monkeypatch.setattr(os, "pwritev", write)
        session.save(0, state(0))
        with pytest.raises(StorageError, match=r"^cannot save a snapshot of .*: No space left on device \("):
            session.drain()


def test_a_storage_that_gives_back_something_else():
    class Odd(SlowSession):
        def _load(self, key):
            return "something else"

    slow = Slow(opened=True)
    slow.session = lambda: Odd(slow)
    with BackgroundStorage(slow).session() as session:
        session.save(0, state(0))
        session.drain(let_go=True)
        with pytest.raises(
            StorageError, match=r"^a storage gave back 'something else' for a snapshot, which is"
        ):
            session.load(0)


def test_snapshots_of_loops_only():
    with (
        BackgroundStorage(MemoryStorage()).session() as session,
        pytest.raises(
            StorageError, match=r"^BackgroundStorage keeps snapshots of loops only, not 'a state'$"
        ),
    ):
        session.save(0, "a state")


def test_no_thread_can_be_started(monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    slow = Slow(opened=True)
    session = BackgroundStorage(slow).session()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(
            StorageError,
            match=r"^cannot start a thread .* \(can't start new thread\): use the storage without Back",
        ):
            session.save(0, state(0))
    session.close()
    assert slow.done == ["close"]


# --- the end ---------------------------------------------------------------------------------------------------------


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "checkpointer-storage"]


def test_a_thread_begins_with_the_first_snapshot_and_ends_with_the_session():
    one, other = (BackgroundStorage(HDF5Storage()).session() for _ in range(2))
    assert threads() == []
    one.save(0, state(0))
    assert len(threads()) == 1
    other.save(0, state(0))
    assert len(threads()) == 2
    one.close()
    assert len(threads()) == 1
    other.close()
    assert threads() == []
    never = BackgroundStorage(Slow()).session()
    never.close()
    assert never._desk._inner.slow.done == ["close"]


@pytest.mark.parametrize(
    ("lasting", "done"), [(False, ["save 0"]), (True, ["save 0", "save 1", "discard 0"])]
)
def test_what_is_queued_when_the_session_is_closed(lasting, done, monkeypatch):
    ending = threading.Event()
    monkeypatch.setattr(Worker, "end", lambda worker, end=Worker.end: (end(worker), ending.set()))
    slow = Slow(lasting=lasting)
    session = BackgroundStorage(slow, buffers=3).session()
    assert session.lasting is lasting
    session.save(0, state(0))
    session.save(1, state(1))
    slow.wait_until_begun()
    session.discard(0)
    closed = in_thread(session.close)
    assert ending.wait(PATIENCE)
    slow.open()
    closed()
    assert slow.done == [*done, "close"]
    with pytest.raises(StorageError, match=r"^cannot prefetch: this storage session is closed"):
        session.prefetch([1])
    with pytest.raises(StorageError, match=r"^cannot drain: this storage session is closed"):
        session.drain()


@pytest.mark.parametrize("lasting", [False, True])
def test_a_session_that_is_never_closed(lasting):
    slow = Slow(lasting=lasting)
    session = BackgroundStorage(slow, buffers=3).session()
    session.save(0, state(0))
    session.save(1, state(1))
    slow.wait_until_begun()
    thread = session._desk.worker._thread
    assert isinstance(session, BackgroundSession)
    session.me = session  # so that it takes the garbage collector
    del session
    gc.collect()
    slow.open()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert slow.done == ["save 0", *["save 1"] * lasting, "close"]


def test_a_snapshot_that_refers_to_its_session_does_not_keep_it():
    """As the objects of a program do: they hold values whose tape ends in the loop."""
    session = BackgroundStorage(Slow(opened=True)).session()

    class Referring(Plain):
        def emptied(self):
            frame = super().emptied()
            frame.owner = self.owner
            return frame

    snapshot = Referring(np.ones(3))
    snapshot.owner = session
    session.save(0, snapshot)
    thread = session._desk.worker._thread
    gone = weakref.ref(session)
    del session, snapshot
    gc.collect()
    assert gone() is None
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.fixture
def interrupts():
    """Raise KeyboardInterrupt, which a process that was begun in the background ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs a signal")
def test_an_interrupt_while_saving_waits(blocked, interrupts):
    slow = Slow()
    session = BackgroundStorage(slow, buffers=1).session()
    session.save(0, state(0))
    slow.wait_until_begun()
    main, caught = threading.get_ident(), threading.Event()

    def interrupt():
        assert blocked.acquire(timeout=PATIENCE)
        while not caught.is_set():  # a signal that comes just before the thread sleeps does not wake it up
            signal.pthread_kill(main, signal.SIGINT)
            caught.wait(1)

    interrupted = in_thread(interrupt)
    with pytest.raises(KeyboardInterrupt):
        session.save(1, state(1))
    caught.set()
    interrupted()
    slow.open()
    session.close()
    assert slow.done == ["save 0", "close"]


def run(program, *arguments):
    """Run a program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(program), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


PRELUDE = """
import os, sys, threading
import numpy as np
from checkpointer import BackgroundStorage, HDF5Storage
from checkpointer.snapshots import capture
from checkpointer.state import State

def state(value):
    return capture(State([], [[np.full(1000, float(value))]]), step=value)
"""


def test_the_process_ends_with_snapshots_in_the_queue(tmp_path):
    path = tmp_path / "run.h5"
    finished = run(
        """
        from checkpointer.storage.hdf5 import HDF5Session
        first = threading.Event()
        save = HDF5Session._save
        def late(*args):
            assert first.wait(30)
            save(*args)
        HDF5Session._save = late
        import atexit
        session = BackgroundStorage(HDF5Storage(sys.argv[1]), buffers=3).session()
        for key in range(3):
            session.save(key, state(key))
        atexit.register(first.set)  # runs first
        """,
        path,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    with h5py.File(path) as file:
        for key in range(3):
            slot = file[f"loop-1/slot-{key}"]
            assert slot.attrs["standing"]
            assert set(next(iter(slot["state"].values()))[()].tolist()) == {float(key)}


def test_a_disk_that_fails_when_the_process_ends(tmp_path):
    finished = run(
        """
        def write(*args):
            raise OSError(28, "No space left on device")
        session = BackgroundStorage(HDF5Storage(sys.argv[1])).session()
        os.pwritev = write
        session.save(0, state(0))
        """,
        tmp_path / "run.h5",
    )
    assert "StorageError: cannot save a snapshot of" in finished.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_was_forked_is_refused(tmp_path):
    finished = run(
        """
        import warnings
        warnings.simplefilter("ignore")
        session = BackgroundStorage(HDF5Storage(sys.argv[1])).session()
        session.save(0, state(0))
        with session._desk.worker.lock:
            child = os.fork()
        if child:
            status = os.waitpid(child, 0)[1]
            session.drain(let_go=True)
            session.load(0)
            session.close()
            sys.exit(os.waitstatus_to_exitcode(status))
        refused = 0
        for call in (
            lambda: session.save(1, state(1)),
            lambda: session.load(0),
            lambda: session.discard(0),
            lambda: session.prefetch([0]),
            lambda: session.drain(),
        ):
            try:
                call()
            except Exception as error:
                refused += "was opened before this process was forked" in str(error)
        session.close()
        sys.exit(refused)
        """,
        tmp_path / "run.h5",
    )
    assert (finished.returncode, finished.stderr) == (5, "")


# --- the description -------------------------------------------------------------------------------------------------


def test_it_is_a_value():
    one, other = BackgroundStorage(MemoryStorage()), BackgroundStorage(MemoryStorage(), buffers=np.int64(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one != BackgroundStorage(MemoryStorage(), buffers=3)


@pytest.mark.parametrize("buffers", [0, -1, 1.5, True, None, "2"])
def test_bad_numbers_of_buffers_are_refused(buffers):
    with pytest.raises(
        ArgumentError, match=r"^BackgroundStorage: buffers must be a positive integer, but is "
    ):
        BackgroundStorage(MemoryStorage(), buffers=buffers)


def test_bad_storages_are_refused():
    with pytest.raises(
        ArgumentError, match=r"^BackgroundStorage: storage must be a Storage, .* but is 'disk'$"
    ):
        BackgroundStorage("disk")
    with pytest.raises(
        ArgumentError, match=r"^BackgroundStorage: .*: wrap the slow levels only, as in Tiered"
    ):
        BackgroundStorage(TieredStorage(MemoryStorage(), HDF5Storage()))


def test_a_worker_whose_idle_work_fails_fails():
    def spare():
        raise ZeroDivisionError

    worker = Worker(lambda: None, spare, thorough=False)
    worker.submit(lambda: None)
    with worker.lock, pytest.raises(ZeroDivisionError):
        worker.wait(lambda: False)
    worker.close()
    with worker.lock, pytest.raises(StorageError, match="failed in the background"):
        worker.wait(lambda: False)


def test_a_worker_that_was_closed_makes_nobody_wait():
    worker = Worker(lambda: None, lambda: None, thorough=False)
    worker.close()
    worker.close()
    with (
        worker.lock,
        pytest.raises(StorageError, match=r"^the storage of a loop was closed while it was in use$"),
    ):
        worker.wait(lambda: False)


def test_docstring_examples():
    failed, tried = doctest.testmod(importlib.import_module("checkpointer.storage.background"))
    assert tried
    assert failed == 0
