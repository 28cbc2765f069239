"""Runs that are killed and go on: bit for bit what they would have been."""

import functools
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import types
from contextlib import nullcontext
from pathlib import Path

import h5py
import numpy as np
import pytest

from checkpointer import (
    Auto,
    DiskRevolve,
    HDF5Storage,
    MemoryStorage,
    Mixed,
    Multistage,
    Online,
    Revolve,
    StorageError,
    StoreAll,
    TieredStorage,
    TwoLevel,
    grad,
    last_run,
    loop,
    value_and_grad,
    vjp,
)
from checkpointer.hook import TransformingLoader
from checkpointer.storage import journal, run_files, verify

PROGRAM = """
import datetime
import random
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, Flag
from functools import partial
from typing import NamedTuple

import numpy as np
from checkpointer import checkpointed

STEPS = 11

def in_place(u, scheme, storage=None):
    u = u.copy()
    work, coefficient = np.zeros_like(u), np.linspace(1.0, 2.0, u.size)
    for step in checkpointed(range(STEPS), scheme, storage=storage):
        work[1:-1] = coefficient[1:-1] * (u[2:] - 2 * u[1:-1] + u[:-2])
        u += 0.1 * work * u
        u, work = work, u
        work[0] = u[step % u.size]
    return (u * u).sum() + work[0]

def overwritten(u, scheme, storage=None):
    v = np.maximum(u * u, 0.3)  # to be differentiated, this has to find its result as it was
    for step in checkpointed(range(STEPS), scheme, storage=storage):
        v *= np.cos(v)
        v[step % 6] += 0.1 * v[0]
    return v.sum()

def without_derivatives(u, scheme, storage=None):
    v = np.ones(3)
    for step in checkpointed(range(STEPS), scheme, storage=storage):
        v = np.cos(v)  # nothing that is differentiated comes in here, so this loop is run again in every process
    for step in checkpointed(range(4), scheme, storage=storage):
        u = u * v.sum()
    return u.sum()

class Phase(Enum):
    UP = 1
    DOWN = 2

@dataclass
class Box:
    u: np.ndarray
    t: float
    phase: Phase = Phase.UP

class Slotted:
    __slots__ = ("u", "n")

class Point(NamedTuple):
    x: np.ndarray
    y: float

class Chain(list):
    pass

def new_objects(u, scheme, storage=None):
    # everything is made anew in the loop, of many kinds, and shared between places
    box, recent, named, point, things = Box(u, 0.0), deque([u], maxlen=3), {}, Point(u, 1.0), []
    for step in checkpointed(range(STEPS), scheme, storage=storage):
        shared = [np.sin(box.u), step, None]
        slotted = Slotted()
        slotted.u, slotted.n = shared[0][::-1], np.int32(step)
        box = Box(box.u * 0.9 + slotted.u, box.t + 0.1, Phase.DOWN if step % 2 else Phase.UP)
        recent.append((shared[0], {"view": shared[0][1:3]}))
        named = OrderedDict(b=slotted, a=shared, c=defaultdict(list, {(step, "x"): [box.t]}))
        point = Point(point.x[::-1] * box.u.mean(), float(step) * point.y + 0.5)
        things = Chain([shared, slotted, {1, 2, step}, array("d", [1.5, step]), bytearray(b"ab"), 2 ** 70, 1j, b"x",
                        np.float32(step), [named], partial(max, step), slice(1, step), np.pi])
        things += [datetime.date(2026, 1, 1) + datetime.timedelta(days=step), Decimal(step) / 7, Counter(str(step))]
        things.tag = named
        assert things.tag["a"] is things[0] and things[1] is named["b"] and things[9][0] is named
        if step > 2:
            before = recent[0][1]["view"]
            recent[0][0][1] += 0.5  # which the view of it sees
            box.u[1:3] += before * things[10](0) + things[3][0] + things[8] + things[6].imag
    return (box.u ** 2).sum() + recent[0][0].sum() * point.x.sum() + point.y + named["b"].u.sum() + len(things[2])

class Colour(Flag):
    RED = 1
    BLUE = 2

class Wanting:
    def __new__(cls, u):
        made = object.__new__(cls)
        made.u = u
        return made

class WantingList(list):
    def __new__(cls, items):
        return list.__new__(cls)

def odd_objects(u, scheme, storage=None):
    wanting, colours, long, listed = Wanting(u), Colour(0), 10 ** 4000, WantingList([u])
    for step in checkpointed(range(STEPS), scheme, storage=storage):
        assert long == 10 ** 4000 + step and (colours == Colour.RED | Colour.BLUE or step == 0)
        wanting, colours, long = Wanting(np.sin(wanting.u)), Colour.RED | Colour.BLUE, long + 1
        listed = WantingList([listed[0] * wanting.u])
    return wanting.u.sum() + listed[0].sum()

def histories(u, scheme, storage=None):
    states, energies, ages = [u], [], np.zeros(STEPS)
    for step in checkpointed(range(STEPS), scheme, storage=storage):
        u = u * np.cos(states[-1]) + states[step // 2] / 9
        states.append(u[::-1])
        energies.append((u * u).sum())
        ages[step] = u[0]
    return sum(energies) + (states[4] * states[-1]).sum() + (ages ** 2).sum()

def draws(u, scheme, storage=None):
    rng, old = np.random.default_rng(3), random.Random(4)
    np.random.seed(5)
    for step in checkpointed(range(STEPS), scheme, storage=storage):
        child = np.random.Generator(np.random.PCG64(step)) if step % 3 else rng
        u = u * rng.normal(size=u.size) + old.random() * np.random.normal() + child.normal()
        rng = child
    return (u * u).sum()

def nested(u, scheme, storage=None):
    total = np.zeros(2)
    for step in checkpointed(range(4), scheme, storage=storage):
        for inner in checkpointed(range(3 + step), scheme, storage=storage):
            u = np.sin(u) * 1.1 + total[0] / 50
            total[inner % 2] += u.mean()
        u = u + 0.1
    return (u * u).sum() + total.prod()

def two_loops(u, scheme, storage=None):
    v = u * u
    for step in checkpointed(range(STEPS), scheme, storage=storage):
        u = np.sin(u + v)
    w = u * v
    for step in checkpointed(range(STEPS - 3), scheme, storage=storage):
        v = v * np.cos(w) + u[::-1] * 0.1
    return (v * w).sum()

def shared(u, scheme, storage=None):
    # the second loop begins with numbers, tuples and views that stand in several places
    level, pair = 0.5, (u, 1.0)
    box = Box(u, level)
    old = [pair, pair]
    for step in checkpointed(range(STEPS), scheme, storage=storage):
        box.t = level = float(step) * 0.01
        pair = (np.sin(pair[0]), level)
        old = [pair, pair, pair[0][1:3]]
        named = {"view": old[2]}
    for step in checkpointed(range(STEPS - 4), scheme, storage=storage):
        u = u * 1.01 + level * pair[0] + box.t
        named["view"][0] += 0.1
    return u.sum() + old[1][0].sum() + old[2].sum()

def leaving(u, scheme, storage=None):
    n = 0
    while checkpointed(u.sum() < 60, scheme, storage=storage):
        u = u * 1.1 + 0.1 * n
        n += 1
        if u[0] > 9:
            break
    return (u * u).sum() + n

def returning(u, scheme, storage=None):
    for n in checkpointed((k * k for k in range(30)), scheme, storage=storage):
        u = u * 1.1 + 0.01 * n
        if u.sum() > 20:
            return u.prod()
    else:
        u = u + 1
    return u.sum()

def exhausted(u, scheme, storage=None):
    for n in checkpointed((k * k for k in range(7)), scheme, storage=storage):
        u = u * 1.1 + 0.01 * n
    else:
        u = u ** 2
    return u.sum()

def descent(u, scheme, storage=None):
    from checkpointer import grad
    for _ in range(3):
        u = u - 0.01 * grad(in_place)(u, scheme, storage)
    return u
"""

