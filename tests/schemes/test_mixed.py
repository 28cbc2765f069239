"""Mixed against its recurrence, which is solved here by trying every choice, and its streams at every early end."""

import doctest
import importlib
import pickle
import tracemalloc
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpointer.errors import ArgumentError, ScheduleError
from checkpointer.schemes import (
    Advance,
    Discard,
    Record,
    Restore,
    Reverse,
    Snapshot,
    advances,
    predict,
    simulate,
)
from checkpointer.schemes.mixed import Mixed
from checkpointer.schemes.mixed_arithmetic import first_part, steps_run

# (n, s): steps run plainly or under the tape (algorithms.md).
REFERENCE = {
    (50, 7): 116,
    (100, 4): 421,
    (100, 10): 237,
    (100, 50): 150,
    (250, 25): 486,
    **{(10, s): m for s, m in enumerate([54, 26, 19, 17, 15, 14, 13, 12, 10], start=1)},
}
NEVER = 10**9


def recurrence(most_steps: int, most_slots: int) -> np.ndarray:
    """M(n, s) in row s and column n; the steps to be reversed are 1 or more."""
    table = np.full((most_slots + 1, most_steps + 1), NEVER)
    table[0, 1] = 1
    for s in range(1, most_slots + 1):
        for n in range(1, most_steps + 1):
            if n <= s + 1:
                table[s, n] = n
            elif s == 1:
                table[s, n] = n * (n + 1) // 2 - 1
            else:
                i = np.arange(2, n)
                stored = i + table[s, 2:n] + table[s - 1, n - 2 : 0 : -1]
                table[s, n] = min(1 + table[s - 1, n - 1], stored.min())
    return table


TABLE = recurrence(400, 60)


def forward_until(schedule, end):
    """Execute the forward sweep of a loop that is left after ``end`` steps; whether the last was recorded."""
    position = 0
    for action in schedule.forward():
        match action:
            case Advance(_, stop):
                position = min(stop, end)
            case Record(step) if step < end:
                position = step + 1
        if position == end:
            break
    recorded = action == Record(end - 1)
    schedule.finish(end, recorded)
    return recorded


def actions_of(scheme, steps, end):
    """The stream of both sweeps, as it was asked for, when the loop is left after ``end`` steps."""
    schedule = scheme.schedule(steps)
    stream = []
    forward = schedule.forward()
    schedule.forward = lambda: (stream.append(action) or action for action in forward)
    forward_until(schedule, end)
    return [*stream, *schedule.reverse()]


# --- how many steps ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "s"), REFERENCE)
def test_references(n, s):
    assert steps_run(n, s) == TABLE[s, n] == REFERENCE[n, s]
    cost = simulate(Mixed(s), n)
    assert cost.advances + cost.reversals == REFERENCE[n, s]


def test_closed_form_solves_the_recurrence():
    for s in range(1, 61):
        assert [steps_run(n, s) for n in range(1, 401)] == TABLE[s, 1:].tolist(), s


def test_the_first_part_is_a_best_choice():
    for s in range(1, 61):
        for n in range(s + 2, 401):
            i = first_part(n, s)
            assert i + TABLE[s, i] + TABLE[s - 1, n - i] == TABLE[s, n], (n, s)


@given(n=st.integers(4, 10**12), s=st.integers(2, 10**5), data=st.data())
def test_far_beyond_no_choice_is_better(n, s, data):
    s = min(s, n - 2)
    best = steps_run(n, s)
    i = data.draw(st.integers(2, n - 1))
    assert best <= min(1 + steps_run(n - 1, s - 1), i + steps_run(i, s) + steps_run(n - i, s - 1))
    i = first_part(n, s)
    assert best == i + steps_run(i, s) + steps_run(n - i, s - 1)


@given(n=st.integers(0, 10**9), s=st.integers(1, 10**4))
def test_never_more_steps_than_with_states_only(n, s):
    assert steps_run(n, s) <= n + advances(n, s)
    assert steps_run(n, s + 1) <= steps_run(n, s)


def test_a_billion_steps():
    n = 10**9
    assert steps_run(n, 1) == n * (n + 1) // 2 - 1
    assert steps_run(n, n - 1) == steps_run(n, 10**12) == n
    assert steps_run(n, n - 2) == n + 2  # the first two steps are run again, since one slot is missing
    assert [steps_run(n, 5) for n in range(4)] == [0, 1, 2, 3]


