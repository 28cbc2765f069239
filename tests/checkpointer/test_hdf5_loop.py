"""Differentiated loops whose snapshots stand in HDF5 files."""

import errno
import os
import tracemalloc

import h5py
import numpy as np
import pytest
import xarray

from checkpointer import (
    Auto,
    DiskRevolve,
    HDF5Storage,
    HRevolve,
    Level,
    MemoryStorage,
    Multistage,
    Online,
    Revolve,
    Storage,
    StorageError,
    TieredStorage,
    TwoLevel,
    grad,
    snapshots,
    value_and_grad,
)
from checkpointer.storage import Session

PROGRAM = """
import random
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

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

class Tracer:
    def __init__(self, c):
        self.c = c
        self.mean = 0.0
        self.parts = {"left": c[:2], "right": [c[2:], 3]}

class Slotted:
    __slots__ = ("u", "n")

@dataclass
class Box:
    u: np.ndarray
    t: float

class Point(NamedTuple):
    x: np.ndarray
    y: np.ndarray

def objects(u, scheme, storage=None):
    tracer, slotted, box, point = Tracer(u), Slotted(), Box(u * 2, 0.0), Point(u, u[::2])
    slotted.u, slotted.n = u + 1, 0
    recent = deque([u], maxlen=3)
    for step in checkpointed(range(9), scheme, storage=storage):
        tracer.c = np.sin(tracer.c) + tracer.mean * u
        tracer.mean = tracer.mean + tracer.c.mean()
        tracer.parts["left"] = tracer.parts["left"] * tracer.c[:2]
        tracer.parts["right"][0] = tracer.parts["right"][0][::-1] + tracer.c[-1]
        slotted.u, slotted.n = slotted.u * 0.9 + slotted.n, slotted.n + 1
        box = Box(box.u * tracer.mean, box.t + 0.1)
        point = Point(point.y.sum() * point.x, point.x[1::2] * box.t)
        recent.append(tracer.c * recent[0])
    return (
        sum(item.sum() for item in recent) + tracer.parts["left"].sum() + tracer.parts["right"][0].sum()
        + slotted.u.sum() + box.u.sum() + point.x.sum() * point.y.sum() / 1e3
    )

def histories(u, scheme, storage=None):
    states, energies, ages = [u], [], np.zeros(10)
    for step in checkpointed(range(9), scheme, storage=storage):
        u = u * np.cos(states[-1]) + states[step // 2] / 9
        states.append(u[::-1])
        energies.append((u * u).sum())
        ages[step] = u[0]
    return sum(energies) + (states[4] * states[-1]).sum() + (ages ** 2).sum()

def integers(u, scheme, storage=None):
    u = u.copy()
    index, mask, count, name = np.arange(u.size), u > 0.5, 0, "a"
    for step in checkpointed(range(9), scheme, storage=storage):
        index[:] = np.roll(index, 1)
        mask ^= index > 2
        count += int(mask.sum())
        name += "b" * (count % 2)
        u[mask] *= 1 + 0.01 * count * len(name)
        u += 0.1 * u[index]
    return u.sum() * count

def draws(u, scheme, storage=None):
    rng, old = np.random.default_rng(3), random.Random(4)
    np.random.seed(5)
    for step in checkpointed(range(9), scheme, storage=storage):
        u = u * rng.normal(size=u.size) + old.random() * np.random.normal()
    return (u * u).sum()

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
    fixed = u * 2
    fixed.flags.writeable = False
    empty, flat = np.zeros((0, 3)), np.zeros(2 * u.size)
    for step in checkpointed(range(9), scheme, storage=storage):
        f = np.asfortranarray(f.T * 0.5 + np.outer(fixed, u) * 0.3)
        turned[step % 3, step % 2] += f[1] * u
        fixed = fixed * turned[0].sum()
        fixed.flags.writeable = False
        grid = flat.reshape(2, -1)
        grid[step % 2] += fixed.ravel() * 0.01
        flat = flat[::-1] + empty.sum()
        u = u * np.cos(f[:, 1])
    return f.sum() + turned.sum() + fixed.sum() + flat.sum() + u.sum()

def leaving(u, scheme, storage=None):
    n = 0
    while checkpointed(u.sum() < 60, scheme, storage=storage):
        u = u * 1.1 + 0.1 * n
        n += 1
        if u[0] > 9:
            break
    return (u * u).sum() + n

def lorenz(u, scheme, storage=None):
    u = u[:3]
    for step in checkpointed(range(40), scheme, storage=storage):
        x, y, z = u
        u = u + 0.01 * np.array([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])
    return u[0]
"""

