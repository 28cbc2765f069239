import doctest
import errno
import gc
import importlib
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest

from checkpointer.errors import ArgumentError, StorageError
from checkpointer.storage import (
    Content,
    Frame,
    HDF5Storage,
    MemoryStorage,
    Portable,
    TieredStorage,
    hdf5_datasets,
    hdf5_files,
)


class Arrays(Portable):
    """A snapshot of some arrays; it is loaded as new ones."""

    def __init__(self, step=None, numbers=(), **arrays):
        self.step = step
        self.named = arrays
        self.others = list(numbers)

    def arrays(self):
        return [
            Content(name, array.shape, array.dtype, tuple(pieces(array)))
            for name, array in self.named.items()
        ]

    def numbers(self):
        return self.others

    def emptied(self):
        return Emptied({name: (array.shape, array.dtype) for name, array in self.named.items()})


class Emptied(Frame):
    def __init__(self, forms):
        self.forms = forms

    def filled(self, fill):
        found = {}
        for number, (name, form) in enumerate(self.forms.items()):
            found[name] = np.empty(*form)
            fill(number, found[name])
        return found


def pieces(array):
    """An array in several pieces, of which one is empty."""
    array = np.ascontiguousarray(array)
    if array.ndim == 0:
        return [array]
    flat = array.reshape(-1)
    return [flat[:1], flat[1:1], flat[1:3], flat[3:]]


