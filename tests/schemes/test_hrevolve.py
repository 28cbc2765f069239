"""HRevolve against the recurrence that defines it, filled in here as a plain table, and executed by the simulator."""

import math
import pickle
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpointer.errors import ArgumentError
from checkpointer.schemes import SCHEMES, DiskRevolve, HRevolve, Level, Record, advances, simulate

# (n, memory, disk), write = read = 2, and a reversed step counts 1: total from independent implementations (algorithms.md).
REFERENCE = {
    (10, 1, 2): 36,
    (10, 2, 2): 30,
    (20, 1, 2): 85,
    (50, 3, 4): 181,
    (100, 3, 3): 420,
    (100, 5, 5): 357,
}


def plain_recurrence(levels, longest):
    """The least cost of 1, ..., longest steps, reversals not counted: a table for each level and number of slots.

    opt_p(n, m), whose first state stands on the level: the better of not using the level again and of the best split,
    i + opt(n - i, m - 1) + read + opt_p(i, m). opt(n, m): the better of not using it at all and of write + opt_p(n, m).
    """
    below = [math.inf, 0] + [math.inf] * (longest - 1)  # without any storage: one step
    for slots, write, read in levels:
        fewer = below
        for _ in range(slots):
            stored = [math.inf, 0]
            for n in range(2, longest + 1):
                splits = (i + fewer[n - i] + read + stored[i] for i in range(1, n))
                stored.append(min(below[n], min(splits)))
            fewer = [min(pair) for pair in zip(below, (write + cost for cost in stored), strict=True)]
        below = fewer
    return below


def plain_recurrence_in_numpy(levels, longest):
    """The same for costs that are exact in floats, for longer loops; memory is free, its costs in closed form."""
    memory, *tiers = levels
    below = np.array([math.inf, *(advances(n, memory[0]) for n in range(1, longest + 1))])
    for slots, write, read in tiers:
        fewer = below
        for _ in range(slots):
            stored = np.full(longest + 1, math.inf)
            stored[1] = 0
            for n in range(2, longest + 1):
                splits = np.arange(1, n) + fewer[n - 1 : 0 : -1] + read + stored[1:n]
                stored[n] = min(below[n], splits.min())
            fewer = np.minimum(below, write + stored)
        below = fewer
    return below


def priced(cost, levels):
    """The plain steps, writes and reads of a simulation or a prediction, exactly."""
    by_level = zip(levels, cost.writes, cost.reads, strict=False)  # none for levels never used
    return cost.advances + sum(
        Fraction(w) * writes + Fraction(r) * reads for (_, w, r), writes, reads in by_level
    )


def scheme(levels):
    return HRevolve(*(Level(*level) for level in levels))


def costs():
    """Costs in eighths of a step, many of them 0 or small."""
    return st.sampled_from([0, 0.125, 0.5, 1, 2, 3, 5, 10, 20]) | st.integers(0, 400).map(lambda k: k / 8)


def tiers(most_slots):
    return st.tuples(st.integers(1, most_slots), costs(), costs())


@pytest.mark.parametrize(("n", "memory", "disk"), REFERENCE)
def test_what_the_reference_counts(n, memory, disk):
    levels = [(memory, 0, 0), (disk, 2, 2)]
    cost = simulate(scheme(levels), n)
    assert priced(cost, levels) + cost.reversals == REFERENCE[n, memory, disk]


def test_reversals_count_apart():
    levels = [(5, 0, 0), (5, 2, 2)]
    cost = simulate(scheme(levels), 100)
    assert cost.seconds(step=1, reverse=2, write=(0, 2), read=(0, 2)) == 457


