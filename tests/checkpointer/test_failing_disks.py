"""What happens when the storage of a differentiated loop fails, or memory: an error that says so, or the right gradient.

Full disks are real ones: a small file system, and a limit on the size of files. Each is tried at all sizes in small steps,
so that every write fails in turn, in a process of its own, which is stopped if it hangs.
"""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from itertools import count
from operator import attrgetter
from queue import SimpleQueue

import numpy as np
import pytest

from checkpointer import (
    Auto,
    HDF5Storage,
    MemoryStorage,
    Multistage,
    Revolve,
    Storage,
    StorageError,
    TieredStorage,
    blocks,
    grad,
    value_and_grad,
    vjp,
)
from checkpointer.storage import Session, hdf5_slots

PROGRAM = """
import numpy as np
from checkpointer import checkpointed

class Model:
    def __init__(self, u):
        self.u, self.n, self.log = u, 0, []

def shrinking(u, scheme, storage=None):
    '''The way back needs more room than the way forward: the states of the first steps are the largest.'''
    u = u.copy()
    coefficient = np.linspace(1.0, 2.0, u.size)
    for step in checkpointed(range(12), scheme, storage=storage):
        if step == 2:
            u = u[: u.size // 3] + 0
        u[1:-1] += 0.1 * coefficient[1 : u.size - 1] * (u[2:] - 2 * u[1:-1] + u[:-2])
    return (u * u).sum()

def nested(u, scheme, storage=None):
    total = np.zeros(2)
    for step in checkpointed(range(2), scheme, storage=storage):
        for inner in checkpointed(range(2 + step), scheme, storage=storage):
            u = np.sin(u) * 1.1 + total[0] / 50
            total[inner % 2] += u.mean()
        u = u + 0.1
    return (u * u).sum() + total.prod()

def twice(u, scheme, storage=None):
    for step in checkpointed(range(5), scheme, storage=storage):
        u = np.sin(u) * 1.1
    for step in checkpointed(range(7), scheme, storage=storage):
        u = np.cos(u) * u
    return (u * u).sum()

def objects(u, scheme, storage=None, model=None):
    model = model or Model(u)
    model.u = u.copy()
    for step in checkpointed(range(9), scheme, storage=storage):
        model.u *= 1 + 0.1 * np.cos(model.u)
        model.n += 1
        model.log.append(model.u[step % 3])
    model.u = model.u + 1
    return (model.u ** 2).sum() + sum(model.log)
"""
NAMES = ["shrinking", "nested", "twice", "objects"]
U = np.random.default_rng(0).normal(size=40) * 0.3


@pytest.fixture(scope="module")
def program(load_once):
    """The program with and without the import hook, loaded once."""
    return load_once("failing_program", PROGRAM)


# --- a storage that fails at a chosen call -----------------------------------------------------------------------------


OPEN = SimpleQueue()
"""An entry for each session: not an attribute of the storage, which belongs to the function's state and is set back."""


class Failing(Storage):
    """Snapshots in memory, until the call of this number fails."""

    def __init__(self, at, error):
        self.left = at
        self.error = error

    def call(self):
        self.left -= 1
        if self.left == -1:
            raise self.error

    def session(self):
        self.call()
        return FailingSession(self)


class FailingSession(Session):
    def __init__(self, storage):
        super().__init__()
        self.storage = storage
        self.inner = MemoryStorage().session()
        OPEN.put(1)

    def _save(self, key, snapshot, level):
        self.storage.call()
        self.inner.save(key, snapshot)

    def _load(self, key):
        self.storage.call()
        return self.inner.load(key)

    def _discard(self, key):
        self.storage.call()
        self.inner.discard(key)

    def _close(self):
        OPEN.get_nowait()
        self.inner.close()
        self.storage.call()


def outcome(function, *args):
    """What a call returned, and the error that it raised instead."""
    try:
        return function(*args), None
    except (StorageError, MemoryError, KeyboardInterrupt) as error:
        return None, error


ERRORS = [lambda: StorageError("the storage fails"), lambda: MemoryError("none left"), KeyboardInterrupt]


