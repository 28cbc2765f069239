"""The report: what is in the snapshots of a loop, what one costs, and why each thing is in it."""

import gc
import os
import re
import subprocess
import sys
import weakref

import numpy as np
import pytest

from checkpointer import (
    ArgumentError,
    HDF5Storage,
    MemoryStorage,
    Multistage,
    Revolve,
    StoreAll,
    TieredStorage,
    grad,
    inventory,
    last_run,
    watching,
)
from checkpointer.schemes import simulate
from checkpointer.schemes.sizes import show_size

PROGRAM = """
import numpy as np
from checkpointer import Revolve, checkpointed

grid = np.linspace(0.0, 1.0, 5000)
count = 0
settings = {"rate": 0.5, "names": ["a", "b"]}


class Model:
    gravity = 9.81

    def __init__(self, n):
        self.u = np.zeros(n)
        self.v = np.linspace(0.0, 1.0, n) ** 2
        self.part = self.v[1:]
        self.log = []

    def advance(self, dt):
        global count
        count += 1
        self.u[1:-1] += dt * (self.v[2:] - self.v[:-2]) * Model.gravity
        self.v[:] = self.v - dt * self.u * grid * settings["rate"]
        self.log.append(float(count))


def simulate(c, scheme, storage=None, steps=29):
    model, history = Model(5000), np.zeros((steps + 1, 5000))
    weights, table = np.array([0.2, 0.3]), [float(n) for n in range(100)]
    rng, dt = np.random.default_rng(0), 0.01

    def scaled(u):
        return weights[0] * u

    for n in checkpointed(range(steps), scheme, storage=storage):
        model.advance(dt)
        history[n + 1] = c * scaled(model.u) + table[n]
        dt = 0.999 * dt
        noise = rng.normal()
    return np.sum(history) + np.sum(model.v) + noise


def nested(u):
    for step in checkpointed(range(3), Revolve(1)):
        for part in checkpointed(range(2), Revolve(1)):
            u = np.sin(u)
    return np.sum(u)


def rows(u):
    total = 0.0
    for row in checkpointed(u, Revolve(1)):
        total = total + row @ row
    return total
"""


@pytest.fixture(scope="module")
def program(load_once):
    return load_once("reported", PROGRAM).rewritten


def report_of(function, *args):
    with watching(report=True) as runs:
        grad(function)(*args)
    (run,) = runs
    return run


@pytest.fixture(scope="module")
def run(program):
    return report_of(program.simulate, 2.0, Revolve(4))


def entry(run, name):
    (found,) = [entry for entry in run.loops[0].state.entries if entry.name == name]
    return found


@pytest.mark.parametrize(
    ("name", "role", "kind", "why"),
    [
        ("history", "history", "float64 30x5000", "used by the loop's body"),
        ("model.u", "carried", "float64 5000", "attribute of model (used by the loop's body)"),
        ("model.v", "carried", "float64 5000", "attribute of model (used by the loop's body)"),
        ("model.log", "history", "list", "attribute of model (used by the loop's body)"),
        ("grid", "constant", "float64 5000", "global, used by Model.advance()"),
        ("count", "carried", "int", "global, rebound by Model.advance()"),
        (
            "settings['rate']",
            "constant",
            "float",
            "item of settings (global, used by Model.advance())",
        ),
        (
            "settings['names'][0]",
            "constant",
            "str",
            "item of settings['names'] (settings: global, used by Model.advance())",
        ),
        ("Model.gravity", "constant", "float", "attribute of Model (class that the loop's code uses)"),
        ("weights", "constant", "float64 2", "closure of simulate.<locals>.scaled(), used there"),
        ("table", "constant", "list of 100", "used by the loop's body"),
        ("c", "constant", "float", "used by the loop's body"),
        ("dt", "carried", "float", "rebound by the loop's body"),
        ("rng", "carried", "generator", "used by the loop's body"),
        ("noise", "carried", "float", "rebound by the loop's body"),
    ],
)
def test_what_is_in_a_snapshot_and_why(run, name, role, kind, why):
    found = entry(run, name)
    assert (found.role, found.kind, found.why) == (role, kind, why)


