"""What a run says of itself afterwards: the simulator's counts, bytes that memory shows, seconds that add up."""

import gc
import json
import sys
import threading
import tracemalloc
import weakref

import autograd
import numpy as np
import pytest

import checkpointer
from checkpointer import (
    ArgumentError,
    Auto,
    DiskRevolve,
    HDF5Storage,
    HRevolve,
    Level,
    MemoryStorage,
    Mixed,
    Multistage,
    Online,
    Periodic,
    PeriodicDiskRevolve,
    Revolve,
    StoreAll,
    TieredStorage,
    TwoLevel,
    grad,
    last_run,
    value_and_grad,
    vjp,
    watching,
)
from checkpointer.counts import PHASES
from checkpointer.schemes import SCHEMES, simulate

PROGRAM = """
import numpy as np
from checkpointer import StoreAll, checkpointed

def known(u, scheme, steps=11, until=10**9, storage=None, size=1):
    u = np.tile(u, size)
    for step in checkpointed(range(steps), scheme, storage=storage):
        u[1:-1] += 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2]) * u[1:-1]
        if step == until:
            break
    return np.sum(u * u)

def read(u, scheme, steps):
    for step in checkpointed((number for number in range(steps)), scheme):
        u = u - 0.01 * u * u
    return np.sum(u)

def unknown(u, scheme):
    u = u.copy()
    while checkpointed(u.max() > 0.3, scheme):
        u *= 1 - 0.2 * u
    return np.sum(u * u)

def nested(u, outer, inner):
    for step in checkpointed(range(5), outer):
        for part in checkpointed(range(4), inner):
            u = u - 0.01 * u * u
    return np.sum(u)

def twice(u, scheme):
    for number in range(2):
        u = solved(u, scheme)
    return np.sum(u)

def solved(u, scheme):
    for step in checkpointed(range(6), scheme):
        u = np.sin(u)
    return u

def fails(u, scheme):
    for step in checkpointed(range(6), scheme):
        u = np.sin(u)
        if step == 4:
            raise OSError("the weather station is gone")
    return np.sum(u)

def constant(u, scheme):
    total = 0.0
    for step in checkpointed(range(6), scheme):
        total += 0.5
    return total * np.sum(u)
"""

KNOWN = [
    Revolve(1),
    Revolve(3),
    Periodic(3),
    Periodic(period=4),
    Online(1),
    Online(3),
    Online(2, disk_snapshots=2),
    TwoLevel(4, 2),
    TwoLevel(3, 0),
    Multistage(1, 2),
    Multistage(0, 3),
    DiskRevolve(1, write=0.5, read=0.5),
    PeriodicDiskRevolve(2, write=1, read=1),
    HRevolve(Level(1), Level(2, write=0.5, read=0.5)),
    Mixed(1),
    Mixed(4),
    StoreAll(),
]
ONLINE = [scheme for scheme in KNOWN if scheme.online]
U = np.array([0.9, 0.4, 0.7, 0.1, 0.8, 0.3])


@pytest.fixture(scope="module")
def program(load_once):
    return load_once("summarised", PROGRAM).rewritten


def only_loop():
    (loop,) = last_run().loops
    return loop


def test_no_scheme_is_missing():
    assert {type(scheme) for scheme in [*KNOWN, Auto()]} == {*SCHEMES.values()}


@pytest.mark.parametrize("scheme", KNOWN, ids=repr)
def test_the_counts_are_those_of_the_simulator(program, scheme):
    """The simulator executes the schedule without a loop: it knows nothing of what was counted here."""
    for steps in (1, 2, 11, 40):
        grad(program.known)(U, scheme, steps)
        assert only_loop().cost == simulate(scheme, steps), steps
    for until in (0, 4, 9):
        grad(program.known)(U, scheme, 11, until=until)
        assert only_loop().cost == simulate(scheme, 11, ends_after=until + 1), until
    assert only_loop().scheme == repr(scheme)


