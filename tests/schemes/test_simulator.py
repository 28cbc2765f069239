"""The simulator rejects broken schedules and says what is wrong: here is one for each defect."""

import pytest

from checkpointer.errors import ArgumentError, ScheduleError
from checkpointer.schemes import (
    Advance,
    Cost,
    Discard,
    Record,
    Restore,
    Reverse,
    Schedule,
    Scheme,
    Snapshot,
    simulate,
)
from checkpointer.schemes.reversal import reverse_from


class Script(Schedule):
    """A schedule that plays two given lists."""

    def __init__(self, steps, forward, reverse=None, slots=2):
        super().__init__(steps, slots)
        self._script = forward, reverse

    def first_sweep(self):
        return iter(self._script[0])

    def reverse_sweep(self):
        return super().reverse_sweep() if self._script[1] is None else iter(self._script[1])


S0, S1 = Snapshot(0, 0), Snapshot(1, 1)
FORWARD = [S0, Advance(0, 1), S1, Advance(1, 2), Record(2)]
REVERSE = [Reverse(2), Restore(1, 1), Discard(1), Reverse(1), Restore(0, 0), Discard(0), Reverse(0)]


def test_the_script_as_it_should_be():
    cost = Cost(
        steps=3,
        advances=2,
        reversals=3,
        snapshots=2,
        restores=2,
        discards=2,
        tapes=0,
        peak=2,
        writes=(2,),
        reads=(2,),
        peaks=(2,),
    )
    assert simulate(Script(3, FORWARD, REVERSE), 3) == cost


KEPT = [S0, Advance(0, 1), Record(1, slot=1), Record(2)]
KEPT_REVERSE = [Reverse(2), Reverse(1), Restore(0, 0), Discard(0), Reverse(0)]


def test_kept_tapes():
    cost = simulate(Script(3, KEPT, KEPT_REVERSE), 3)
    assert (cost.advances, cost.reversals, cost.tapes, cost.snapshots, cost.peak) == (1, 3, 1, 1, 2)
    assert cost.peaks == (2,)


def test_levels_are_counted_apart():
    forward = [Snapshot(0, 0, 2), Advance(0, 1), S1, Advance(1, 2), Record(2)]
    cost = simulate(Script(3, forward, REVERSE), 3)
    assert cost.writes == cost.reads == cost.peaks == (1, 0, 1)
    assert (
        cost.seconds(step=1, reverse=10, write=[100, 0, 1000], read=[0, 0, 10_000]) == 2 + 30 + 1100 + 10_000
    )
    assert cost.seconds(step=1, reverse=10) == 32


class OnePerLevel(Scheme):
    """Says that it holds one snapshot on each of two levels; the test's schedule decides whether that is true."""

    def __init__(self, level):
        self.level = level

    def schedule(self, steps):
        return Script(
            steps, [S0, Advance(0, 1), Snapshot(1, 1, self.level), Advance(1, 2), Record(2)], REVERSE
        )

    def slots(self, steps):
        return 2

    def slots_by_level(self, steps):
        return 1, 1


def test_a_scheme_must_keep_its_promise_on_each_level():
    assert simulate(OnePerLevel(1), 3).peaks == (1, 1)
    with pytest.raises(ScheduleError, match="no more than 1 snapshots may be held on level 0"):
        simulate(OnePerLevel(0), 3)
    with pytest.raises(ScheduleError, match="no more than 0 snapshots may be held on level 2"):
        simulate(OnePerLevel(2), 3)


def without(actions, *removed):
    return [action for action in actions if action not in removed]


def instead(actions, old, *new):
    place = actions.index(old)
    return [*actions[:place], *new, *actions[place + 1 :]]