@pytest.mark.parametrize("make", ERRORS, ids=["storage", "memory", "interrupt"])
@pytest.mark.parametrize("name", NAMES)
def test_a_failure_at_every_call(program, name, make):
    function = value_and_grad(getattr(program.rewritten, name))
    for scheme in (Revolve(1), Revolve(3)):
        expected = function(U, scheme)
        errors = failures(function, scheme, make, expected)
        assert len(errors) > 7
        values = [error.value for error in errors if isinstance(error, StorageError)]
        forward = values.count(None)
        assert values == [None] * forward + [expected[0]] * (len(values) - forward)
        said = ["error.value" in str(error) for error in errors if isinstance(error, StorageError)]
        assert said == [value is not None for value in values]
        if make is ERRORS[0]:
            assert forward > 1
        else:  # a lack of memory for a snapshot; and nothing is made of an interrupt
            assert bool(values) == (make is ERRORS[1])


def failures(function, scheme, make, expected):
    """The errors of a storage that fails at the first call, at the second, and so on until it is not called so often."""
    errors = []
    while True:
        found, error = outcome(function, U, scheme, Failing(len(errors), make()))
        assert OPEN.empty()
        if error is None:
            assert found[0] == expected[0]
            assert np.array_equal(found[1], expected[1])
            return errors
        errors.append(error)


def test_objects_are_as_an_exception_leaves_them(program):
    tried = 0
    while failing_with_objects(program, tried):
        tried += 1
    assert tried > 12


def failing_with_objects(program, at):
    """Whether the storage has failed, before it was called more often than this."""
    rewritten, plain = program.rewritten, program.plain
    model, scheme = rewritten.Model(U), Revolve(2)

    def run(storage, model):
        value, pullback = vjp(rewritten.objects, U, scheme, storage, model)
        return value, pullback(1.0)

    value, gradient = run(None, rewritten.Model(U))
    found, error = outcome(run, Failing(at, StorageError("the storage fails")), model)
    assert OPEN.empty()
    expected = plain.Model(U)
    if error is not None and error.value is None:
        steps = re.search(r"save the state before step (\d+)", str(error))
        stopped(plain, expected, 0 if steps is None else int(steps[1]))
    else:
        assert (
            plain.objects(U, scheme, None, expected) == value == (found[0] if error is None else error.value)
        )
    assert (model.n, type(model.n)) == (expected.n, int)
    assert model.u.tolist() == expected.u.tolist()
    assert type(model.u) is np.ndarray
    assert model.log == expected.log
    assert all(type(item) is np.float64 for item in model.log)
    assert np.array_equal(run(None, rewritten.Model(U))[1], gradient)
    return error is not None


