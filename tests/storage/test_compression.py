"""Compressed snapshots: without loss, or within the bound that was stated."""

import doctest
import importlib
import logging
import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from test_hdf5 import Arrays, same

from checkpointer import Lossy
from checkpointer.errors import ArgumentError, StorageError
from checkpointer.storage import HDF5Storage, MemoryStorage, TieredStorage, compression, verify

SHAPES = [
    *[(1000,), (100_000,), (1, 5000), (5000, 1), (300, 400), (40, 50, 60), (1, 1, 999), (3, 700, 1)],
    *[(2, 3, 4, 500), (5, 4, 3, 2, 50), (3, 1, 70, 1, 9)],
]
FIELDS = ["smooth", "noise", "tiny", "huge", "mixed", "spike", "constant", "denormal"]


def a_field(kind, shape):
    rng = np.random.default_rng(0)
    x = np.linspace(0, 6, int(np.prod(shape))).reshape(shape)
    with np.errstate(all="ignore"):
        return {
            "smooth": lambda: np.sin(x),
            "noise": lambda: rng.normal(size=shape),
            "tiny": lambda: 1e-200 * np.sin(x),
            "huge": lambda: 1e300 * np.sin(x),
            "mixed": lambda: np.sin(x) * 10.0 ** rng.integers(-12, 12, size=shape),
            "spike": lambda: np.where(x > 5.9, 1e8, np.sin(x)),
            "constant": lambda: np.full(shape, 3.3),
            "denormal": lambda: 5e-324 * rng.integers(0, 100, size=shape),
        }[kind]()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.h5"


def saved(array, bound, path=None):
    """The array as it is loaded, and what the session says it lost."""
    with HDF5Storage(path, compression=bound).session() as session:
        session.save(0, Arrays(u=array))
        return session.load(0)["u"], session._losses


# --- without loss -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gzip", "lzf", "zstd", "blosc"])
def test_every_method_gives_back_every_bit(path, method):
    u = np.cumsum(np.random.default_rng(0).normal(size=(200, 300)), axis=1)
    with HDF5Storage(path, compression=method).session() as session:
        session.save(0, Arrays(1, [("t", 0.5)], u=np.round(u), n=np.arange(50_000), point=np.array(1 + 2j)))
        loaded = session.load(0)
        assert same(loaded["u"], np.round(u))
        assert same(loaded["n"], np.arange(50_000))
        assert same(loaded["point"], np.array(1 + 2j))
    verify(path)
    with h5py.File(path) as file:
        data = file["loop-1/slot-0/state/u"]
        assert data.id.get_storage_size() < u.nbytes / 2
        filters = data._filters
        assert "shuffle" in filters or filters["32001"][5] == 1  # blosc shuffles by itself