BROKEN = {
    "a tape in an occupied slot": (
        [S0, Advance(0, 1), Record(1, slot=0), Record(2)],
        KEPT_REVERSE,
        "slot 0 holds the state before step 0; discard that first",
    ),
    "two tapes of one step": (
        [S0, Advance(0, 1), Record(1, slot=1), Record(2)],
        [Reverse(2), Restore(0, 0), Advance(0, 1), Record(1, slot=2)],
        "a tape of step 1 stands in slot 1 already",
    ),
    "a tape discarded": (KEPT, [Reverse(2), Discard(1)], "which only its Reverse uses up"),
    "a tape restored": (KEPT, [Reverse(2), Restore(1, 1)], "which only its Reverse uses up"),
    "left over beside a tape": (
        [S0, Record(0, slot=1), Advance(1, 2), Record(2)],
        [Reverse(2), Restore(0, 0), Advance(0, 1), Reverse(1), Reverse(0)],
        "snapshots are left over after the reverse sweep: step 0 in slot 0",
    ),
    "a level below memory": ([Snapshot(0, 0, -1)], REVERSE, "levels count from 0"),
    "restored, never stored": (
        without(FORWARD, S1),
        without(REVERSE, Discard(1)),
        r"Restore\(step=1, slot=1\) in the reverse sweep cannot be executed: "
        "slot 1 is empty; held are: step 0 in slot 0",
    ),
    "restored at another step": (
        FORWARD,
        instead(REVERSE, Restore(1, 1), Restore(2, 1)),
        "slot 1 holds the state before step 1",
    ),
    "restored after it was discarded": (
        FORWARD,
        instead(REVERSE, Reverse(2), Discard(1), Reverse(2)),
        "slot 1 is empty",
    ),
    "restored in the forward sweep": ([S0, Restore(0, 0)], REVERSE, "nothing to restore"),
    "replay that counts from 0 where the reversal counts from 1": (
        FORWARD,
        [Reverse(3), *REVERSE],
        "step 2 is next",
    ),
    "replay one step short": (
        without(FORWARD, S1),
        [Reverse(2), Restore(0, 0), Reverse(1)],
        "the current state is the one before step 0, not before step 1",
    ),
    "advance from another state": (
        instead(FORWARD, Advance(1, 2), Advance(0, 2)),
        REVERSE,
        "before step 1, not before step 0",
    ),
    "snapshot of another state": (instead(FORWARD, S1, Snapshot(2, 1)), REVERSE, "not before step 2"),
    "record of another step": (
        instead(FORWARD, Advance(1, 2)),
        REVERSE,
        "before step 1, not before step 2",
    ),
    "record before the last step": (
        [S0, Record(0)],
        REVERSE,
        "only the last step, 2, may be recorded",
    ),
    "record in the reverse sweep": (
        FORWARD,
        instead(REVERSE, Reverse(1), Record(1)),
        "only the forward sweep records",
    ),
    "advance from a state that the reversal used up": (
        FORWARD,
        instead(REVERSE, Restore(1, 1), Advance(1, 2)),
        "the current state was lost when a step was reversed; restore a snapshot first",
    ),
    "reversed without a state": (FORWARD, without(REVERSE, Restore(1, 1)), "the current state was lost"),
    "reversed twice": (FORWARD, instead(REVERSE, Reverse(1), Reverse(1), Reverse(1)), "step 0 is next"),
    "reversed out of order": (FORWARD, instead(REVERSE, Reverse(2), Reverse(1)), "step 2 is next"),
    "reversed in the forward sweep": ([S0, Reverse(0)], REVERSE, "the forward sweep reverses nothing"),
    "reversed after the first step": (FORWARD, [*REVERSE, Reverse(0)], "no step is left to reverse"),
    "advance past the steps": ([S0, Advance(0, 4)], REVERSE, "it runs past step 2"),
    "advance past what is left to reverse": (
        FORWARD,
        instead(REVERSE, Discard(1), Advance(1, 3)),
        "it runs past step 1",
    ),
    "advance over no step": ([S0, Advance(0, 0), *FORWARD[1:]], REVERSE, "it contains no step"),
    "slot overwritten": (
        instead(FORWARD, S1, Snapshot(1, 0)),
        REVERSE,
        "slot 0 holds the state before step 0; discard that first",
    ),
    "too many snapshots": (
        instead(FORWARD, S1, S1, Snapshot(1, 2)),
        REVERSE,
        "no more than 2 snapshots may be held, and these are: "
        "step 0 in slot 0, step 1 in slot 1, step 1 in slot 2",
    ),
    "discarded twice": (FORWARD, instead(REVERSE, Discard(1), Discard(1), Discard(1)), "slot 1 is empty"),
    "a snapshot left over": (
        FORWARD,
        without(REVERSE, Discard(1)),
        "snapshots are left over after the reverse sweep: step 1 in slot 1",
    ),
    "the remaining steps dropped": (
        [S0, Advance(0, 1), S1],
        [],
        "the forward sweep stops before step 1, although the loop goes on",
    ),
    "steps never reversed": (FORWARD, REVERSE[:4], "steps 0 to 0 were never reversed"),
    "something else in the stream": ([S0, "advance"], REVERSE, "advance .* this is no action"),
}


