"""Differentiated loops whose snapshots are written and read in the background."""

import errno
import gc
import os
import threading
import tracemalloc

import numpy as np
import pytest

from checkpointer import (
    Auto,
    BackgroundStorage,
    DiskRevolve,
    HDF5Storage,
    MemoryStorage,
    Mixed,
    Multistage,
    Online,
    Revolve,
    Storage,
    StorageError,
    StoreAll,
    TieredStorage,
    grad,
    snapshots,
    trial,
    value_and_grad,
    vjp,
)
from checkpointer.storage import Session
from checkpointer.storage import buffers as buffered
from checkpointer.storage.worker import Worker

PROGRAM = """
import numpy as np
from checkpointer import checkpointed

def in_place(u, scheme, storage=None):
    u = u.copy()
    work, coefficient = np.zeros_like(u), np.linspace(1.0, 2.0, u.size)
    for step in checkpointed(range(9), scheme, storage=storage):
        work[1:-1] = coefficient[1:-1] * (u[2:] - 2 * u[1:-1] + u[:-2])
        u += 0.1 * work * u
        u, work = work, u
        work[0] = u[step % u.size]
    return (u * u).sum() + work[0]

def new_arrays(u, scheme, storage=None):
    older, pair = u, (u, 1.0)
    for step in checkpointed(range(9), scheme, storage=storage):
        u, older = np.sin(u) + 0.1 * older[::-1], u[1:].repeat(2)[: u.size]
        pair = (pair[0][::-1] * u, pair[1] + u[0])
    return (u * older).sum() + pair[0].sum() * pair[1]

class Field:
    def __init__(self, u):
        self.u, self.age, self.parts = u.copy(), 0, {"left": u[:2] * 1, "right": [u[2:] * 1, 3]}

    def step(self):
        self.u *= 1 + 0.01 * self.age
        self.u[1:] += 0.1 * self.u[:-1]
        self.age += 1
        self.parts["left"] = self.parts["left"] * self.u[:2]
        self.parts["right"][0][:] += self.u[-1]

def objects(u, scheme, storage=None):
    field = Field(u)
    for step in checkpointed(range(9), scheme, storage=storage):
        field.step()
        if step % 3 == 2:
            field = Field(field.u + field.parts["right"][0].sum())
    return field.u.sum() + field.parts["left"].sum() + field.parts["right"][0].sum()

def histories(u, scheme, storage=None):
    states, energies, ages, swapped = [u], [], np.zeros(10), [u * 1, u * 2]
    for step in checkpointed(range(9), scheme, storage=storage):
        u = u * np.cos(states[-1]) + states[step // 2] / 9
        states.append(u[::-1])
        energies.append((u * u).sum())
        ages[step] = u[0]
        swapped[0][:] += u
        swapped.reverse()
    return sum(energies) + (states[4] * states[-1]).sum() + (ages ** 2).sum() + (swapped[0] * u).sum()

def nested(u, scheme, storage=None):
    total = np.zeros(2)
    for step in checkpointed(range(4), scheme, storage=storage):
        for inner in checkpointed(range(3 + step), scheme, storage=storage):
            u = np.sin(u) * 1.1 + total[0] / 50
            total[inner % 2] += u.mean()
        u = u + 0.1
    return (u * u).sum() + total.prod()

def layouts(u, scheme, storage=None):
    f = np.asfortranarray(np.outer(u, u))
    turned = np.zeros((2, u.size, 3)).transpose(2, 0, 1).copy(order="K")
    flat, rng, count = np.zeros(2 * u.size), np.random.default_rng(3), 0
    for step in checkpointed(range(9), scheme, storage=storage):
        f *= 0.5
        f += 0.3 * np.outer(u, u).T
        turned[step % 3, step % 2] += f[1] * u
        flat.reshape(2, -1)[step % 2] += turned[0].sum() * 0.01
        flat = flat[::-1]
        count += int(u[0] > 0.3)
        u = u * np.cos(f[:, 1]) * rng.normal(size=u.size) * (1 + count)
    return f.sum() + turned.sum() + flat.sum() + u.sum()

def failing(u, scheme, storage, error):
    for step in checkpointed(range(9), scheme, storage=storage):
        u = u * u
        if step == 6:
            raise error
    return u.sum()
"""

NAMES = "in_place new_arrays objects histories nested layouts".split()
INPUTS = [np.linspace(0.1, 1.0, 6), np.array([0.9, 0.4, 0.7, 0.1, 0.8, 0.3])]
SCHEMES = [Revolve(1), Revolve(3), Multistage(1, 3), DiskRevolve(1), Online(3), Mixed(2)]


