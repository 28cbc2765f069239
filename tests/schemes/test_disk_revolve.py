"""DiskRevolve and PeriodicDiskRevolve against the recurrences of their papers, as plain tables, and executed."""

import math
import pickle
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpointer.errors import ArgumentError
from checkpointer.schemes import (
    SCHEMES,
    DiskRevolve,
    HRevolve,
    Level,
    PeriodicDiskRevolve,
    Record,
    Reverse,
    advances,
    simulate,
)

# (n, snapshots, write, read), a reversed step counts 1: total from independent implementations (algorithms.md).
REFERENCE = {
    (10, 1, 2, 2): 36,
    (50, 2, 2, 2): 190,
    (100, 3, 2, 2): 363,
    (100, 3, 5, 5): 425,
    (100, 5, 10, 10): 400,
    (250, 3, 2, 2): 925,
    (100, 2, 5, 1): 410,
}
PERIODS = {(2, 2, 2): 6, (3, 2, 2): 4, (3, 5, 5): 10, (5, 10, 10): 21}
KINDS = [DiskRevolve, PeriodicDiskRevolve]


def plain_recurrence(longest, c, write, read):
    """Opt_inf(l) + (l + 1) for l + 1 = 1, ..., longest steps, with reversals that cost nothing and steps that cost 1."""
    opt_0 = [advances(n, c) for n in range(1, longest + 1)]
    opt_1, opt_inf = [0], [0]
    for last in range(1, longest):
        splits = [j + read + opt_1[j - 1] for j in range(1, last + 1)]
        rest = range(1, last + 1)
        opt_1.append(
            min(opt_0[last], *(cost + opt_0[last - j] for j, cost in zip(rest, splits, strict=True)))
        )
        opt_inf.append(
            min(
                opt_0[last], *(cost + write + opt_inf[last - j] for j, cost in zip(rest, splits, strict=True))
            )
        )
    return [math.inf, *opt_inf]


def priced(cost, write, read):
    """The plain steps, writes to the disk and reads from it, exactly."""
    on_disk = [*cost.writes, 0][1], [*cost.reads, 0][1]  # none is told where the disk is not used
    return cost.advances + Fraction(write) * on_disk[0] + Fraction(read) * on_disk[1]


def costs():
    """Costs in eighths of a step, many of them 0 or small."""
    return st.sampled_from([0, 0.125, 0.5, 1, 2, 3, 5, 10, 20]) | st.integers(0, 400).map(lambda k: k / 8)


@pytest.mark.parametrize(("n", "c", "write", "read"), REFERENCE)
def test_what_the_reference_counts(n, c, write, read):
    cost = simulate(DiskRevolve(c, write=write, read=read), n)
    assert priced(cost, write, read) + cost.reversals == REFERENCE[n, c, write, read]


@given(c=st.integers(1, 6), write=costs(), read=costs(), n=st.integers(2, 60))
@settings(max_examples=80, deadline=None)
def test_optimal(c, write, read, n):
    plan = DiskRevolve(c, write=write, read=read)
    cost = simulate(plan, n)
    assert priced(cost, write, read) == plain_recurrence(n, c, write, read)[n]
    assert cost == plan.closed_cost(n)


@pytest.mark.parametrize(
    ("c", "write", "read"), [(1, 2, 2), (1, 0, 3), (3, 0.25, 0.5), (3, 30, 50), (10, 2, 2), (2, 0, 0)]
)
def test_optimal_for_longer_loops(c, write, read):
    plain = plain_recurrence(400, c, write, read)
    for n in range(1, 401):
        assert priced(DiskRevolve(c, write=write, read=read).closed_cost(n), write, read) == plain[n], n


@given(c=st.integers(1, 5), write=costs(), read=costs(), n=st.integers(2, 60))
@settings(max_examples=30, deadline=None)
def test_a_disk_with_a_slot_for_every_step_is_as_good(c, write, read, n):
    """The papers' two recurrences agree, although only HRevolve may write in the reverse sweep."""
    unlimited = DiskRevolve(c, write=write, read=read).closed_cost(n)
    limited = HRevolve(Level(c), Level(n, write, read)).closed_cost(n)
    assert priced(unlimited, write, read) == priced(limited, write, read)


@pytest.mark.parametrize(("c", "write", "read"), PERIODS)
def test_periods(c, write, read):
    plan = PeriodicDiskRevolve(c, write=write, read=read)
    assert plan.period == PERIODS[c, write, read]
    schedule = plan.schedule(None)
    actions = islice(schedule.forward(), 20)
    starts = [action.step for action in actions if type(action).__name__ == "Snapshot"]
    assert starts == [k * plan.period for k in range(10)]
    assert set(schedule.level_of.values()) == {1}


