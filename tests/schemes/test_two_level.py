import math

import pytest

from checkpointer.errors import ArgumentError
from checkpointer.schemes import Record, Snapshot, TwoLevel, advances, simulate

# (n, period, snapshots): all steps, those under the tape included (algorithms.md).
REFERENCE = {(10, 2, 1): 25, (100, 10, 3): 340, (100, 7, 2): 327, (250, 25, 5): 920}


def lengths(n, period):
    return [min(period, n - start) for start in range(0, n, period)]


@pytest.mark.parametrize(("n", "period", "snapshots"), REFERENCE)
def test_unknown_length_costs_what_the_reference_counts(n, period, snapshots):
    cost = simulate(TwoLevel(period, snapshots), n, length_known=False)
    assert cost.advances + cost.reversals == REFERENCE[n, period, snapshots]


@pytest.mark.parametrize("period", [1, 2, 7, 1000])
@pytest.mark.parametrize("snapshots", [0, 1, 5, 10**15])
def test_a_known_length_saves_the_length_of_the_last_period(period, snapshots):
    for n in range(1, 40):
        unknown = simulate(TwoLevel(period, snapshots), n, length_known=False)
        binomial = [advances(length, snapshots + 1) for length in lengths(n, period)]
        assert unknown.advances == n + sum(binomial)
        assert simulate(TwoLevel(period, snapshots), n).advances == unknown.advances - lengths(n, period)[-1]


@pytest.mark.parametrize("period", [1, 2, 5, 9])
@pytest.mark.parametrize("snapshots", [0, 1, 3, 20])
def test_levels_and_slots(period, snapshots):
    scheme = TwoLevel(period, snapshots)
    for n in range(1, 40):
        cost = simulate(scheme, n)
        stored = max(
            math.ceil((n - 1) / period), 1
        )  # a period that is the last step alone is recorded at once
        in_memory = min(snapshots, max(min(period, n) - 2, 0))
        assert (*cost.peaks, 0)[:2] == (in_memory, stored)
        assert cost.writes[1] == stored
        assert scheme.slots_by_level(n) == (in_memory, math.ceil(n / period))
        assert stored <= cost.peak <= scheme.slots(n) <= in_memory + math.ceil(n / period)
        unknown = simulate(scheme, n, length_known=False)
        assert unknown.peaks[0] == in_memory
        assert unknown.writes[1] == n // period + 1  # the one before the step that never came, too


@pytest.mark.parametrize("snapshots", [0, 2, 4])
def test_an_early_end_is_reversed_binomially(snapshots):
    for n in range(1, 24):
        for end in range(1, (n - 1) // 6 * 6 + 1):  # before the last period
            cost = simulate(TwoLevel(6, snapshots), n, ends_after=end)
            assert cost.advances == end + sum(advances(length, snapshots + 1) for length in lengths(end, 6))


def test_first_sweep():
    actions = list(TwoLevel(10, 2).schedule(27).forward())
    assert [action for action in actions if isinstance(action, Snapshot)] == [
        Snapshot(0, 2, level=1),
        Snapshot(10, 3, level=1),
        Snapshot(20, 4, level=1),
        Snapshot(22, 0),  # seven steps are reversed with three snapshots
        Snapshot(24, 1),
    ]
    assert actions[-1] == Record(26)


def test_memory_does_not_grow_with_the_loop():
    cost = simulate(TwoLevel(1000, 5), 20_000, length_known=False)
    assert cost.peaks == (5, 21)
    assert cost.advances == 20_000 + 20 * advances(1000, 6)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, 3), "TwoLevel: period must be an integer, 1 or more, but is 0"),
        ((10, -1), "TwoLevel: snapshots must be an integer, 0 or more, but is -1"),
        ((10.0, 3), r"TwoLevel: period must be an integer, 1 or more, but is 10\.0"),
    ],
)
def test_refusals(arguments, text):
    with pytest.raises(ArgumentError, match=text):
        TwoLevel(*arguments)
