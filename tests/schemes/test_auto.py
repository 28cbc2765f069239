"""Auto without a loop: its arguments, and its schedules on made-up measurements."""

import pytest

from checkpointer.errors import ArgumentError
from checkpointer.schemes import (
    SCHEMES,
    Advance,
    Auto,
    Measurement,
    Mixed,
    Online,
    Revolve,
    simulate,
)

LOOP = Measurement(
    first_bytes=100,
    snapshot_bytes=100,
    disk_bytes=100,
    tape_bytes=10**9,
    working_bytes=100,
    step=1.0,
    reverse=5.0,
    write=(0.0, 0.1),
    read=(0.0, 0.1),
    available=0,
)
SMALL_TAPE = Measurement(**{**vars(LOOP), "tape_bytes": 100})


def measured(scheme, steps, measurement=LOOP):
    """A schedule of Auto whose consumer measures: as soon as the trial is asked for, it is there."""
    schedule = scheme.schedule(steps)
    forward = schedule.first_sweep

    def first_sweep():
        for action in forward():
            if action == Advance(0, 1):
                assert schedule.trial == 0
                schedule.measurement = measurement
            yield action

    schedule.first_sweep = first_sweep
    return schedule


CHOICES = {
    "revolve": (Auto(500), LOOP, Revolve(4)),
    "one": (Auto(200), LOOP, Revolve(1)),
    "mixed": (Auto(1200), SMALL_TAPE, Mixed(10)),
    "disk": (Auto(400, disk=300), LOOP, None),
}


@pytest.mark.parametrize("name", CHOICES)
def test_every_length_and_every_early_end(name):
    scheme, measurement, _ = CHOICES[name]
    for steps in range(30):
        for end in (None, *range(steps + 1)):
            cost = simulate(measured(scheme, steps, measurement), steps, ends_after=end)
            assert cost.reversals == (steps if end is None else end)


@pytest.mark.parametrize("name", CHOICES)
def test_the_chosen_scheme_costs_what_it_would_cost_alone(name):
    scheme, measurement, chosen = CHOICES[name]
    for steps in (12, 20, 30):
        schedule = measured(scheme, steps, measurement)
        cost = simulate(schedule, steps)
        assert chosen is None or schedule.choice.scheme == chosen
        alone = simulate(schedule.choice.scheme, steps)
        if isinstance(chosen, Mixed):  # its schedule is that of a loop that begins one step later
            later = simulate(chosen, steps - 1)
            assert (cost.advances, cost.peak) == (later.advances + 1, later.peak + 1)
        else:
            assert cost.advances == alone.advances
            assert cost.peaks[0] <= alone.peaks[0] + (len(alone.peaks) > 1)


@pytest.mark.parametrize("disk", [None, 300])
def test_every_unknown_length(disk):
    for steps in range(30):
        schedule = measured(Auto(500, disk=disk), None)
        assert simulate(schedule, steps).reversals == steps
        assert steps == 0 or schedule.choice.scheme == Online(4, disk_snapshots=3 if disk else 0)


def test_without_a_budget_it_takes_a_quarter_of_what_is_available():
    available = Measurement(**{**vars(LOOP), "available": 2000})
    schedule = measured(Auto(), 100, available)
    simulate(schedule, 100)
    assert schedule.choice.scheme == Revolve(4)


def test_without_a_measurement_it_stores_all():
    cost = simulate(Auto(), 20)
    assert (cost.advances, cost.reversals, cost.peak) == (19, 20, 19)
    assert simulate(Auto(), 20, length_known=False).reversals == 20


def test_its_arguments():
    assert Auto("2 GiB", disk="1 kB") == Auto(memory=2 * 2**30, disk=1000)
    assert repr(Auto()) == "Auto()"
    assert repr(Auto("1 kB", disk=5)) == "Auto(memory=1000, disk=5)"
    assert SCHEMES["Auto"] is Auto
    for name in ("memory", "disk"):
        with pytest.raises(ArgumentError, match=f'^Auto: {name} must be a size such as "2 GiB"'):
            Auto(**{name: "much"})
