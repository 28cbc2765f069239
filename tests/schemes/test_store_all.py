from itertools import islice

import pytest

from checkpointer.schemes import Advance, Discard, Restore, Reverse, Snapshot, StoreAll, simulate


@pytest.mark.parametrize("steps", range(1, 30))
def test_no_step_runs_twice_plainly(steps):
    known = simulate(StoreAll(), steps)
    assert (known.advances, known.reversals) == (steps - 1, steps)
    unknown = simulate(StoreAll(), steps, length_known=False)
    assert (unknown.advances, unknown.reversals) == (steps, steps)
    assert unknown.peak == steps + 1  # the state before the step that never came


def test_unknown_length():
    schedule = StoreAll().schedule(None)
    assert list(islice(schedule.forward(), 4)) == [
        Snapshot(0, 0),
        Advance(0, 1),
        Snapshot(1, 1),
        Advance(1, 2),
    ]
    schedule.finish(2, recorded=False)
    assert list(schedule.reverse()) == [
        Restore(1, 1),
        Discard(1),
        Reverse(1),
        Restore(0, 0),
        Discard(0),
        Reverse(0),
    ]