@pytest.mark.parametrize(("c", "write", "read"), [*PERIODS, (1, 1, 1), (4, 0.5, 0.25), (2, 0, 0), (3, 0, 40)])
def test_periodic_is_optimal_in_the_long_run(c, write, read):
    """The excess over the optimum does not grow with the loop."""
    plan, best = (kind(c, write=write, read=read) for kind in (PeriodicDiskRevolve, DiskRevolve))
    excess = [
        priced(plan.closed_cost(n), write, read) - priced(best.closed_cost(n), write, read)
        for n in (10**3 * plan.period, 10**6 * plan.period)
    ]
    assert 0 <= excess[1] <= excess[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("c", "write", "read"), [(1, 2, 2), (1, 0, 0), (2, 0.25, 0.5), (3, 5, 5), (2, 0, 8), (4, 1, 0)]
)
def test_every_length_and_every_early_end(kind, c, write, read):
    plan = kind(c, write=write, read=read)
    for steps in range(41):
        cost = simulate(plan, steps)
        assert cost == plan.closed_cost(steps)
        assert all(map(int.__le__, cost.peaks, plan.slots_by_level(steps)))
        for end in range(0, steps + 1, 1 if steps < 20 else 3):
            assert simulate(plan, steps, ends_after=end).reversals == end
            if plan.online:
                assert simulate(plan, end, length_known=False, ends_after=end).reversals == end
        if plan.online:
            assert simulate(plan, steps, length_known=False).reversals == steps


@given(
    kind=st.sampled_from(KINDS),
    c=st.integers(1, 8),
    write=costs(),
    read=costs(),
    steps=st.integers(0, 200),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_early_ends_of_longer_loops(kind, c, write, read, steps, data):
    end = data.draw(st.integers(0, steps))
    cost = simulate(kind(c, write=write, read=read), steps, ends_after=end)
    assert cost.reversals == end
    assert cost.discards == cost.snapshots


def test_an_early_end_uses_the_disk():
    """From the snapshots that stand, 900 steps of 1000 cost no more than 1000 would have."""
    plan = DiskRevolve(3, write=5, read=5)
    early = priced(simulate(plan, 1000, ends_after=900), 5, 5)
    assert priced(plan.closed_cost(900), 5, 5) <= early <= priced(plan.closed_cost(1000), 5, 5)


def test_a_period_of_unknown_length_is_read_back():
    """The last period is reversed from its start on disk, which is one read more, and its own steps once more."""
    plan = PeriodicDiskRevolve(3, write=5, read=5)
    known, unknown = simulate(plan, 99), simulate(plan, 99, length_known=False)
    assert known.writes[1] == known.reads[1] == 9
    assert unknown.writes[1] == unknown.reads[1] == 10
    assert unknown.advances == known.advances + 9


@pytest.mark.parametrize(
    "plan", [DiskRevolve(10, write=2, read=2), PeriodicDiskRevolve(10, write=2, read=2)], ids=repr
)
def test_a_hundred_thousand_steps_and_a_billion(plan):
    schedule = plan.schedule(100_000)
    assert list(schedule.forward())[-1] == Record(99_999)
    schedule.finish(100_000, recorded=True)
    assert next(iter(schedule.reverse())) == Reverse(99_999)
    cost = plan.closed_cost(10**9)
    assert cost.restores == 10**9 - 1
    assert 10**9 - 1 < cost.advances < advances(10**9, 10)


@pytest.mark.parametrize("kind", KINDS)
def test_constructors_refuse(kind):
    name = kind.__name__
    for snapshots in (0, -3, True, 2.0, "8", None):
        with pytest.raises(ArgumentError) as refused:
            kind(snapshots)
        assert str(refused.value) == f"{name}: snapshots must be an integer, 1 or more, but is {snapshots!r}"
    for cost in ("write", "read"):
        for value in (-1, -0.5, math.inf, math.nan, False, "2", None, np.True_, 1j):
            with pytest.raises(ArgumentError) as refused:
                kind(3, **{cost: value})
            assert (
                str(refused.value) == f"{name}: {cost} must be a finite number, 0 or more, but is {value!r}"
            )
    with pytest.raises(TypeError):
        kind(3, 1.0, 1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_schemes_are_values(kind):
    plan = kind(np.int64(3), write=2, read=np.float32(0.5))
    assert repr(plan) == f"{kind.__name__}(snapshots=3, write=2.0, read=0.5)"
    assert plan == kind(snapshots=3, write=2.0, read=0.5) != kind(3)
    assert kind(3) == kind(3, write=1, read=1)
    assert hash(plan) == hash(kind(3, write=2.0, read=0.5))
    assert pickle.loads(pickle.dumps(plan)) == plan
    with pytest.raises(AttributeError):
        plan.write = 3
    assert SCHEMES[kind.__name__] is kind


def test_an_unknown_length():
    assert PeriodicDiskRevolve.online
    assert not DiskRevolve.online
    with pytest.raises(
        ArgumentError, match=r"DiskRevolve\(snapshots=3, write=1.0, read=1.0\) places its snapshots by"
    ):
        DiskRevolve(3).schedule(None)
