"""What holds for all schemes: any length, any early end, any number of snapshots, in bounded memory."""

import doctest
import importlib
import pickle
import tracemalloc
from collections import Counter, deque
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpointer.errors import ArgumentError, ScheduleError
from checkpointer.schemes import (
    SCHEMES,
    Advance,
    Auto,
    Discard,
    DiskRevolve,
    HRevolve,
    Level,
    Mixed,
    Multistage,
    Online,
    Periodic,
    PeriodicDiskRevolve,
    Record,
    Restore,
    Reverse,
    Revolve,
    Schedule,
    Scheme,
    Snapshot,
    StoreAll,
    TwoLevel,
    predict,
    simulate,
)
from checkpointer.schemes.binomial import writes

COUNTS = range(1, 13)
WITH_SNAPSHOTS = [Revolve, Online, Periodic]


class Untaped(Schedule):
    """Another schedule for a consumer that runs the last step plainly, so that no tape is kept."""

    def __init__(self, scheme: Scheme, steps: int) -> None:
        super().__init__(steps, scheme.slots(steps))
        self._inner = scheme.schedule(steps)

    def first_sweep(self):
        for action in self._inner.forward():
            yield Advance(action.step, action.step + 1) if isinstance(action, Record) else action

    def reverse_sweep(self):
        self._inner.finish(self.steps, recorded=False)
        return self._inner.reverse()


ALL_SCHEMES = [
    Auto(),
    StoreAll(),
    *(kind(count) for kind in WITH_SNAPSHOTS for count in COUNTS),
    *(Periodic(period=period) for period in (1, 2, 3, 8, 100)),
    *(TwoLevel(period, snapshots) for period in (1, 2, 7, 100) for snapshots in (0, 1, 4)),
    *(Multistage(snapshots, disk) for snapshots in (0, 1, 3) for disk in (1, 4)),
    *(Online(snapshots, disk_snapshots=disk) for snapshots in (1, 3) for disk in (1, 4)),
    *(kind(3, write=price, read=price) for kind in (DiskRevolve, PeriodicDiskRevolve) for price in (0, 2)),
    *(HRevolve(Level(1), Level(slots, write=2, read=1)) for slots in (1, 4)),
    HRevolve(Level(2), Level(1, write=1, read=1), Level(2, write=3, read=3)),
    *(Mixed(slots) for slots in (1, 2, 5, 12)),
]
"""Those of the package checkpoint_schedules are in test_foreign.py."""


def test_no_scheme_is_missing():
    assert {type(scheme) for scheme in ALL_SCHEMES} == {*SCHEMES.values()}


@pytest.mark.parametrize("scheme", ALL_SCHEMES, ids=repr)
def test_every_length_and_every_early_end(scheme):
    """At every step of loops of up to 16; of longer ones at every third, counted from the end."""
    for steps in range(41):
        assert simulate(scheme, steps).reversals == steps
        for end in range(steps + 1) if steps <= 16 else range(steps % 3, steps + 1, 3):
            assert simulate(scheme, steps, ends_after=end).reversals == end
        if steps and not isinstance(scheme, Mixed):  # which cannot do without the last step's tape
            assert simulate(Untaped(scheme, steps), steps).reversals == steps


@pytest.mark.parametrize("scheme", [s for s in ALL_SCHEMES if s.online], ids=repr)
def test_every_unknown_length(scheme):
    for steps in range(41):
        assert simulate(scheme, steps, length_known=False).reversals == steps
        assert simulate(scheme, steps, length_known=False, ends_after=steps).reversals == steps


@given(
    kind=st.sampled_from(WITH_SNAPSHOTS),
    snapshots=st.integers(1, 60),
    steps=st.integers(0, 400),
    data=st.data(),
)
def test_longer_loops(kind, snapshots, steps, data):
    end = data.draw(st.none() | st.integers(0, steps))
    cost = simulate(kind(snapshots), steps, ends_after=end)
    assert cost.reversals == cost.steps == (steps if end is None else end)
    assert cost.peak <= kind(snapshots).slots(steps)
    assert cost.discards == cost.snapshots


PRICES = st.sampled_from([0, 0.5, 1, 3, 10, 40])


@given(
    scheme=st.one_of(
        st.builds(TwoLevel, st.integers(1, 60), st.integers(0, 20)),
        st.builds(Multistage, st.integers(1, 20), st.integers(0, 20)),
        st.builds(lambda period: Periodic(period=period), st.integers(1, 60)),
        st.builds(Online, st.integers(1, 20), st.integers(0, 20)),
        st.builds(Mixed, st.integers(1, 40)),
        st.builds(
            lambda kind, snapshots, write, read: kind(snapshots, write=write, read=read),
            st.sampled_from([DiskRevolve, PeriodicDiskRevolve]),
            st.integers(1, 8),
            PRICES,
            PRICES,
        ),
        st.builds(
            lambda first, *rest: HRevolve(Level(first), Level(*rest)),
            st.integers(1, 6),
            st.integers(1, 6),
            PRICES,
            PRICES,
        ),
    ),
    steps=st.integers(0, 300),
    data=st.data(),
)
def test_longer_loops_with_stages(scheme, steps, data):
    end = data.draw(st.none() | st.integers(0, steps))
    known = simulate(scheme, steps, ends_after=end)
    assert known.reversals == (steps if end is None else end)
    assert all(most <= limit for most, limit in zip(known.peaks, scheme.slots_by_level(steps), strict=False))
    if scheme.online:
        assert simulate(scheme, steps, length_known=False, ends_after=end).reversals == known.reversals