KNOWN = "shared in_place overwritten new_objects odd_objects histories draws nested two_loops".split()
UNKNOWN = "leaving returning exhausted".split()
INPUTS = [np.linspace(0.1, 1.0, 6), np.array([0.9, 0.4, 0.7, 0.1, 0.8, 0.3])]
SCHEMES = {
    "revolve1": Revolve(1),
    "revolve3": Revolve(3),
    "multistage": Multistage(2, 1),
    "disk revolve": DiskRevolve(1),
    "mixed": Mixed(3),
    "two level": TwoLevel(3, 2),
    "online": Online(2),
    "store all": StoreAll(),
    "auto": Auto(),
}


class Killed(BaseException):
    """Stands for a signal that ends the process, in the middle of a step."""


@pytest.fixture
def clock(monkeypatch):
    """Counts the steps of loops that are not in another one's step; ``clock.kill`` is the one that is not survived."""

    class Clock:
        kill = None
        steps = 0

    run = loop.Loop.run

    def counted(self, number):
        if not self.nested:
            Clock.steps += 1
            if Clock.steps == Clock.kill:
                raise Killed
        return run(self, number)

    monkeypatch.setattr(loop.Loop, "run", counted)
    return Clock


@functools.cache
def rewritten(source):
    """The code of a module as the import hook would run it, whose functions say that they are of this file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program_that_is_killed.py"
        path.write_text(source)
        return TransformingLoader(path.stem, str(path)).get_code(path.stem)


@pytest.fixture
def started(tmp_path, clock, monkeypatch):
    """``started(name, ..., kill=n)``: a new process, as far as the program can tell, that dies in its n-th step."""
    path = tmp_path / "program_that_is_killed.py"
    path.write_text(PROGRAM)
    monkeypatch.setattr(journal, "_sync", lambda descriptor: None)  # nothing here is as bad as a power loss

    def start(name, *args, kill=None, call=value_and_grad):
        run_files.close_all()
        module = sys.modules[path.stem] = types.ModuleType(path.stem)
        exec(rewritten(path.read_text()), vars(module))
        clock.kill, clock.steps = kill, 0
        function = getattr(module, name)
        return function(*args) if call is None else call(function)(*args)

    yield start
    run_files.close_all()
    del sys.modules[path.stem]


def killed_on_and_on(start, name, u, scheme, storage, kills):
    """What comes of a program that is killed in these steps of each of its processes."""
    for kill in kills:
        try:
            return start(name, u, scheme, storage, kill=kill)
        except Killed:
            continue
    return start(name, u, scheme, storage)


def same(a, b):
    return a[0] == b[0] and np.array_equal(a[1], b[1])


CASES = [(name, scheme) for name in KNOWN for scheme in SCHEMES] + [
    (name, scheme) for name in UNKNOWN for scheme in ("online", "store all", "auto")
]


@pytest.mark.parametrize(("name", "scheme"), CASES)
def test_a_run_that_is_killed_again_and_again(started, clock, tmp_path, name, scheme):
    number = CASES.index((name, scheme))
    u, scheme = INPUTS[number % 2], SCHEMES[scheme]
    expected = started(name, u, scheme, MemoryStorage())
    file = HDF5Storage(tmp_path / "run.h5", resume=True, every=0)
    storage = TieredStorage(MemoryStorage(), file) if number // 2 % 2 else file
    kills = np.random.default_rng(number).integers(1, clock.steps + 1, 5).tolist()
    assert same(killed_on_and_on(started, name, u, scheme, storage, kills), expected), kills
    assert same(started(name, u, scheme, storage), expected)
    assert clock.steps == 0  # the file holds the result
    assert os.listdir(tmp_path).count("run.h5-journal") == 0


def test_killed_at_every_step(started, clock, tmp_path):
    """And every process after the first does only what was left to be done."""
    expected = started("in_place", INPUTS[0], Revolve(3), MemoryStorage())
    total = clock.steps
    for kill in range(2, total + 1, 2):
        storage = HDF5Storage(tmp_path / f"{kill}.h5", resume=True, every=0)
        with pytest.raises(Killed):
            started("in_place", INPUTS[0], Revolve(3), storage, kill=kill)
        assert same(started("in_place", INPUTS[0], Revolve(3), storage), expected)
        done = kill - 1
        assert clock.steps <= total - done + 3, kill  # a step or two come again: those under the tape


def test_what_an_earlier_process_did_is_not_counted(started, clock, tmp_path):
    """The summary counts the steps that this process ran: the clock has counted them, too."""
    started("in_place", INPUTS[0], Revolve(3), MemoryStorage())
    total = clock.steps
    for kill in (3, total // 2, total - 2):
        storage = HDF5Storage(tmp_path / f"{kill}.h5", resume=True, every=0)
        for last in (False, True):
            with nullcontext() if last else pytest.raises(Killed):
                started("in_place", INPUTS[0], Revolve(3), storage, kill=None if last else kill)
            cost = last_run().loops[0].cost
            assert cost.advances + cost.reversals == clock.steps - (not last)
            assert last_run().failure == ("" if last else "Killed")


def test_with_few_points_what_comes_after_the_last_is_done_again(started, clock, tmp_path):
    """The ends of the sweeps are durable whatever the interval is."""
    expected = started("in_place", INPUTS[0], Revolve(3), MemoryStorage())
    storage = HDF5Storage(tmp_path / "run.h5", resume=True, every=1e9)
    with pytest.raises(Killed):
        started("in_place", INPUTS[0], Revolve(3), storage, kill=5)
    with pytest.raises(Killed):
        started("in_place", INPUTS[0], Revolve(3), storage, kill=15)
    assert clock.steps == 15  # 11 steps forward, again from the start, and some of the reverse sweep
    with pytest.raises(Killed):
        started("in_place", INPUTS[0], Revolve(3), storage, kill=6)
    assert same(started("in_place", INPUTS[0], Revolve(3), storage), expected)


def test_a_loop_without_derivatives_runs_again(started, clock, tmp_path):
    expected = started("without_derivatives", INPUTS[0], Revolve(3), MemoryStorage())
    storage = HDF5Storage(tmp_path / "run.h5", resume=True, every=0)
    for kill in (5, 14):
        with pytest.raises(Killed):
            started("without_derivatives", INPUTS[0], Revolve(3), storage, kill=kill)
    assert same(started("without_derivatives", INPUTS[0], Revolve(3), storage), expected)


def test_an_optimisation_goes_on_in_its_last_iteration(started, clock, tmp_path):
    expected = started("descent", INPUTS[0], Revolve(3), MemoryStorage(), call=None)
    total = clock.steps
    storage = HDF5Storage(tmp_path / "run.h5", resume=True, every=0)
    with pytest.raises(Killed):
        started("descent", INPUTS[0], Revolve(3), storage, kill=total - 4, call=None)
    found = started("descent", INPUTS[0], Revolve(3), storage, call=None)
    assert np.array_equal(found, expected)
    assert clock.steps < 9


def test_only_the_pullback_is_left(started, clock, tmp_path):
    """`vjp`: the forward sweep in one process, the reverse one in another."""
    storage = HDF5Storage(tmp_path / "run.h5", resume=True, every=1e9)

    def forward_only(function):
        return lambda *args: vjp(function, *args)[0]

    value = started("in_place", INPUTS[0], Revolve(3), storage, call=forward_only)
    assert clock.steps == 11
    found = started("in_place", INPUTS[0], Revolve(3), storage)
    assert found[0] == value
    assert same(found, started("in_place", INPUTS[0], Revolve(3), MemoryStorage()))


# --- what the file belongs to -----------------------------------------------------------------------------------


@pytest.fixture
def begun(started, tmp_path):
    """A run that was killed, and the storage to go on with."""
    storage = HDF5Storage(tmp_path / "run.h5", resume=True, every=0)
    with pytest.raises(Killed):
        started("in_place", INPUTS[0], Revolve(3), storage, kill=15)
    return storage


def test_another_input_is_refused(started, begun):
    with pytest.raises(
        StorageError, match=r"run\.h5 belongs to another run: u is not what it was when the loop began"
    ):
        started("in_place", INPUTS[1], Revolve(3), begun)


def test_another_scheme_is_refused(started, begun):
    with pytest.raises(
        StorageError, match=r"its scheme is Revolve\(snapshots=3\), and here Revolve\(snapshots=4\)"
    ):
        started("in_place", INPUTS[0], Revolve(4), begun)


def test_another_loop_is_refused(started, begun):
    with pytest.raises(StorageError, match=r"it goes on with the loop program_that_is_killed\.py, in_place"):
        started("histories", INPUTS[0], Revolve(3), begun)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("STEPS = 11", "STEPS = 12", "its steps are 11, and here 12"),
        ("0.1 * work * u", "0.2 * work * u", "the code of the loop, or of something that it calls"),
        ("(u * u).sum() + work[0]", "(u * u).sum()", "what is computed from the state after the loop"),
    ],
)
def test_another_program_is_refused(started, begun, tmp_path, old, new, found):
    path = tmp_path / "program_that_is_killed.py"
    path.write_text(PROGRAM.replace(old, new))
    with pytest.raises(StorageError, match=found):
        started("in_place", INPUTS[0], Revolve(3), begun)


CONSTANTS = """
import functools
import numpy as np
from checkpointer import checkpointed

