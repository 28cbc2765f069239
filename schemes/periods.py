"""What a loop costs that is reversed period by period, in closed form."""

from __future__ import annotations

from checkpointer.schemes.binomial import advances, stack_counts
from checkpointer.schemes.cost import Cost


def cost_of_periods(steps: int, period: int, extra: int, *, level: int, placed: bool) -> Cost:
    """The cost of ``steps`` steps, told at the start, whose periods are reversed binomially, one after the other.

    The last step is recorded; where it is a period of its own, the state before it is not stored. O(c * r) integer
    operations for c slots and r repetitions, whatever the number of periods.

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
    again = (
        last if placed else max(last - 1, 0)
    )  # what is left of the last period when its last step is reversed
    writes, reads = stack_counts(again, extra + 1)
    writes_full, reads_full = stack_counts(period, extra + 1) if full else ([0], [0])
    # The first sweep's end is the first state that a placed period is reversed from; the others must read one.
    start_reads = full * (1 + reads_full[0]) + sum(reads[:1]) + (again > 0 and not placed)
    start_of_last = advances(again, extra + 1) - (max(last - 1, 0) if placed else 0)
    extra_last, extra_full = len(writes[1:]), len(writes_full[1:])
    written = sum(writes[1:]) + full * sum(writes_full[1:])
    read = sum(reads[1:]) + full * sum(reads_full[1:])
    peak = max(starts + extra_last, full + extra_full)
    if level == 0:
        rows = [(written + starts, read + start_reads, peak)]
    else:
        rows = [(written, read, max(extra_last, extra_full)), *[(0, 0, 0)] * (level - 1)]
        rows += [(starts, start_reads, starts)] * (steps > 0)
    by_level = list(zip(*rows, strict=True))
    return Cost(
        steps=steps,
        advances=max(steps - 1, 0) + full * advances(period, extra + 1) + start_of_last,
        reversals=steps,
        snapshots=written + starts,
        restores=read + start_reads,
        discards=written + starts,
        tapes=0,
        peak=peak,
        writes=by_level[0],
        reads=by_level[1],
        peaks=by_level[2],
    )