@pytest.mark.parametrize(("n", "s"), [(-1, 1), (1, 0), (1.0, 1), (True, 1), (3, "2")])
def test_steps_run_refuses(n, s):
    with pytest.raises(ArgumentError, match=r"steps_run: (n|slots) must be an integer, [01] or more, but is"):
        steps_run(n, s)


# --- the stream --------------------------------------------------------------------------------------------------


def test_ten_steps_with_three_slots():
    assert actions_of(Mixed(3), 10, 10) == [
        *(
            Snapshot(0, 0),
            Advance(0, 4),
            Snapshot(4, 1),
            Advance(4, 7),
            Snapshot(7, 2),
            Advance(7, 9),
            Record(9),
        ),
        *(Reverse(9), Restore(7, 2), Discard(2), Record(7, 2), Reverse(8), Reverse(7)),
        *(Restore(4, 1), Discard(1), Record(4, 1), Record(5, 2), Reverse(6), Reverse(5), Reverse(4)),
        *(Restore(0, 0), Discard(0), Record(0, 0), Record(1, 1), Record(2, 2)),
        *(Reverse(3), Reverse(2), Reverse(1), Reverse(0)),
    ]


def test_few_steps_are_taped_at_once():
    assert actions_of(Mixed(4), 3, 3) == [
        *(Record(0, 0), Record(1, 1), Record(2)),
        *(Reverse(2), Reverse(1), Reverse(0)),
    ]
    assert actions_of(Mixed(4), 1, 1) == [Record(0), Reverse(0)]
    assert list(Mixed(4).schedule(0).forward()) == []


@pytest.mark.parametrize("s", range(1, 13))
def test_streams_run_as_few_steps_as_they_can(s):
    for n in range(1, 61):
        cost = simulate(Mixed(s), n)
        assert cost.advances + cost.reversals == TABLE[s, n]
        assert cost.reversals == n
        assert cost.discards == cost.snapshots
        assert cost.peak == Mixed(s).slots(n) == min(s, n - 1)


@pytest.mark.parametrize(("n", "s"), [(3000, 2), (3000, 10), (10_000, 1000), (5000, 60)])
def test_longer_streams(n, s):
    cost = simulate(Mixed(s), n)
    assert cost == predict(Mixed(s), n)
    assert cost.advances + cost.reversals == steps_run(n, s)
    assert cost.peak == s


def test_predicted_costs_are_those_of_the_executed_schedule():
    for s in range(1, 13):
        for n in (*range(61), 200, 365):
            assert predict(Mixed(s), n) == simulate(Mixed(s), n), (n, s)


def test_a_billion_steps_are_planned():
    cost = predict(Mixed(1000), 10**9)
    assert cost.advances + cost.reversals == steps_run(10**9, 1000)
    assert cost.restores + cost.tapes == 10**9 - 1


@pytest.mark.parametrize("s", range(1, 9))
def test_an_early_end_wastes_nothing_that_stands(s):
    """Each stretch behind a snapshot takes what the recurrence says for the slots that are empty by then."""
    for n in range(26):
        for end in range(n):
            schedule = Mixed(s).schedule(n)
            forward_until(schedule, end)
            states = sorted(step for step in schedule.standing.values() if step < end)
            stretches = [*states, end - len(schedule.tapes)]
            again = sum(
                TABLE[min(s, n - 1) - height, stop - start]
                for height, (start, stop) in enumerate(zip(states, stretches[1:], strict=True))
            )
            cost = simulate(Mixed(s), n, ends_after=end)
            assert cost.advances + cost.reversals == end + again
            assert cost.reversals == end


@given(s=st.integers(1, 40), n=st.integers(0, 400), data=st.data())
def test_longer_loops(s, n, data):
    end = data.draw(st.none() | st.integers(0, n))
    cost = simulate(Mixed(s), n, ends_after=end)
    assert cost.reversals == cost.steps == (n if end is None else end)


