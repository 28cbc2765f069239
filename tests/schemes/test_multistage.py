import pytest

from checkpointer.errors import ArgumentError
from checkpointer.schemes import Multistage, Restore, Revolve, Snapshot, advances, simulate
from checkpointer.schemes.binomial import stack_counts


def uses_of_slots(scheme, n):
    """Writes and reads of each slot, counted in the executed schedule."""
    schedule = scheme.schedule(n)
    writes, reads = [0] * schedule.slots, [0] * schedule.slots

    def count(actions):
        for action in actions:
            match action:
                case Snapshot(_, slot, _):
                    writes[slot] += 1
                case Restore(_, slot):
                    reads[slot] += 1

    count(schedule.forward())
    schedule.finish(n, recorded=n > 0)
    count(schedule.reverse())
    return writes, reads


# Writes and reads together, by position. (10, 3) and (50, 7): algorithms.md. The numbers that it has for (100, 5), 4, 5,
# 8, 11 and 14, are not possible: their sum is less than the 99 restores that every schedule of 100 steps needs. Those
# here are also what `allocate_snapshots(100, 0, 5)` of the package checkpoint_schedules counts.
REFERENCE = {(10, 3): [3, 5, 7], (50, 7): [3, 5, 7, 11, 14, 17, 20], (100, 5): [5, 14, 26, 41, 57]}


@pytest.mark.parametrize(("n", "c"), REFERENCE)
def test_uses_of_the_positions(n, c):
    writes, reads = stack_counts(n, c)
    assert [w + r for w, r in zip(writes, reads, strict=True)] == REFERENCE[n, c]


@pytest.mark.parametrize("c", range(1, 13))
def test_positions_are_counted_without_a_schedule(c):
    for n in [*range(41), *range(41 + c, 201, 12)]:
        assert stack_counts(n, c) == uses_of_slots(Revolve(c), n), n


def test_a_billion_steps_are_counted():
    writes, reads = stack_counts(10**9, 100)
    assert sum(reads) == 10**9 - 1
    assert writes[0] == 1


@pytest.mark.parametrize("snapshots", [0, 1, 2, 5])
@pytest.mark.parametrize("disk_snapshots", [1, 3, 6])
def test_as_few_steps_as_revolve_and_as_few_transfers_as_possible(snapshots, disk_snapshots):
    scheme = Multistage(snapshots, disk_snapshots)
    total = snapshots + disk_snapshots
    for n in range(1, 80, 3):
        cost = simulate(scheme, n)
        assert cost.advances == advances(n, total)
        assert cost.peaks == (*scheme.slots_by_level(n),)[: len(cost.peaks)]
        writes, reads = uses_of_slots(Revolve(total), n)
        on_disk = max(len(writes) - snapshots, 0)
        fewest = sum(sorted(w + r for w, r in zip(writes, reads, strict=True))[:on_disk])
        assert sum(cost.writes[1:]) + sum(cost.reads[1:]) == fewest


def test_the_busiest_positions_live_in_memory():
    assert Multistage(2, 1).in_memory(10) == {1, 2}
    assert Multistage(1, 2).in_memory(8) == {1}  # used 3, 5 and 3 times
    assert Multistage(2, 1).in_memory(8) == {1, 2}


def test_memory_is_filled_first():
    assert Multistage(3, 4).slots_by_level(4) == (3, 0)
    assert Multistage(3, 4).slots_by_level(6) == (3, 2)
    assert simulate(Multistage(3, 4), 4).writes == (3,)


def test_everything_on_disk():
    cost = simulate(Multistage(0, 4), 30)
    assert cost.writes[0] == cost.peaks[0] == 0
    assert cost.writes[1] == simulate(Revolve(4), 30).snapshots


def test_an_absurd_number_of_snapshots_costs_no_memory():
    assert simulate(Multistage(10**15, 10**15), 10).reversals == 10


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((-1, 3), "Multistage: snapshots must be an integer, 0 or more, but is -1"),
        ((3, 2.0), r"Multistage: disk_snapshots must be an integer, 0 or more, but is 2\.0"),
        ((0, 0), "Multistage: snapshots and disk_snapshots must be 1 or more together, but both are 0"),
    ],
)
def test_refusals(arguments, text):
    with pytest.raises(ArgumentError, match=text):
        Multistage(*arguments)
