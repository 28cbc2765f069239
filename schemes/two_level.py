"""A snapshot on disk at the start of every period, and binomial checkpointing in memory within one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, takewhile

from checkpointer.schemes.actions import Action, Reverse
from checkpointer.schemes.arguments import integer
from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.binomial import snapshot_steps
from checkpointer.schemes.cost import Cost
from checkpointer.schemes.periods import cost_of_periods
from checkpointer.schemes.placed import PlacedSchedule
from checkpointer.schemes.reversal import reverse_from


@dataclass(frozen=True)
class TwoLevel(Scheme):
    """Keep the start of every period on disk, and ``snapshots`` states of the period that is reversed in memory.

    For very long loops, and for loops of unknown length: the disk holds one state for every ``period`` steps, memory
    no more than ``snapshots``, however long the loop. Each period of L steps is reversed binomially from its start
    and the snapshots in memory: with A = `advances`, that is A(L, snapshots + 1) plain steps after the first sweep.

    Where the length is known, the last period is placed on the first sweep as `Revolve` does, and the last step is
    recorded at once: that saves as many plain steps as the last period has.

    Parameters
    ----------
    period : int
        Steps from one state on disk (level 1) to the next, 1 or more.
    snapshots : int
        States held in memory (level 0) at once, 0 or more. More than period - 2 are never used.

    Raises
    ------
    ArgumentError
        If they are not such integers.

    Source: Pringle, Jones, Goswami, Narayanan & Goldberg, "Providing the ARCHER community with adjoint modelling tools
    for high-performance oceanographic and cryospheric computation" (2016).

    >>> from checkpointer.schemes.simulator import simulate
    >>> unknown = simulate(TwoLevel(period=25, snapshots=5), 250, length_known=False)
    >>> known = simulate(TwoLevel(period=25, snapshots=5), 250)
    >>> unknown.advances + 250, known.advances + 250, known.writes, known.peaks
    (920, 895, (170, 10), (5, 10))
    """

    period: int
    snapshots: int
    online = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "period", integer(self.period, "period", "TwoLevel", 1))
        object.__setattr__(self, "snapshots", integer(self.snapshots, "snapshots", "TwoLevel", 0))

    def schedule(self, steps: int | None) -> Schedule:
        """A new schedule for a loop of ``steps`` steps, or of a number that only its end will tell."""
        return _TwoLevelSchedule(self, self.possible_length(steps))

    def slots(self, steps: int) -> int:
        """The most snapshots that are ever held at once, in memory and on disk, by a loop of ``steps`` steps."""
        periods = -(-steps // self.period)
        last = steps - (periods - 1) * self.period
        # While the last period is reversed, all starts stand; before the others, its own is gone.
        return max(periods + self.in_memory(last), periods - 1 + (periods > 1) * self.in_memory(self.period))

    def slots_by_level(self, steps: int) -> tuple[int, ...]:
        """The most that are ever held at once in memory, and on disk."""
        return self.in_memory(min(steps, self.period)), -(-steps // self.period)

    def closed_cost(self, steps: int) -> Cost:
        """What a loop of ``steps`` steps costs, at once."""
        return cost_of_periods(self.known_length(steps), self.period, self.snapshots, level=1, placed=True)

    def in_memory(self, length: int) -> int:
        """The snapshots in memory while a period of this length is reversed."""
        return min(self.snapshots, max(length - 2, 0))


class _TwoLevelSchedule(PlacedSchedule):
    """The slots 0, 1, ... of memory are followed by those of the disk."""

    def __init__(self, scheme: TwoLevel, steps: int | None) -> None:
        super().__init__(
            steps, None, _places(scheme, steps), level=lambda slot: int(slot >= scheme.snapshots)
        )
        self._scheme = scheme

    def reverse_sweep(self) -> Iterator[Action]:
        """One period after the other, the last first, each with the slots of memory."""
        assert self.steps is not None  # set by finish
        end = self.steps - self.recorded
        if self.recorded:
            yield Reverse(end)
        on_disk = {step: slot for slot, step in self.standing.items() if self.level(slot)}
        period = {
            slot: step for slot, step in self.standing.items() if not self.level(slot)
        }  # all of the last one
        for start in sorted(on_disk, reverse=True):
            period[on_disk[start]] = start
            slots = 1 + self._scheme.in_memory(end - start)
            yield from reverse_from(period, end, slots, start=start)
            end, period = min(start, end), {}


def _places(scheme: TwoLevel, steps: int | None) -> Iterator[tuple[int, int]]:
    """The start of every period, and the snapshots within the last one if it is known which one that is."""
    starts = ((start, scheme.snapshots + start // scheme.period) for start in count(0, scheme.period))
    if steps is None:
        yield from starts
        return
    last = max(steps - 1, 0) // scheme.period * scheme.period
    yield from takewhile(lambda place: place[0] <= last, starts)
    yield from zip(snapshot_steps(last, steps, scheme.snapshots + 1), count(), strict=False)
