"""Arrays of which a part stands in the file already."""

import importlib
import os
import random
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from test_hdf5 import Arrays, same

from checkpointer import Revolve, grad, install_import_hook, value_and_grad
from checkpointer.errors import StorageError
from checkpointer.storage import HDF5Storage, checksums, hdf5_integrity, verify
from checkpointer.storage.hdf5_integrity import verify_here

RNG = np.random.default_rng(0)
UNIT = checksums.UNIT_BYTES
STORAGES = [{}, {"compression": "lzf"}]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.h5"


@pytest.fixture
def small_units(monkeypatch):
    """Units of about a kilobyte, so that small arrays have many."""
    monkeypatch.setattr(checksums, "UNIT_BYTES", 1 << 10)
    checksums.units_of.cache_clear()
    yield
    checksums.units_of.cache_clear()


def states(path, name="u"):
    """The dataset of each slot, as h5py reads it, whether it is virtual, and the names of the pieces."""
    with h5py.File(path) as file:
        loop = file["loop-1"]
        slots = {slot: loop[slot]["state"][name] for slot in loop if slot != "pieces"}
        found = {slot: (data[()], data.is_virtual) for slot, data in slots.items()}
        return found, sorted(loop.get("pieces", ()))


@pytest.mark.parametrize("options", STORAGES, ids=repr)
@pytest.mark.parametrize(
    ("shape", "changed"),
    [
        ((500_000,), np.s_[300_000:300_010]),
        ((2, 300_000), np.s_[1]),
        ((1, 1, 400, 1000), np.s_[..., 90:110, 3]),
        ((3000, 7, 20), np.s_[-1]),
    ],
)
def test_only_what_changed_is_written(path, options, shape, changed):
    u = RNG.normal(size=shape)
    with HDF5Storage(path, **options).session() as session:
        session.save(0, Arrays(1, u=u))
        before = path.stat().st_size
        v = u.copy()
        v[changed] += 1
        session.save(1, Arrays(2, u=v))
        assert same(session.load(0)["u"], u)
        assert same(session.load(1)["u"], v)
    assert path.stat().st_size - before < 0.6 * before
    found, pieces = states(path)
    assert [virtual for _, virtual in found.values()] == [False, True]
    assert len(pieces) == 2
    assert same(found["slot-0"][0], u)
    assert same(found["slot-1"][0], v)
    verify(path)


def test_types_that_hdf5_does_not_have(path):
    u = np.arange(100_000).astype("M8[s]")
    v = u.copy()
    v[7] = v[8]
    with HDF5Storage(path).session() as session:
        session.save(0, Arrays(u=u))
        session.save(1, Arrays(u=v))
        assert same(session.load(1)["u"], v)
    found, pieces = states(path)
    assert found["slot-1"][1]
    assert len(pieces) == 2
    verify(path)


def test_the_slot_s_own_dataset_is_overwritten_where_it_changed(path, monkeypatch):
    written = []
    write = os.pwritev
    monkeypatch.setattr(os, "pwritev", lambda *args: (written.append(write(*args)), written[-1])[1])
    u = RNG.normal(size=400_000)
    with HDF5Storage(path).session() as session:
        session.save(0, Arrays(u=u))
        for _ in range(3):
            session.discard(0)
            u[200_000] += 1
            written.clear()
            session.save(0, Arrays(u=u))
            assert sum(written) == UNIT
            assert same(session.load(0)["u"], u)
    assert states(path)[1] == []
    verify(path)


def test_pieces_go_when_nothing_needs_them(path):
    u = RNG.normal(size=400_000)
    with HDF5Storage(path).session() as session:
        for key in range(3):
            u[key * 150_000] += 1
            session.save(key, Arrays(u=u))
        session.discard(0)
        session.save(0, Arrays(other=u))
        assert len(pieces_of(session)) == 3  # the first array is still a part of the others
        for key in (1, 2):
            session.discard(key)
            session.save(key, Arrays(u=RNG.normal(size=400_000)))
        assert pieces_of(session) == []
    verify(path)


