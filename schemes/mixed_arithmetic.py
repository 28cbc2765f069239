"""The arithmetic of checkpointing where a slot holds a state or the tape of one step.

``M(n, s)`` is the fewest steps run, plainly or under the tape, that reverse n steps from a current state that is not
stored, with s empty slots. Either the first step is taped, and its tape kept until the others are reversed; or the state
is stored, i steps are advanced over, the others are reversed, and the i steps then have the slot back:

    M(n, s) = n                                                                   for n <= s + 1,
    M(n, s) = min(1 + M(n-1, s-1), min over i of i + M(i, s) + M(n-i, s-1))       for more.

Source of the recurrence: Maddison, "Step-based checkpointing with high-level algorithmic differentiation",
J. Comput. Sci. (2024) 102405. It is solved there by tables. The closed form below is our own.

**Closed form.** Write C(a, b) for the binomial coefficient. Let P(s) be a stock of *groups* of steps: for each r >= 2 and
0 <= j < s, C(j+r-2, r-2) groups of length s-j and price r. The first s + 1 steps cost 1 each; one more step costs the
price of the group that it is taken from, and 1 more if it is the first of its group. M(n, s) is the cheapest way to take
n steps. That is, to take them by rising price and, at one price, by falling length: a step that moves to a cheaper group
saves at least the 1 that it may cost to open that, and long groups need fewest opened. Groups of prices up to r and the
first s + 1 steps together have C(s+r, r) steps.

*Why.* By induction over s and n. Where the state is stored: the i steps, each advanced over once more, are taken from P(s)
with all prices raised by 1, and the n-i from P(s-1); and of price r, P(s) has just the groups that P(s) has of price r-1
and P(s-1) of price r, since C(j+r-2, r-2) = C(j+r-3, r-3) + C((j-1)+r-2, r-2). At the cheap end, the 1 + s steps that cost
1 for the i are steps of price 2 now: the first of them, together with the first s steps of the others, stands for the s + 1
that cost 1, and for having opened the one group of price 2 and length s, which the other s are. So whatever i is, the sum
is the cost of taking n steps from P(s), and not less than M(n, s); and for n > s + 1 it is M(n, s), if i is what the two
stocks share out of the cheapest n. `first_part` shares them out. Where the first step is taped: the groups of P(s-1) are
among those of P(s), and 1 + s steps cost 1; so that is never cheaper, and equal for n <= s + 1.

So an optimal plan stores states for as long as more than s + 1 steps are left, and then tapes all that are.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import partial
from itertools import count

from checkpointer.schemes.arguments import integer
from checkpointer.schemes.binomial import beta


def steps_run(n: int, slots: int) -> int:
    """The fewest steps that are run to reverse n steps with slots for states and tapes: M(n, slots), in closed form.

    Counted are all steps of both sweeps, plain or under the tape, where each step is taped once. So n fewer are plain.

    Parameters
    ----------
    n : int
        Number of steps, 0 or more. A billion is as quick as ten.
    slots : int
        States and tapes held at once, 1 or more. The tape that is pulled back through at the moment is not counted.

    Raises
    ------
    ArgumentError
        If n or slots is not such an integer.

    Source: the closed form above.

    >>> steps_run(10, 3), steps_run(250, 25)
    (19, 486)
    >>> steps_run(10**9, 100)
    5898659124
    """
    n = integer(n, "n", "steps_run", 0)
    s = integer(slots, "slots", "steps_run", 1)
    if n <= s + 1:
        return n
    if s == 1:
        return n * (n + 1) // 2 - 1
    r = _price(n, s)
    cheaper = s * beta(s + 1, r - 2) + beta(s, r - 2)
    j, rest = _block(n - beta(s, r - 1), s, r)
    opened = beta(r - 1, j - 1) + -(-rest // (s - j))
    return cheaper + r * (n - beta(s, r - 1)) + opened


def first_part(n: int, s: int) -> int:
    """How far to advance from the state that is stored first, if n steps are reversed with 1 <= s < n - 1 empty slots.

    Some i for which i + M(i, s) + M(n-i, s-1) = M(n, s): of those that share out the cheapest n steps, the least. Of all
    choices, the least leads to the fewest snapshots written, or a few more.

    >>> first_part(10, 3), first_part(10**9, 100)
    (4, 899409116)
    """
    if s == 1:
        return n - 1
    r = _price(n, s)
    if r == 2:
        return min(n - s, s + 1)
    j, rest = _block(n - beta(s, r - 1), s, r)
    cheaper = beta(s, r - 2) + _up_to_block(j, s, r - 1)
    return cheaper + max(0, rest - beta(r - 2, j - 1) * (s - j))


def _price(n: int, s: int) -> int:
    """The price of the last of n steps: the least r for which ``beta(s, r) >= n``. Needs n > s + 1."""
    high = next(2**k for k in count(1) if beta(s, 2**k) >= n)
    return bisect_left(range(high), n, lo=high // 2 + 1, key=partial(beta, s))


def _block(m: int, s: int, r: int) -> tuple[int, int]:
    """Where the last of m steps of price r is: j of its group, and how many steps are taken from groups of that length."""
    j = bisect_left(range(s), m, key=lambda j: _up_to_block(j, s, r)) - 1
    return j, m - _up_to_block(j, s, r)


def _up_to_block(j: int, s: int, r: int) -> int:
    """The steps in all groups of P(s) of price r that are longer than s - j: the sum over i < j of C(i+r-2, r-2) (s-i)."""
    return s * beta(r - 1, j - 1) - (r - 1) * beta(r, j - 2)
