"""Optimal schedules on a hierarchy of storage, found without a table over the steps.

The recurrences of the papers ask where to split, for every length and every number of slots. This module asks for the
shape of the whole schedule. A *block* is a run of steps that is reversed from the free memory alone; its *depth* is how
often it is advanced over on the way from snapshots of slower storage. A *chain* is a snapshot there with the blocks that
its reads add: if it starts at depth e, they have the depths e + 1, e + 2, ...; where a chain starts, the next one can,
with one slot less. A schedule costs

    writes and reads, priced  +  sum over the blocks of  (advances(length, memory) + depth * length).

So, given how many chains and reads there are on each level, the best schedule has all its chains and blocks at the
smallest depths that there are, and the best lengths take the steps that cost least: beta(c - 1, t) steps of each block
cost its depth + t. What remains to be found is two integers a level. Lagrange's dual (`checkpointer.schemes.lagrange`)
is a lower bound that is convex in each of them and nearly always attained; the search tries all values that the bound
does not rule out, and so finds the optimum. It may leave out long runs of candidates that look alike, which was right
wherever it was compared with the plain recurrence, but is not proven (see `_Search._along`).

Source of the recurrences, with which the tests compare: Aupy, Herrmann, Hovland & Robert, "Optimal multistage algorithm
for adjoint computation", SIAM J. Sci. Comput. 38 (2016) C232-C255; Herrmann & Pallez, "H-Revolve: a framework for
adjoint computation on synchronous hierarchical platforms", ACM Trans. Math. Softw. 46 (2020) 12.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import lcm
from operator import mul
from typing import NamedTuple

from checkpointer.schemes.binomial import beta
from checkpointer.schemes.depths import Depths, added_blocks, chain_starts, room_for_chains, summed
from checkpointer.schemes.lagrange import Tier, Worth

ENDLESS = 1 << 1100  # no finite float is as large
_REMEMBERED = 1000


class Counts(NamedTuple):
    """How many chains a tier has, and how many reads, each of which adds a block."""

    chains: int
    reads: int


@dataclass(frozen=True)
class Shape:
    """An optimal schedule: the counts of the tiers, the slowest first, and the most that one of its steps costs."""

    counts: tuple[Counts, ...]
    slope: int


class Hierarchy:
    """Free memory, and slower tiers above it, each with its slots and costs.

    Parameters
    ----------
    memory : int
        Slots of the free memory, 0 or more. With none, each step is a block.
    tiers : sequence of Tier
        The fastest first.

    >>> from fractions import Fraction
    >>> two = Hierarchy(3, [Tier(slots=4, write=Fraction(2), read=Fraction(2))])
    >>> two.best(50, level=1, slots=4, stored=False)
    Shape(counts=(Counts(chains=4, reads=4),), slope=3)
    """

    def __init__(self, memory: int, tiers: Sequence[Tier]) -> None:
        self.memory = memory
        self.tiers = tuple(tiers)
        self.worth = Worth(memory, tiers)
        self.patience = 2 * max((self._least_block(tier.read) for tier in tiers), default=0) + 8
        self._known: dict[tuple[int, int, int, bool], Shape] = {}
        self.unit = self.worth.scale // lcm(*(cost.denominator for tier in tiers for cost in tier[1:]))

    @property
    def levels(self) -> int:
        """The number of tiers, and so the level of the slowest."""
        return len(self.tiers)

    def slots(self, level: int) -> int:
        """The slots of a tier, or of the memory, which is level 0."""
        return self.tiers[level - 1].slots if level else self.memory

    def best(self, steps: int, level: int, slots: int, stored: bool) -> Shape:
        """The best shape for ``steps`` steps, 1 or more.

        Parameters
        ----------
        steps : int
            How many steps.
        level : int
            The slowest tier that may be used, from 1 on; 0 is the memory.
        slots : int
            Its slots that are empty or hold the state before the first step.
        stored : bool
            Whether that state stands on the tier already.
        """
        asked = steps, level, slots, stored
        if asked not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[asked] = self._find(*asked)
        return self._known[asked]

    def _find(self, steps: int, level: int, slots: int, stored: bool) -> Shape:
        """What `best` remembers."""
        if steps == 1:
            return Shape((Counts(int(stored), 0), *[Counts(0, 0)] * (level - 1))[:level], 0)
        search = _Search(self, steps)
        search.run(level, slots, stored)
        return _trimmed(self, steps, slots, search.counts)

    def _least_block(self, read: Fraction) -> int:
        """How many steps the least block has that is worth a read."""
        t = first_index(lambda t: beta(self.memory + 1, t) > read, 0, ENDLESS, 0)
        return beta(self.memory, t)

    def layers(self, slots: int, counts: Sequence[Counts]) -> Iterator[tuple[Depths, Depths, Depths]]:
        """From the slowest tier on: the chains that start, the blocks that reads add, and all blocks, by depth."""
        blocks = Depths(iter([1]))
        for level, (chains, reads) in zip(range(len(counts), 0, -1), counts, strict=True):
            starts = Depths(chain_starts(blocks, slots, chains))
            added = Depths(added_blocks(starts, reads))
            blocks = Depths(summed(blocks, added))
            yield starts, added, blocks
            slots = self.slots(level - 1)

    def capacity(self, blocks: Depths, slope: int) -> int:
        """The most steps that blocks can have if none costs more than ``slope``."""
        return sum(n * beta(self.memory, slope - depth) for depth, n in enumerate(blocks.upto(slope)))

    def slope(self, blocks: Depths, steps: int) -> int:
        """The most that one of so many steps costs in these blocks, if they have the best lengths."""
        return first_index(lambda slope: self.capacity(blocks, slope) >= steps, 0, ENDLESS, 0)

    def advances(self, blocks: Depths, steps: int) -> int:
        """What so many steps cost in these blocks, if they have the best lengths."""
        slope = self.slope(blocks, steps)
        earned = sum(n * beta(self.memory + 1, slope - 1 - d) for d, n in enumerate(blocks.upto(slope)))
        return slope * steps - earned


class _Search:
    """Branch and bound over the counts: the slowest tier first, and of each tier the chains before the reads."""

    def __init__(self, hierarchy: Hierarchy, steps: int) -> None:
        self._hierarchy = hierarchy
        self._worth = hierarchy.worth
        self._steps = steps
        self._index = 1  # of the grid, where the last bound was found: the next one is not far
        self._patience = hierarchy.patience
        self._each_step_is_a_block = hierarchy.memory == 0 and all(tier.read for tier in hierarchy.tiers)
        self._cost: int | None = None
        self.counts: tuple[Counts, ...] = ()

    def run(self, level: int, slots: int, stored: bool) -> None:
        """Set the counts to the best ones for two steps or more."""
        self._chains(level, slots, stored, 0, Depths(iter([1])), ())

    def _chains(
        self, level: int, slots: int, stored: bool, fixed: int, blocks: Depths, counts: tuple[Counts, ...]
    ) -> None:
        """Try all numbers of chains on a level, where the slower ones have left these blocks and cost ``fixed``."""
        if level == 0:
            cost = self._bound(0, fixed, blocks)
            if self._cost is None or cost < self._cost:
                self._cost, self.counts = cost, counts
            return
        write = self._worth.values[level].write

        @cache
        def starts(chains: int) -> Depths:
            return Depths(chain_starts(blocks, slots, chains))

        def bound(chains: int) -> int:
            return self._bound(level - 1, fixed + write * (chains - stored), blocks, starts(chains))

        def go(chains: int) -> None:
            self._reads(level, chains, starts(chains), fixed + write * (chains - stored), blocks, counts)

        most = self._steps - 1
        if write == 0:  # more never harm: those that are not needed start at depths that no step reaches
            go(most)
            return
        if self._hierarchy.memory == 0 and level == 1:  # each step but one needs a read, and so a chain
            least = int(stored or self._left(counts) > 0)
            near = min(most, room_for_chains(blocks, slots, 3))
        else:
            least = near = int(stored)
        self._outward(range(least, most + 1), near, bound, go)

    def _reads(
        self, level: int, chains: int, starts: Depths, fixed: int, blocks: Depths, counts: tuple[Counts, ...]
    ) -> None:
        """Try all numbers of reads on a level, for these chains."""
        read = self._worth.values[level].read

        @cache
        def all_blocks(reads: int) -> Depths:
            return Depths(summed(blocks, Depths(added_blocks(starts, reads))))

        def bound(reads: int) -> int:
            return self._bound(level - 1, fixed + read * reads, all_blocks(reads))

        def go(reads: int) -> None:
            slots = self._hierarchy.slots(level - 1)
            cost, now = fixed + read * reads, (*counts, Counts(chains, reads))
            self._chains(level - 1, slots, False, cost, all_blocks(reads), now)

        most = self._steps - 1 if chains else 0
        if read == 0:  # more never harm
            go(most)
        elif level == 1 and self._each_step_is_a_block:
            go(self._left(counts))
        else:
            self._outward(range(most + 1), 0, bound, go)

    def _left(self, counts: Sequence[Counts]) -> int:
        """How many blocks are missing, if each is one step."""
        return max(self._steps - 1 - sum(reads for _, reads in counts), 0)

    def _outward(
        self, candidates: range, near: int, bound: Callable[[int], int], go: Callable[[int], None]
    ) -> None:
        """Go into every candidate that may be better than the best known, from the least bound on."""
        at = cache(bound)
        least, most = candidates[0], candidates[-1]
        first = first_index(lambda number: at(number + 1) >= at(number), least, most, near)
        go(first)
        self._along(at, go, range(first + 1, most + 1))
        self._along(at, go, range(first - 1, least - 1, -1))

    def _along(self, bound: Callable[[int], int], go: Callable[[int], None], indices: range) -> None:
        """Go into candidates whose bounds rise, as long as one may be better than the best known.

        Along a straight piece of the bound, what the cost is above it repeats itself, since it comes from the rest that
        whole blocks leave. After two periods without a success the search goes on near the piece's end. (This matters
        only for three levels and more with costs that are nearly alike. That blocks of several levels do not mix to a
        longer period is not proven; without the shortcut, thousands of random hierarchies gave the same costs.)
        """
        place, failures = 0, 0
        while place < len(indices) and self._may_improve(bound(indices[place])):
            before = self._cost
            go(indices[place])
            failures = failures + 1 if self._cost == before else 0
            place += 1
            if failures > self._patience and place + 1 < len(indices):
                place = max(place, self._end_of_piece(bound, indices[place:]) + place - self._patience)
                failures = 0

    def _end_of_piece(self, bound: Callable[[int], int], indices: range) -> int:
        """How many candidates there are before the bound rises faster, or is too high."""
        rise = bound(indices[1]) - bound(indices[0])

        def ends(place: int) -> bool:
            here = bound(indices[place])
            return bound(indices[place + 1]) - here != rise or not self._may_improve(here)

        return first_index(ends, 0, len(indices) - 1, 0)

    def _may_improve(self, bound: int) -> bool:
        """Whether a schedule of at least this cost can be better than the best known. Costs are multiples of a unit."""
        unit = self._hierarchy.unit
        return self._cost is None or -(-bound // unit) < self._cost // unit

    def _bound(self, level: int, fixed: int, blocks: Depths, starts: Depths | None = None) -> int:
        """The least cost, in the unit of the tables, if parts of blocks, chains and steps could be had.

        Attained at level 0: then all counts are fixed, and this is the cost of the best lengths of the blocks.

        Parameters
        ----------
        level : int
            The slowest tier that the blocks may still use.
        fixed : int
            What the slower ones cost.
        blocks : Depths
            What they have left.
        starts : Depths, optional
            Chains of the next slower tier whose reads are not counted yet.
        """
        worth = self._worth
        if level == 0 and (starts is None or starts.end_before(0)):
            return fixed + worth.scale * self._hierarchy.advances(blocks, self._steps)

        @cache
        def dual(index: int) -> int:
            value = fixed + worth.scaled_price(index) * self._steps
            value -= _dot(blocks, worth.trees(level, index), index, worth.period)
            if starts is not None:
                value -= _dot(starts, worth.chains(level + 1, index), index, worth.period)
            return value

        self._index = first_index(lambda index: dual(index + 1) <= dual(index), 0, ENDLESS, self._index)
        return dual(self._index)


def _dot(numbers: Depths, table: Sequence[int], index: int, period: int) -> int:
    """What things are worth in all, of which there are so many at each depth. A depth lowers the price by 1."""
    known = numbers.upto(index // period)
    end = index - period * len(known)
    return sum(map(mul, known, table[index : end if end >= 0 else None : -period]))


def first_index(holds: Callable[[int], bool], least: int, most: int, near: int) -> int:
    """The first index from ``least`` on for which a condition holds that holds from then on; ``most``, if none does.

    The search starts near an index, with steps that grow.
    """
    step = 1
    if near >= most or holds(near):
        high = min(near, most)
        while high - step >= least and holds(high - step):
            high -= step
            step *= 2
        low = max(high - step + 1, least)
    else:
        low = near + 1
        while low + step < most and not holds(low + step - 1):
            low += step
            step *= 2
        high = min(low + step - 1, most)
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _trimmed(hierarchy: Hierarchy, steps: int, slots: int, counts: Sequence[Counts]) -> Shape:
    """The shape without what no step needs: reads and writes that cost nothing are counted too generously."""
    blocks = [Depths(iter([1])), *(layer[2] for layer in hierarchy.layers(slots, counts))][-1]
    slope = hierarchy.slope(blocks, steps)
    deepest = sum(blocks.upto(slope)[slope:])
    needed = steps - hierarchy.capacity(blocks, slope - 1)
    spare = max(deepest - needed, 0)
    trimmed = []
    for level, (starts, added, _) in zip(
        range(len(counts), 0, -1), hierarchy.layers(slots, counts), strict=True
    ):
        here = added.upto(slope)
        if hierarchy.tiers[level - 1].read == 0 and len(here) > slope:
            dropped = min(spare, here[slope])
            spare -= dropped
            here[slope] -= dropped
        while here and here[-1] == 0:
            here.pop()
        trimmed.append(Counts(_used(starts, here), sum(here)))
    return Shape(tuple(trimmed), slope)


def _used(starts: Depths, added: Sequence[int]) -> int:
    """How many chains the reads need: those that start before the last blocks but one, or one for each of the last."""
    depth = len(added) - 1
    return max(added[depth], sum(starts.upto(depth - 2))) if depth > 0 else 0