@pytest.mark.parametrize("method", ["zstd", "blosc", Lossy(absolute=1.0)], ids=repr)
def test_hdf5plugin_is_not_there(method, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    storage = HDF5Storage(tmp_path / "run.h5", compression=method)
    with pytest.raises(
        StorageError,
        match=r'^HDF5Storage: compression="zstd", "blosc" and Lossy\(\.\.\.\) need hdf5plugin, which cannot be'
        r" imported \(.*\): pip install 'checkpointer-ad\[compression\]'$",
    ):
        storage.session()
    assert os.listdir(tmp_path) == []
    with HDF5Storage(compression="gzip").session() as session:
        session.save(0, Arrays(u=np.ones(3)))


# --- with a bound -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_the_bound_is_kept(kind, dtype):
    for shape in SHAPES:
        with np.errstate(all="ignore"):
            u = a_field(kind, shape).astype(dtype)
        largest = float(np.abs(u).max())
        if not np.isfinite(largest):
            continue
        for relative in (1e-2, 1e-12):
            found, losses = saved(u, Lossy(relative=relative))
            bound = relative * largest
            error = np.abs(found.astype(np.longdouble) - u).max()
            assert error <= bound or same(found, u)
            if losses.arrays:
                assert losses.error == pytest.approx(float(error))
            else:
                assert same(found, u)


def test_what_is_smooth_becomes_small(path):
    x = np.linspace(0, 3, 300)
    u = np.sin(np.add.outer(x, x))
    found, losses = saved(u, Lossy(absolute=1e-4), path)
    assert 0 < np.abs(found - u).max() <= 1e-4
    assert losses.before > 10 * losses.after
    verify(path)


@pytest.mark.parametrize("dtype", ["c16", "c8"])
def test_complex_numbers_are_within_the_bound(path, dtype):
    x = np.linspace(0, 3, 4000)
    u = np.exp(5j * x).astype(dtype).reshape(40, 100)
    found, losses = saved(u, Lossy(absolute=1e-3), path)
    assert 0 < np.abs(found - u).max() <= 1e-3
    assert losses.arrays == 1
    with h5py.File(path) as file:
        data = file["loop-1/slot-0/state/u"]
        assert data.shape == (40, 100, 2)
        assert data.attrs["dtype"] == u.dtype.str.encode()
    verify(path)


def test_a_strided_array_and_one_in_pieces():
    u = np.sin(np.linspace(0, 5, 40_000)).reshape(200, 200)
    for array in (u[::2, ::-1], np.asfortranarray(u)):
        found, losses = saved(array, Lossy(absolute=1e-3))
        assert 0 < np.abs(found - array).max() <= 1e-3
        assert losses.arrays == 1


EXACT = {
    "integers": np.arange(5000),
    "booleans": np.arange(5000) % 3 == 0,
    "texts": np.array(["a", "b"] * 2000),
    "times": np.arange(5000).astype("M8[s]"),
    "NaN": np.where(np.arange(5000) == 7, np.nan, 0.1),
    "infinite": np.where(np.arange(5000) == 7, np.inf, 0.1),
    "complex with NaN": np.where(np.arange(5000) == 7, np.nan, 0.1j),
    "zeros": np.zeros(5000),
    "small": np.sin(np.arange(500.0)),
    "a number": np.array(0.1),
    "long doubles": np.sin(np.arange(5000.0)).astype("g"),
    "other byte order": np.sin(np.arange(5000.0)).astype(">f8"),
    "half": np.sin(np.arange(5000.0)).astype("f2"),
    "none": np.zeros((0, 3)),
}


def test_what_stays_exact(path):
    with HDF5Storage(path, compression=Lossy(relative=1e-2)).session() as session:
        session.save(0, Arrays(1, [("t", 0.1)], **EXACT))
        loaded = session.load(0)
        for name, array in EXACT.items():
            assert same(loaded[name], array), name
        assert session._losses.arrays == session._losses.refused == 0
    verify(path)
    with h5py.File(path) as file:
        assert file["loop-1/slot-0/state/t"][()] == 0.1


def test_a_broken_bound_is_refused(path, monkeypatch):
    """By a compressor that takes a larger one than it was told."""
    honest = compression.with_loss
    monkeypatch.setattr(
        "checkpointer.storage.hdf5_filtered.with_loss",
        lambda shape, kind, bound: honest(shape, kind, 1e4 * bound),
    )
    u = np.random.default_rng(0).normal(size=3000)
    with HDF5Storage(path, compression=Lossy(absolute=1e-6)).session() as session:
        session.save(0, Arrays(u=u, z=u * 1j))
        session.save(1, Arrays(u=u, z=u * 2j))
        for key in range(2):
            assert same(session.load(key)["u"], u)
            assert same(session.load(key)["z"], u * (1j, 2j)[key])
        assert (session._losses.arrays, session._losses.refused) == (0, 3)
    verify(path)


def test_saving_again_and_again(path):
    rng = np.random.default_rng(0)
    with HDF5Storage(path, compression=Lossy(absolute=1e-3)).session() as session:
        constant = rng.normal(size=5000)
        for step in range(6):
            u = rng.normal(size=5000) if step != 3 else np.full(5000, np.nan)
            if step > 1:
                session.discard(step % 2)
            session.save(step % 2, Arrays(step, u=u, c=constant))
            loaded = session.load(step % 2)
            assert same(loaded["u"], u) if step == 3 else 0 < np.abs(loaded["u"] - u).max() <= 1e-3
            assert 0 < np.abs(loaded["c"] - constant).max() <= 1e-3
        assert session._losses.arrays == 6  # the constant once
    verify(path)


def test_damage_to_it_is_found(path):
    u = np.sin(np.linspace(0, 5, 40_000))
    with HDF5Storage(path, compression=Lossy(absolute=1e-3)).session() as session:
        session.save(0, Arrays(4, u=u))
        with h5py.File(path) as file:
            start = file["loop-1/slot-0/state/u"].id.get_chunk_info(0).byte_offset
        with open(path, "r+b") as file:
            file.seek(start + 200)
            file.write(b"\xff\x00\xff")
        with pytest.raises(StorageError, match="u in the snapshot of step 4: "):
            session.load(0)
    with pytest.raises(StorageError, match="u in the snapshot of step 4: "):
        verify(path)


def test_the_log_says_what_was_lost(caplog, path):
    with caplog.at_level(logging.INFO, "checkpointer"):
        saved(np.sin(np.linspace(0, 5, 40_000)), Lossy(absolute=1e-3), path)
        saved(np.ones(3), Lossy(absolute=1e-3))
    (record,) = caplog.records
    assert record.getMessage().startswith(
        f"{path}: 1 arrays were compressed with loss: the largest absolute error is "
    )
    assert "0.32 MB became 0.0" in record.getMessage()


def test_sessions_say_whether_they_are_exact():
    lossy = HDF5Storage(compression=Lossy(absolute=1))
    for storage, exact in [
        *[(HDF5Storage(), True), (HDF5Storage(compression="zstd"), True), (MemoryStorage(), True)],
        *[(lossy, False), (TieredStorage(MemoryStorage(), lossy), False)],
        (TieredStorage(MemoryStorage(), HDF5Storage()), True),
    ]:
        with storage.session() as session:
            assert session.exact is exact


# --- the description --------------------------------------------------------------------------------------------------


def test_it_is_a_value():
    assert Lossy(absolute=1e-6) == Lossy(absolute=1e-6) != Lossy(relative=1e-6)
    assert hash(HDF5Storage(compression=Lossy(absolute=1))) == hash(
        HDF5Storage(compression=Lossy(absolute=1))
    )
    assert (
        repr(HDF5Storage(compression=Lossy(relative=1e-5)))
        == "HDF5Storage(compression=Lossy(relative=1e-05))"
    )


@pytest.mark.parametrize("arguments", [{}, {"absolute": 1.0, "relative": 1.0}])
def test_one_bound_is_needed(arguments):
    with pytest.raises(ArgumentError, match=r"^Lossy: give one bound, as in Lossy\(absolute=1e-6\) or"):
        Lossy(**arguments)


@pytest.mark.parametrize("bound", [0, -1.0, np.nan, np.inf, "1", True, 1j])
@pytest.mark.parametrize("name", ["absolute", "relative"])
def test_a_bound_is_a_positive_number(name, bound):
    with pytest.raises(
        ArgumentError, match=rf"^Lossy: {name} must be a positive number, such as 1e-6, but is "
    ):
        Lossy(**{name: bound})


def test_docstring_examples():
    failed, tried = doctest.testmod(importlib.import_module("checkpointer.storage.compression"))
    assert (failed, tried > 0) == (0, True)