@pytest.mark.parametrize("scheme", ALL_SCHEMES, ids=repr)
def test_snapshots_beyond_the_end_are_discarded(scheme):
    """An iterator that ends too soon does so after the snapshot before the step that never came."""
    for end in range(12):
        schedule = scheme.schedule(12)
        for action in schedule.forward():
            if isinstance(action, Advance) and action.start <= end < action.stop:
                break
            if isinstance(action, Record) and action.step == end:
                break
        schedule.finish(end, recorded=False)
        assert [action.step for action in schedule.reverse() if type(action).__name__ == "Reverse"] == list(
            range(end)
        )[::-1]
        assert schedule.standing == schedule.tapes == {}


FIVE = [
    Auto(),
    Revolve(5),
    Online(5),
    Periodic(5),
    Periodic(period=3),
    TwoLevel(5, 2),
    Multistage(2, 3),
    DiskRevolve(5),
    PeriodicDiskRevolve(3),
    HRevolve(Level(2), Level(3, write=1, read=1)),
    Mixed(5),
    StoreAll(),
]


@pytest.mark.parametrize("scheme", FIVE, ids=repr)
def test_the_first_sweep_leaves_snapshots(scheme):
    """A first sweep that stores nothing would let every gradient pay n steps more."""
    assert {type(scheme) for scheme in FIVE} == {*SCHEMES.values()}
    schedule = scheme.schedule(15)
    deque(schedule.forward(), maxlen=0)
    assert len(schedule.standing) + len(schedule.tapes) >= 5
    assert 0 in schedule.standing.values()


def memory_of_a_stream(scheme, steps, actions):
    """The most bytes that the forward sweep and the first actions of the reverse sweep take."""
    tracemalloc.start()
    try:
        schedule = scheme.schedule(steps)
        deque(schedule.forward(), maxlen=0)
        schedule.finish(steps, recorded=True)
        assert sum(1 for _ in islice(schedule.reverse(), actions)) == actions
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_million_steps_stream_in_a_megabyte():
    """With 1000 snapshots. A list of the steps alone takes 8 MB."""
    assert memory_of_a_stream(Revolve(1000), 10**6, 100_000) < 1_000_000


@pytest.mark.parametrize(
    "scheme",
    [
        Online(100),
        Periodic(1000),
        Periodic(period=1000),
        TwoLevel(1000, 100),
        Multistage(10, 1000),
        PeriodicDiskRevolve(100, write=20, read=20),
        DiskRevolve(10, write=20, read=20),
        HRevolve(Level(10), Level(100, write=2, read=2)),
        Mixed(1000),
    ],
    ids=repr,
)
def test_long_loops_stream_in_little_memory(scheme):
    """A list of the 50 000 steps' numbers takes 2 MB."""
    assert memory_of_a_stream(scheme, 50_000, 10_000) < 1_000_000


def test_a_hundred_thousand_steps_are_reversed():
    """Counted, not validated, which takes longer: test_binomial.py does so for 30 000 steps."""
    steps, counts = 10**5, Counter()
    schedule = Revolve(1000).schedule(steps)
    counts.update(map(type, schedule.forward()))
    schedule.finish(steps, recorded=True)
    counts.update(map(type, schedule.reverse()))
    assert counts[Reverse] == counts[Restore] + 1 == steps
    assert counts[Snapshot] == counts[Discard] == writes(steps, 1000)


@pytest.mark.parametrize("scheme", [s for s in ALL_SCHEMES if s.closed_cost(10) is not None], ids=repr)
def test_predicted_costs_are_those_of_the_executed_schedule(scheme):
    for steps in (*range(41), 200, 365):
        assert predict(scheme, steps) == simulate(scheme, steps), steps


@pytest.mark.parametrize(
    "scheme",
    [
        *[Periodic(10), Periodic(period=10**6), TwoLevel(10**5, 100), TwoLevel(10**10, 10**10)],
        *[Multistage(100, 900), Revolve(1000), StoreAll()],
    ],
    ids=repr,
)
def test_a_billion_steps_are_planned_at_once(scheme):
    cost = predict(scheme, 10**9)
    assert cost.reversals == 10**9
    assert 10**9 - 1 <= cost.advances < 6 * 10**9
    assert cost.peak <= scheme.slots(10**9)
    assert sum(cost.writes) == cost.snapshots == cost.discards