@pytest.mark.parametrize("scheme", ONLINE, ids=repr)
def test_the_counts_of_loops_whose_length_nobody_knows(program, scheme):
    grad(program.read)(U, scheme, 13)
    assert only_loop().cost == simulate(scheme, 13, length_known=False)
    grad(program.unknown)(U, scheme)
    steps = only_loop().cost.steps
    assert steps > 10
    assert only_loop().cost == simulate(scheme, steps + 1, length_known=False, ends_after=steps)


def test_a_loop_without_steps(program):
    grad(program.known)(U, Revolve(3), 0)
    assert only_loop().cost == simulate(Revolve(3), 0)
    assert only_loop().recompute_factor == 0
    assert "steps" in str(last_run())


@pytest.mark.parametrize("memory", ["30 kB", "1 GB"])
def test_what_auto_chose_and_its_trial(program, memory):
    """The trial runs the first step several times, stores and restores the state: none of that is the schedule's work."""
    grad(program.known)(U, Auto(memory), 30)
    loop = only_loop()
    chosen, _, by = loop.scheme.rpartition(" by ")
    scheme = eval(chosen)
    assert by == "Auto"
    if isinstance(scheme, Mixed):  # is told of one step less, as it may begin with a tape
        rest = simulate(scheme, 29)
        assert (loop.cost.advances, loop.cost.reversals) == (rest.advances + 1, 30)
        assert (loop.cost.snapshots, loop.cost.peak) == (rest.snapshots + 1, rest.peak + 1)
    else:
        assert loop.cost == simulate(scheme, 30)
    assert 0 < loop.seconds["trial"] < sum(loop.seconds.values())


def test_loops_in_loops(program):
    """The inner loop is differentiated in every step of the outer one that is reversed, and only there."""
    grad(program.nested)(U, Revolve(2), Revolve(3))
    outer, inner = last_run().loops
    once = simulate(Revolve(3), 4)
    assert outer.cost == simulate(Revolve(2), 5)
    assert (outer.inside, outer.runs) == (None, 1)
    assert (inner.inside, inner.runs) == (outer.place, 5)
    assert (inner.cost.steps, inner.cost.advances) == (5 * once.steps, 5 * once.advances)
    assert (inner.cost.snapshots, inner.cost.peak) == (5 * once.snapshots, once.peak)
    assert inner.recompute_factor == once.recompute_factor
    assert sum(inner.seconds.values()) <= outer.seconds["reversing"]


def test_the_trial_of_an_outer_loop_is_no_run_of_the_inner_one(program):
    grad(program.nested)(U, Auto("1 GB"), Revolve(3))
    _, inner = last_run().loops
    assert inner.runs == 5


def test_a_loop_that_runs_twice(program):
    grad(program.twice)(U, Revolve(2))
    loop, once = only_loop(), simulate(Revolve(2), 6)
    assert (loop.runs, loop.cost.steps, loop.cost.advances) == (2, 12, 2 * once.advances)
    assert loop.cost.peak == once.peak


@pytest.mark.parametrize("scheme", [Revolve(3), Mixed(4), StoreAll()], ids=repr)
def test_a_call_that_is_not_pulled_back(program, scheme):
    """Each number is there when its work is done."""
    value, pullback = vjp(program.known, U, scheme, 20)
    before = last_run()
    assert before.reverse is None
    assert before.loops[0].cost.reversals == 0
    assert before.loops[0].cost.advances <= 20
    assert "not pulled back yet" in str(before)
    pullback(np.ones_like(value))
    assert before.loops[0].cost.reversals == 0
    assert last_run().loops[0].cost == simulate(scheme, 20)
    assert last_run().reverse > 0


def test_a_pullback_in_another_thread(program):
    value, pullback = vjp(program.known, U, Revolve(2), 20)
    seen = []

    def pull():
        assert last_run() is None
        pullback(np.ones_like(value))
        seen.append(last_run())

    thread = threading.Thread(target=pull)
    thread.start()
    thread.join()
    assert seen[0].loops[0].cost == simulate(Revolve(2), 20)


