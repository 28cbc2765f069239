"""The arithmetic of binomial checkpointing.

Convention: ``c`` snapshots may be held at once, and the one of the initial state is among them.

Source: Griewank & Walther, "Algorithm 799: revolve", ACM Trans. Math. Softw. 26 (2000) 19-45: G&W.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from checkpointer.schemes.arguments import integer
from checkpointer.schemes.cost import Cost


def beta(c: int, r: int) -> int:
    """The most steps that c snapshots reverse if no step is advanced over more than r times.

    Zero where either is negative, which lets `first_part` be written without special cases.

    >>> beta(3, 2)
    10
    """
    return math.comb(c + r, r) if c >= 0 and r >= 0 else 0


def repetitions(n: int, c: int) -> int:
    """The least r for which ``beta(c, r) >= n``: how often some step must be advanced over. O(r), and O(1) for c < 3.

    >>> repetitions(10, 3), repetitions(11, 3)
    (2, 3)
    """
    if c == 1:
        return n - 1
    if c == 2:  # (r + 1) * (r + 2) / 2 >= n
        return (math.isqrt(8 * n - 7) - 1) // 2
    r, reach = 0, 1
    while reach < n:
        r += 1
        reach = reach * (c + r) // r  # beta(c, r) from beta(c, r - 1), exactly
    return r


def advances(n: int, c: int) -> int:
    """The fewest plain steps with which n steps can be reversed from c snapshots, in closed form.

    Counted are all steps that run without a tape, the first sweep included. The n steps that run under the
    tape, one for each that is reversed, come on top.

    Parameters
    ----------
    n : int
        Number of steps, 0 or more. A billion is as quick as ten.
    c : int
        Snapshots held at once, 1 or more, the one of the initial state included.

    Raises
    ------
    ArgumentError
        If n or c is not such an integer.

    Source: G&W's minimal number of advances, in the convention above.

    >>> advances(15, 5)
    23
    >>> advances(10**9, 100)
    5898659124
    """
    return fewest_advances(integer(n, "n", "advances", 0), integer(c, "c", "advances", 1))


def fewest_advances(n: int, c: int) -> int:
    """As `advances`, of integers that need no check."""
    if n < 2:
        return 0
    c = min(c, n - 1)
    r = repetitions(n, c)
    return r * n - math.comb(c + r, r - 1)


def writes(n: int, c: int) -> int:
    """The fewest snapshots written by a schedule of the fewest advances, the one of the initial state included. O(r).

    Blocks of beta(c, r) steps need beta(c-1, r), one for each of their parts that is reversed without another
    snapshot. Up to the point where a part of a block's length is left over, further steps make these parts longer
    and need none. (Read off the optimal values of the recurrence, with which the tests compare it.)

    >>> writes(15, 5), writes(10**9, 100)
    (9, 903439354)
    """
    if n < 2:
        return n
    c = min(c, n - 1)
    r = repetitions(n, c)
    return max(beta(c - 1, r - 1), n - beta(c, r - 1))


def binomial_cost(n: int, c: int) -> Cost:
    """What Revolve's two sweeps over n steps with c snapshots cost, in closed form."""
    taken, peak = writes(n, c), min(c, max(n - 1, 1), n)
    return Cost.foreseen(
        n, advances=advances(n, c), writes=[taken], reads=[max(n - 1, 0)], peaks=[peak], peak=peak
    )


def snapshot_steps(start: int, stop: int, slots: int) -> Iterator[int]:
    """The steps before which an optimal sweep over start, ..., stop - 1 stores the state.

    The state before ``start`` stands already, in one of the ``slots``.

    >>> list(snapshot_steps(0, 15, 5))
    [6, 8, 10, 12]
    """
    while (slots := min(slots, stop - start - 1)) > 1:
        start += first_part(stop - start, slots)
        yield start
        slots -= 1


def first_part(n: int, c: int) -> int:
    """How far to advance before the next snapshot, when n steps are reversed with 2 <= c < n snapshots.

    Every i with beta(c, r-2) <= i <= beta(c, r-1) and beta(c-1, r-1) <= n-i <= beta(c-1, r) makes
    i + A(i, c) + A(n-i, c-1) minimal: G&W's primary criterion. The choice below also meets their secondary
    one, the fewest snapshots written: a part as short, or as long, as it may be where that leaves the number
    of writes minimal, and in between what the two shortest blocks of the rest leave over.
    """
    if n <= 2 * c:
        return 1
    if 2 * n <= (c + 1) * (c + 2):  # r = 2, the case of most calls, without binomial coefficients
        return min(c + 1, n - 2 * c + 1)
    r = repetitions(n, c)
    if n <= beta(c, r - 1) + beta(c - 2, r - 1):
        return beta(c, r - 2)
    if n >= beta(c, r) - beta(c - 3, r):
        return beta(c, r - 1)
    return n - beta(c - 1, r - 1) - beta(c - 2, r - 1)


def start_reads(n: int, c: int) -> int:
    """How often the snapshot of the initial state is read when n steps are reversed. O(r) splits.

    >>> start_reads(10, 3)
    2
    """
    reads = 0
    while (slots := min(c, n - 1)) > 1:
        n = first_part(n, slots)
        reads += 1
    return reads + max(n - 1, 0)


def stack_counts(n: int, c: int) -> tuple[list[int], list[int]]:
    """How often each position of the stack of snapshots is written and read when n steps are reversed.

    Position 0 is the initial state's. The last step is recorded in the first sweep, as by `Revolve`.

    A stretch of n steps at position p is split at ``first_part``: the snapshot there is one write at p + 1, where the
    rest is then reversed; and one read at p starts the shorter stretch before it. Equal stretches at one position are
    counted together. There are only O(r) different ones, since all blocks but one on each level are as long as r
    repetitions allow, or one of their sums: O(c * r) splits in all.

    >>> stack_counts(10, 3)
    ([1, 2, 3], [2, 3, 4])
    """
    slots = min(c, max(n - 1, 1), n)
    writes, reads = [0] * slots, [0] * slots
    stretches = {n: 1}
    for position in range(slots):
        writes[position] = sum(stretches.values())
        stretches, reads[position] = _split_all(stretches, slots - position)
    return writes, reads


def _split_all(stretches: dict[int, int], c: int) -> tuple[dict[int, int], int]:
    """The stretches one position higher up, and the reads at this one. ``stretches``: length -> how many."""
    above: dict[int, int] = {}
    reads = 0
    longest_first = [-length for length in stretches]
    heapify(longest_first)
    while longest_first:
        length = -heappop(longest_first)
        times = stretches.pop(length)
        slots = min(c, length - 1)
        if slots < 2:
            reads += times * (length - 1)
            continue
        part = first_part(length, slots)
        reads += times
        above[length - part] = above.get(length - part, 0) + times
        if part not in stretches:
            heappush(longest_first, -part)
        stretches[part] = stretches.get(part, 0) + times
    return above, reads
