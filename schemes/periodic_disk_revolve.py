"""Evenly spaced snapshots on disk, at the period that is best in the long run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from itertools import count

from checkpointer.schemes.actions import Action, Advance
from checkpointer.schemes.arguments import integer, price
from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.binomial import beta
from checkpointer.schemes.cost import Cost
from checkpointer.schemes.disk_revolve import memory_and_disk
from checkpointer.schemes.hierarchy import Hierarchy
from checkpointer.schemes.layered import LayeredSchedule
from checkpointer.schemes.layered_cost import periodic_cost
from checkpointer.schemes.parts import Part


@dataclass(frozen=True)
class PeriodicDiskRevolve(Scheme):
    """Store a state on disk every `period` steps, and hold ``snapshots`` states in memory to reverse a period.

    The choice for loops of unknown length where the costs of the disk are known: per step, no other schedule costs less
    in the long run. The period follows from the costs and the number of snapshots.

    Parameters
    ----------
    snapshots : int
        States held in memory (level 0) at once, 1 or more.
    write, read : float
        What it costs to store a state on disk (level 1) and to restore one, in units of the time of one plain step. Any
        finite number, 0 or more.

    Raises
    ------
    ArgumentError
        If an argument is not as described.

    Source: Aupy & Herrmann, "Periodicity in optimal hierarchical checkpointing schemes for adjoint computations", Optim.
    Methods Softw. 32 (2017) 594-624.

    >>> PeriodicDiskRevolve(snapshots=3, write=5, read=5).period
    10
    >>> schedule = PeriodicDiskRevolve(snapshots=3, write=5, read=5).schedule(25)
    >>> for action in schedule.forward():
    ...     pass
    >>> schedule.standing, schedule.level_of
    ({3: 0, 4: 10, 0: 20, 1: 21, 2: 22}, {3: 1, 4: 1, 0: 0, 1: 0, 2: 0})
    """

    snapshots: int
    _: KW_ONLY
    write: float | Fraction = 1.0
    read: float | Fraction = 1.0
    online = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "snapshots", integer(self.snapshots, "snapshots", "PeriodicDiskRevolve", 1))
        object.__setattr__(self, "write", price(self.write, "write", "PeriodicDiskRevolve"))
        object.__setattr__(self, "read", price(self.read, "read", "PeriodicDiskRevolve"))

    @property
    def period(self) -> int:
        """Steps from one state on disk to the next: beta(c, t), where t is the least with beta(c + 1, t) > write + read."""
        t, cost = 0, Fraction(self.write) + Fraction(self.read)
        while beta(self.snapshots + 1, t) <= cost:
            t += 1
        return beta(self.snapshots, t)

    def schedule(self, steps: int | None) -> Schedule:
        """A new schedule for a loop of ``steps`` steps, or of a number that only its end will tell."""
        return _PeriodicSchedule(self, self.possible_length(steps))

    def slots(self, steps: int) -> int:
        """The most snapshots that are ever held at once, in memory and on disk, by a loop of ``steps`` steps."""
        return sum(self.slots_by_level(steps))

    def slots_by_level(self, steps: int) -> tuple[int, ...]:
        """The most that are ever held at once in memory, and on disk."""
        return min(self.snapshots, steps, self.period), -(-steps // self.period)

    def closed_cost(self, steps: int) -> Cost:
        """What a loop of ``steps`` steps costs, at once."""
        steps = self.known_length(steps)
        periods = max(steps - 1, 0) // self.period
        last = self.last_part(max(steps - periods * self.period, 1))
        return periodic_cost(steps, self.full_part(), last, periods)

    def full_part(self) -> Part:
        """A period whose start stands on disk."""
        return Part.best(self._storage(), self.period, 1, 1, stored=True)

    def last_part(self, length: int) -> Part:
        """What is left when the loop comes to its known end: its start may stand in memory, too."""
        return Part.best(self._storage(), length, 1, 1, stored=False).fresh()

    def _storage(self) -> Hierarchy:
        return memory_and_disk(self.snapshots, Fraction(self.write), Fraction(self.read))


class _PeriodicSchedule(LayeredSchedule):
    """One period after the other; and at a known end, what is left is placed in the first sweep."""

    def __init__(self, scheme: PeriodicDiskRevolve, steps: int | None) -> None:
        super().__init__(steps, None, (scheme.snapshots,), lowest=0)
        self._scheme = scheme

    def first_sweep(self) -> Iterator[Action]:
        """The starts of the periods, and the snapshots in what is left at a known end."""
        period, part = self._scheme.period, self._scheme.full_part()
        for start in count(0, period):
            if self.steps is not None and self.steps - start <= period:
                break
            yield self._snapshot(start, part)
            yield Advance(start, start + period)
        if self.steps:
            yield from self._last_part(start, self._scheme.last_part(self.steps - start))