RATE = 25

def grown(u, rate=0.9, *, more=0.5):
    return u * rate + more

@functools.lru_cache
def weight(n):
    return 0.1 * n + RATE / 100

def constants(u, scheme, storage=None):
    for step in checkpointed(range(6), scheme, storage=storage):
        u = np.sin(grown(u)) * weight(step)
    return u.sum()
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rate=0.9", "rate=0.8"),
        ("more=0.5", "more=0.6"),
        ("0.1 * n", "0.2 * n"),
        ("RATE = 25", "RATE = 50"),
    ],
)
def test_constants_that_are_no_part_of_the_state_belong_to_the_program(started, tmp_path, old, new):
    path = tmp_path / "program_that_is_killed.py"
    path.write_text(CONSTANTS)
    storage = HDF5Storage(tmp_path / "run.h5", resume=True, every=0)
    started("constants", INPUTS[0], Revolve(2), storage)
    started("constants", INPUTS[0], Revolve(2), storage)
    path.write_text(CONSTANTS.replace(old, new))
    with pytest.raises(StorageError, match="belongs to another run: "):
        started("constants", INPUTS[0], Revolve(2), storage)


def test_a_comment_more_is_the_same_program(started, begun, tmp_path):
    path = tmp_path / "program_that_is_killed.py"
    path.write_text(PROGRAM.replace("STEPS = 11", "# how many\n\nSTEPS = 11"))
    found = started("in_place", INPUTS[0], Revolve(3), begun)
    assert same(found, started("in_place", INPUTS[0], Revolve(3), MemoryStorage()))