def same(one, other):
    return (
        one.shape == other.shape
        and one.dtype == other.dtype
        and np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.h5"


def state_of(path, slot=0, loop=1):
    """What stands in a file, as h5py reads it."""
    with h5py.File(path) as file:
        group = file[f"loop-{loop}/slot-{slot}"]
        return dict(group.attrs), {name: data[()] for name, data in group["state"].items()}


# --- saving and loading -----------------------------------------------------------------------------------------------

STORAGES = [{}, {"compression": "lzf"}, {"compression": "gzip"}]


@pytest.mark.parametrize("options", STORAGES, ids=repr)
def test_save_load_discard(options):
    with HDF5Storage(**options).session() as session:
        u = np.random.default_rng(0).normal(size=(300, 41))
        session.save(3, Arrays(u=u))
        session.save(1, Arrays(u=u + 1, n=np.arange(3)))
        assert same(session.load(3)["u"], u)
        assert same(session.load(3)["u"], u)
        assert same(session.load(1)["u"], u + 1)
        assert same(session.load(1)["n"], np.arange(3))
        assert len(session) == 2
        session.discard(3)
        session.save(3, Arrays(u=u - 1))
        assert same(session.load(3)["u"], u - 1)
        assert same(session.load(1)["u"], u + 1)


@pytest.mark.parametrize("options", STORAGES, ids=repr)
@pytest.mark.parametrize("size", [5, 30_000])
def test_every_type_comes_back_to_the_last_bit(options, size):
    rng = np.random.default_rng(1)
    arrays = {}
    for code in [
        "e",
        "f",
        "d",
        "g",
        "F",
        "D",
        "G",
        "?",
        "b",
        "B",
        "h",
        "i",
        "q",
        "Q",
        ">f8",
        ">i4",
        "M8[s]",
        "m8[ns]",
    ]:
        arrays[f"a {code}"] = rng.integers(0, 2, size=size).astype(code)
    arrays["bits"] = rng.integers(0, 2**63, size=size).view(float)  # with all sorts of NaN
    arrays["zeros"] = np.array([0.0, -0.0, np.nan, -np.nan, np.inf] * (size // 5))
    arrays["text"] = np.array(["", "ä", "long text"] * size)
    arrays["bytes"] = np.array([b"x", b"yz"] * size)
    arrays["records"] = np.array([(1.5, 2), (-0.0, 3)] * size, dtype=[("x", "f8"), ("n", "i2")])
    arrays["none"] = np.empty((0, 3))
    arrays["point"] = np.array(2.5)
    arrays["Fortran"] = np.asfortranarray(rng.normal(size=(size, 2)))
    with HDF5Storage(**options).session() as session:
        session.save(0, Arrays(**arrays))
        loaded = session.load(0)
        for name, array in arrays.items():
            assert same(loaded[name], array), name


def test_a_file_can_be_read_by_anyone(path):
    with HDF5Storage(path).session() as session:
        u = np.arange(12.0).reshape(3, 4)
        session.save(
            0, Arrays(7, [("t", 0.5), ("n", 3), ("name", "böse/gut"), ("z", 1 + 2j), ("ok", True)], u=u)
        )
        session.save(4, Arrays(9, [("t", 0.75), ("times", np.array([0.25, 0.5]))], u=-u))
    attributes, state = state_of(path)
    assert attributes["step"] == 7
    assert attributes["standing"]
    assert attributes["written"].decode().endswith("+00:00")
    assert same(state.pop("u"), u)
    assert state.pop("name").decode() == "böse/gut"
    assert state == {"t": 0.5, "n": 3, "z": 1 + 2j, "ok": True}
    attributes, state = state_of(path, 4)
    assert attributes["step"] == 9
    assert same(state["u"], -u)
    assert list(state["times"]) == [0.25, 0.5]
    with h5py.File(path) as file:
        assert file.attrs["format"] == b"checkpointer snapshots"


def test_names_are_made_valid_and_different(path):
    class Odd(Arrays):
        def arrays(self):
            return [
                Content(name, (1,), np.dtype(float), (np.full(1, float(n)),)) for n, name in enumerate(NAMES)
            ]

        def emptied(self):
            return Emptied(dict.fromkeys(range(len(NAMES)), ((1,), float)))

    NAMES = ["u", "u", "a/b", ".", "", "x\0y", "log['t']", "u~2", "\udcff", "tracer.c"]
    with HDF5Storage(path).session() as session:
        session.save(0, Odd(None, [("u", 1.0), ("big", 10**30), ("text", "\0\udcff" + "x" * 1000)]))
        assert [int(value[0]) for value in session.load(0).values()] == list(range(len(NAMES)))
    state = state_of(path)[1]
    assert [
        int(state[name][0]) for name in ("u", "u~2", "a|b", "._", "_", "xy", "log['t']", "u~2~2", "?")
    ] == list(range(9))
    assert state["u~3"] == 1.0
    assert state["big"] == str(10**30).encode()
    assert state["text"].endswith(b"x" * 190)


def test_a_discarded_snapshot_stays_readable_until_its_slot_is_used_again(path):
    with HDF5Storage(path).session() as session:
        session.save(0, Arrays(1, u=np.ones(3)))
        session.discard(0)
        session.save(1, Arrays(2, u=np.zeros(3)))
        session.save(2, Arrays(3, [("gone", 1)], u=np.ones(2)))
        session.discard(2)
        session.save(2, Arrays(4, u=np.ones((2, 2))))
    attributes, state = state_of(path, 0)
    assert (attributes["step"], attributes["standing"]) == (1, False)
    assert list(state["u"]) == [1, 1, 1]
    attributes, state = state_of(path, 2)
    assert (attributes["step"], attributes["standing"]) == (4, True)
    assert state.keys() == {"u"}
    assert state["u"].shape == (2, 2)


@pytest.mark.parametrize("verb", ["load", "discard"])
def test_a_missing_key_is_refused(verb):
    with HDF5Storage().session() as session, pytest.raises(StorageError, match=rf"^cannot {verb} key 5"):
        getattr(session, verb)(5)


def test_an_occupied_key_is_refused_and_keeps_what_it_has():
    with HDF5Storage().session() as session:
        session.save(0, Arrays(u=np.ones(3)))
        with pytest.raises(StorageError, match=r"^a snapshot stands under key 0"):
            session.save(0, Arrays(u=np.zeros(3)))
        assert list(session.load(0)["u"]) == [1, 1, 1]


def test_what_is_no_snapshot_of_arrays_is_refused():
    with HDF5Storage().session() as session:
        with pytest.raises(StorageError, match=r"keeps snapshots of loops only, not 'a state'$"):
            session.save(0, "a state")
        assert len(session) == 0


def test_a_snapshot_that_was_loaded_before_its_slot_was_used_again_is_not_filled_with_the_other():
    class Lazy(Emptied):
        def filled(self, fill):
            return lambda: Emptied.filled(self, fill)

    class Late(Arrays):
        def emptied(self):
            return Lazy(Arrays.emptied(self).forms)

    with HDF5Storage().session() as session:
        session.save(0, Late(u=np.ones(3)))
        loaded = session.load(0)
        assert list(loaded()["u"]) == [1, 1, 1]
        session.discard(0)
        session.save(0, Late(u=np.zeros(3)))
        with pytest.raises(StorageError, match="key 0 was discarded after it was loaded"):
            loaded()
        loaded = session.load(0)
    with pytest.raises(StorageError, match="was discarded after it was loaded"):
        loaded()


def test_it_copies_at_once():
    with HDF5Storage().session() as session:
        assert session.copies()
        u = np.ones(100_000)
        session.save(0, Arrays(u=u))
        u[:] = 0
        assert same(session.load(0)["u"], np.ones(100_000))


def test_each_level_of_tiers_says_whether_it_copies():
    with TieredStorage(MemoryStorage(), HDF5Storage()).session() as session:
        assert [session.copies(level) for level in range(3)] == [False, True, True]


# --- what did not change ----------------------------------------------------------------------------------------------


def addresses(path, name):
    """Where the dataset of this name lies, for each slot."""
    with h5py.File(path) as file:
        return [
            h5py.h5o.get_info(group[f"state/{name}"].id).addr
            for slot, group in file["loop-1"].items()
            if slot != "pieces"
        ]


@pytest.mark.parametrize("options", STORAGES, ids=repr)
@pytest.mark.parametrize("size", [3, 1000, 300_000])
def test_an_array_that_did_not_change_is_stored_once(path, options, size):
    constant, last = np.random.default_rng(0).normal(size=size), np.zeros(size)
    with HDF5Storage(path, **options).session() as session:
        for key in range(4):
            last[-1] += key == 2  # between the second and the third, one element that no sample sees
            session.save(key, Arrays(u=np.full(size, float(key)), c=constant, last=last))
    assert len(set(addresses(path, "u"))) == 4
    assert len(set(addresses(path, "c"))) == 1
    first, second, third, fourth = addresses(path, "last")
    assert first == second != third == fourth


def test_zeros_of_other_signs_are_another_content():
    with HDF5Storage().session() as session:
        session.save(0, Arrays(u=np.zeros(3)))
        session.save(1, Arrays(u=-np.zeros(3)))
        assert np.signbit(session.load(1)["u"]).all()
        assert not np.signbit(session.load(0)["u"]).any()


@pytest.mark.parametrize("options", STORAGES, ids=repr)
def test_a_shared_array_outlives_the_snapshot_that_it_was_written_for(options):
    constant = np.random.default_rng(0).normal(size=5000)
    with HDF5Storage(**options).session() as session:
        session.save(0, Arrays(c=constant))
        session.save(1, Arrays(c=constant))
        session.discard(0)
        session.save(0, Arrays(c=constant + 1))
        assert same(session.load(1)["c"], constant)
        session.discard(1)
        session.save(1, Arrays(other=constant))
        session.save(2, Arrays(c=constant))
        assert same(session.load(0)["c"], constant + 1)
        assert same(session.load(1)["other"], constant)
        assert same(session.load(2)["c"], constant)


@pytest.mark.parametrize("options", STORAGES, ids=repr)
def test_any_order_of_saving_and_discarding(options):
    """Against a dictionary: arrays that change or not, under names that come and go, in changing shapes."""
    rng = np.random.default_rng(3)
    contents = [rng.normal(size=size) for size in (4, 4, 700, 700, 20_000, 20_000)] + [np.arange(700)]
    expected = {}
    with HDF5Storage(**options).session() as session:
        for _ in range(150):
            key = int(rng.integers(5))
            if key in expected:
                session.discard(key)
                del expected[key]
            else:
                names = rng.permutation(["u", "v", "w"])[: rng.integers(4)]
                expected[key] = {name: contents[rng.integers(len(contents))] for name in names}
                session.save(key, Arrays(**expected[key]))
            for key, arrays in expected.items():
                loaded = session.load(key)
                assert loaded.keys() == arrays.keys()
                assert all(same(loaded[name], array) for name, array in arrays.items())


def test_a_slot_that_is_used_again_overwrites_its_datasets(path):
    with HDF5Storage(path).session() as session:
        for step in range(50):
            session.save(0, Arrays(step, u=np.full(100_000, float(step))))
            session.discard(0)
    assert path.stat().st_size < 2 * 800_000


# --- files ------------------------------------------------------------------------------------------------------------


def checkpointer_files(folder):
    return [name for name in os.listdir(folder) if name.startswith("checkpointer-")]


def open_files():
    return sorted(
        os.readlink(f"/proc/self/fd/{name}")
        for name in os.listdir("/proc/self/fd")
        if name.isdigit() and os.path.islink(f"/proc/self/fd/{name}")
    )


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks into /proc")


@needs_proc
def test_a_temporary_file_has_no_name_and_is_gone_at_the_end(tmp_path):
    session = HDF5Storage(folder=tmp_path).session()
    session.save(0, Arrays(u=np.ones(1000)))
    assert list(tmp_path.iterdir()) == []
    (opened,) = [name for name in open_files() if str(tmp_path) in name]
    assert "checkpointer-" in opened
    session.close()
    session.close()
    assert [name for name in open_files() if str(tmp_path) in name] == []
    with pytest.raises(StorageError, match="closed"):
        session.load(0)


@needs_proc
def test_a_session_that_nobody_closes_gives_its_file_back(tmp_path):
    session = HDF5Storage(folder=tmp_path).session()
    session.save(0, Arrays(u=np.ones(1000)))
    del session
    gc.collect()
    assert [name for name in open_files() if str(tmp_path) in name] == []


def test_a_session_closes_when_its_block_fails(tmp_path):
    session = HDF5Storage(folder=tmp_path).session()
    with pytest.raises(ZeroDivisionError), session:
        session.save(0, Arrays(u=np.ones(3) / (1 // 0)))
    with pytest.raises(StorageError, match="closed"):
        session.load(0)


def test_the_usual_folder_is_the_system_s(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(
        StorageError, match=r"^cannot make a temporary file in .*missing: No such file .* Make the folder"
    ):
        HDF5Storage().session()


@pytest.mark.parametrize("named", [False, True])
def test_only_the_user_may_read_the_files(tmp_path, path, named, monkeypatch):
    modes = []
    unlink = hdf5_files._remove
    monkeypatch.setattr(
        hdf5_files, "_remove", lambda name: (modes.append(os.stat(name).st_mode), unlink(name))
    )
    before = os.umask(0)
    try:
        with (HDF5Storage(path) if named else HDF5Storage(folder=tmp_path)).session():
            modes += [path.stat().st_mode] if named else []
    finally:
        os.umask(before)
    assert [mode & 0o777 for mode in modes] == [0o600]


def test_a_named_file_is_kept_and_has_a_group_for_each_session(path):
    storage = HDF5Storage(path)
    with storage.session() as outer:
        outer.save(0, Arrays(u=np.ones(3)))
        with HDF5Storage(str(path)).session() as inner:
            inner.save(0, Arrays(u=np.zeros(3)))
            assert list(outer.load(0)["u"]) == [1, 1, 1]
            assert list(inner.load(0)["u"]) == [0, 0, 0]
        assert list(outer.load(0)["u"]) == [1, 1, 1]
    with storage.session() as later:
        later.save(0, Arrays(u=np.full(3, 2.0)))
    with h5py.File(path) as file:
        assert {name: list(group["slot-0/state/u"]) for name, group in file.items()} == {
            "loop-1": [1, 1, 1],
            "loop-2": [0, 0, 0],
            "loop-3": [2, 2, 2],
        }


def test_a_file_that_was_removed_between_loops_is_made_again(path):
    with HDF5Storage(path).session():
        pass
    path.unlink()
    with HDF5Storage(path).session():
        pass
    with h5py.File(path) as file:
        assert list(file) == ["loop-1"]


def test_a_file_of_somebody_else_is_left_alone(path):
    path.write_bytes(b"important")
    with pytest.raises(
        StorageError, match=r"run\.h5 exists and was not written by checkpointer, so it is left as it is"
    ):
        HDF5Storage(path).session()
    assert path.read_bytes() == b"important"
    path.unlink()
    with h5py.File(path, "w") as file:
        file["data"] = 1
    with pytest.raises(StorageError, match="not written by checkpointer"):
        HDF5Storage(path).session()
    path.unlink()
    path.symlink_to(path.parent / "nowhere")
    with HDF5Storage(path).session():  # the file is made where the link points to
        assert (path.parent / "nowhere").exists()


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(StorageError, match="exists and was not written by checkpointer"):
        HDF5Storage(tmp_path).session()


def other_process(program, *arguments, check=True):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=check,
    )


def test_a_file_of_an_earlier_run_is_left_alone(path):
    other_process("import sys, checkpointer; checkpointer.HDF5Storage(sys.argv[1]).session().close()", path)
    before = path.read_bytes()
    with pytest.raises(
        StorageError, match=r"run\.h5 holds the snapshots of another run, which are never overwritten: remove"
    ):
        HDF5Storage(path).session()
    assert path.read_bytes() == before


def test_two_processes_do_not_share_a_file(path):
    with HDF5Storage(path).session() as session:
        session.save(0, Arrays(u=np.ones(3)))
        program = """
            import sys, checkpointer
            try:
                checkpointer.HDF5Storage(sys.argv[1]).session()
            except checkpointer.StorageError as error:
                print(error)
        """
        said = other_process(program, path).stdout
        assert "is open in another process: give each process (and each MPI rank) a path of its own" in said
        assert list(session.load(0)["u"]) == [1, 1, 1]


def test_a_forked_process_keeps_away_from_its_parent_s_files(path):
    for storage in (HDF5Storage(path), HDF5Storage()):
        session = storage.session()
        session.save(0, Arrays(u=np.ones(100_000)))
        child = os.fork()
        if child == 0:
            said = 1
            try:
                session.load(0)
            except StorageError as error:
                said = 0 if "before this process was forked" in str(error) else 2
            session.close()
            os._exit(said)
        assert os.waitpid(child, 0)[1] == 0
        assert same(session.load(0)["u"], np.ones(100_000))
        session.close()


# --- when the disk fails ----------------------------------------------------------------------------------------------


def test_a_missing_folder(tmp_path):
    missing = tmp_path / "a" / "b"
    for storage in (HDF5Storage(folder=missing), HDF5Storage(missing / "run.h5")):
        with pytest.raises(
            StorageError, match=r"in .*/a/b: No such file or directory\. Make the folder first"
        ):
            storage.session()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only(tmp_path):
    tmp_path.chmod(0o500)
    for storage in (HDF5Storage(folder=tmp_path), HDF5Storage(tmp_path / "run.h5")):
        with pytest.raises(StorageError, match=r"Permission denied\. Choose a folder that you may write to"):
            storage.session()


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EROFS, "Read-only file system. Choose a folder that you may write to"),
        (errno.EMFILE, "Too many open files. Raise the limit of open files"),
        (errno.EIO, "Input/output error. Look after the disk"),
    ],
)
def test_what_the_system_says(tmp_path, number, advice, monkeypatch):
    def refuse(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(StorageError) as caught:
        HDF5Storage(folder=tmp_path).session()
    assert str(caught.value).startswith(f"cannot make a temporary file in {tmp_path}: {advice}")


@pytest.mark.parametrize("happens", ["removed", "replaced"])
def test_a_file_that_is_lost_while_it_is_used(path, happens):
    session = HDF5Storage(path).session()
    session.save(0, Arrays(u=np.ones(3)))
    path.unlink()
    if happens == "replaced":
        path.write_bytes(b"important")
    expected = r"run\.h5 is lost \(No such file" if happens == "removed" else r"run\.h5 is another file now"
    with pytest.raises(StorageError, match=expected):
        session.save(1, Arrays(u=np.ones(3)))
    with pytest.raises(StorageError, match=expected):
        session.load(0)
    session.close()
    assert path.exists() == (happens == "replaced")
    if happens == "replaced":
        assert path.read_bytes() == b"important"


def test_a_file_that_was_cut_off(path):
    session = HDF5Storage(path).session()
    session.save(0, Arrays(u=np.ones(100_000)))
    os.truncate(path, 10_000)
    with pytest.raises(StorageError, match="its file ends before it"):
        session.load(0)
    session.close()


FULL = """
    import resource, signal, sys
    import numpy as np
    from checkpointer import HDF5Storage, StorageError
    sys.path.insert(0, sys.argv[1])
    from test_hdf5 import Arrays

    path, compression = sys.argv[2], sys.argv[3] or None
    rng = np.random.default_rng(0)
    if sys.argv[4] == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    session = (HDF5Storage if path.endswith(".h5") else lambda path, **options: HDF5Storage(folder=path, **options))(
        path, compression=compression
    ).session()
    first = rng.normal(size=50_000)
    session.save(0, Arrays(1, u=first))
    for key in range(1, 9):
        try:
            session.save(key, Arrays(key, u=rng.normal(size=50_000), v=rng.normal(size=20_000)))
        except StorageError as error:
            print(error)
            break
    else:
        sys.exit("the disk did not get full")
    assert len(session) == key
    if compression and sys.argv[4] == "limit":  # HDF5 cannot write what it has set aside behind the limit
        session.close()
        sys.exit()
    assert (session.load(0)["u"] == first).all()
    session.discard(0)
    session.save(0, Arrays(9, u=first + 1))  # there is room where it was
    assert (session.load(0)["u"] == first + 1).all()
    session.close()
"""


@pytest.mark.parametrize(
    ("kind", "named", "compression"),
    [
        ("limit", True, ""),
        ("limit", False, ""),
        ("limit", True, "gzip"),
        ("disk", True, ""),
        ("disk", False, ""),
        ("disk", True, "gzip"),
    ],
)
def test_a_full_disk(tmp_path, compression, named, kind, request):
    if kind == "disk":
        request.addfinalizer(lambda: subprocess.run(["umount", tmp_path], capture_output=True, check=False))
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], capture_output=True, check=False
        )
        if mounted.returncode:
            pytest.skip("no file system can be mounted here")
    place = tmp_path / "run.h5" if named else tmp_path
    finished = other_process(FULL, Path(__file__).parent, place, compression, kind, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")
    reason = "File too large" if kind == "limit" else "No space left on device"
    assert finished.stdout.startswith(f"cannot save a snapshot of 0.56 MB in {tmp_path}: {reason} (")
    assert (
        "free there). Make room, choose a folder on another disk with HDF5Storage(folder=...)"
        in finished.stdout
    )
    assert checkpointer_files(tmp_path) == []
    if named and not (compression and kind == "limit"):
        attributes, state = state_of(place)
        assert attributes["step"] == 9
        assert state["u"].shape == (50_000,)


def test_h5py_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(
        StorageError, match=r"^HDF5Storage needs h5py, which cannot be imported .*: pip install h5py$"
    ):
        HDF5Storage().session()


# --- the description --------------------------------------------------------------------------------------------------


def test_it_is_a_value():
    assert HDF5Storage("a.h5") == HDF5Storage(Path("a.h5")) != HDF5Storage("b.h5")
    assert hash(HDF5Storage("a.h5")) == hash(HDF5Storage(Path("a.h5")))
    assert repr(HDF5Storage()) == "HDF5Storage()"
    assert (
        repr(HDF5Storage(folder=Path("/tmp"), compression="lzf"))
        == "HDF5Storage(folder='/tmp', compression='lzf')"
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"path": 3}, "HDF5Storage: path must be a path, such as 'snapshots.h5', but is 3"),
        ({"path": ""}, "HDF5Storage: path must be a path, such as 'snapshots.h5', but is ''"),
        ({"folder": b"x"}, "HDF5Storage: folder must be a path, such as 'snapshots.h5', but is b'x'"),
        (
            {"path": "a", "folder": "b"},
            "HDF5Storage: path names a file that is kept and folder a place for a temporary one",
        ),
        (
            {"compression": "zip"},
            'HDF5Storage: compression must be None, "gzip", "lzf", "zstd", "blosc", or Lossy(...), but is \'zip\'',
        ),
    ],
)
def test_arguments_are_refused_at_the_call(arguments, expected):
    with pytest.raises(ArgumentError) as caught:
        HDF5Storage(**arguments)
    assert str(caught.value).startswith(expected)


