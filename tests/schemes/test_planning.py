"""What fits a budget, and what it costs: checked against closed facts, and against a search over all schemes of a kind."""

import doctest
import math
import re
from dataclasses import replace

import pytest

from checkpointer.schemes import (
    SCHEMES,
    Multistage,
    Periodic,
    PeriodicDiskRevolve,
    Revolve,
    StoreAll,
    TwoLevel,
    planning,
    simulate,
)
from checkpointer.schemes.planning import KINDS, Budget, Candidate, LeftOut, candidates, considered


def costs(**budget):
    """Name -> cost, of what fits."""
    return {type(one.scheme).__name__: one.cost for one in candidates(Budget(**budget))[0]}


def used(cost):
    """The cost without levels on which nothing ever stood."""
    levels = max((level for level, peak in enumerate(cost.peaks, start=1) if peak), default=0)
    return replace(cost, writes=cost.writes[:levels], reads=cost.reads[:levels], peaks=cost.peaks[:levels])


@pytest.mark.parametrize(
    ("steps", "snapshots", "advances"), [(10, 3, 15), (100, 4, 374), (1000, 10, 3636), (13465, 116, 33374)]
)
def test_revolve(steps, snapshots, advances):
    assert costs(steps=steps, snapshots=snapshots)["Revolve"].advances == advances


@pytest.mark.parametrize(
    ("steps", "slots", "runs"), [(10, 3, 19), (50, 7, 116), (100, 50, 150), (250, 25, 486)]
)
def test_mixed(steps, slots, runs):
    cost = costs(steps=steps, snapshots=slots)["Mixed"]
    assert cost.advances + cost.reversals == runs
    assert costs(steps=steps, snapshots=99, mixed_slots=slots)["Mixed"] == cost


def test_no_tape_fits():
    out = considered("Mixed", Budget(steps=10, snapshots=3, mixed_slots=0))
    assert out == LeftOut("Mixed", "no tape fits in memory")


def test_memory_and_disk_together():
    """The sums of writes and reads of the stack's seven positions are 3, 5, 7, 11, 14, 17 and 20: three in memory."""
    cost = costs(steps=50, snapshots=3, disk_snapshots=4)["Multistage"]
    assert cost.advances == 105
    assert cost.writes[1] + cost.reads[1] == 3 + 5 + 7 + 11
    assert cost.writes[0] + cost.reads[0] == 14 + 17 + 20


@pytest.mark.parametrize("room", [5, 9, 10, 12, 30, 200])
@pytest.mark.parametrize("steps", [10, 24, 60])
def test_periodic_is_the_best_of_all_that_fit(steps, room):
    fitting = [
        Periodic(snapshots=periods)
        for periods in range(1, steps + 1)
        if Periodic(snapshots=periods).slots(steps) <= room
    ]
    found = considered("Periodic", Budget(steps=steps, snapshots=room))
    if fitting:
        assert found.cost == simulate(found.scheme, steps)
        assert found.cost.peak <= room
        assert found.cost.advances == min(simulate(one, steps).advances for one in fitting)
    else:
        assert found.scheme == "Periodic"