def stopped(plain, model, steps):
    """Run the plain program into an exception before the step of this number."""
    plain.range = lambda n: (number if number < steps else 1 // 0 for number in range(n))
    try:
        with pytest.raises(ZeroDivisionError):
            plain.objects(U, None, None, model)
    finally:
        del plain.range


def test_the_program_that_catches_the_error_of_a_session_does_not_go_on(load):
    program = load("""
        from checkpointer import StorageError, checkpointed

        def f(x, scheme, storage):
            try:
                for step in checkpointed(range(5), scheme, storage=storage):
                    x = x * x
            except StorageError:
                x = 2 * x
            return x
    """).rewritten
    with pytest.raises(StorageError, match="the storage fails"):
        grad(program.f)(0.5, Revolve(2), Failing(0, StorageError("the storage fails")))


def test_the_error_of_a_session_that_ends_does_not_hide_another(load):
    program = load("""
        from checkpointer import checkpointed

        def f(x, scheme, storage):
            for step in checkpointed(range(5), scheme, storage=storage):
                x = x / (3 - step)
            return x
    """).rewritten
    storage = Failing(2, StorageError("the storage fails"))  # after it began, and saved one snapshot
    with pytest.raises(ZeroDivisionError):
        grad(program.f)(0.5, Revolve(1), storage)
    assert storage.left == -1


def test_all_tiers_are_closed_if_one_cannot_be(load):
    failing, other = Failing(1, StorageError("the storage fails")), Failing(2, None)
    session = TieredStorage(failing, other).session()
    with pytest.raises(StorageError, match="the storage fails"):
        session.close()
    assert OPEN.empty()
    with pytest.raises(ZeroDivisionError), TieredStorage(Failing(1, StorageError("fails"))).session():
        1 // 0  # noqa: B018


# --- memory -----------------------------------------------------------------------------------------------------------


class Scarce:
    """Stands for `Block`: so many copies can be made."""

    def __init__(self, left):
        self.left = left

    def __call__(self, data, make=blocks.Block):
        if not self.left:
            raise MemoryError("Unable to allocate 320. B")
        self.left -= 1
        return make(data)


@pytest.mark.parametrize("name", NAMES)
def test_no_memory_for_a_snapshot(program, name, monkeypatch):
    function, scheme = value_and_grad(getattr(program.rewritten, name)), Revolve(3)
    value, gradient = function(U, scheme)
    errors = []
    while True:
        with monkeypatch.context() as patch:
            patch.setattr(blocks, "Block", Scarce(len(errors)))
            found, error = outcome(function, U, scheme)
        if error is None:
            break
        assert isinstance(error, StorageError)
        assert isinstance(error.__cause__, MemoryError)
        assert error.value in (None, value)
        errors.append(error)
        assert np.array_equal(function(U, scheme)[1], gradient)
    assert np.array_equal(found[1], gradient)
    assert len(errors) > 3
    assert re.fullmatch(
        r"not enough memory when the loop at failing_program\.py:\d+ was to save the state before step 0: a snapshot of"
        r" [\d.]+ B, beside 0 that stand \(Unable to allocate 320\. B; [\d.]+ [MG]iB of memory are free\)\."
        r" Give the scheme fewer snapshots, or keep them on a disk with storage=HDF5Storage\(\);"
        r" the command checkpointer plan shows what each scheme takes",
        str(errors[0]),
    )


def test_no_memory_in_the_trial_of_the_first_step(program, monkeypatch):
    monkeypatch.setattr(blocks, "Block", Scarce(2))
    with pytest.raises(StorageError, match=r"not enough memory .* save the state before step 1"):
        grad(program.rewritten.twice)(U, Auto())


def test_no_memory_for_what_the_function_left(load, monkeypatch):
    """A list that it filled, for example, which the way back empties."""
    program = load("""
        import numpy as np

        def f(u, work):
            work[:] = u * u
            return work.sum()
    """).rewritten
    work = np.zeros(3)
    value, pullback = vjp(program.f, np.ones(3), work)
    with monkeypatch.context() as patch:
        patch.setattr(blocks, "Block", Scarce(0))
        with pytest.raises(StorageError, match="to keep what the function left") as caught:
            pullback(1.0)
    assert caught.value.value == value == 3.0
    assert work.tolist() == [1.0] * 3


def test_a_lack_of_memory_in_a_step_is_the_program_s_own(load):
    program = load("""
        from checkpointer import Revolve, checkpointed, replaying

        def f(x, at, again):
            for step in checkpointed(range(5), Revolve(1)):
                if step == at and replaying() == again:
                    raise MemoryError("mine")
                x = x * x
            return x
    """).rewritten
    for again in (False, True):
        with pytest.raises(MemoryError) as caught:
            grad(program.f)(0.5, 2, again)
        assert type(caught.value) is MemoryError
        assert str(caught.value) == "mine"


# --- disks, in this process -------------------------------------------------------------------------------------------

linux = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks into /proc")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def files_in(folder):
    """What this process has open there, with or without a name."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    return [target for target in found if str(folder) in target]


@linux
@pytest.mark.parametrize("call", ["pwritev", "preadv"])
def test_a_disk_that_breaks_at_any_transfer(program, call, folder, monkeypatch):
    function = value_and_grad(program.rewritten.shrinking)
    for storage, scheme in [
        (HDF5Storage(folder=folder), Revolve(3)),
        (TieredStorage(MemoryStorage(), HDF5Storage(folder=folder)), Multistage(1, 2)),
    ]:
        value, gradient = function(U, scheme)
        seen = set()
        for left in count():
            with monkeypatch.context() as patch:
                patch.setattr(os, call, breaking(getattr(os, call), left))
                found, error = outcome(function, U, scheme, storage)
            assert files_in(folder) == os.listdir(folder) == []
            if error is None:
                break
            assert re.match(
                rf"cannot (save|load) a snapshot of \S+ MB in {folder}: Input/output error\. Look after the disk, or .*\."
                r" It came when the loop at failing_program\.py:\d+ was to (save|load) the state before step \d",
                str(error),
            )
            seen.add(error.value)
        assert found[0] == value
        assert np.array_equal(found[1], gradient)
        assert seen == ({None, value} if call == "pwritev" else {value})


def breaking(call, left):
    def fail(*args):
        nonlocal left
        if not left:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        left -= 1
        return call(*args)

    return fail


@linux
@pytest.mark.parametrize("name", ["Slot._set", "create"])
def test_hdf5_s_own_data_cannot_be_written(program, name, tmp_path, monkeypatch):
    """Discarding a snapshot, for example, changes an attribute; HDF5 raises errors without the system's number."""
    function, scheme = value_and_grad(program.rewritten.shrinking), Revolve(3)
    value, gradient = function(U, scheme)
    texts = []
    for left in count():
        with monkeypatch.context() as patch:
            patch.setattr(
                f"checkpointer.storage.hdf5_slots.{name}", unwritable(attrgetter(name)(hdf5_slots), left)
            )
            found, error = outcome(function, U, scheme, HDF5Storage(folder=tmp_path))
        assert files_in(tmp_path) == []
        if error is None:
            break
        assert error.value in (None, value)
        texts.append(str(error))
    assert np.array_equal(found[1], gradient)
    verbs = {re.match(r"cannot (\w+) a snapshot", text)[1] for text in texts}
    assert verbs == ({"save", "discard"} if name == "Slot._set" else {"save"})
    assert all("Unable to write metadata. Look after the disk" in text for text in texts)


def unwritable(call, left):
    def fail(*args):
        nonlocal left
        if not left:
            raise RuntimeError("Unable to write metadata")
        left -= 1
        return call(*args)

    return fail


@linux
def test_a_folder_that_is_removed_meanwhile(load, tmp_path):
    program = load("""
        import shutil
        from checkpointer import checkpointed

        def f(u, scheme, storage, folder):
            for step in checkpointed(range(9), scheme, storage=storage):
                if step == 5:
                    shutil.rmtree(folder, ignore_errors=True)
                u = u * u
            return u.sum()
    """).rewritten
    folder = tmp_path / "there"
    value, gradient = value_and_grad(program.f)(U, Revolve(3), None, folder)
    for storage in (HDF5Storage(folder=folder), TieredStorage(MemoryStorage(), HDF5Storage(folder=folder))):
        folder.mkdir()
        found = value_and_grad(program.f)(U, Multistage(1, 2), storage, folder)  # the file has no name anyway
        assert found[0] == value
        assert np.array_equal(found[1], gradient)
    folder.mkdir()
    with pytest.raises(StorageError, match=r"run\.h5 is lost \(No such file or directory\)") as caught:
        value_and_grad(program.f)(U, Revolve(2), HDF5Storage(folder / "run.h5"), folder)
    assert caught.value.value in (None, value)
    assert files_in(tmp_path) == []
    folder.mkdir()
    found = value_and_grad(program.f)(U, Revolve(4), MemoryStorage(), folder)
    assert np.array_equal(found[1], gradient)


# --- disks that are full, in processes of their own -------------------------------------------------------------------

CHILD = """
import collections, faulthandler, json, os, re, resource, sys, threading
import numpy as np
from checkpointer import *

faulthandler.dump_traceback_later(50, exit=True)
sys.path.insert(0, sys.argv[1])
with install_import_hook("failing_program"):
    import failing_program as program
folder = sys.argv[2]
said = collections.Counter()
U = np.random.default_rng(0).normal(size=1500) * 0.3

def open_files():
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink("/proc/self/fd/" + name))
        except OSError:
            pass
    return [name for name in found if folder in name]

def attempt(function, scheme, storage, begin, end, expected):
    '''One call while the disk is small: the right gradient, or the error that is due. Whether it succeeded.'''
    error = None
    begin()
    try:
        found = function(U, scheme, storage)
    except StorageError as caught:
        error = caught
    finally:
        end()
    if error is None:
        assert found[0] == expected[0] and np.array_equal(found[1], expected[1])
    else:
        assert error.value is None or error.value == expected[0]
        said["forward" if error.value is None else "reverse"] += 1
        text = str(error).split(". It came")[0].replace(folder, "FOLDER")
        said[re.sub(r"checkpointer-\\w+|(?<=\\W)\\d[\\d.]*", "#", text)] += 1
    assert open_files() == [], (open_files(), error)
    for name in os.listdir(folder):
        assert name.startswith("run"), (name, error)
        os.unlink(os.path.join(folder, name))
    assert threading.active_count() == 1
    found = function(U, scheme, MemoryStorage())
    assert found[0] == expected[0] and np.array_equal(found[1], expected[1])
    return error is None
"""

FULL = """
way, kind, name = sys.argv[3:6]
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
options = {"compression": "gzip"} if "gzip" in kind else {}
function = value_and_grad(getattr(program, name))
scheme = Multistage(1, 3) if kind == "tiered" else Revolve(3)
expected = function(U, scheme)

def storage(number):
    if "named" in kind:
        return HDF5Storage(os.path.join(folder, f"run-{number}.h5"), **options)
    file = HDF5Storage(folder=folder, **options)
    return TieredStorage(MemoryStorage(), file) if kind == "tiered" else file

def filler(size):
    with open(os.path.join(folder, "run-filler"), "wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)

def begin_at(size):
    if way == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    elif size < SIZE:
        filler(SIZE - size)

def end():
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

SIZE = os.statvfs(folder).f_bfree * os.statvfs(folder).f_frsize
assert attempt(function, scheme, storage(-1), lambda: None, lambda: None, expected)
sizes = range(0, 10**6, 4096)
if way == "limit":  # in steps of a snapshot, and between them
    sizes = [size + odd for size in range(0, 10**6, 12_000) for odd in (0, 1777, 6_003)]
succeeded = 0
for number, size in enumerate(sizes):
    succeeded += attempt(function, scheme, storage(number), lambda: begin_at(size), end, expected)
    if succeeded == 3:
        break
else:
    sys.exit("the disk was always full")
print(json.dumps(said))
"""


def in_another_process(tmp_path, program, *arguments, **environment):
    (tmp_path / "failing_program.py").write_text(PROGRAM)
    finished = subprocess.run(
        [sys.executable, "-c", CHILD + textwrap.dedent(program), tmp_path, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd="/",
        env={**os.environ, **environment},
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    return json.loads(finished.stdout)


@pytest.fixture
def mounted(tmp_path):
    """A function that makes a small file system in memory."""
    places = []

    def mounted(size):
        place = tmp_path / f"disk{len(places)}"
        place.mkdir()
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True, check=False
        )
        if made.returncode:
            pytest.skip("no file system can be mounted here")
        places.append(place)
        return place

    yield mounted
    for place in places:
        subprocess.run(["umount", "-l", place], capture_output=True, check=False)


FULL_DISKS = [
    ("limit", "named gzip", "nested"),
    ("limit", "tiered", "shrinking"),
    ("disk", "named", "shrinking"),
]


@linux
@pytest.mark.parametrize(("way", "kind", "name"), FULL_DISKS)
def test_a_disk_that_fills_up_at_every_write(way, kind, name, tmp_path, request):
    folder = request.getfixturevalue("mounted")("400k") if way == "disk" else tmp_path / "folder"
    folder.mkdir(exist_ok=True)
    said = in_another_process(tmp_path, FULL, folder, way, kind, name)
    assert said.pop("forward") > 3
    assert said.pop("reverse", 0) > 1 or kind == "tiered"
    reason = (
        "File too large (ulimit -f allows # MB in a file, and"
        if way == "limit"
        else "No space left on device ("
    )
    for text in said:
        assert re.match(
            r"cannot (save a snapshot|make the file|make a temporary file|begin the snapshots)", text
        )
        assert f"in FOLDER: {reason}" in text
        assert "# MB are free there" in text or "# GB are free there" in text
        assert (
            "Make room, choose a folder on another disk with HDF5Storage(folder=...), or give the scheme fewer"
            in text
        )


TOO_MANY = """
function, scheme = value_and_grad(program.nested), Revolve(3)
expected = function(U, scheme)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
taken = []

def begin():
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        pass
    for _ in range(left):
        os.close(taken.pop())

def end():
    while taken:
        os.close(taken.pop())

outcomes = []
for left in range(9):  # also while h5py is imported, which needs files
    outcomes.append(attempt(function, scheme, HDF5Storage(folder=folder), begin, end, expected))
assert outcomes == sorted(outcomes) and outcomes[-1], outcomes
print(json.dumps(said))
"""


@linux
def test_too_many_open_files(tmp_path, folder):
    said = in_another_process(tmp_path, TOO_MANY, folder)
    assert said.pop("forward") >= 2
    said.pop("reverse", None)
    for text in said:
        assert re.match(
            r"cannot (make a temporary file|make the file \S+|import h5py|save a snapshot of # MB) in \S+:"
            r" Too many open files\. Raise",
            text,
        )


SCARCE = """
import h5py

function, scheme = value_and_grad(program.shrinking), Revolve(8)
U = np.random.default_rng(0).normal(size=200_000) * 0.3
storage = MemoryStorage()
expected = function(U, scheme, storage)
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
succeeded = size = 0
while succeeded < 2:
    with open("/proc/self/statm") as pages:
        used = int(pages.read().split()[0]) * resource.getpagesize()
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (used + size, hard))
    try:
        succeeded += attempt(
            function, scheme, storage, limit, lambda: resource.setrlimit(resource.RLIMIT_AS, (soft, hard)), expected
        )
    except MemoryError:  # of a step, or its tape
        said["memory"] += 1
    size += 1_000_000
print(json.dumps(said))
"""


@linux
def test_a_limit_on_memory(tmp_path, folder):
    said = in_another_process(
        tmp_path, SCARCE, folder, MALLOC_MMAP_THRESHOLD_="65536"
    )  # what is freed is given back
    assert said.pop("memory", 0) + said.get("forward", 0) + said.get("reverse", 0) > 1
    assert said.get("forward", 0) + said.get("reverse", 0) > 0
    for text in said.keys() - {"forward", "reverse"}:
        assert text.startswith("not enough memory when the loop at failing_program.py:#")
        assert "of memory are free" in text


READ_ONLY = """
for compression in (None, "gzip"):  # loads what another user may not be allowed to read
    grad(program.twice)(U, Revolve(2), HDF5Storage(compression=compression))
if sys.argv[3] == "user":
    os.setgid(65534)
    os.setuid(65534)
for storage in (HDF5Storage(folder=folder), HDF5Storage(os.path.join(folder, "run.h5"), compression="gzip")):
    try:
        grad(program.twice)(U, Revolve(2), storage)
        sys.exit("it could write there")
    except StorageError as error:
        said[str(error).replace(folder, "FOLDER")] += error.value is None
print(json.dumps(said))
"""


@linux
@pytest.mark.parametrize("way", ["mount", "user"])
def test_a_read_only_folder(way, tmp_path, request):
    if way == "mount":
        folder = request.getfixturevalue("mounted")("400k")
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        reason = "Read-only file system"
    else:
        if os.geteuid() != 0:
            pytest.skip("only root can become another user")
        folder = request.getfixturevalue("folder")
        folder.chmod(0o555)
        for parent in folder.parents[:3]:
            parent.chmod(0o755)  # pytest's own folders are closed to others
        reason = "Permission denied"
    said = in_another_process(tmp_path, READ_ONLY, folder, way)
    advice = f"{reason}. Choose a folder that you may write to, with HDF5Storage(folder=...) or a path"
    assert said == {
        f"cannot make a temporary file in FOLDER: {advice}": 1,
        f"cannot make the file FOLDER/run.h5 in FOLDER: {advice}": 1,
    }


LOST = """
import subprocess

with install_import_hook("losing_program"):
    import losing_program
file = os.path.join(folder, "run.h5")
for storage in (HDF5Storage(folder=folder), HDF5Storage(file), TieredStorage(MemoryStorage(), HDF5Storage(file))):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    lose = lambda: subprocess.run(["umount", "-l", folder], check=True)
    value, gradient = value_and_grad(losing_program.f)(U, Multistage(1, 2), None, lambda: None)
    try:
        found = value_and_grad(losing_program.f)(U, Multistage(1, 2), storage, lose)
        assert found[0] == value and np.array_equal(found[1], gradient)
        said["right"] += 1
    except StorageError as error:
        said[str(error).split(" (")[0].replace(folder, "FOLDER")] += error.value in (None, value)
    assert open_files() == os.listdir(folder) == []
print(json.dumps(said))
"""


@linux
def test_a_file_system_that_is_lost(tmp_path, mounted):
    """A temporary file has no name anyway, and lives on until it is closed."""
    (tmp_path / "losing_program.py").write_text(
        textwrap.dedent("""
            from checkpointer import checkpointed, replaying

            def f(u, scheme, storage, lose):
                for step in checkpointed(range(9), scheme, storage=storage):
                    u = u * u
                    if step == 7 and not replaying():
                        lose()
                return u.sum()
        """)
    )
    place = mounted("1m")
    subprocess.run(["umount", place], check=True)
    said = in_another_process(tmp_path, LOST, place)
    assert said == {"right": 1, "FOLDER/run.h5 is lost": 2}


ENDING = """
from checkpointer import replaying

end, when = sys.argv[3], sys.argv[4]
with install_import_hook("ending_program"):
    import ending_program

def lose():
    if replaying() == (when == "back"):
        os.write(1, b"there\\n")  # print is silent while a step is computed again
        sys.stdin.readline()

expected = value_and_grad(ending_program.f)(U, Revolve(2), None, lambda: None)
found = value_and_grad(ending_program.f)(U, Revolve(2), HDF5Storage(folder=folder), lose)
assert found[0] == expected[0] and np.array_equal(found[1], expected[1])
"""


@linux
def test_no_file_is_left_however_the_process_ends(tmp_path, folder):
    """All at once, each stopped in the middle of a loop; those that were only halted go on."""
    (tmp_path / "failing_program.py").write_text(PROGRAM)
    (tmp_path / "ending_program.py").write_text(
        textwrap.dedent("""
            from checkpointer import checkpointed

            def f(u, scheme, storage, lose):
                for step in checkpointed(range(9), scheme, storage=storage):
                    u = u * u
                    if step == 5:
                        lose()
                return u.sum()
        """)
    )
    ends = {"SIGTERM": -signal.SIGTERM, "SIGKILL": -signal.SIGKILL, "SIGSTOP": 0}
    started = {}
    for number, end in enumerate(ends):
        command = [sys.executable, "-c", CHILD + ENDING, tmp_path, folder, end, ("back", "first")[number % 2]]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started[end] = subprocess.Popen(command, text=True, **pipes)
    for end, process in started.items():
        assert process.stdout.readline() == "there\n"
        if end == "SIGSTOP":
            process.send_signal(signal.SIGSTOP)
            process.send_signal(signal.SIGCONT)
        elif end.startswith("SIG"):
            process.send_signal(getattr(signal, end))
    for end, process in started.items():
        _, said = process.communicate("\n" * 20, timeout=60)
        assert process.returncode == ends[end], said
        assert said == ""
    assert os.listdir(folder) == []
