"""What a loop costs that is reversed stretch by stretch, in closed form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from checkpointer.schemes.binomial import advances, start_reads, writes
from checkpointer.schemes.cost import Cost


def cost_of_periods(steps: int, period: int, extra: int, *, level: int, placed: bool) -> Cost:
    """The cost of ``steps`` steps, told at the start, whose periods are reversed binomially, one after the other.

    The last step is recorded; where it is a period of its own, the state before it is not stored. O(r) integer
    operations for r repetitions, whatever the number of periods.

    Parameters
    ----------
    steps, period : int
        Steps of the loop, and of every period but the last.
    extra : int
        Snapshots that may be held besides those at the periods' starts. They stand on level 0.
    level : int
        Where those at the periods' starts stand.
    placed : bool
        Whether the first sweep takes the last period's snapshots, as `Revolve` does, or only its start's.

    >>> cost = cost_of_periods(250, 25, extra=5, level=1, placed=True)
    >>> cost.advances, cost.writes, cost.reads, cost.peaks
    (645, (170, 10), (220, 29), (5, 10))
    """
    full = max(steps - 1, 0) // period
    last = steps - full * period
    starts = full + (last > 1 or steps == 1)
    # What is left of the last period when its last step is reversed: all, but for steps that the first sweep ran already.
    again, ran = (last, max(last - 1, 0)) if placed else (max(last - 1, 0), 0)
    one, end = _Within.of(period * (full > 0), extra + 1), _Within.of(again, extra + 1)
    # The first sweep's end is the first state that a placed period is reversed from; the others must read one.
    reads_of_starts = full * (1 + one.start_reads) + end.start_reads + (again > 0 and not placed)
    written, read = full * one.writes + end.writes, full * one.reads + end.reads
    peak = max(starts + end.held, full + one.held)
    if level == 0:
        rows = [(written + starts, read + reads_of_starts, peak)]
    else:
        rows = [(written, read, max(one.held, end.held)), *[(0, 0, 0)] * (level - 1)]
        rows += [(starts, reads_of_starts, starts)] * (steps > 0)
    writes_by_level, reads_by_level, peaks = zip(*rows, strict=True)
    return Cost.foreseen(
        steps,
        advances=max(steps - 1, 0) - ran + full * one.advances + end.advances,
        writes=writes_by_level,
        reads=reads_by_level,
        peaks=peaks,
        peak=peak,
    )


class _Within(NamedTuple):
    """A period that is reversed from its end: its advances, the reads of its start, and what its other snapshots take."""

    advances: int
    start_reads: int
    writes: int
    reads: int
    held: int

    @classmethod
    def of(cls, length: int, slots: int) -> _Within:
        at_start = start_reads(length, slots)
        return cls(
            advances(length, slots),
            at_start,
            max(writes(length, slots) - 1, 0),
            max(length - 1, 0) - at_start,
            max(min(slots, length - 1), 1) - 1,
        )


def cost_from(standing: Iterable[int], steps: int, slots: int, taken: int) -> Cost:
    """The cost of ``steps`` steps, told at the start, that are reversed by `reverse_from` on one level.

    Parameters
    ----------
    standing : iterable of int
        The steps before which snapshots stand at the end of the first sweep, which recorded the last step.
    steps : int
        Steps of the loop.
    slots : int
        Snapshots that may be held at once.
    taken : int
        Snapshots that the first sweep wrote.

    >>> cost_from([0, 4], 8, slots=2, taken=3).advances
    14
    """
    starts = sorted(standing)
    ends = [*starts, steps - 1][1:]
    again = 0
    peak = len(starts)
    for below, (start, end) in enumerate(zip(starts, ends, strict=True)):
        length, free = end - start, slots - below
        again += advances(length, free)
        taken += max(writes(length, free) - 1, 0)
        peak = max(peak, below + min(free, max(length - 1, 1)))
    plain = max(steps - 1, 0)
    return Cost.foreseen(
        steps, advances=plain + again, writes=[taken], reads=[plain], peaks=[peak], peak=peak
    )