@pytest.fixture(scope="module")
def program(load_once):
    """The program with the import hook, loaded once."""
    return load_once("program_in_the_background", PROGRAM).rewritten


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "checkpointer-storage"]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert threads() == []


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_snapshots_in_memory(program, name, scheme, tmp_path):
    function = value_and_grad(getattr(program, name))
    storages = (
        BackgroundStorage(HDF5Storage(tmp_path / "run.h5"), buffers=3),
        TieredStorage(MemoryStorage(), BackgroundStorage(HDF5Storage(), buffers=1)),
    )
    for u, storage in zip(INPUTS, storages, strict=True):
        value, gradient = function(u, scheme, MemoryStorage())
        found = function(u, scheme, storage)
        assert found[0] == value
        assert np.array_equal(found[1], gradient)


class Late(Storage):
    """An HDF5 file that is written as late as possible: only when the loop waits, or when the session is closed."""

    def __init__(self):
        self.written = 0

    def session(self):
        return LateSession(self)


class LateSession(Session):
    def __init__(self, late):
        super().__init__()
        self.late, self.inner = late, HDF5Storage().session()
        self.hurry = threading.Event()

    def _save(self, key, snapshot, level):
        assert self.hurry.wait(30)
        self.hurry.clear()
        self.late.written += 1
        self.inner.save(key, snapshot, level)

    def _load(self, key):
        return self.inner.load(key)

    def _discard(self, key):
        self.inner.discard(key)

    def _close(self):
        self.inner.close()