def test_another_version_is_refused(started, begun, monkeypatch):
    monkeypatch.setattr(np, "__version__", "9.9.9")
    with pytest.raises(StorageError, match=r"it was begun with numpy \d.*, and this is 9\.9\.9"):
        started("in_place", INPUTS[0], Revolve(3), begun)


def test_what_was_refused_is_still_there(started, begun):
    with pytest.raises(StorageError):
        started("in_place", INPUTS[1], Revolve(3), begun)
    found = started("in_place", INPUTS[0], Revolve(3), begun)
    assert same(found, started("in_place", INPUTS[0], Revolve(3), MemoryStorage()))


MADE_IN_THE_LOOP = """
import numpy as np
from checkpointer import checkpointed

def closures(u, scheme, storage=None):
    grow = None
    for step in checkpointed(range(6), scheme, storage=storage):
        factor = 1 + 0.1 * step
        grow = lambda x: x * factor
        u = grow(u)
    return u.sum()
"""


def test_what_another_process_could_not_make_is_refused_by_name(started, tmp_path):
    (tmp_path / "program_that_is_killed.py").write_text(MADE_IN_THE_LOOP)
    storage = HDF5Storage(tmp_path / "run.h5", resume=True, every=0)
    with pytest.raises(
        StorageError, match=r"grow holds the function closures.*<lambda>, which was made in the loop"
    ):
        started("closures", INPUTS[0], Revolve(2), storage)


