"""Files of snapshots that are damaged in every way are found out, or hold what was written all the same."""

import doctest
import importlib
import os
import random
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest
import xxhash

sys.path.insert(0, str(Path(__file__).parent))

from test_hdf5 import Arrays, same

from checkpointer.errors import StorageError
from checkpointer.storage import Content, HDF5Storage, Lossy, checksums, two_threads, verify
from checkpointer.storage.hdf5_datasets import opened
from checkpointer.storage.hdf5_integrity import verify_slot

RNG = np.random.default_rng(0)
COMPRESSIONS = [None, "gzip"]
TYPES = {
    "n": np.arange(5),
    "r": np.array([(1.5, 2)], dtype=[("x", "f8"), ("n", "i2")]),
    "b": np.array([True, False]),
    "g": np.ones(3, "g"),
    "z": np.ones(2, complex),
    "M": np.zeros(2, "M8[s]"),
    "text": np.array(["", "ä"]),
    "none": np.zeros((0, 3)),
    "point": np.array(2.5),
    "big": np.zeros(3, ">f4"),
}


def written(path, compression=None):
    """A file with three snapshots, of which one was discarded."""
    u = RNG.normal(size=100)
    with HDF5Storage(path, compression=compression).session() as session:
        for key in range(3):
            numbers = [("t", 0.5 * key), ("name", "abc")]
            session.save(key, Arrays(key + 5, numbers, u=u + key, c=u, **TYPES))
        session.discard(1)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.h5"


def content_of(path):
    """All that anybody can read from the file."""

    def attributes(item):
        values = {name: np.asarray(item.attrs[name]) for name in item.attrs}
        return {name: (value.dtype.str, value.shape, value.tobytes()) for name, value in values.items()}

    found = {}
    with h5py.File(path) as file:
        found["/"] = attributes(file), sorted(file)
        for loop in file.values():
            found[loop.name] = attributes(loop), sorted(loop)
            for slot in loop.values():
                found[slot.name] = attributes(slot), sorted(slot), sorted(slot["state"])
                for data in slot["state"].values():
                    found[data.name] = attributes(data), data.shape, str(data.dtype), data[()].tobytes()
    return found


# --- the checksum -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_dataset_has_a_checksum_that_anyone_can_take(path, compression):
    large = RNG.normal(size=(300, 1000))
    with HDF5Storage(path, compression=compression).session() as session:
        session.save(0, Arrays(1, [("t", 0.5)], u=large, **TYPES))
    with h5py.File(path) as file:
        for name, data in file["loop-1/slot-0/state"].items():
            method, _, found = data.attrs["checksum"].decode().partition(":")
            size = int(method.removeprefix("xxh3-128/"))
            content = data[()].tobytes()
            parts = [content[start : start + size] for start in range(0, len(content), size or 1)]
            digests = [xxhash.xxh3_128(part).digest() for part in parts] or [xxhash.xxh3_128(b"").digest()]
            assert found == (xxhash.xxh3_128(b"".join(digests)).digest() if parts[1:] else digests[0]).hex()
            assert (len(parts) > 1) == (name == "u")
    verify(path)


@pytest.mark.parametrize(
    ("shape", "axis", "rows", "count"),
    [
        ((), 0, 1, 1),
        ((0, 3), 0, 0, 1),
        ((32768,), 0, 32768, 1),  # 256 KiB
        ((32769,), 0, 32768, 2),
        ((1, 1, 65536, 2), 2, 16384, 4),
        ((2, 10**6), 0, 1, 2),
        ((1000, 10**5), 0, 4, 250),  # 800 MB: 256 units at most
    ],
)
def test_units_are_whole_rows(shape, axis, rows, count):
    units = checksums.units_of(shape, 8)
    assert (units.axis, units.rows, units.count) == (axis, rows, count)
    assert units.nbytes == units.start(units.count) == 8 * np.prod(shape, dtype=int)


def test_a_content_in_pieces_has_the_units_of_the_whole():
    u = RNG.normal(size=100_003)
    whole = checksums.Prepared(Content("u", u.shape, u.dtype, (u,)))
    cut = checksums.Prepared(Content("u", u.shape, u.dtype, (u[:7], u[7:7], u[7:50_001], u[50_001:])))
    assert cut.all_digests() == whole.all_digests()
    assert b"".join(cut.views(50, 800_000)) == u.tobytes()[50:800_000]
    assert len(cut.sample) == len(whole.sample)


@pytest.mark.parametrize("fails", ["first", "second"])
def test_an_error_in_either_thread_is_raised_when_both_have_ended(fails, monkeypatch):
    monkeypatch.setattr(two_threads, "_processors", lambda: 2)
    met = {}

    def job(group):
        thread = "first" if threading.current_thread() is threading.main_thread() else "second"
        met.setdefault(thread, []).append(group.start)
        if thread == fails:
            raise OSError(thread)

    with pytest.raises(OSError, match=fails):
        two_threads.in_two_threads(job, [range(n, n + 1) for n in range(4)], 1 << 30)
    assert met == {"first": [0, 1], "second": [2, 3]} | {fails: [0 if fails == "first" else 2]}