def test_views_are_other_names_of_the_same_memory(run):
    assert entry(run, "model.v").aliases == ("model.part",)
    assert re.search(r"\nmodel\.v, model\.part +carried ", str(run.report()))


def test_what_a_snapshot_costs(run):
    """Of what is carried all is copied, of what is constant nothing; of a history, the pieces that were written."""
    loop = run.loops[0]
    state, cost = loop.state, simulate(Revolve(4), 29)
    assert state.snapshots == cost.snapshots
    assert entry(run, "model.u").copied == entry(run, "model.v").copied == 5000 * 8
    assert entry(run, "grid").copied == entry(run, "weights").copied == 0
    history = entry(run, "history")
    assert history.nbytes == 30 * 5000 * 8
    rows_between = 29 / cost.snapshots  # each snapshot's share of what the loop writes, in whole pieces
    assert 0.5 * rows_between * 5000 * 8 < history.copied < history.nbytes / 3
    arrays = [found for found in state.entries if found.nbytes]
    assert state.first == sum(found.nbytes for found in arrays)
    assert state.further == pytest.approx(sum(found.copied for found in arrays))


def test_the_bytes_that_stand_at_once_follow_from_those_that_are_copied(program):
    """Where no snapshot is discarded before all are taken, they add up."""
    loop = report_of(program.simulate, 2.0, StoreAll()).loops[0]
    assert loop.memory == loop.state.first + (loop.state.snapshots - 1) * loop.state.further


def test_one_snapshot_is_compared_with_the_end_of_the_loop(program):
    run = report_of(program.simulate, 2.0, Revolve(1), None, 2)
    roles = {found.name: found.role for found in run.loops[0].state.entries}
    assert run.loops[0].state.snapshots == 1
    assert [roles[name] for name in ("model.u", "dt", "rng", "count", "model.log")] == [
        *("carried", "carried", "carried", "carried", "history")
    ]
    assert [roles[name] for name in ("grid", "weights", "c", "table")] == ["constant"] * 4
    assert entry(run, "model.u").copied is None
    assert run.loops[0].state.further is None


def test_other_storages(program):
    """What goes to a file counts whole: what the file shares is its own business."""
    for storage in (HDF5Storage(), TieredStorage(MemoryStorage(), HDF5Storage())):
        scheme = Multistage(1, 3)
        run = report_of(program.simulate, 2.0, scheme, storage)
        state = run.loops[0].state
        assert not state.in_memory
        assert entry(run, "model.u").copied is None
        assert [entry(run, name).role for name in ("history", "model.u", "grid")] == [
            *("history", "carried", "constant")
        ]
        assert state.first == sum(found.nbytes for found in state.entries)
        assert ": the first snapshot took 1.26 MiB, each of " in str(run.report())


def test_what_the_loop_goes_over(program):
    run = report_of(program.rows, np.arange(12.0).reshape(4, 3))
    items = entry(run, "(items)")
    assert (items.role, items.nbytes, items.why) == ("constant", 12 * 8, "the loop goes over it")


def test_what_the_program_has_let_go_of(program):
    """The array that the loop began with, of which there may be names elsewhere."""
    run = report_of(program.nested, np.ones(3))
    assert entry(run, "(let go of)").why == "there when the loop began, let go of since"


def test_loops_in_loops(program):
    run = report_of(program.nested, np.ones(3))
    outer, inner = run.loops
    for loop in (outer, inner):
        (found,) = [found for found in loop.state.entries if found.name == "u"]
        assert (found.role, found.why) == ("carried", "rebound by the loop's body")
    assert f"{inner.place} in {outer.place}: the first snapshot copied 24 B" in str(run.report())


def test_it_prints_as_a_table(run):
    head, blank, titles, first, *_ = str(run.report()).splitlines()
    loop = run.loops[0]
    assert head.startswith(f"{loop.place}: the first snapshot copied 1.26 MiB, each of 13 more ")
    assert head.endswith(f" on average; at most 4 stood at once, which held {show_size(loop.memory)}")
    assert blank == ""
    assert titles.split() == ["name", "role", "what", "why", "bytes", "per", "snapshot"]
    assert first.split()[:4] == ["history", "history", "float64", "30x5000"]