NOT_OWNED = """
import numpy as np
from checkpointer import checkpointed

def borrowed(u, scheme, storage=None):
    here = last = None
    for step in checkpointed(range(6), scheme, storage=storage):
        here, last = np.frombuffer(b"12345678"), 1.5 * step
        u = u * 1.1
    return u.sum()
"""


def test_memory_that_is_not_numpys_is_refused_by_name(started, tmp_path):
    (tmp_path / "program_that_is_killed.py").write_text(NOT_OWNED)
    storage = HDF5Storage(tmp_path / "run.h5", resume=True, every=0)
    with pytest.raises(StorageError, match="here holds an array in memory that NumPy does not own"):
        started("borrowed", INPUTS[0], Revolve(2), storage)


# --- the file ----------------------------------------------------------------------------------------------------


def test_the_file_can_be_looked_at(started, begun, tmp_path):
    copy = shutil.copy(tmp_path / "run.h5", tmp_path / "copy.h5")
    with h5py.File(copy) as file:
        states = {
            group.attrs["step"]: group["state/u"][()]
            for name, group in file["loop-1"].items()
            if name.startswith("state-")
        }
        assert states[0].tolist() == INPUTS[0].tolist()
        assert file["loop-1/point"].attrs["written"].startswith(b"20")
    assert os.stat(tmp_path / "run.h5").st_mode & 0o777 == 0o600