NAMES = "in_place new_arrays objects histories integers draws nested layouts leaving lorenz".split()
INPUTS = [np.linspace(0.1, 1.0, 6), np.array([0.9, 0.4, 0.7, 0.1, 0.8, 0.3])]
SCHEMES = [Revolve(1), Revolve(4), Online(3)]


@pytest.fixture(scope="module")
def program(load_once):
    """The program with and without the import hook, loaded once."""
    return load_once("program_with_files", PROGRAM)


def scheme_for(name, scheme):
    """A ``while`` loop has no length that a scheme of known lengths could plan for."""
    return Online(scheme.snapshots) if name == "leaving" else scheme


@pytest.mark.parametrize("u", INPUTS, ids=["rising", "mixed"])
@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_snapshots_in_memory(program, name, scheme, u, tmp_path):
    function, scheme = getattr(program.rewritten, name), scheme_for(name, scheme)
    value, gradient = value_and_grad(function)(u, scheme, MemoryStorage())
    assert value == getattr(program.plain, name)(u, scheme)
    for storage in (HDF5Storage(tmp_path / "run.h5"), TieredStorage(MemoryStorage(), HDF5Storage())):
        for _ in range(2):
            found = value_and_grad(function)(u, scheme, storage)
            assert found[0] == value
            assert np.array_equal(found[1], gradient)
    if name == "nested":
        with h5py.File(tmp_path / "run.h5") as file:
            assert len(file) == 2 * (1 + 4)


LEVELS = [
    *(Multistage(2, 3), Multistage(0, 4), HRevolve(Level(2), Level(3, 2.0, 1.0)), DiskRevolve(1)),
    *(TwoLevel(3, 2), Auto("20 MB", disk="20 MB")),
]


@pytest.mark.parametrize("name", NAMES)
def test_gradients_with_snapshots_on_two_levels(program, name):
    function = getattr(program.rewritten, name)
    for u, scheme in zip(INPUTS * 3, LEVELS, strict=True):
        if name == "leaving" and not scheme.online:
            continue  # a ``while`` loop
        value, gradient = value_and_grad(function)(u, scheme_for(name, Revolve(3)))
        storages = (
            TieredStorage(MemoryStorage(), HDF5Storage()),
            TieredStorage(HDF5Storage(), MemoryStorage()),
        )
        for storage in storages:
            found = value_and_grad(function)(u, scheme, storage)
            assert found[0] == value
            assert np.array_equal(found[1], gradient)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_right(program, check, name):
    for u in INPUTS:
        check(program, name, u, scheme_for(name, Revolve(2)), HDF5Storage(), rtol=1e-6, atol=1e-7)


def test_compressed(program):
    for name in ("in_place", "layouts"):
        function = getattr(program.rewritten, name)
        expected = grad(function)(INPUTS[0], Revolve(2))
        assert np.array_equal(
            grad(function)(INPUTS[0], Revolve(2), HDF5Storage(compression="gzip")), expected
        )


@pytest.mark.parametrize("name", NAMES)
def test_snapshots_in_memory_that_let_go_of_arrays(program, name, monkeypatch):
    """As those of large arrays do."""
    function, scheme = getattr(program.rewritten, name), scheme_for(name, Revolve(3))
    expected = value_and_grad(function)(INPUTS[0], scheme)
    monkeypatch.setattr(snapshots, "_SMALL", 0)
    for storage in (MemoryStorage(), Wrapped()):
        value, gradient = value_and_grad(function)(INPUTS[0], scheme, storage)
        assert value == expected[0]
        assert np.array_equal(gradient, expected[1])


