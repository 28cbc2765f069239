from itertools import islice

import pytest

from checkpointer.schemes import Advance, Online, Record, Snapshot, advances, simulate
from checkpointer.schemes.binomial import beta
from checkpointer.schemes.online import places

# (n, c): total of the reference algorithms (algorithms.md), the last step taped in the first sweep.
REFERENCE = {
    (8, 2): 15,
    (10, 3): 15,
    (15, 4): 24,
    (17, 4): 31,
    (50, 7): 106,
    (66, 10): 120,
    (68, 10): 127,
    (286, 10): 780,
    (39, 4): 122,
    (61, 5): 200,
    (296, 10): 1075,
    (467, 12): 1726,
    (400, 10): 1364,
    (2000, 20): 7458,
}


@pytest.mark.parametrize(("n", "c"), REFERENCE)
def test_no_worse_than_the_reference(n, c):
    assert simulate(Online(c), n).advances <= REFERENCE[n, c]


@pytest.mark.parametrize("c", range(1, 13))
def test_optimal_up_to_two_repetitions(c):
    for n in range((c + 1) * (c + 2) // 2 + 1):
        assert simulate(Online(c), n).advances == advances(n, c), n


@pytest.mark.parametrize("c", range(1, 9))
def test_optimal_at_the_end_of_every_stage(c):
    for r in range(1, 6):
        n = beta(c, r)
        assert simulate(Online(c), n).advances == advances(n, c), n


@pytest.mark.parametrize(("c", "excess"), [(2, 1.13), (4, 1.07), (10, 1.02)])
def test_close_to_the_optimum_at_any_length(c, excess):
    for n in range(2, 601):
        assert simulate(Online(c), n).advances <= excess * advances(n, c), n


@pytest.mark.parametrize("c", range(1, 9))
def test_unknown_length_costs_only_the_way_back_to_the_last_step(c):
    """All n steps run plainly; then the stretches between the snapshots are reversed optimally."""
    for n in range(1, 120):
        schedule = Online(c).schedule(None)
        for action in schedule.forward():
            if isinstance(action, Advance) and action.start <= n < action.stop:
                break
        starts = sorted(step for step in schedule.standing.values() if step < n)
        stretches = zip(starts, [*starts[1:], n], strict=True)
        back = sum(advances(stop - start, c - j) for j, (start, stop) in enumerate(stretches))
        assert simulate(Online(c), n, length_known=False).advances == n + back


@pytest.mark.parametrize("c", range(1, 7))
@pytest.mark.parametrize("n", range(4))
def test_very_short_loops(n, c):
    assert simulate(Online(c), n).reversals == n
    assert simulate(Online(c), n, length_known=False).reversals == n


def test_placement_does_not_depend_on_the_length():
    known = list(Online(4).schedule(50).forward())
    unknown = list(islice(Online(4).schedule(None).forward(), len(known) - 2))
    assert known[:-2] == unknown
    assert known[-1] == Record(49)


def test_one_slot_advances_for_ever():
    actions = list(islice(Online(1).schedule(None).forward(), 5))
    assert actions[0] == Snapshot(0, 0)
    assert all(action.stop > action.start for action in actions[1:])
    assert [action.start for action in actions[2:]] == [action.stop for action in actions[1:-1]]


@pytest.mark.parametrize("c", [2, 3, 7, 40])
def test_snapshots_are_placed_by_rising_step(c):
    steps = [step for step, _ in islice(places(c), 2000)]
    assert steps == sorted(set(steps))
    assert {slot for _, slot in islice(places(c), 2000)} == set(range(c))