@pytest.mark.parametrize(
    ("memory", "disk", "write", "read"), [(3, 3, 20, 1), (3, 3, 1, 20), (2, 100, 5, 1), (1, 100, 0, 8)]
)
def test_costs_in_the_wrong_order_would_cost_more(memory, disk, write, read):
    """Writes are not reads: whoever confuses them on the way to the optimisation gets another schedule, a worse one."""
    levels, swapped = [(memory, 0, 0), (disk, write, read)], [(memory, 0, 0), (disk, read, write)]
    best = plain_recurrence_in_numpy(levels, 100)[100]
    assert priced(simulate(scheme(levels), 100), levels) == best
    assert priced(simulate(scheme(swapped), 100), levels) > best
    if disk == 100:
        assert priced(simulate(DiskRevolve(memory, write=write, read=read), 100), levels) == best
        assert priced(simulate(DiskRevolve(memory, write=read, read=write), 100), levels) > best


@pytest.mark.parametrize(("n", "memory", "disk", "total"), [(50, 3, 4, 105), (100, 5, 5, 222)])
def test_a_disk_that_costs_nothing_is_as_good_as_memory(n, memory, disk, total):
    cost = simulate(HRevolve(Level(memory), Level(disk)), n)
    assert cost.advances == advances(n, memory + disk) == total


@given(memory=st.integers(1, 6), rest=st.lists(tiers(5), max_size=2), n=st.integers(2, 30))
@settings(max_examples=60, deadline=None)
def test_optimal(memory, rest, n):
    levels = [(memory, 0, 0), *rest]
    cost = simulate(scheme(levels), n)
    assert priced(cost, levels) == plain_recurrence(levels, n)[n]
    assert priced(scheme(levels).closed_cost(n), levels) == priced(cost, levels)


@given(levels=st.lists(tiers(4), min_size=1, max_size=3), n=st.integers(2, 24))
@settings(max_examples=60, deadline=None)
def test_optimal_where_memory_has_its_costs_too(levels, n):
    assert priced(simulate(scheme(levels), n), levels) == plain_recurrence(levels, n)[n]


@pytest.mark.parametrize(
    "levels",
    [
        [(1, 0, 0), (3, 2, 2)],
        [(3, 0, 0), (8, 50, 50)],
        [(10, 0, 0), (6, 2, 2)],
        [(2, 0, 0), (5, 0, 7.5)],
        [(2, 0, 0), (5, 7.5, 0)],
        [(2, 0, 0), (4, 0.25, 1.75), (3, 20, 5)],
        [(5, 0, 0), (2, 1, 1.75), (2, 5, 0)],
    ],
    ids=repr,
)
def test_optimal_for_longer_loops(levels):
    plain = plain_recurrence_in_numpy(levels, 600)
    for n in [*range(2, 601, 13), 600]:
        assert priced(scheme(levels).closed_cost(n), levels) == plain[n], n


@pytest.mark.parametrize(
    "levels",
    [
        [(3, 0, 0)],
        [(1, 0, 0), (1, 2, 2)],
        [(2, 0, 0), (3, 0.5, 0.25)],
        [(4, 0, 0), (2, 0, 0)],
        [(2, 0.5, 0.25), (2, 2, 1)],
        [(1, 0, 0), (2, 1, 0), (3, 4, 4)],
    ],
    ids=repr,
)
def test_every_length_and_every_early_end(levels):
    plan = scheme(levels)
    for steps in range(41):
        cost = simulate(plan, steps)
        assert cost == plan.closed_cost(steps)
        assert all(map(int.__le__, cost.peaks, plan.slots_by_level(steps)))
        for end in range(0, steps + 1, 1 if steps < 16 else 5):
            assert simulate(plan, steps, ends_after=end).reversals == end


@given(
    levels=st.lists(tiers(6), min_size=1, max_size=3),
    steps=st.integers(0, 150),
    data=st.data(),
)
@settings(max_examples=40, deadline=None)
def test_early_ends_of_longer_loops(levels, steps, data):
    plan = scheme(levels)
    end = data.draw(st.integers(0, steps))
    cost = simulate(plan, steps, ends_after=end)
    assert cost.reversals == end
    assert cost.discards == cost.snapshots