def test_the_loop_may_end_in_any_action():
    """Before what it asks for, or after; what stands beyond the end is discarded, what did not happen not counted on."""
    for s in (1, 2, 3, 6):
        actions = list(Mixed(s).schedule(20).forward())
        for asked in range(1, len(actions) + 1):
            for happened in (False, True):
                schedule = Mixed(s).schedule(20)
                forward = schedule.forward()
                for _ in range(asked):
                    next(forward)
                end, recorded = end_in(actions[:asked], happened)
                schedule.finish(end, recorded)
                back = list(schedule.reverse())
                assert [a.step for a in back if isinstance(a, Reverse)] == list(range(end))[::-1]
                assert schedule.standing == schedule.tapes == {}


def end_in(actions, happened):
    """How many steps have run if the last action that runs steps has happened, or has not; whether it recorded."""
    for action in reversed(actions):
        match action:
            case Advance(start, stop):
                return (stop if happened else start), False
            case Record(step, slot):
                return step + happened, happened and slot is None
    return 0, False


def check_arrays(stream, end):
    """Whoever pulls back through a kept tape must find the arrays as its step left them; how many tapes there were."""
    arrays, tapes = 0, 0
    kept = set()
    for number, action in enumerate(stream):
        match action:
            case Advance(start, stop):
                assert arrays == start
                arrays = min(stop, end)
            case Restore(step):
                arrays = step
            case Record(step, slot) if step < end:
                assert arrays == step
                arrays = step + 1
                kept.add(step)
                tapes += slot is not None
                following = stream[number + 1]
                assert isinstance(following, Record | Snapshot | Reverse)
                assert following.step == step + (arrays < end or not isinstance(following, Reverse))
            case Reverse(step):
                assert arrays == step + (step in kept)
                kept.discard(step)
                arrays = step
    return tapes


def test_arrays_are_as_the_tapes_left_them():
    tapes = 0
    for s in range(1, 10):
        for n in (*range(1, 30), 57, 100):
            for end in {1, n // 3 + 1, n // 2 + 1, n - 1 or 1, n}:
                tapes += check_arrays(actions_of(Mixed(s), n, end), end)
    assert tapes > 1000


def test_a_last_step_without_its_tape_is_refused():
    """There is no state to run it from again: a slot was not spent on that."""
    schedule = Mixed(3).schedule(3)
    assert list(schedule.forward())[-1] == Record(2)
    schedule.finish(3, recorded=False)
    with pytest.raises(ScheduleError, match=r"step 2 cannot be reversed: .* its tape, which was not kept"):
        list(schedule.reverse())


@pytest.mark.parametrize("s", [10, 1000])
def test_a_billion_steps_stream_in_little_memory(s):
    schedule = Mixed(s).schedule(10**9)
    tracemalloc.start()
    try:
        deque(schedule.forward(), maxlen=0)
        schedule.finish(10**9, recorded=True)
        reverse = schedule.reverse()
        for _ in range(20_000):
            next(reverse)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_an_absurd_number_of_slots_costs_no_memory():
    assert simulate(Mixed(10**15), 10).peak == 9


# --- the scheme --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slots", [0, -3, True, False, 2.0, "8", None, np.True_, np.float64(3)])
def test_the_constructor_refuses(slots):
    with pytest.raises(ArgumentError) as refused:
        Mixed(slots=slots)
    assert str(refused.value) == f"Mixed: slots must be an integer, 1 or more, but is {slots!r}"


def test_schemes_are_values():
    scheme = Mixed(np.int64(8))
    assert type(scheme.held) is int
    assert repr(scheme) == "Mixed(slots=8)"
    assert scheme == Mixed(8) == Mixed(slots=8) != Mixed(7)
    assert hash(scheme) == hash(Mixed(8))
    assert pickle.loads(pickle.dumps(scheme)) == scheme
    with pytest.raises(AttributeError):
        scheme.held = 9


def test_an_unknown_length_is_refused_with_a_way_out():
    assert not Mixed.online
    with pytest.raises(ArgumentError, match=r"^Mixed\(slots=8\) places .* Use Online\(snapshots="):
        Mixed(8).schedule(None)


@pytest.mark.parametrize("steps", [-1, True, 3.0, "3"])
def test_lengths_are_checked(steps):
    with pytest.raises(ArgumentError, match=r"Mixed\.schedule: steps must be an integer, 0 or more, but is"):
        Mixed(3).schedule(steps)


@pytest.mark.parametrize("name", ["mixed", "mixed_arithmetic"])
def test_docstring_examples(name):
    failed, tried = doctest.testmod(importlib.import_module(f"checkpointer.schemes.{name}"))
    assert tried
    assert failed == 0