def test_damage_is_found(started, begun, tmp_path, monkeypatch):
    """At places all over the file, and wherever there is a dataset: an error that says so, or the right gradient."""
    path = tmp_path / "run.h5"
    expected = started("in_place", INPUTS[0], Revolve(3), MemoryStorage())
    whole, journal_text = path.read_bytes(), (tmp_path / "run.h5-journal").read_bytes()
    places = {0, 8, 9, 12, 40, len(whole) - 1, *range(50, len(whole), max(1, len(whole) // 40))}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: places.update(_places_of(item)))
    texts = []
    for place in sorted(places):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        (tmp_path / "run.h5-journal").unlink(missing_ok=True)  # it would mend some of it
        try:
            assert same(started("in_place", INPUTS[0], Revolve(3), begun), expected), place
        except StorageError as error:
            texts.append(str(error))
            assert "run.h5 is damaged" in texts[-1] or "run.h5 exists, and is not" in texts[-1], texts[-1]
    assert len(texts) > 20
    assert any("the snapshot of step" in text for text in texts)
    for length in (len(whole) - 1, len(whole) // 2, 3000, 100, 1):
        path.write_bytes(whole[:length])
        (tmp_path / "run.h5-journal").unlink(missing_ok=True)
        with pytest.raises(StorageError, match=r"run\.h5 (is damaged|exists, and is not)"):
            started("in_place", INPUTS[0], Revolve(3), begun)
    path.write_bytes(whole)
    (tmp_path / "run.h5-journal").write_bytes(journal_text)
    assert same(started("in_place", INPUTS[0], Revolve(3), begun), expected)


def _places_of(item):
    offset = item.id.get_offset() if isinstance(item, h5py.Dataset) and item.size else None
    return [] if offset is None else [offset, offset + item.nbytes // 2, offset + item.nbytes - 1]


def test_verify_reads_a_run(started, begun, tmp_path):
    run_files.close_all()
    verify(tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        name = next(name for name in file["loop-1"] if name.startswith("state-"))
        file[f"loop-1/{name}/state/u"][2] += 1
    with pytest.raises(StorageError, match=rf"run\.h5 is damaged: loop-1/{name}/state/u: its bytes"):
        verify(tmp_path / "run.h5")


def test_a_file_of_another_kind_is_left_alone(started, tmp_path):
    path = tmp_path / "run.h5"
    storage = HDF5Storage(path, resume=True)
    for content in (b"Dear diary", None):
        if content is None:
            with h5py.File(path, "w") as file:
                file["x"] = 1
        else:
            path.write_bytes(content)
        before = path.read_bytes()
        with pytest.raises(StorageError, match="is not the file of a run that can be resumed"):
            started("in_place", INPUTS[0], Revolve(3), storage)
        assert path.read_bytes() == before


@pytest.mark.parametrize("damage", [b'"loop"', b"identity"])
def test_damage_outside_the_arrays_is_named(started, begun, tmp_path, damage):
    run_files.close_all()
    path = tmp_path / "run.h5"
    (tmp_path / "run.h5-journal").unlink()  # it holds the last changes once more
    content = path.read_bytes()
    assert damage in content
    path.write_bytes(content.replace(damage, bytes([damage[0] ^ 128]) + damage[1:]))
    with pytest.raises(StorageError, match=r"run\.h5 is damaged \("):
        started("in_place", INPUTS[0], Revolve(3), begun)


def test_without_a_path_there_is_nothing_to_go_on_with():
    from checkpointer import ArgumentError

    with pytest.raises(ArgumentError, match="resume=True needs a path"):
        HDF5Storage(resume=True)
    for every in (-1, "soon", float("nan"), True):
        with pytest.raises(ArgumentError, match="every must be a number of seconds"):
            HDF5Storage("run.h5", resume=True, every=every)


CHILD = """
import os, signal, sys
import numpy as np
import checkpointer
from checkpointer import HDF5Storage, Revolve, install_import_hook, loop, value_and_grad

sys.path.insert(0, os.getcwd())
with install_import_hook("program_that_is_killed"):
    import program_that_is_killed as program
run, count = loop.Loop.run, 0

def counted(self, number):
    global count
    count += 1
    if count == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return run(self, number)

loop.Loop.run = counted
value, gradient = value_and_grad(program.in_place)(
    np.linspace(0.1, 1.0, 6), Revolve(3), HDF5Storage("run.h5", resume=True, every=0)
)
print(count, value.hex(), gradient.tobytes().hex())
"""


def test_sigkill(started, clock, tmp_path):
    """In processes of their own."""
    value, gradient = started("in_place", INPUTS[0], Revolve(3), MemoryStorage())
    total = clock.steps
    for kill in (8, 7, 0):
        command = [sys.executable, "-c", CHILD, str(kill)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == (-signal.SIGKILL if kill else 0), done.stderr
    count, *found = done.stdout.split()
    assert found == [value.hex(), gradient.tobytes().hex()]
    assert int(count) <= total - 10


def test_a_file_that_is_mostly_unused_becomes_smaller(started, tmp_path):
    """HDF5 forgets in a kill what room in the file is free."""
    u = np.linspace(0.1, 1.0, 20_000)
    expected = started("in_place", u, Revolve(3), MemoryStorage())
    storage = HDF5Storage(tmp_path / "run.h5", resume=True, every=0)
    sizes = []
    for _ in range(20):
        with pytest.raises(Killed):
            started("in_place", u, Revolve(3), storage, kill=2)
        sizes.append((tmp_path / "run.h5").stat().st_size)
    states = max(sizes) / (2 * u.nbytes)
    assert states < 25, sizes  # up to seven stand in it
    assert sorted(path.name for path in tmp_path.glob("run*")) == ["run.h5", "run.h5-journal"]
    assert same(started("in_place", u, Revolve(3), storage), expected)


def test_two_processes_cannot_have_one_file(started, begun, tmp_path):
    command = [sys.executable, "-c", CHILD, "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "run.h5 is open in another process" in done.stderr


def test_gradients_are_right(started, tmp_path):
    """Of runs that were killed, by differences of the program itself."""
    for number, (name, u) in enumerate(itertools.product(("in_place", "new_objects"), INPUTS)):
        storage = HDF5Storage(tmp_path / f"{number}.h5", resume=True, every=0)
        for kill in (8, 9):
            with pytest.raises(Killed):
                started(name, u, Revolve(2), storage, kill=kill)
        gradient = started(name, u, Revolve(2), storage, call=grad)
        direction = np.random.default_rng(number).normal(size=u.size)
        step = 1e-5
        ahead, behind = (started(name, u + s * step * direction, Revolve(2), call=None) for s in (1, -1))
        np.testing.assert_allclose(gradient @ direction, (ahead - behind) / (2 * step), rtol=1e-6)
