"""The closed forms against the recurrences they solve, in tables that are filled here by brute force."""

import math
from functools import cache

import pytest

from checkpointer.errors import ArgumentError
from checkpointer.schemes import Online, Periodic, Revolve, StoreAll, advances, simulate
from checkpointer.schemes.binomial import beta, repetitions

# (n, c): plain forward steps and snapshots written, from independent implementations (algorithms.md).
REFERENCE = {
    (3, 1): (3, 1),
    (3, 2): (2, 2),
    (10, 3): (15, 6),
    (15, 5): (23, 9),
    (100, 4): (374, 35),
    (100, 10): (222, 55),
    (250, 25): (473, 224),
    (500, 4): (3213, 165),
    (500, 100): (898, 399),
    (1000, 10): (3636, 714),
    (10000, 500): (19498, 9499),
    (50, 3): (180, 15),
    (50, 7): (105, 28),
}


@cache
def fewest(n: int, c: int) -> tuple[int, int]:
    """Lexicographic minimum of (advances, snapshots written after the first), by trying every split."""
    if n == 1:
        return 0, 0
    choices = [(n * (n - 1) // 2, 0)]
    if c > 1:
        for i in range(1, n):
            left, right = fewest(i, c), fewest(n - i, c - 1)
            choices.append((i + left[0] + right[0], 1 + left[1] + right[1]))
    return min(choices)


@pytest.mark.parametrize(("n", "c"), REFERENCE)
def test_revolve_costs_what_the_reference_counts(n, c):
    cost = simulate(Revolve(c), n)
    assert (cost.advances, cost.snapshots) == REFERENCE[n, c]
    assert cost.restores == n - 1
    assert cost.reversals == n


@pytest.mark.parametrize(("n", "c", "total"), [(13465, 116, 33374), (225, 15, 522)])
def test_longer_references(n, c, total):
    assert advances(n, c) == simulate(Revolve(c), n).advances == total


@pytest.mark.parametrize("c", range(1, 11))
def test_revolve_is_optimal_in_advances_and_then_in_snapshots(c):
    for n in range(1, 61):
        cost = simulate(Revolve(c), n)
        assert (cost.advances, cost.snapshots - 1) == fewest(n, c), n


@pytest.mark.parametrize("c", [1, 2, 3, 5, 8, 20, 150])
def test_closed_form_solves_the_recurrence(c):
    for n in range(1, 151):
        assert advances(n, c) == fewest(n, c)[0], n


def test_one_snapshot_is_quadratic():
    assert [advances(n, 1) for n in range(6)] == [0, 0, 1, 3, 6, 10]


def test_a_billion_steps():
    # With c = 1 the sum 1 + ... + (n - 1); with enough snapshots n - 1; and between them, with r = 6 by hand.
    n = 10**9
    assert advances(n, 1) == n * (n - 1) // 2
    assert advances(n, n) == n - 1
    assert math.comb(105, 5) < n <= math.comb(106, 6)
    assert advances(n, 100) == 6 * n - math.comb(106, 5)


def test_repetitions_are_the_least_that_suffice():
    for c in range(1, 12):
        for n in range(1, 300):
            r = repetitions(n, c)
            assert beta(c, r - 1) < n <= beta(c, r)


def test_beta_is_zero_outside():
    assert beta(-1, 3) == beta(3, -1) == 0


@pytest.mark.parametrize(("n", "c"), [(-1, 1), (1, 0), (1.0, 1), (True, 1), (3, "2")])
def test_advances_refuses(n, c):
    with pytest.raises(ArgumentError, match=r"advances: [nc] must be an integer, [01] or more, but is"):
        advances(n, c)


@pytest.mark.parametrize("scheme", [Revolve(5), Online(5), Periodic(5), StoreAll()])
def test_the_first_sweep_leaves_snapshots(scheme):
    """A first sweep that stores nothing would let every gradient pay n steps more."""
    schedule = scheme.schedule(15)
    first = sum(1 for action in schedule.forward() if type(action).__name__ == "Snapshot")
    assert first >= 5
    assert len(schedule.standing) >= 5