def test_many_pieces_are_written_in_several_calls(monkeypatch):
    calls = []
    write = os.pwritev
    monkeypatch.setattr(
        os,
        "pwritev",
        lambda fd, rows, at: (
            calls.append(len(rows)),
            write(fd, [rows[0][:5], *rows[1:]] if len(rows) == 1 else rows, at),
        )[1],
    )
    content = Content("u", (3000,), np.dtype(float), tuple(np.full(1, n, float) for n in range(3000)))

    class Pieces(Arrays):
        def arrays(self):
            return [content]

    with HDF5Storage().session() as session:
        session.save(0, Pieces(u=np.empty(3000)))
        assert same(session.load(0)["u"], np.arange(3000.0))
    assert max(calls) == hdf5_datasets._AT_ONCE


def test_without_the_system_s_calls_hdf5_writes_itself(monkeypatch):
    monkeypatch.delattr(os, "pwritev")
    u = np.random.default_rng(0).normal(size=(40, 1000))
    with HDF5Storage().session() as session:
        session.save(0, Arrays(u=u, point=np.array(2.0), none=np.empty(0)))
        session.save(1, Arrays(u=u, point=np.array(3.0), none=np.empty(0)))
        assert same(session.load(0)["u"], u)
        assert [float(session.load(key)["point"]) for key in (0, 1)] == [2, 3]


def test_docstring_examples():
    failed, tried = doctest.testmod(importlib.import_module("checkpointer.storage.hdf5"))
    assert tried
    assert failed == 0