def test_xxhash_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "xxhash", None)
    checksums._xxhash.cache_clear()
    with pytest.raises(
        StorageError, match=r"^HDF5Storage needs xxhash, which cannot be imported .*: pip install xxhash$"
    ):
        HDF5Storage().session().save(0, Arrays(u=np.ones(3)))
    checksums._xxhash.cache_clear()


# --- while a loop runs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, 400_000])
@pytest.mark.parametrize("place", [0, 0.37, 1])
def test_a_flipped_byte_is_found_when_the_snapshot_is_loaded(path, size, place):
    u = RNG.normal(size=size)
    with HDF5Storage(path).session() as session:
        session.save(0, Arrays(7, u=u, v=u + 1))
        with h5py.File(path) as file:
            start = file["loop-1/slot-0/state/v"].id.get_offset()
        at = start + int(place * (u.nbytes - 1))
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 4]))
        with pytest.raises(StorageError) as caught:
            session.load(0)
    part = checksums.units_of(u.shape, 8).size
    what = (
        "its bytes do not have the checksum that they were written with"
        if size == 10
        else f"1 of its 13 parts of {part} bytes, the first from byte {(at - start) // part * part} of the array on, do not"
        " have the checksum that they were written with"
    )
    assert str(caught.value) == (
        f"{path} is damaged: v in the snapshot of step 7: {what}. Something else wrote to the file, it was cut off, or its"
        " disk fails: run the program again, with the file on another disk if this happens twice"
    )


def test_a_temporary_file_is_named_by_its_folder(tmp_path, monkeypatch):
    read = os.preadv

    def wrong(descriptor, buffers, offset):
        count = read(descriptor, buffers, offset)
        buffers[0][0] ^= 1
        return count

    with HDF5Storage(folder=tmp_path).session() as session:
        session.save(0, Arrays(3, u=np.ones(5)))
        monkeypatch.setattr(os, "preadv", wrong)
        with pytest.raises(
            StorageError, match=rf"^a temporary file in {tmp_path} is damaged: u in .* step 3"
        ):
            session.load(0)


def test_compressed_data_that_hdf5_cannot_read(path):
    with HDF5Storage(path, compression="gzip").session() as session:
        u = RNG.normal(size=3000)
        session.save(0, Arrays(3, u=u))
        with h5py.File(path) as file:
            start = file["loop-1/slot-0/state/u"].id.get_chunk_info(0).byte_offset
        with open(path, "r+b") as file:
            file.seek(start)
            file.write(b"garbage")
        with pytest.raises(StorageError, match=r"u in the snapshot of step 3: HDF5 cannot read it \("):
            session.load(0)


# --- files of an earlier run ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_damage_anywhere_is_found_or_harmless(path, tmp_path, compression):
    """At places of each kind, and at random ones."""
    whole = written(path, compression).read_bytes()
    before, rng = content_of(path), random.Random(1)
    verify(path)
    places = {"superblock": range(44), "end": range(len(whole) - 40, len(whole))}
    for kind, mark in [
        *[("object header", b"OHDR"), ("attribute", b"written\0"), ("checksum", b"xxh3-128/")],
        *[("manifest", b"xxh3-128:"), ("link", b"slot-2"), ("format", b"checkpointer snapshots")],
    ]:
        starts = [n for n in range(len(whole)) if whole.startswith(mark, n)]
        assert starts, kind
        places[kind] = [start + rng.randrange(len(mark)) for start in rng.sample(starts, min(4, len(starts)))]
    with h5py.File(path) as file:
        data = file["loop-1/slot-2/state/u"].id
        start = data.get_chunk_info(0).byte_offset if compression else data.get_offset()
    places["data"] = range(start, start + 800, 97)
    places["anywhere"] = rng.sample(range(len(whole)), 40)
    found = dict.fromkeys(places, 0)
    damaged = tmp_path / "damaged.h5"
    for kind, positions in places.items():
        for position in rng.sample(list(positions), min(8, len(positions))):
            content = bytearray(whole)
            content[position] ^= 1 << rng.randrange(8)
            damaged.write_bytes(content)
            try:
                verify(damaged)
            except StorageError:
                found[kind] += 1
            else:
                assert content_of(damaged) == before, position
    assert all(found.values()), found
    assert found["data"] == 8


