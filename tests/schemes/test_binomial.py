"""The closed forms against the recurrences they solve, in tables that are filled here by brute force."""

import math
from functools import cache

import numpy as np
import pytest

from checkpointer.errors import ArgumentError
from checkpointer.schemes import Revolve, advances, simulate
from checkpointer.schemes.binomial import beta, first_part, repetitions, stack_counts, start_reads, writes

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


LONGEST, MOST = 400, 25


@pytest.fixture(scope="module")
def tables():
    """Fewest advances, and then snapshots written after the first: [c, n], by trying every split."""
    steps = np.arange(LONGEST + 1)
    taken, written = np.zeros((2, MOST + 1, LONGEST + 1), dtype=np.int64)
    taken[1] = steps * (steps - 1) // 2
    for c in range(2, MOST + 1):
        for n in range(2, LONGEST + 1):
            i = steps[1:n]
            costs = np.append(i + taken[c, i] + taken[c - 1, n - i], taken[1, n])
            writes = np.append(1 + written[c, i] + written[c - 1, n - i], 0)
            taken[c, n] = costs.min()
            written[c, n] = writes[costs == costs.min()].min()
    return taken, written


def test_the_tables_are_those_of_the_plain_recurrence(tables):
    for c in (1, 2, 4, 7):
        for n in range(1, 41):
            assert (tables[0][c, n], tables[1][c, n]) == fewest(n, c)


def test_closed_forms_solve_the_recurrence(tables):
    for c in range(1, MOST + 1):
        assert [advances(n, c) for n in range(LONGEST + 1)] == tables[0][c].tolist()
        assert [writes(n, c) - 1 for n in range(1, LONGEST + 1)] == tables[1][c, 1:].tolist()


@pytest.mark.parametrize("c", range(1, MOST + 1))
def test_revolve_is_optimal_in_advances_and_then_in_snapshots(tables, c):
    """Executed, for every c, at lengths that fall on all sides of the blocks; up to 60 steps at every length."""
    for n in [*range(1, 61 if c < 8 else 30), *range(61 + c, LONGEST, 47), LONGEST]:
        cost = simulate(Revolve(c), n)
        assert (cost.advances, cost.snapshots - 1) == (tables[0][c, n], tables[1][c, n]), n


@pytest.mark.parametrize("c", range(1, MOST + 1))
def test_every_action_splits_optimally(tables, c):
    """At all n <= 400: the first part that Revolve takes is one that the recurrence takes, advances and writes."""
    taken, written = tables
    for n in range(2, LONGEST + 1):
        slots = min(c, n - 1)
        if slots > 1:
            i = first_part(n, slots)
            assert i + taken[c, i] + taken[c - 1, n - i] == taken[c, n], n
            assert 1 + written[c, i] + written[c - 1, n - i] == written[c, n], n


@pytest.mark.parametrize(("n", "c"), [(10**5, 3), (123_457, 40), (10**6, 1000), (10**12, 7), (10**15, 500)])
def test_far_beyond_the_first_split_is_optimal(n, c):
    i = first_part(n, c)
    assert advances(n, c) == i + advances(i, c) + advances(n - i, c - 1)
    assert writes(n, c) == writes(i, c) + writes(n - i, c - 1)
    for other in (i - 1, i + 1, n // 2, 1, n - 1):
        assert advances(n, c) <= other + advances(other, c) + advances(n - other, c - 1)


@pytest.mark.parametrize(("n", "c"), [(5000, 3), (20_000, 12), (30_000, 200)])
def test_long_schedules_cost_what_the_closed_form_says(n, c):
    cost = simulate(Revolve(c), n)
    assert (cost.advances, cost.snapshots) == (advances(n, c), writes(n, c))


def test_reads_of_the_initial_state():
    for c in range(1, 13):
        for n in range(1, 150):
            assert start_reads(n, c) == stack_counts(n, c)[1][0]
    assert start_reads(0, 3) == 0


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