class Wrapped(Storage):
    """A storage that does not say that the one inside it copies, so that it gets snapshots in memory."""

    def session(self):
        return WrappedSession()


class WrappedSession(Session):
    def __init__(self):
        super().__init__()
        self.inner = HDF5Storage().session()

    def _save(self, key, snapshot, level):
        self.inner.save(key, snapshot)

    def _load(self, key):
        return self.inner.load(key)

    def _discard(self, key):
        self.inner.discard(key)

    def _close(self):
        self.inner.close()


def test_large_arrays_of_all_layouts(program):
    """More than a block of memory each, so that they are taken apart and put together."""
    u = np.random.default_rng(0).normal(size=200) * 0.1
    for name in ("in_place", "layouts"):
        function = getattr(program.rewritten, name)
        value, gradient = value_and_grad(function)(u, Revolve(3))
        found = value_and_grad(function)(u, Revolve(3), HDF5Storage())
        assert found[0] == value
        assert np.array_equal(found[1], gradient)


def test_the_file_has_the_program_s_names(program, tmp_path):
    path = tmp_path / "run.h5"
    grad(program.rewritten.objects)(INPUTS[0], Revolve(3), HDF5Storage(path))
    with h5py.File(path) as file:
        slot = file["loop-1/slot-0"]
        assert slot.attrs["step"] == 0
        state = slot["state"]
        assert {"tracer.mean", "slotted.u", "slotted.n", "box.u", "box.t", "u"} <= state.keys()
        assert state["box.u"][()].tolist() == (2 * INPUTS[0]).tolist()
        assert state["tracer.mean"][()] == 0.0
        assert state["slotted.n"][()] == 0
    path = tmp_path / "other.h5"
    grad(program.rewritten.integers)(INPUTS[0], Revolve(3), HDF5Storage(path))
    with h5py.File(path) as file:
        state = file["loop-1/slot-0/state"]
        assert state["mask"].dtype == bool
        assert state["index"][()].tolist() == [0, 1, 2, 3, 4, 5]
        assert state["name"][()] == b"a"
        others = [group["state/index"] for group in file["loop-1"].values()]
        assert len(others) == 3


def test_xarray_reads_a_snapshot(program, tmp_path):
    path = tmp_path / "run.h5"
    grad(program.rewritten.integers)(INPUTS[0], Revolve(3), HDF5Storage(path))
    group = "loop-1/slot-0/state"
    with xarray.open_dataset(path, engine="h5netcdf", group=group, phony_dims="sort") as found:
        assert found["index"].values.tolist() == [0, 1, 2, 3, 4, 5]
        assert found["mask"].dtype == bool
        assert found["u"].values.tolist() == INPUTS[0].tolist()


def test_a_constant_array_is_written_once(program, tmp_path):
    path = tmp_path / "run.h5"
    grad(program.rewritten.in_place)(INPUTS[0], Revolve(4), HDF5Storage(path))
    with h5py.File(path) as file:
        places = [h5py.h5o.get_info(group["state/coefficient"].id).addr for group in file["loop-1"].values()]
    assert len(places) == 4
    assert len(set(places)) == 1


STEPS = """
from checkpointer import checkpointed

def new_arrays(u, scheme, storage):
    v = u
    pair = (u, 0)
    for step in checkpointed(range(24), scheme, storage=storage):
        u, v = v * 1.01, u[::-1]
        pair = (pair[0] * 0.5, step)
    return u.sum() + v.sum() + pair[0].sum()

def in_place(u, scheme, storage):
    u = u.copy()
    for step in checkpointed(range(24), scheme, storage=storage):
        u *= 1.01
    return u.sum()
"""


@pytest.mark.parametrize("name", ["new_arrays", "in_place"])
def test_the_contents_are_not_kept_in_memory(load, name):
    """With 20 snapshots as with 2; and in memory each is one copy of the state more."""
    function = getattr(load(STEPS).rewritten, name)
    u = np.ones(40_000)

    def peak(scheme, storage):
        grad(function)(u, scheme, storage)
        tracemalloc.start()
        try:
            grad(function)(u, scheme, storage)
            return tracemalloc.get_traced_memory()[1] / u.nbytes
        finally:
            tracemalloc.stop()

    two = peak(Revolve(2), HDF5Storage())
    assert peak(Revolve(20), HDF5Storage()) < two + 2
    least, most = {"new_arrays": (28, 60), "in_place": (14, 22)}[name]  # two or three arrays; one
    assert two + least < peak(Revolve(20), MemoryStorage()) < two + most