def test_a_call_that_fails(program):
    with pytest.raises(OSError, match="weather"):
        grad(program.fails)(U, Revolve(3))
    run = last_run()
    assert run.failure == "OSError"
    assert run.loops[0].cost.advances == 4
    assert "ended by OSError" in str(run)


def test_a_loop_through_which_no_derivative_flows(program):
    grad(program.constant)(U, Revolve(3))
    assert last_run().loops == ()
    assert str(last_run()).endswith("no marked loop was differentiated")


def test_autograd_and_threads(program):
    """Each thread sees its own latest call."""
    autograd.grad(program.known)(U, Revolve(2), 15)
    assert only_loop().cost == simulate(Revolve(2), 15)
    seen = []

    def work():
        assert last_run() is None
        with watching() as runs:
            grad(program.known)(U, Revolve(4), 22)
        seen.append((last_run(), len(runs)))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(run.loops[0].cost, count) for run, count in seen] == [(simulate(Revolve(4), 22), 1)] * 3
    assert only_loop().cost == simulate(Revolve(2), 15)


def test_several_calls(program):
    grad(program.known)(U, StoreAll(), 3)
    with watching() as runs:
        assert len(runs) == 0
        assert str(runs) == "nothing was differentiated"
        for steps in (5, 9):
            grad(program.known)(U, Revolve(2), steps)
        grad(program.known)(U, Revolve(3), 4)
    grad(program.known)(U, StoreAll(), 3)
    assert [run.loops[0].cost.steps for run in runs] == [5, 9, 4]
    assert [run.loops[0].cost.steps for run in runs[1:]] == [9, 4]
    total = runs.total()
    costs = [simulate(Revolve(2), 5), simulate(Revolve(2), 9), simulate(Revolve(3), 4)]
    assert total.loops[0].cost.advances == sum(cost.advances for cost in costs)
    assert total.loops[0].cost.peak == max(cost.peak for cost in costs)
    assert total.forward == sum(run.forward for run in runs)
    assert total.loops[0].scheme == "Revolve(snapshots=2) and 1 more"
    assert str(runs) == str(total)
    assert str(total).startswith("3 calls, the first of known: forward ")


# --- bytes and seconds ------------------------------------------------------------------------------------------------


def test_the_memory_that_snapshots_take(program):
    """Of a state of one array: as many as the scheme holds, of the array's size."""
    grad(program.known)(U, Revolve(3), 20, size=100)
    assert only_loop().memory == 3 * 600 * 8
    grad(program.known)(U, StoreAll(), 20, size=100)
    assert only_loop().memory == 19 * 600 * 8
    assert only_loop().written == only_loop().read == 0