def test_a_file_that_was_cut_off_anywhere(path, tmp_path):
    whole = written(path).read_bytes()
    damaged = tmp_path / "damaged.h5"
    for length in [0, 1, 48, *range(100, len(whole), len(whole) // 20), len(whole) - 1]:
        damaged.write_bytes(whole[:length])
        with pytest.raises(StorageError, match=r"damaged\.h5 is damaged, cut off, or no HDF5 file"):
            verify(damaged)


ODD = [
    ("state/u", "its bytes do not have the checksum"),
    ("step", "the manifest of /loop-1/slot-2 .* does not fit"),
    ("written", "the manifest of /loop-1/slot-2 .* does not fit"),
    ("standing", "the manifest of /loop-1/slot-2 .* does not fit"),
    ("names", "the manifest of /loop-1/slot-2 .* does not fit"),
    ("manifest", "the manifest of /loop-1/slot-2 .* does not fit"),
    ("missing", "u in the snapshot of step 7: it is missing"),
    ("exchanged", "the manifest of /loop-1/slot-2 .* does not fit"),
    ("added", "the manifest of /loop-1/slot-2 .* does not fit"),
    ("no checksum", "u in the snapshot of step 7: .*checksum"),
    ("whole state", "HDF5 cannot read the snapshot in /loop-1/slot-2"),
]


@pytest.mark.parametrize(("what", "expected"), ODD, ids=[what for what, _ in ODD])
def test_changes_that_hdf5_has_no_checksum_for(path, what, expected):
    """As a program makes them that writes valid HDF5."""
    written(path)
    with h5py.File(path, "r+") as file:
        slot = file["loop-1/slot-2"]
        state = slot["state"]
        if what == "state/u":
            state["u"][3] = 7.0
        elif what == "missing":
            del state["u"]
        elif what == "exchanged":
            state.move("u", "x")
            state.move("c", "u")
            state.move("x", "c")
        elif what == "added":
            state["new"] = 1.0
        elif what == "no checksum":
            del state["u"].attrs["checksum"]
        elif what == "whole state":
            del slot["state"]
        else:
            value = np.asarray(slot.attrs[what])
            odd = np.frombuffer(bytes([value.tobytes()[0] ^ 1]) + value.tobytes()[1:], value.dtype)
            if what == "names":
                odd = np.array(b"/".join(reversed(value[()].split(b"/"))))
            slot.attrs.modify(what, odd.reshape(()))
    with pytest.raises(StorageError, match=expected) as caught:
        verify(path)
    assert str(path) in str(caught.value)
    with h5py.File(path) as file:
        verify_slot(file["loop-1/slot-0"])
        with pytest.raises(StorageError, match=expected):
            verify_slot(file["loop-1/slot-2"])


def test_a_file_of_another_program_or_version(path):
    with h5py.File(path, "w") as file:
        file["u"] = 1.0
    with pytest.raises(StorageError, match=r"run\.h5 was not written by checkpointer, or is damaged"):
        verify(path)
    path.unlink()
    written(path)
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 99
    with pytest.raises(StorageError, match=r"its format is 99, this one reads \d+.*: use the version that"):
        verify(path)


def test_a_file_that_is_not_there(path):
    with pytest.raises(StorageError, match=r"^cannot read .*run\.h5: No such file or directory$"):
        verify(path)


def test_a_file_that_is_in_use_can_be_verified_between_the_saves(path):
    with HDF5Storage(path).session() as session:
        session.save(0, Arrays(1, u=np.ones(3)))
        verify(path)
        session.save(1, Arrays(1, u=np.zeros(3)))
        verify(path)


def test_a_snapshot_that_could_not_be_written_leaves_a_file_that_is_whole(path, monkeypatch):
    with HDF5Storage(path).session() as session:
        session.save(0, Arrays(1, u=np.ones(3)))
        session.discard(0)

        def full(*args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "pwritev", full)
        with pytest.raises(StorageError, match="cannot save a snapshot"):
            session.save(0, Arrays(1, c=np.zeros(3), u=np.ones(2)))
        monkeypatch.undo()
        verify(path)
        session.save(0, Arrays(2, u=np.zeros(3)))
        assert same(session.load(0)["u"], np.zeros(3))
    verify(path)


def test_very_many_names(path):
    """More than fit into one attribute."""
    arrays = {f"a variable with quite a {'long ' * 40}name {n}": np.array(n) for n in range(300)}
    with HDF5Storage(path).session() as session:
        session.save(0, Arrays(1, **arrays))
    verify(path)


def test_docstring_examples():
    failed, tried = doctest.testmod(importlib.import_module("checkpointer.storage.hdf5_integrity"))
    assert (failed, tried > 0) == (0, True)


# --- datasets of an earlier process -----------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "gzip", Lossy(absolute=1e-3)], ids=repr)
def test_datasets_that_are_opened_again(path, compression):
    arrays = TYPES | {"u": RNG.normal(size=(300, 1000)), "c": RNG.normal(size=3000) * 1j}
    with HDF5Storage(path, compression=compression).session() as session:
        session.save(0, Arrays(1, **arrays))
        saved = session.load(0)
    with h5py.File(path, "r+") as file:
        state, descriptor = file["loop-1/slot-0/state"], file.id.get_vfd_handle()
        for name, array in saved.items():
            again = opened(state, name, descriptor)
            assert same(again.loaded(), array), name
            assert again.holds(Content(name, array.shape, array.dtype, (np.ascontiguousarray(array),)))
            (*_, (start, size)) = again.direct() or [(None, array.nbytes)]
            assert size == array.nbytes
            if start is not None and size:
                os.pwrite(descriptor, b"\xa5", start)
                with pytest.raises(StorageError, match="its bytes do not have the checksum"):
                    opened(state, name, descriptor).loaded()
        del state["u"].attrs["checksum"]
        with pytest.raises(StorageError, match="u has no checksum"):
            opened(state, "u", descriptor)