def test_an_early_end_uses_the_disk():
    """From snapshots that stand on disk, the reversal of 90 steps that were to be 100 costs little more than planned."""
    levels = [(3, 0, 0), (10, 2, 2)]
    early = priced(simulate(scheme(levels), 100, ends_after=90), levels)
    assert (
        priced(scheme(levels).closed_cost(90), levels)
        <= early
        <= priced(scheme(levels).closed_cost(100), levels)
    )


@pytest.mark.parametrize(
    "plan",
    [
        HRevolve(Level(10), Level(10, 2, 2)),
        HRevolve(Level(100), Level(100, 2, 2)),
        HRevolve(Level(10), Level(10, 2, 2), Level(10, 20, 20)),
    ],
    ids=repr,
)
def test_a_hundred_thousand_steps_and_a_billion(plan):
    schedule = plan.schedule(100_000)
    assert list(schedule.forward())[-1] == Record(99_999)
    schedule.finish(100_000, recorded=True)
    assert len(list(islice(schedule.reverse(), 10_000))) == 10_000
    # One level's slots as fast as memory could not do better, nor memory alone worse.
    cost = plan.closed_cost(10**9)
    slots = sum(level.slots for level in plan.levels)
    assert advances(10**9, slots) <= cost.advances < advances(10**9, plan.levels[0].slots)
    assert cost.restores == 10**9 - 1


def test_a_thousand_disk_slots_for_four_thousand_steps():
    levels = [(10, 0, 0), (1000, 2, 2)]
    cost = simulate(scheme(levels), 4000)
    assert cost == scheme(levels).closed_cost(4000)


@pytest.mark.parametrize("slots", [0, -1, 2.0, True, "3", None])
def test_levels_refuse_slots(slots):
    with pytest.raises(ArgumentError) as refused:
        Level(slots)
    assert str(refused.value) == f"Level: slots must be an integer, 1 or more, but is {slots!r}"


@pytest.mark.parametrize("name", ["write", "read"])
@pytest.mark.parametrize("value", [-1, -0.5, math.inf, math.nan, True, "2", None, 1j, 10**400])
def test_levels_refuse_costs(name, value):
    with pytest.raises(ArgumentError) as refused:
        Level(3, **{name: value})
    assert str(refused.value) == f"Level: {name} must be a finite number, 0 or more, but is {value!r}"


def test_levels_are_required():
    with pytest.raises(
        ArgumentError, match=r"HRevolve: there must be one Level or more, such as HRevolve\(Level\(8\)\)"
    ):
        HRevolve()
    with pytest.raises(
        ArgumentError, match=r"HRevolve: each level must be a Level\(slots, write, read\), but one is 3"
    ):
        HRevolve(Level(3), 3)


def test_an_unknown_length_is_refused():
    assert not HRevolve.online
    with pytest.raises(
        ArgumentError, match=r"HRevolve\(Level\(slots=3, write=0.0, read=0.0\)\) places its snapshots by"
    ):
        HRevolve(Level(3)).schedule(None)


def test_schemes_are_values():
    plan = HRevolve(Level(np.int64(3)), Level(slots=10, write=2, read=np.float64(0.5)))
    assert repr(plan) == "HRevolve(Level(slots=3, write=0.0, read=0.0), Level(slots=10, write=2.0, read=0.5))"
    assert eval(repr(plan)) == plan == HRevolve(Level(3), Level(10, 2, 0.5)) != HRevolve(Level(3))
    assert hash(plan) == hash(eval(repr(plan)))
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert type(plan.levels[1].read) is float
    with pytest.raises(AttributeError):
        plan.levels = ()
    assert SCHEMES["HRevolve"] is HRevolve


def test_costs_are_taken_as_they_are():
    """Nothing is rounded: a tenth is not a float, and a fraction stays one."""
    levels = [(2, 0, 0), (3, Fraction(1, 10), Fraction(2, 3))]
    assert scheme(levels).levels[1].read == Fraction(2, 3)
    assert priced(simulate(scheme(levels), 30), levels) == plain_recurrence(levels, 30)[30]