def test_the_memory_that_snapshots_take_is_what_python_allocated(load):
    """A history of which every snapshot shares all but a part: the sum of their sizes would be far off."""
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        def history(u, scheme, probe):
            found = np.zeros((20, 20_000))
            found[0] = u
            for step in checkpointed((number for number in range(19)), scheme):
                found[step + 1] = 0.9 * found[step]
                probe()
            return np.sum(found)
    """).rewritten
    seen = []
    probe = lambda: seen.append(tracemalloc.get_traced_memory()[0])  # noqa: E731
    u = np.ones(20_000)
    vjp(program.history, u, StoreAll(), probe)
    seen.clear()
    tracemalloc.start()
    try:
        vjp(program.history, u, StoreAll(), probe)
    finally:
        tracemalloc.stop()
    grown = seen[-1] - seen[0]  # from before the second snapshot on to after the last
    one = 20 * 20_000 * 8
    held = only_loop().memory
    assert held < 3 * one
    assert held - one == pytest.approx(grown, rel=0.02)


def test_bytes_to_and_from_a_disk(program):
    tiers = TieredStorage(MemoryStorage(), HDF5Storage())
    scheme = Multistage(1, 2)
    grad(program.known)(U, scheme, 20, storage=tiers, size=100)
    cost, size = simulate(scheme, 20), 600 * 8
    assert (only_loop().written, only_loop().read) == (cost.writes[1] * size, cost.reads[1] * size)
    assert only_loop().memory == size
    grad(program.known)(U, Revolve(2), 20, storage=HDF5Storage(), size=100)
    cost = simulate(Revolve(2), 20)
    assert (only_loop().written, only_loop().read) == (cost.snapshots * size, cost.restores * size)
    assert only_loop().memory == 0


def test_the_seconds_add_up(program):
    grad(program.known)(U, Revolve(2), 30)
    run = last_run()
    loop = run.loops[0]
    assert tuple(loop.seconds) == PHASES
    assert all(seconds >= 0 for seconds in loop.seconds.values())
    assert all(
        loop.seconds[phase] > 0 for phase in ("forward", "recomputing", "reversing", "saving", "loading")
    )
    assert loop.seconds["trial"] == 0
    assert sum(loop.seconds.values()) <= run.forward + run.reverse


def test_the_seconds_of_a_phase_are_those_of_what_happens_in_it(program, monkeypatch):
    """With a clock that only certain things move."""
    now = [0.0]
    monkeypatch.setattr("checkpointer.work.perf_counter", lambda: now[0])

    def takes(owner, name, seconds):
        original = getattr(owner, name)

        def slow(*args, **kwargs):
            now[0] += seconds
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, slow)

    takes(checkpointer.loop.Loop, "run", 1.0)
    takes(checkpointer.loop, "capture", 100.0)
    takes(checkpointer.stretch.Stretch, "pullback", 10_000.0)
    grad(program.known)(U, Revolve(2), 12)
    cost = simulate(Revolve(2), 12)
    seconds = only_loop().seconds
    assert seconds["forward"] == 11
    assert seconds["recomputing"] == cost.advances - 11
    assert seconds["reversing"] == 12 * 10_001
    assert seconds["saving"] == 100 * cost.snapshots
    assert seconds["loading"] == seconds["trial"] == seconds["other"] == 0


# --- how it is shown --------------------------------------------------------------------------------------------------


def test_the_place_is_the_line_of_the_loop(load):
    """Also in a function that stands alone, whose code begins where IPython finds it."""
    text = """
        from checkpointer import Revolve, checkpointed, transform

        {}
        def f(x):
            y = x
            for step in checkpointed(range(3), Revolve(1)):
                y = y * y
            return y
    """
    for decorator in ("@transform", "# no decorator"):
        program = load(text.format(decorator))
        for module in (program.rewritten, program.plain) if "@" in decorator else (program.rewritten,):
            grad(module.f)(1.5)
            assert only_loop().place == f"{program.path.name}:7"


def test_it_prints_as_a_table(program):
    grad(program.nested)(U, Revolve(2), Mixed(2))
    outer, inner = last_run().loops
    head, _, titles, first, second, _, phases, times, inner_times = str(last_run()).splitlines()
    assert head.startswith("nested: forward ")
    assert (
        titles.split()
        == "loop scheme runs steps advances reversals recompute snapshots tapes held memory".split()
    )
    assert first.split()[:4] == [outer.place, "Revolve(snapshots=2)", "5", "6"]
    assert second.startswith(f"  {inner.place} in {outer.place}  Mixed(slots=2)           5  ")
    assert phases.split() == [
        "time",
        "forward",
        "recomputing",
        "reversing",
        "saving",
        "loading",
        "other",
        "sum",
    ]
    assert times.split()[0] == inner_times.split()[2] == outer.place


def test_in_a_notebook_it_is_html_with_the_same_cells(program):
    grad(program.known)(U, Revolve(2), 12)
    shown = last_run()._repr_html_()
    assert shown.count("<table>") == shown.count("</table>") == 2
    for cell in (only_loop().place, "Revolve(snapshots=2)", str(simulate(Revolve(2), 12).advances)):
        assert f">{cell}</td>" in shown
    with watching() as runs:
        grad(lambda x: x * x)(2.0)
    assert "&lt;lambda&gt;" in runs._repr_html_()
    assert "<lambda>" not in runs._repr_html_()


def test_as_json(program):
    grad(program.known)(U, Revolve(2), 12)
    found = json.loads(last_run().as_json())
    assert found == last_run().as_dict()
    (loop,) = found["loops"]
    cost = simulate(Revolve(2), 12)
    assert (loop["advances"], loop["peaks"], loop["steps"]) == (cost.advances, list(cost.peaks), 12)
    assert loop["recompute_factor"] == cost.recompute_factor


def test_a_picture(program, tmp_path):
    """The schedule as it was executed: as many lines as there were actions, from the first second to the last."""
    grad(program.nested)(U, Multistage(1, 1), Revolve(1))
    figure = last_run().plot(tmp_path / "run.svg")
    assert (tmp_path / "run.svg").read_text().startswith("<?xml")
    assert "<dc:date>" not in (tmp_path / "run.svg").read_text()  # the same picture is the same file
    schedule, phases = figure.axes
    cost = simulate(Multistage(1, 1), 5)
    lines = {line.get_label(): line for line in schedule.get_legend().legend_handles}
    assert set(lines) == {
        *("snapshot in memory", "snapshot on disk", "plain step", "step under the tape", "pull back")
    }
    drawn = sum(len(some.get_segments()) for some in schedule.collections)
    assert drawn >= cost.snapshots + cost.reversals
    assert schedule.get_title() == f"{last_run().loops[0].place}: Multistage(snapshots=1, disk_snapshots=1)"
    assert [label.get_text() for label in phases.get_yticklabels()][1].endswith(
        f" in {last_run().loops[0].place}"
    )
    steps = [step for some in schedule.collections for segment in some.get_segments() for _, step in segment]
    assert (min(steps), max(steps)) == (0, 5)


def test_no_matplotlib(program, monkeypatch):
    grad(program.known)(U, Revolve(2), 3)
    for name in ("run_picture", "schedule_picture"):
        monkeypatch.delitem(sys.modules, f"checkpointer.{name}", raising=False)
        monkeypatch.delattr(f"checkpointer.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ArgumentError, match=r'needs matplotlib.*pip install "checkpointer-ad\[plot\]"'):
        last_run().plot()


def test_a_picture_of_a_loop_that_ended_early(program):
    grad(program.known)(U, Revolve(2), 40, until=9)
    figure = last_run().plot()
    steps = [step for some in figure.axes[0].collections for line in some.get_segments() for _, step in line]
    assert max(steps) == 10


def test_pictures_of_more_than_fits(program, monkeypatch):
    monkeypatch.setattr("checkpointer.counts._MOST", 10)
    grad(program.known)(U, Revolve(2), 12)
    assert last_run().plot().axes[0].get_title().endswith(", its beginning")
    with watching() as runs:
        for _ in range(2):
            grad(program.twice)(U, Revolve(2))
    assert [len(run.plot().axes) for run in runs] == [1, 2]
    assert last_run().plot().axes[0].get_title().endswith("the first of 2 runs, its beginning")
    assert len(runs.total().plot().axes) == 2


def test_a_picture_of_nothing(program):
    grad(lambda x: x * x)(2.0)
    assert len(last_run().plot().axes) == 1


# --- what it holds ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pulled", [True, False])
def test_no_array_of_the_program_is_kept_alive(program, pulled):
    """Neither by the summary nor by what the thread knows of its latest call."""
    before = len(live_arrays())
    u = np.ones(777)
    reference = weakref.ref(u)
    value, pullback = vjp(program.known, u, StoreAll(), 9)
    if pulled:
        pullback(np.ones_like(value))
    summary, text = last_run(), str(last_run())
    del u, value, pullback
    gc.collect()
    assert reference() is None
    assert len(live_arrays()) == before
    assert str(summary) == text


def live_arrays():
    return [found for found in gc.get_objects() if isinstance(found, checkpointer.blocks.Block)]


def test_a_loop_that_is_not_differentiated_counts_nothing(program):
    value_and_grad(lambda x: x * x)(2.0)
    before = last_run()
    program.known(U, Revolve(2), 12)
    assert last_run() == before