def files_in(folder):
    """What this process has open there, with or without a name."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith(str(folder)):
            found.append(target)
    return found


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks into /proc")
class TestFailures:
    def test_the_disk_is_full_in_the_forward_sweep(self, program, tmp_path, monkeypatch):
        self.fill(monkeypatch, after=2)
        with pytest.raises(
            StorageError, match=r"^cannot save a snapshot of .* in .*: No space left on device \("
        ):
            grad(program.rewritten.in_place)(INPUTS[0], Revolve(4), HDF5Storage(folder=tmp_path))
        assert files_in(tmp_path) == []

    def test_the_disk_is_full_in_the_reverse_sweep(self, program, tmp_path, monkeypatch):
        function = value_and_grad(program.rewritten.in_place)
        saved = []
        monkeypatch.setattr(os, "pwritev", lambda *args, write=os.pwritev: (saved.append(1), write(*args))[1])
        value, _ = function(INPUTS[0], Revolve(2), HDF5Storage(folder=tmp_path))
        monkeypatch.undo()
        self.fill(monkeypatch, after=len(saved) - 1)
        with pytest.raises(StorageError, match=r"^cannot save a snapshot of .*: No space left on device \("):
            function(INPUTS[0], Revolve(2), HDF5Storage(folder=tmp_path))
        assert files_in(tmp_path) == []
        monkeypatch.undo()
        assert function(INPUTS[0], Revolve(2), HDF5Storage(folder=tmp_path))[0] == value

    def fill(self, monkeypatch, after):
        left = [after]

        def write(*args, write=os.pwritev):
            if not left[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            left[0] -= 1
            return write(*args)

        monkeypatch.setattr(os, "pwritev", write)

    def test_a_step_fails(self, load, tmp_path):
        program = load("""
            from checkpointer import checkpointed

            def f(x, scheme, storage):
                for i in checkpointed(range(5), scheme, storage=storage):
                    x = x * x / (3 - i)
                return x
        """).rewritten
        with pytest.raises(ZeroDivisionError):
            grad(program.f)(0.3, Revolve(2), HDF5Storage(folder=tmp_path))
        assert files_in(tmp_path) == []
        assert list(tmp_path.glob("*.h5")) == []

    def test_the_file_is_removed_before_the_reverse_sweep(self, load, tmp_path):
        path = tmp_path / "run.h5"
        program = load("""
            import os
            from checkpointer import checkpointed

            def f(u, scheme, storage, path):
                for i in checkpointed(range(9), scheme, storage=storage):
                    u = u * u
                os.unlink(path)
                return u.sum()
        """).rewritten
        with pytest.raises(StorageError, match=r"run\.h5 is lost"):
            grad(program.f)(INPUTS[0], Revolve(2), HDF5Storage(path), str(path))
        assert files_in(tmp_path) == []


def test_not_differentiated_nothing_is_written(program, tmp_path):
    storage = HDF5Storage(tmp_path / "run.h5")
    assert program.rewritten.in_place(INPUTS[0], Revolve(2), storage) == program.plain.in_place(
        INPUTS[0], Revolve(2)
    )
    assert list(tmp_path.glob("*.h5")) == []


def test_a_comment_mark(load):
    program = load("""
        from checkpointer import HDF5Storage

        def f(x, steps):
            # checkpointer: Revolve(snapshots=2), storage=HDF5Storage()
            for i in range(steps):
                x = x * x + 0.1
            return x
    """)
    value, gradient = value_and_grad(program.rewritten.f)(0.3, 6)
    assert value == program.plain.f(0.3, 6)
    assert gradient == pytest.approx((program.plain.f(0.3 + 1e-6, 6) - program.plain.f(0.3 - 1e-6, 6)) / 2e-6)