def pieces_of(session):
    return sorted(session._group["pieces"])


def test_a_chain_of_small_changes_does_not_keep_everything(path):
    """Each snapshot could do with a little of each earlier one; and two stand."""
    u = RNG.normal(size=500_000)
    with HDF5Storage(path).session() as session:
        for step in range(12):
            u = u.copy()
            u[step * UNIT // 8 :] += 1
            if step > 1:
                session.discard(step % 2)
            session.save(step % 2, Arrays(u=u))
            assert same(session.load(step % 2)["u"], u)
        assert len(pieces_of(session)) > 1
    assert (
        path.stat().st_size < 5.5 * u.nbytes
    )  # each holds on to twice its size at most, and one more while it is written
    verify(path)


def test_a_damaged_piece(path):
    u = RNG.normal(size=400_000)
    with HDF5Storage(path).session() as session:
        session.save(0, Arrays(1, u=u))
        u[200_000] += 1
        session.save(1, Arrays(2, u=u))
        with h5py.File(path) as file:
            at = file["loop-1/pieces/1"].id.get_offset()
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(b"odd")
        number = 200_000 * 8 // UNIT
        with pytest.raises(
            StorageError,
            match=rf"u in the snapshot of step 2: 1 of its 13 .* from byte {number * UNIT} of the array on",
        ):
            session.load(1)
        assert session.load(0)
    with pytest.raises(StorageError, match="u in the snapshot of step 2: its bytes do not have the checksum"):
        verify(path)
    with h5py.File(path, "r+") as file:
        del file["loop-1/pieces/1"]
    with pytest.raises(StorageError, match="u in the snapshot of step 2: its bytes do not have the checksum"):
        verify(path)


def test_the_disk_is_full_while_a_piece_is_written(path, monkeypatch):
    u = RNG.normal(size=400_000)
    with HDF5Storage(path).session() as session:
        session.save(0, Arrays(u=u))
        v = u.copy()
        v[200_000] += 1

        def full(*args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "pwritev", full)
        with pytest.raises(StorageError, match="cannot save a snapshot"):
            session.save(1, Arrays(u=v))
        monkeypatch.undo()
        assert pieces_of(session) == []
        session.save(1, Arrays(u=v))
        assert same(session.load(0)["u"], u)
        assert same(session.load(1)["u"], v)
    verify(path)


@pytest.mark.parametrize("options", STORAGES, ids=repr)
@pytest.mark.parametrize("seed", range(3))
def test_any_pattern_of_changes_and_discards(path, options, seed, small_units):
    """Against a dictionary."""
    rng = random.Random(seed)
    shapes = {"u": (40, 100), "v": (6000,), "w": (3, 400, 2)}
    current = {name: RNG.normal(size=shape) for name, shape in shapes.items()}
    expected, virtual = {}, 0
    with HDF5Storage(path, **options).session() as session:
        for step in range(60):
            name = rng.choice("uvw")
            array = current[name] = current[name].copy()
            axis = 1 if name == "w" else 0
            rows = rng.randrange(array.shape[axis])
            part = (slice(None),) * axis + (slice(rows, rows + rng.randrange(1, array.shape[axis])),)
            way = rng.randrange(4)
            if way == 0:
                array[part] += 1
            elif way == 1:
                array[...] = RNG.normal(size=array.shape)
            elif way == 2 and expected:  # back to what it was, or to a part of that
                array[part] = rng.choice(list(expected.values())).get(name, array)[part]
            key = rng.randrange(5)
            if key in expected:
                session.discard(key)
                del expected[key]
            chosen = rng.sample("uvw", rng.randrange(1, 4))
            expected[key] = {each: current[each] for each in chosen}
            session.save(key, Arrays(step, **expected[key]))
            for key in rng.sample(sorted(expected), min(2, len(expected))):
                loaded = session.load(key)
                assert all(same(loaded[each], array) for each, array in expected[key].items())
        for key, arrays in expected.items():
            loaded = session.load(key)
            assert all(same(loaded[each], array) for each, array in arrays.items())
            group = session._group[f"slot-{key}/state"]
            assert sorted(group) == sorted(arrays)
            for each, array in arrays.items():
                assert same(group[each][()], array)
                virtual += group[each].is_virtual
        sources = {part.dset_name for data in virtuals(session) for part in data.virtual_sources()}
        assert sources == {f"/loop-1/pieces/{name}" for name in session._group.get("pieces", ())}
    assert virtual
    verify_here(os.fspath(path))


def virtuals(session):
    for slot in session._group:
        if slot != "pieces":
            yield from (data for data in session._group[slot]["state"].values() if data.is_virtual)


def test_damage_to_what_it_is_put_together_of(path, tmp_path, small_units):
    """HDF5 keeps that in a heap, where some damage makes it crash."""
    u = RNG.normal(size=(20, 100))
    with HDF5Storage(path).session() as session:
        for key in range(3):
            u = u.copy()
            u[key * 5] += 1
            session.save(key, Arrays(key, u=u))
    verify(path)
    whole, damaged = path.read_bytes(), tmp_path / "damaged.h5"
    heap = whole.index(b"GCOL")
    for place in [*range(0, 33, 8), 119]:
        content = bytearray(whole)
        content[heap + place] ^= 0x40
        damaged.write_bytes(content)
        try:
            verify(damaged)
        except StorageError as error:
            said = str(error)
        else:
            with h5py.File(damaged) as file:
                assert same(file["loop-1/slot-2/state/u"][()], u)
            continue
        assert said.startswith(f"{damaged} is damaged: "), place


def test_a_crash_of_hdf5_is_an_error(path, monkeypatch):
    monkeypatch.setattr(hdf5_integrity, "_PROGRAM", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    path.write_bytes(b"GCOL")
    with pytest.raises(StorageError, match=r"run\.h5 is damaged: HDF5 crashes when it reads it"):
        verify(path)
    monkeypatch.setattr(hdf5_integrity, "_PROGRAM", "import nothing_of_this_name")
    with pytest.raises(StorageError, match=r"^cannot verify (?s:.*)No module named 'nothing_of_this_name'$"):
        verify(path)


# --- in a loop --------------------------------------------------------------------------------------------------------

HISTORY = """
import numpy as np
from checkpointer import checkpointed

def history(start, scheme, storage=None, steps=100):
    u = np.zeros((steps + 1, start.size))
    u[0] = start
    for n in checkpointed(range(steps), scheme, storage=storage):
        u[n + 1] = u[n] + 0.01 * np.sin(u[n]) * u[n // 2]
    return (u[-1] ** 2).sum() + u[steps // 2].sum()
"""


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """The program, rewritten, loaded once."""
    path = tmp_path_factory.mktemp("program") / "program_with_history.py"
    path.write_text(HISTORY)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(path.parent)
        with install_import_hook("program_with_history"):
            yield importlib.import_module("program_with_history").history
        del sys.modules["program_with_history"]


def test_a_history_is_stored_about_twice(history, path):
    """40 MB, as it was before the loop and as the loop wrote it, with 50 snapshots."""
    start = np.linspace(0, 1, 100_000)
    value, gradient = value_and_grad(history)(start, Revolve(50), steps=50)
    found = value_and_grad(history)(start, Revolve(50), HDF5Storage(path), steps=50)
    assert found[0] == value
    assert np.array_equal(found[1], gradient)
    assert path.stat().st_size < 2.2 * 51 * start.nbytes


@pytest.mark.parametrize("snapshots", [2, 7])
def test_a_history_in_small_units(history, small_units, snapshots):
    for start in (np.linspace(0, 1, 30), np.linspace(1, 0, 30) ** 2):
        found = grad(history)(start, Revolve(snapshots), HDF5Storage())
        assert np.array_equal(found, grad(history)(start, Revolve(snapshots)))
        change = np.cos(np.arange(30.0))
        both = [history(start + sign * 1e-6 * change, Revolve(1)) for sign in (1, -1)]
        assert found @ change == pytest.approx((both[0] - both[1]) / 2e-6, rel=1e-6)