def test_an_absurd_number_of_snapshots_costs_no_memory():
    for kind in WITH_SNAPSHOTS:
        assert simulate(kind(10**15), 10).reversals == 10
    assert simulate(TwoLevel(10**15, 10**15), 10).reversals == 10
    assert simulate(Periodic(period=10**15), 10, length_known=False).reversals == 10
    assert simulate(Online(10**15), 10, length_known=False).reversals == 10


@pytest.mark.parametrize("kind", WITH_SNAPSHOTS)
@pytest.mark.parametrize("snapshots", [0, -3, True, False, 2.0, "8", [1], np.True_, np.float64(3)])
def test_constructors_refuse(kind, snapshots):
    with pytest.raises(ArgumentError) as refused:
        kind(snapshots=snapshots)
    assert str(refused.value) == (
        f"{kind.__name__}: snapshots must be an integer, 1 or more, but is {snapshots!r}"
    )


@pytest.mark.parametrize("kind", WITH_SNAPSHOTS)
def test_schemes_are_values(kind):
    scheme = kind(np.int64(8))
    assert type(scheme.snapshots) is int
    assert repr(scheme) == f"{kind.__name__}(snapshots=8)"
    assert scheme == kind(8) == kind(snapshots=8) != kind(7)
    assert hash(scheme) == hash(kind(8))
    assert pickle.loads(pickle.dumps(scheme)) == scheme
    with pytest.raises(AttributeError):
        scheme.snapshots = 9


@pytest.mark.parametrize("kind", [Revolve, Periodic])
def test_an_unknown_length_is_refused_with_a_way_out(kind):
    assert not kind.online
    with pytest.raises(ArgumentError) as refused:
        kind(8).schedule(None)
    assert str(refused.value) == (
        f"{kind.__name__}(snapshots=8) places its snapshots by the number of steps, "
        "which this loop does not tell before it ends. "
        "Use Online(snapshots=...), which needs no length, or StoreAll()"
    )


@pytest.mark.parametrize(
    "scheme",
    FIVE,
    ids=repr,
)
@pytest.mark.parametrize("steps", [-1, True, 3.0, "3"])
def test_lengths_are_checked(scheme, steps):
    with pytest.raises(ArgumentError, match=r"schedule: steps must be an integer, 0 or more, but is"):
        scheme.schedule(steps)


def test_schemes_by_name():
    for kind in {type(scheme) for scheme in ALL_SCHEMES}:
        assert SCHEMES[kind.__name__] is kind


def started():
    schedule = Revolve(3).schedule(10)
    forward = schedule.forward()
    while next(forward) != Snapshot(4, 1):
        pass
    assert next(forward) == Advance(4, 7)
    return schedule


def test_a_schedule_is_used_once():
    schedule = started()
    with pytest.raises(
        ScheduleError, match=r"forward\(\) cannot follow forward\(\): a schedule is used once"
    ):
        schedule.forward()
    with pytest.raises(ScheduleError, match=r"reverse\(\) cannot follow forward\(\)"):
        schedule.reverse()
    schedule.finish(5, recorded=False)
    assert schedule.steps == 5
    with pytest.raises(ScheduleError, match=r"finish\(\) cannot follow finish\(\)"):
        schedule.finish(5, recorded=False)
    schedule.reverse()
    with pytest.raises(ScheduleError, match=r"reverse\(\) cannot follow reverse\(\)"):
        schedule.reverse()


@pytest.mark.parametrize("steps", [0, 3, 8, 11])
def test_an_impossible_end_is_refused(steps):
    with pytest.raises(ScheduleError, match=f"cannot have ended after {steps} steps when Advance"):
        started().finish(steps, recorded=False)


def test_a_tape_that_was_never_made_is_refused():
    with pytest.raises(ScheduleError, match="the tape of step 6 cannot have been kept"):
        started().finish(7, recorded=True)
    schedule = Revolve(3).schedule(10)
    assert list(schedule.forward())[-1] == Record(9)
    with pytest.raises(ScheduleError, match="the tape of step 8 cannot have been kept"):
        schedule.finish(9, recorded=True)


def test_a_loop_that_never_started_has_nothing_to_reverse():
    schedule = Revolve(3).schedule(10)
    schedule.finish(0, recorded=False)
    assert list(schedule.reverse()) == []


def test_standing_snapshots_are_tracked():
    assert started().standing == {0: 0, 1: 4}


WITH_EXAMPLES = [
    "arguments",
    "auto",
    "base",
    "binomial",
    "depths",
    "disk_revolve",
    "hierarchy",
    "hrevolve",
    "lagrange",
    "layered_cost",
    "multistage",
    "online",
    "parts",
    "periodic",
    "periodic_disk_revolve",
    "periods",
    "placed",
    "reversal",
    "revolve",
    "two_level",
]


@pytest.mark.parametrize("name", [*WITH_EXAMPLES, "simulator", "store_all"])
def test_docstring_examples(name):
    failed, tried = doctest.testmod(importlib.import_module(f"checkpointer.schemes.{name}"))
    assert tried
    assert failed == 0
