import math

import pytest

from checkpointer.schemes import Periodic, Snapshot, simulate


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