def test_in_a_notebook_and_as_json(run):
    shown = run.report()._repr_html_()
    assert shown.count("<tr>") == 1 + len(run.loops[0].state.entries)
    assert ">float64 30x5000</td>" in shown
    (loop,) = run.as_dict()["loops"]
    assert loop["state"]["entries"][0]["name"] == "history"
    assert '"role": "history"' in run.as_json()


def test_it_has_to_be_asked_for(program, monkeypatch):
    """Nothing is looked at otherwise."""
    monkeypatch.setattr(inventory, "Inventory", None)
    grad(program.nested)(np.ones(3))
    with pytest.raises(ArgumentError) as refused:
        last_run().report()
    assert str(refused.value) == (
        "the snapshots of this call were not looked at, which takes time: differentiate in a block"
        " `with checkpointer.watching(report=True):`, or set the environment variable CHECKPOINTER_REPORT=1"
    )
    grad(lambda x: x * x)(2.0)
    assert str(last_run().report()) == "no marked loop was differentiated"


def test_the_environment_asks_for_it(program, monkeypatch):
    monkeypatch.setenv("CHECKPOINTER_REPORT", "1")
    grad(program.nested)(np.ones(3))
    assert last_run().report()
    monkeypatch.setenv("CHECKPOINTER_REPORT", "0")
    grad(program.nested)(np.ones(3))
    with pytest.raises(ArgumentError):
        last_run().report()


def test_gradients_are_the_same(program):
    plain = grad(program.simulate)(2.0, Revolve(4))
    with watching(report=True):
        assert grad(program.simulate)(2.0, Revolve(4)) == plain


def test_the_time_that_it_takes_is_not_that_of_the_loop(program, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("checkpointer.work.perf_counter", lambda: now[0])
    note = inventory.Inventory.note

    def slow(*args):
        now[0] += 1000.0
        note(*args)

    monkeypatch.setattr(inventory.Inventory, "note", slow)
    loop = report_of(program.nested, np.ones(3)).loops[0]
    assert loop.seconds["saving"] == 0


def test_no_array_is_kept_alive(program):
    u = np.ones(300)
    reference = weakref.ref(u)
    run = report_of(program.nested, u)
    text = str(run.report())
    del u
    gc.collect()
    assert reference() is None
    assert str(run.report()) == text


# --- the command -----------------------------------------------------------------------------------------------------

SCRIPT = """
import sys
import threading
import numpy as np
from checkpointer import Revolve, checkpointed, grad

def f(u):
    for step in checkpointed(range(6), Revolve(2)):
        u = u - 0.01 * u * u
    return np.sum(u)

grad(f)(np.ones(3))
thread = threading.Thread(target=lambda: grad(f)(np.ones(3)))
thread.start()
thread.join()
print("done")
if len(sys.argv) > 1:
    raise OSError("the disk is full")
"""


@pytest.mark.parametrize(
    ("options", "arguments"), [(["--summary"], []), (["--report"], []), (["--summary", "--report"], ["fail"])]
)
def test_run_prints_it_at_the_end(tmp_path, options, arguments):
    """Also that of other threads, and after an exception."""
    (tmp_path / "heat.py").write_text(SCRIPT)
    finished = subprocess.run(
        [sys.executable, "-m", "checkpointer", "run", *options, "heat.py", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert finished.stdout == "done\n"
    assert finished.returncode == len(arguments)
    error, _, said = finished.stderr.rpartition("OSError: the disk is full\n")
    assert bool(error) == bool(arguments)
    lines = [line for line in said.splitlines() if line]
    cost = simulate(Revolve(2), 6)
    if "--summary" in options:
        assert lines[0].startswith("2 calls, the first of f: forward ")
        assert lines[2].split()[:4] == ["heat.py:8", "Revolve(snapshots=2)", "2", "12"]
        assert lines[2].split()[4:6] == [str(2 * cost.advances), "12"]
    reported = [line for line in lines if line.startswith("heat.py:8: the first snapshot copied 24 B")]
    assert len(reported) == ("--report" in options)