@pytest.mark.parametrize("disk", [3, 10, 1000])
@pytest.mark.parametrize("price", [0.0, 1.0, 20.0])
def test_two_level_is_nearly_the_best_of_all_periods(disk, price):
    budget = Budget(steps=60, snapshots=4, disk_snapshots=disk, write=price, read=price)
    found = considered("TwoLevel", budget)
    assert found.cost == simulate(found.scheme, 60)
    best = min(budget.seconds(simulate(TwoLevel(period, 4), 60)) for period in range(-(-60 // disk), 61))
    assert best <= found.seconds <= 1.05 * best


def test_store_all_fits_if_memory_holds_all_states_but_that_of_the_last_step():
    assert considered("StoreAll", Budget(steps=100, snapshots=99)).scheme == StoreAll()
    out = considered("StoreAll", Budget(steps=100, snapshots=98))
    assert out == LeftOut("StoreAll()", "holds 99 in memory, where 98 fit")


def test_what_needs_a_disk():
    for name in ("TwoLevel", "Multistage", "HRevolve", "DiskRevolve", "PeriodicDiskRevolve"):
        assert considered(name, Budget(steps=100, snapshots=5)) == LeftOut(name, "no room on disk was given")


def test_every_scheme_of_ours_is_considered():
    """All but the one that chooses."""
    assert {*KINDS} == {*SCHEMES} - {"Auto"}


def test_the_quickest_comes_first_and_what_holds_less_before_what_takes_as_long():
    fitting, left_out = candidates(Budget(steps=100, snapshots=99, disk_snapshots=3))
    seconds = [one.seconds for one in fitting]
    assert seconds == sorted(seconds)
    assert type(fitting[0].scheme).__name__ == "Mixed"
    assert fitting[1].scheme == Revolve(99)
    assert len(fitting) + len(left_out) == len(KINDS)


@pytest.mark.parametrize(
    ("steps", "memory", "disk", "time"), [(10, 1, 2, 36), (20, 1, 2, 85), (50, 3, 4, 181), (100, 5, 5, 357)]
)
def test_h_revolve(steps, memory, disk, time):
    """Herrmann & Pallez count no plain run of a step that is taped at once: their sum is that of these prices."""
    budget = Budget(steps, memory, disk, reverse=1.0, write=2.0, read=2.0)
    found = considered("HRevolve", budget)
    assert found.seconds <= time
    assert found.cost == simulate(found.scheme, steps)


def test_disks_that_are_too_small_or_cost_nothing():
    out = considered("DiskRevolve", Budget(steps=100, snapshots=3, disk_snapshots=1, write=2, read=2))
    assert out.scheme == "DiskRevolve(snapshots=3, write=2.0, read=2.0)"
    assert re.fullmatch(r"holds \d+ on disk, where 1 fit", out.reason)
    out = considered("HRevolve", Budget(steps=10**6, snapshots=1, disk_snapshots=1, write=0.0, read=0.0))
    assert out == LeftOut("HRevolve", "is no better than Multistage where the disk takes no time")
    out = considered("Multistage", Budget(steps=10**6, snapshots=5, disk_snapshots=10**5))
    assert out == LeftOut("Multistage", "has 100005 slots, and their traffic is counted for up to 20000 only")


def test_prices_are_in_plain_steps():
    budget = Budget(steps=100, snapshots=3, disk_snapshots=99, step=3.0, write=1.0, read=12.0)
    assert considered("PeriodicDiskRevolve", budget).scheme == PeriodicDiskRevolve(3, write=0.333, read=4.0)


@pytest.mark.parametrize("name", ["HRevolve", "DiskRevolve", "PeriodicDiskRevolve"])
def test_the_time_of_a_plain_step_is_not_taken_for_that_of_a_reversed_one(name):
    """Every step is reversed once, whatever the schedule: how long that takes changes none; how long a step takes does."""
    budget = Budget(steps=100, snapshots=3, disk_snapshots=99, step=1.0, reverse=4.0, write=5.0, read=5.0)
    plan = considered(name, budget).scheme
    assert considered(name, replace(budget, reverse=40.0)).scheme == plan
    slow = considered(name, replace(budget, step=40.0)).scheme
    assert simulate(slow, 100).writes[1] > simulate(plan, 100).writes[1]


def test_time():
    budget = Budget(steps=10, snapshots=2, disk_snapshots=1, step=0.5, reverse=3.0, write=7.0, read=11.0)
    cost = simulate(Multistage(2, 1), 10)
    assert cost.advances == 15
    seconds = 15 * 0.5 + 10 * 3.0 + cost.writes[1] * 7.0 + cost.reads[1] * 11.0
    assert considered("Multistage", budget).seconds == pytest.approx(seconds)


def test_the_recompute_factor_is_one_where_every_step_runs_once():
    by_name = {type(one.scheme).__name__: one for one in candidates(Budget(steps=10, snapshots=9))[0]}
    assert by_name["Mixed"].recompute_factor == 1.0
    assert by_name["StoreAll"].recompute_factor == 1.9


def test_what_must_be_counted_is_counted_for_short_loops_only():
    assert isinstance(considered("Online", Budget(steps=50, snapshots=5), counted=50), Candidate)
    out = considered("Online", Budget(steps=51, snapshots=5), counted=50)
    assert out == LeftOut(
        "Online(snapshots=5)",
        "has no closed form: its snapshots are placed one by one, for up to 50 steps only",
    )


def test_a_billion_steps():
    found = costs(steps=10**9, snapshots=100_000, disk_snapshots=10**6)
    assert found["Revolve"].advances == 2 * 10**9 - (
        100_000 + 2
    )  # r = 2 repetitions: r * n - C(c + r, r - 1)
    assert found["Periodic"].peaks[0] <= 100_000
    assert math.isclose(found["Periodic"].advances, 2e9, rel_tol=1e-3)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 11])
@pytest.mark.parametrize("snapshots", [1, 2, 3, 20])
@pytest.mark.parametrize("disk", [0, 1, 30])
def test_every_small_budget(steps, snapshots, disk):
    """Whatever fits is valid, costs what was predicted and keeps to the budget."""
    fitting, left_out = candidates(Budget(steps=steps, snapshots=snapshots, disk_snapshots=disk))
    assert fitting
    assert all(out.reason for out in left_out)
    for one in fitting:
        cost = simulate(one.scheme, steps)
        assert used(cost) == used(one.cost)
        assert cost.peaks[0] <= snapshots
        assert sum(cost.peaks[1:]) <= disk


def test_examples():
    failed, tried = doctest.testmod(planning)
    assert tried
    assert failed == 0
