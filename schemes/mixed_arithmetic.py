"""The arithmetic of checkpointing where a slot holds a state or the tape of one step.

M(n, s) is the fewest steps run, plainly or under the tape, that reverse n steps from a current state that is not stored,
with s empty slots. Either the first step is taped, and its tape kept until the others are reversed; or the state is
stored, i steps are advanced over, the others are reversed, and the i steps are reversed with that slot, too:

    M(n, s) = n                                                                   for n <= s + 1,
    M(n, s) = min(1 + M(n-1, s-1), min over i of i + M(i, s) + M(n-i, s-1))       for more.

Source of the recurrence: Maddison, "Step-based checkpointing with high-level algorithmic differentiation",
J. Comput. Sci. (2024) 102405. It is solved there by tables. The closed form below was found by looking at them.

Closed form
-----------
Let C(a, b) be the binomial coefficient. Imagine a stock P(s) of steps: s + 1 single ones of price 1, and for each r >= 2
and 0 <= j < s a block of C(j+r-2, r-2) groups, each of s - j steps of price r. Who takes a step from the stock pays its
price, and 1 more if it is the first of its group. Then M(n, s) is the least that n steps cost.

The least is paid by taking steps of low price first, and of one price those of long groups: a step of a lower price saves
at least the 1 that it costs to open its group, and fewest long groups are opened. As C(s+r, r) steps cost r or less, with
r the highest price paid and o the number of groups opened, M(n, s) = r n - C(s+r, r-1) + 1 + o.

*Proof*, by induction over s and n. Say the state is stored, n > s + 1. The i steps cost M(i, s), as from P(s), and 1 each
to advance over: they are taken from P(s) with its prices raised by 1. The other n - i are taken from P(s-1). Of price r > 2
the raised P(s) and P(s-1) together have the groups of P(s), since C(j+r-2, r-2) = C(j+r-3, r-3) + C((j-1)+r-2, r-2). At the
low end they have s steps of price 1 and s + 1 of price 2, where P(s) has s + 1 of price 1 and a group of s of price 2: of
the first step of those s + 1, 1 is the price, and 1 opens the group. So every way to take both parts is a way to take n
steps from P(s), and no i costs less than M(n, s). And as n > s + 1 steps need that group, the cheapest way can be shared
out between the two (by `first_part`); that i costs M(n, s). Say the first step is taped: with it, P(s-1) has s + 1 steps of
price 1, and its groups are among those of P(s); so this costs no less than M(n, s), and for n <= s + 1 as much.

So there is an optimal plan which stores states as long as more than s + 1 steps are left, and then tapes all that are.
Each of its parts that is not taped at once opens one group, and its state is restored once after that: o is the number of
restores.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import partial
from itertools import count

from checkpointer.schemes.arguments import integer
from checkpointer.schemes.binomial import beta
from checkpointer.schemes.cost import Cost


def steps_run(n: int, slots: int) -> int:
    """The fewest steps that are run to reverse n steps with slots for states and tapes: M(n, slots), in closed form.

    Counted are all steps of both sweeps, plainly or under the tape. Each is run under the tape once: n fewer are plain.

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
    5927378048
    """
    n = integer(n, "n", "steps_run", 0)
    s = integer(slots, "slots", "steps_run", 1)
    r = _price(n, s)
    return r * n - beta(s + 1, r - 1) + 1 + _restores(n, s)


def first_part(n: int, s: int) -> int:
    """How far to advance from the state that is stored first, if n steps are reversed with 1 <= s < n - 1 empty slots.

    Of the i that share out the cheapest n steps, the least: as many as can be are taken from P(s-1). Other choices lead to
    more snapshots written; a few fewer than with this one would sometimes do.

    >>> first_part(10, 3), first_part(10**9, 100)
    (4, 64698166)
    """
    r = _price(n, s)
    if r == 2:
        return min(n - s, s + 1)
    j, rest = _block(n, s, r)
    before = beta(s, r - 2) + _steps_before(j, s, r - 1)
    return before + max(0, rest - _groups_of_others(j, r) * (s - j))


def mixed_cost(n: int, s: int) -> Cost:
    """What both sweeps over n steps cost with s slots, if the parts are those of `first_part`. O(s + r).

    >>> cost = mixed_cost(10**9, 100)
    >>> cost.snapshots, cost.restores, cost.tapes
    (27031212, 28718923, 971281076)
    """
    restores, written, peak = _restores(n, s), _writes(n, s), min(s, max(n - 1, 0))
    # Each sweep to a last step, the first and one per restore, keeps the tapes of all steps but that.
    tapes = max(n - 1, 0) - restores
    advances = steps_run(n, s) - n
    return Cost.foreseen(
        n, advances=advances, writes=[written], reads=[restores], peaks=[peak], peak=peak, tapes=tapes
    )


def _restores(n: int, s: int) -> int:
    """The groups that the cheapest n steps open."""
    r = _price(n, s)
    if r == 1:
        return 0
    j, rest = _block(n, s, r)
    return beta(s, r - 2) - 1 + beta(r - 1, j - 1) + -(-rest // (s - j))


def _writes(n: int, s: int) -> int:
    """The snapshots that are written if the parts are those of `first_part`: a walk through the recursion.

    Of the two parts, one ends where a block does, and for that the number is known; the other is the next to look at. The
    state at the start of the first part is stored already.
    """
    r = _price(n, s)
    if r == 1:
        return 0
    j, rest = _block(n, s, r)
    written = 0
    while r > 2 and j > 0:
        others = _groups_of_others(j, r) * (s - j)
        if rest <= others:
            written += _writes_to_end(j - 1, s, r - 1)
            s, j = s - 1, j - 1
        else:
            written += _writes_to_end(j - 1, s - 1, r)
            r, rest = r - 1, rest - others
    return written + _writes_to_end(j, s, r)


def _writes_to_end(j: int, s: int, r: int) -> int:
    """`_writes` where n is all steps of lower prices than r, and of that price the blocks up to j.

    The recursion is e(j, s, r) = e(j-1, s-1, r) + e(j, s, r-1), with e(j, s, 2) = j + 1; and where there is no block j - 1,
    its place is taken by e(s-2, s-1, r-1). For j = 0 or r = 2 it is that number anywhere in the block.
    """
    return beta(r - 1, j - 1) + beta(s - 1, r - 2)


def _price(n: int, s: int) -> int:
    """The highest price among the cheapest n steps: the least r >= 1 for which ``beta(s, r) >= n``."""
    bound = next(2**k for k in count() if beta(s, 2**k) >= n)
    return bisect_left(range(bound), n, lo=bound // 2 + 1, key=partial(beta, s))


def _block(n: int, s: int, r: int) -> tuple[int, int]:
    """The block j from which the last of the cheapest n steps comes, of price r >= 2; and how many come from there."""
    m = n - beta(s, r - 1)
    j = bisect_left(range(s), m, key=lambda j: _steps_before(j, s, r)) - 1
    return j, m - _steps_before(j, s, r)


def _steps_before(j: int, s: int, r: int) -> int:
    """The steps in the blocks before j, of price r: the sum of C(i+r-2, r-2) (s-i) over i < j."""
    return s * beta(r - 1, j - 1) - (r - 1) * beta(r, j - 2)


def _groups_of_others(j: int, r: int) -> int:
    """How many groups of block j of P(s), of price r, come from P(s-1), where they are block j - 1."""
    return beta(r - 2, j - 1)
