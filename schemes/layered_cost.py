"""What the schedules of parts cost, counted without executing them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checkpointer.schemes.binomial import beta, writes
from checkpointer.schemes.cost import Cost
from checkpointer.schemes.depths import Depths
from checkpointer.schemes.parts import Part


@dataclass(frozen=True)
class Tally:
    """What a part costs from its first state on, which is the current one.

    Attributes
    ----------
    advances : int
        Plain steps.
    writes, reads : tuple of int
        By level, the memory first.
    in_memory : tuple of int
        The most snapshots in memory during the block at depth 0, and during the deepest one.
    """

    advances: int
    writes: tuple[int, ...]
    reads: tuple[int, ...]
    in_memory: tuple[int, int]


def tally(part: Part, stored: bool) -> Tally:
    """Count what a part costs. If its first state is ``stored`` on its level, that was written and read before.

    >>> from fractions import Fraction
    >>> from checkpointer.schemes.hierarchy import Hierarchy
    >>> from checkpointer.schemes.lagrange import Tier
    >>> storage = Hierarchy(3, [Tier(slots=4, write=Fraction(2), read=Fraction(2))])
    >>> counted = tally(Part.best(storage, 50, level=1, slots=4, stored=False), stored=False)
    >>> counted.advances, counted.writes, counted.reads
    (115, (30, 4), (45, 4))
    """
    hierarchy = part.hierarchy
    layers = list(hierarchy.layers(part.slots, part.counts))
    blocks = layers[-1][2] if layers else Depths(iter([1]))
    chains = [counts.chains for counts in part.counts]
    if stored and part.level:
        chains[0] = max(chains[0] - 1, 0)
    reads = [counts.reads for counts in part.counts]
    in_memory = [min(hierarchy.memory, length - 1) for length, _ in _lengths(part, blocks)]
    written = sum(n * writes(length, hierarchy.memory) for length, n in _lengths(part, blocks) if length > 1)
    return Tally(
        advances=hierarchy.advances(blocks, part.length),
        writes=(written, *reversed(chains)),
        reads=(part.length - 1 - sum(reads), *reversed(reads)),
        in_memory=(in_memory[-1], in_memory[0]),
    )


def _lengths(part: Part, blocks: Depths) -> Iterator[tuple[int, int]]:
    """The lengths of the blocks, the deepest first, and how many there are of each."""
    slope, memory = part.slope, part.hierarchy.memory
    if part.level == 0:
        yield part.length, 1
        return
    left = part.length - part.hierarchy.capacity(blocks, slope - 1)
    by_depth = list(enumerate(blocks.upto(slope)))
    for depth, number in reversed(by_depth):
        short, long = beta(memory, slope - 1 - depth), beta(memory, slope - depth)
        here = min(left, number * (long - short))
        left -= here
        filled, rest = divmod(here, long - short) if here else (0, 0)
        for length, times in (
            (short, number - filled - (rest > 0)),
            (short + rest, int(rest > 0)),
            (long, filled),
        ):
            if times:
                yield length, times


def optimal_cost(steps: int, part: Part, lowest: int) -> Cost:
    """What a loop of known length costs that is reversed as one part; ``lowest`` is the part's level of level 0."""
    if steps < 2:
        zeros = (0,) * (part.hierarchy.levels - lowest)
        only = (steps, *zeros)
        return _cost(steps, 0, only, (0, *zeros), only, steps)
    counted = tally(part, stored=False)
    missing = (0,) * (part.hierarchy.levels - part.level)
    slots = [part.hierarchy.slots(level) for level in range(part.level)] + [part.slots]
    peaks = [min(*pair) for pair in zip(slots, counted.writes, strict=True)]
    peaks[0] = counted.in_memory[0]
    levels = slice(lowest, None)
    # Most is held when the first sweep ends: the first chains to start, and the longest block, are the last ones.
    return _cost(
        steps,
        counted.advances,
        (counted.writes + missing)[levels],
        (counted.reads + missing)[levels],
        (*peaks, *missing)[levels],
        sum(peaks),
    )


def periodic_cost(steps: int, period: Part, last: Part, periods: int) -> Cost:
    """What a loop of known length costs that has full periods, all starting on level 1, before a last part.

    Where there are no periods, ``period`` may be any part.
    """
    if steps < 2:
        return _cost(steps, 0, (steps, 0), (0, 0), (steps, 0), steps)
    each, end = tally(period, stored=True), tally(last, stored=False)
    own = end.writes[1] if last.level else 0
    again = end.reads[1] if last.level else 0
    most_at_end = periods + own + end.in_memory[0]
    reads_each = period.counts[0].reads if periods else 0
    most_in_period = periods - 1 + each.in_memory[1]
    if reads_each:
        most_in_period = max(most_in_period, periods + each.in_memory[0])
    return _cost(
        steps,
        end.advances + periods * (period.length + each.advances),
        (end.writes[0] + periods * each.writes[0], periods + own),
        (end.reads[0] + periods * each.reads[0], periods * (1 + reads_each) + again),
        (max(end.in_memory[0], max(each.in_memory) if periods else 0), periods + own),
        max(most_at_end, most_in_period if periods else 0),
    )


def _cost(
    steps: int,
    advances: int,
    writes: Sequence[int],
    reads: Sequence[int],
    peaks: Sequence[int],
    peak: int,
) -> Cost:
    """The cost, told without the slowest levels if they are never used, as `simulate` tells it."""
    used = max((level for level, number in enumerate(writes, start=1) if number), default=1)
    return Cost.foreseen(
        steps, advances=advances, writes=writes[:used], reads=reads[:used], peaks=peaks[:used], peak=peak
    )
