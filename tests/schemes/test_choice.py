"""The cost model of Auto, on measurements made up so that the best choice is plain."""

from dataclasses import replace

import pytest

from checkpointer.errors import ArgumentError
from checkpointer.schemes import HRevolve, Level, Measurement, Mixed, Online, Revolve, simulate
from checkpointer.schemes.choice import choose

MB = 10**6
LOOP = Measurement(
    first_bytes=3 * MB,
    snapshot_bytes=2 * MB,
    disk_bytes=3 * MB,
    tape_bytes=20 * MB,
    working_bytes=25 * MB,
    step=0.01,
    reverse=0.05,
    write=(0.001, 0.004),
    read=(0.001, 0.006),
    available=0,
)


def test_the_budget_holds_the_working_memory_the_first_snapshot_and_the_others():
    choice = choose(LOOP, 1000, 25 * MB + 3 * MB + 9 * 2 * MB, 0)
    assert choice.scheme == Revolve(10)
    assert choice.memory == 46 * MB
    assert choose(LOOP, 1000, 46 * MB - 1, 0).scheme == Revolve(9)


def test_the_prediction_is_the_simulated_schedule_at_the_measured_prices():
    choice = choose(LOOP, 1000, 46 * MB, 0)
    cost = simulate(Revolve(10), 1000)
    assert choice.cost == cost
    assert choice.seconds == pytest.approx(
        3636 * 0.01 + 1000 * 0.05 + cost.snapshots * 0.001 + cost.restores * 0.001
    )


def test_tapes_are_kept_where_they_are_small():
    small = replace(LOOP, tape_bytes=2 * MB)
    assert choose(small, 1000, 66 * MB, 0).scheme == Mixed(19)
    assert choose(small, 20, 500 * MB, 0).scheme == Mixed(19)
    assert isinstance(choose(LOOP, 1000, 66 * MB, 0).scheme, Revolve)


def test_tapes_are_not_kept_where_that_takes_longer_than_the_steps_it_saves():
    small = replace(LOOP, tape_bytes=2 * MB, keep=0.009)
    kept = choose(small, 20, 500 * MB, 0)
    assert kept.scheme == Mixed(19)
    assert kept.seconds == pytest.approx(20 * 0.05 + 19 * 0.009)
    assert choose(replace(small, keep=0.013), 20, 500 * MB, 0).scheme == Revolve(19)


def test_a_tape_that_takes_more_than_a_state_takes_more_of_the_budget():
    choice = choose(LOOP, 11, 25 * MB + 3 * MB + 10 * 20 * MB, 0)
    assert choice.scheme == Mixed(10)
    assert choice.memory == 25 * MB + 3 * MB + 9 * 20 * MB


def test_a_disk_is_used_if_it_is_quicker_than_computing():
    assert isinstance(choose(LOOP, 1000, 46 * MB, 0).scheme, Revolve)
    with_disk = choose(LOOP, 1000, 46 * MB, 300 * MB)
    assert with_disk.scheme != Revolve(10)
    assert 0 < with_disk.disk <= 300 * MB
    assert with_disk.seconds < choose(LOOP, 1000, 46 * MB, 0).seconds
    slow = replace(LOOP, write=(0.001, 10.0), read=(0.001, 10.0))
    assert choose(slow, 1000, 46 * MB, 300 * MB).scheme == Revolve(10)


def test_the_initial_state_stands_in_memory_whatever_the_scheme():
    choice = choose(LOOP, 10**6, 46 * MB, 300 * MB)
    assert choice.scheme == HRevolve(Level(9), Level(100, write=0.4, read=0.6))
    assert choice.memory <= 46 * MB
    free = replace(LOOP, write=(0.001, 0.0), read=(0.001, 0.0))
    assert (
        choose(free, 10**6, 46 * MB, 300 * MB).seconds
        <= choose(LOOP, 10**6, 109 * 2 * MB + 28 * MB, 0).seconds * 1.01
    )


def test_loops_of_unknown_length_are_checkpointed_online():
    assert choose(LOOP, None, 46 * MB, 0).scheme == Online(10)
    choice = choose(LOOP, None, 46 * MB, 300 * MB)
    assert choice.scheme == Online(10, disk_snapshots=100)
    assert (choice.memory, choice.disk, choice.seconds) == (46 * MB, 300 * MB, None)


def test_a_budget_that_holds_nothing_is_refused():
    with pytest.raises(ArgumentError) as refused:
        choose(LOOP, 1000, 28 * MB - 1, 0)
    assert str(refused.value) == (
        "Auto: 26.7 MiB of memory cannot hold a snapshot of 2.86 MiB beside the 23.8 MiB that it takes to reverse one step"
    )
    assert choose(LOOP, 1000, 28 * MB, 0).scheme == Revolve(1)


@pytest.mark.parametrize("steps", [2, 3, 5])
def test_short_loops(steps):
    assert choose(LOOP, steps, 10**10, 0).scheme == Mixed(steps - 1)
    assert choose(replace(LOOP, tape_bytes=10**12), steps, 10**10, 10**10).scheme == Revolve(steps - 1)