@pytest.mark.parametrize("defect", BROKEN)
def test_broken_schedules_are_rejected(defect):
    forward, reverse, message = BROKEN[defect]
    with pytest.raises(ScheduleError, match=message):
        simulate(Script(3, forward, reverse), 3)


def test_a_truncated_loop_must_not_be_reversed_past_its_end():
    with pytest.raises(ScheduleError, match="step 1 is next"):
        simulate(Script(3, FORWARD, REVERSE), 3, ends_after=2)


def test_a_stream_of_unknown_length_must_not_end():
    with pytest.raises(ScheduleError, match="the forward sweep stops before step 2"):
        simulate(Script(None, [S0, Advance(0, 2)]), 2, length_known=False)


def test_an_early_end_in_a_state_that_the_stream_did_not_reach():
    with pytest.raises(ScheduleError, match="before step 0, although the loop goes on"):
        simulate(Script(3, [S0, Advance(2, 3)]), 3, ends_after=2)


def test_nothing_to_restart_from():
    with pytest.raises(
        ScheduleError, match="step 1 cannot be reversed: no snapshot of it or of an earlier step"
    ):
        simulate(Script(2, [Advance(0, 2)]), 2)


class TwoPoints(Scheme):
    """A user's own scheme: the start, and the state before step 3 if the loop gets there."""

    online = True

    def __init__(self, promised=2):
        self.promised = promised

    def schedule(self, steps):
        forward = [S0, Advance(0, 3), Snapshot(3, 7), Advance(3, 10**6)]
        return Script(None, forward, slots=2)

    def slots(self, steps):
        return self.promised


@pytest.mark.parametrize("steps", range(12))
def test_a_scheme_of_ones_own(steps):
    assert simulate(TwoPoints(), steps, length_known=False).reversals == steps


def test_a_scheme_must_keep_its_promise():
    with pytest.raises(ScheduleError, match="no more than 1 snapshots may be held"):
        simulate(TwoPoints(promised=1), 5, length_known=False)


@pytest.mark.parametrize(
    ("steps", "end", "message"),
    [
        (-1, None, "simulate: steps must be an integer, 0 or more, but is -1"),
        (3, -1, "simulate: ends_after must be an integer, 0 or more, but is -1"),
        (3, 4, "simulate: ends_after must be at most steps, which is 3, but is 4"),
    ],
)
def test_arguments_are_checked(steps, end, message):
    with pytest.raises(ArgumentError, match=message):
        simulate(TwoPoints(), steps, ends_after=end)


def test_the_reversal_makes_use_of_any_snapshots():
    """Slots with gaps, two snapshots of one step, some beyond the end, more slots than steps."""
    actions = list(reverse_from({9: 0, 4: 3, 5: 3, 7: 6, 2: 8}, end=6, slots=50))
    assert actions[:2] == [Discard(2), Discard(7)]
    assert [action.step for action in actions if isinstance(action, Reverse)] == [5, 4, 3, 2, 1, 0]
    assert sum(action.stop - action.start for action in actions if isinstance(action, Advance)) == 2 + 2
