import math
import pickle

import numpy as np
import pytest

from checkpointer.errors import ArgumentError
from checkpointer.schemes import Periodic, Scheme, Snapshot, simulate


@pytest.mark.parametrize(
    ("steps", "snapshots", "starts"),
    [
        (12, 3, [0, 4, 8]),
        (10, 3, [0, 4, 8]),  # the last period takes the remainder, 2
        (11, 3, [0, 4, 8]),
        (7, 3, [0, 3]),  # the last period is the step 6, which is recorded at once
        (10, 1, [0]),
        (3, 8, [0, 1]),
    ],
)
def test_starts_of_the_periods(steps, snapshots, starts):
    actions = Periodic(snapshots).schedule(steps).forward()
    assert [action.step for action in actions if isinstance(action, Snapshot)] == starts


@pytest.mark.parametrize("snapshots", range(1, 13))
def test_about_two_steps_for_each_and_no_step_dropped(snapshots):
    for steps in range(1, 80):
        cost = simulate(Periodic(snapshots), steps)
        period = math.ceil(steps / snapshots)
        full = math.ceil(steps / period) - 1
        rest = steps - full * period
        # Each period is advanced over once more up to its last step; the last period's last step is recorded.
        assert cost.advances == (steps - 1) + full * (period - 1) + max(rest - 2, 0)
        assert cost.reversals == steps
        assert cost.peak <= Periodic(snapshots).slots(steps) <= snapshots + period
        if period >= 3:
            assert cost.peak == Periodic(snapshots).slots(steps)


@pytest.mark.parametrize("snapshots", range(1, 9))
def test_an_early_end_costs_no_third_run_of_any_step(snapshots):
    for steps in range(1, 40):
        period = math.ceil(steps / snapshots)
        for end in range(1, steps):  # at steps itself, the last one is recorded
            cost = simulate(Periodic(snapshots), steps, ends_after=end)
            assert cost.advances == end + end - math.ceil(end / period), (steps, end)


@pytest.mark.parametrize("period", [1, 2, 3, 4, 7, 100])
def test_by_period_no_step_runs_a_third_time(period):
    scheme = Periodic(period=period)
    for n in [*range(1, 20), *range(20, 60, 7)]:
        periods = math.ceil(n / period)
        unknown = simulate(scheme, n, length_known=False)
        # Every step runs once, and once more unless it is the last of its period.
        assert unknown.advances == n + n - periods
        assert unknown.peak <= scheme.slots(n + 1) <= periods + period
        known = simulate(scheme, n)
        rest = n - (periods - 1) * period
        assert known.advances == n - 1 + (periods - 1) * (period - 1) + max(rest - 2, 0)
        assert known.peak <= scheme.slots(n)
        assert simulate(scheme, n + 5, ends_after=n).advances <= unknown.advances


def test_starts_by_period():
    actions = Periodic(period=4).schedule(10).forward()
    assert [action.step for action in actions if isinstance(action, Snapshot)] == [0, 4, 8]


def test_by_period_the_length_need_not_be_known():
    assert Periodic(period=4).online
    assert not Periodic(snapshots=4).online
    assert not Periodic.online
    assert not Scheme.online
    assert Periodic(period=4).schedule(None).steps is None


def test_by_period_is_a_value():
    scheme = Periodic(period=np.int64(10))
    assert type(scheme.period) is int
    assert repr(scheme) == "Periodic(period=10)"
    assert scheme == Periodic(period=10) != Periodic(snapshots=10)
    assert hash(scheme) == hash(Periodic(period=10))
    copy = pickle.loads(pickle.dumps(scheme))
    assert copy == scheme
    assert copy.online


@pytest.mark.parametrize(
    ("arguments", "how"),
    [({}, "neither is given"), ({"snapshots": 3, "period": 5}, "both are given: 3 and 5")],
)
def test_exactly_one_is_to_be_given(arguments, how):
    with pytest.raises(ArgumentError) as refused:
        Periodic(**arguments)
    assert str(refused.value) == (
        "Periodic takes the number of periods, Periodic(snapshots=8), or their length, Periodic(period=10), but "
        + how
    )


@pytest.mark.parametrize("period", [0, -1, True, 2.0, "8"])
def test_periods_are_checked(period):
    with pytest.raises(ArgumentError) as refused:
        Periodic(period=period)
    assert str(refused.value) == f"Periodic: period must be an integer, 1 or more, but is {period!r}"