@pytest.mark.parametrize("buffers", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_a_disk_that_is_as_late_as_possible(program, name, buffers, monkeypatch):
    """By then the program has overwritten everything. Snapshots let go of arrays, and are read array by array."""
    monkeypatch.setattr(snapshots, "_SMALL", 0)
    monkeypatch.setattr(buffered, "_SMALL", 0)
    late = Late()
    wait, close = Worker.wait, Worker.close

    def hurried(worker, until):
        def so():
            if until():
                return True
            worker._last.__self__.hurry.set()
            return False

        wait(worker, so)

    def closed(worker):
        worker.end()
        worker._last.__self__.hurry.set()
        close(worker)

    monkeypatch.setattr(Worker, "wait", hurried)
    monkeypatch.setattr(Worker, "close", closed)
    function = value_and_grad(getattr(program, name))
    for u, scheme in zip((*INPUTS, INPUTS[0]), (Revolve(3), StoreAll(), Revolve(1)), strict=True):
        value, gradient = function(u, scheme, MemoryStorage())
        late.written = 0
        found = function(u, scheme, BackgroundStorage(late, buffers=buffers))
        assert found[0] == value
        assert np.array_equal(found[1], gradient)
        assert late.written or scheme == Revolve(1) or buffers == 3


@pytest.mark.parametrize("name", ["in_place", "layouts", "new_arrays"])
def test_large_arrays(program, name):
    """More than a block of memory each, so that they are taken apart and put together."""
    u = np.random.default_rng(0).normal(size=300) * 0.1
    u = u if name == "layouts" else u.repeat(500)
    function = value_and_grad(getattr(program, name))
    value, gradient = function(u, Revolve(3))
    found = function(u, Revolve(3), BackgroundStorage(HDF5Storage(), buffers=1))
    assert found[0] == value
    assert np.array_equal(found[1], gradient)


def test_gradients_are_right(program):
    for u in INPUTS:
        gradient = grad(program.objects)(u, Revolve(2), BackgroundStorage(HDF5Storage()))
        direction, h = np.cos(np.arange(u.size)), 1e-6
        ahead, behind = (program.objects(u + sign * h * direction, Revolve(2)) for sign in (1, -1))
        assert gradient @ direction == pytest.approx((ahead - behind) / (2 * h), rel=1e-6)


def test_two_loops_at_once(program):
    function, outcomes = value_and_grad(program.in_place), {}
    storage = BackgroundStorage(HDF5Storage(), buffers=1)
    both = threading.Barrier(2, timeout=30)

    def run(number):
        both.wait()
        for _ in range(5):
            outcomes.setdefault(number, []).append(function(INPUTS[number], Revolve(3), storage))

    running = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    for number in range(2):
        value, gradient = function(INPUTS[number], Revolve(3))
        for found in outcomes[number]:
            assert found[0] == value
            assert np.array_equal(found[1], gradient)


STEPS = """
from checkpointer import checkpointed

def in_place(u, scheme, storage):
    u = u.copy()
    for step in checkpointed(range(24), scheme, storage=storage):
        u *= 1.01
    return u.sum()

def new_arrays(u, scheme, storage):
    u = u * 2
    for step in checkpointed(range(24), scheme, storage=storage):
        u = u * 1.01
    return u.sum()
"""


@pytest.mark.parametrize(("name", "arrays"), [("in_place", 1), ("new_arrays", 2)])
def test_the_memory_is_that_of_the_buffers_and_one_more(load, name, arrays):
    """However many snapshots there are. A loop that makes new arrays has that with which it began in its state."""
    function = grad(getattr(load(STEPS).rewritten, name))
    u = np.ones(40_000)

    def peak(storage):
        function(u, Revolve(20), storage)
        tracemalloc.start()
        try:
            function(u, Revolve(20), storage)
            return tracemalloc.get_traced_memory()[1] / u.nbytes
        finally:
            tracemalloc.stop()

    alone = peak(HDF5Storage())
    for buffers in (1, 4):
        in_background = peak(BackgroundStorage(HDF5Storage(), buffers=buffers))
        assert buffers - 0.5 < in_background - alone < arrays * (buffers + 1) + 0.5


# --- errors and ends -------------------------------------------------------------------------------------------------


def fill_disk(monkeypatch, after):
    left = [after]

    def write(*args, write=os.pwritev):
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1
        return write(*args)

    monkeypatch.setattr(os, "pwritev", write)


@pytest.mark.parametrize("buffers", [1, 2])
def test_a_full_disk(program, tmp_path, monkeypatch, buffers):
    """Wherever it fills up: the loop is told, or it is so near its end that the snapshot is never read."""
    function = value_and_grad(program.in_place)
    storage = BackgroundStorage(HDF5Storage(folder=tmp_path), buffers=buffers)
    value, gradient = function(INPUTS[0], Revolve(3), storage)
    told = []
    for after in range(0, 24, 4):
        with monkeypatch.context() as patch:
            fill_disk(patch, after)
            try:
                found = function(INPUTS[0], Revolve(3), storage)
            except StorageError as error:
                told.append(str(error))
            else:
                assert found[0] == value
                assert np.array_equal(found[1], gradient)
        assert threads() == []
    assert told
    for text in told:
        assert text.startswith("cannot save a snapshot of ")
        assert "No space left on device (" in text
    assert function(INPUTS[0], Revolve(3), storage)[0] == value


def test_a_full_disk_in_the_forward_sweep(program, tmp_path, monkeypatch):
    fill_disk(monkeypatch, 0)
    with pytest.raises(StorageError, match=r"^cannot save a snapshot of .*: No space left on device \("):
        grad(program.in_place)(INPUTS[0], StoreAll(), BackgroundStorage(HDF5Storage(folder=tmp_path)))


@pytest.mark.parametrize("error", [ZeroDivisionError("mine"), KeyboardInterrupt()])
@pytest.mark.parametrize("kept", [False, True])
def test_a_step_fails(program, tmp_path, error, kept):
    storage = HDF5Storage(tmp_path / "run.h5") if kept else HDF5Storage(folder=tmp_path)
    with pytest.raises(type(error)) as found:
        grad(program.failing)(INPUTS[0], Revolve(3), BackgroundStorage(storage), error)
    assert found.value is error
    assert len(list(tmp_path.iterdir())) == kept


@pytest.mark.parametrize("name", NAMES)
def test_a_loop_that_is_never_reversed(program, name):
    """What the program still holds leads to the loop's tape; the thread must not lead to what the program held."""
    pullback = vjp(getattr(program, name), INPUTS[0], Revolve(3), BackgroundStorage(HDF5Storage()))
    running = threads()
    assert running
    del pullback
    gc.collect()
    for thread in running:
        thread.join(30)
        assert not thread.is_alive()


# --- Auto ------------------------------------------------------------------------------------------------------------


def test_auto_measures_the_disk_and_not_the_queue(program, monkeypatch):
    trial.forget()
    seen = []
    time = trial._Clock.time
    start = trial._timed

    def timed(loop, *args):
        seen.append(loop.session)
        return start(loop, *args)

    def timing(clock, name, call):
        result = time(clock, name, call)
        if name == "write 1":
            desk = seen[0]._sessions[1]._desk
            assert desk.worker.idle
            assert not desk._used
            assert trial._SLOT in desk._slots
            seen.append(name)
        return result

    monkeypatch.setattr(trial, "_timed", timed)
    monkeypatch.setattr(trial._Clock, "time", timing)
    storage = TieredStorage(MemoryStorage(), BackgroundStorage(HDF5Storage()))
    function = value_and_grad(program.in_place)
    found = function(INPUTS[0], Auto("20 MB", disk="20 MB", storage=storage))
    assert "write 1" in seen
    monkeypatch.undo()
    value, gradient = function(INPUTS[0], Revolve(3))
    assert found[0] == value
    assert np.array_equal(found[1], gradient)


def test_auto_counts_the_buffers_as_memory(program, monkeypatch):
    found = []
    monkeypatch.setattr(trial, "Measurement", lambda **measured: found.append(measured) or 1 / 0)
    for storage in (MemoryStorage(), BackgroundStorage(HDF5Storage(), buffers=100)):
        trial.forget()
        with pytest.raises(ZeroDivisionError):
            grad(program.in_place)(np.linspace(0, 1, 1000), Auto(), storage)
    assert found[1]["working_bytes"] - found[0]["working_bytes"] > 100 * 2 * 8000
