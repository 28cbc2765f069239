"""Optimal checkpointing in memory and on a disk that has room for any number of states."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from functools import lru_cache

from checkpointer.schemes.arguments import integer, price
from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.cost import Cost
from checkpointer.schemes.hierarchy import Hierarchy
from checkpointer.schemes.lagrange import Tier
from checkpointer.schemes.layered import OptimalSchedule
from checkpointer.schemes.layered_cost import optimal_cost
from checkpointer.schemes.parts import Part

UNLIMITED = 1 << 62
"""More slots than any loop has steps."""


@dataclass(frozen=True)
class DiskRevolve(Scheme):
    """Hold ``snapshots`` states in memory and as many on disk as pay for their writes and reads.

    The choice for loops of known length where there is room enough on disk. No other schedule costs less by the sum of
    plain steps, writes and reads, priced. All states on disk are written in the first sweep.

    Planning takes milliseconds, whatever the length: there is no table over the steps.

    Parameters
    ----------
    snapshots : int
        States held in memory (level 0) at once, 1 or more. More than steps - 1 are never used.
    write, read : float
        What it costs to store a state on disk (level 1) and to restore one, in units of the time of one plain step. Any
        finite number, 0 or more.

    Raises
    ------
    ArgumentError
        If an argument is not as described.

    Source: Aupy, Herrmann, Hovland & Robert, "Optimal multistage algorithm for adjoint computation", SIAM J. Sci.
    Comput. 38 (2016) C232-C255, whose recurrence is solved by `checkpointer.schemes.hierarchy`.

    >>> from checkpointer.schemes.simulator import simulate
    >>> cost = simulate(DiskRevolve(snapshots=3, write=5, read=5), 100)
    >>> cost.advances, cost.writes, cost.reads
    (245, (58, 8), (91, 8))
    """

    snapshots: int
    _: KW_ONLY
    write: float | Fraction = 1.0
    read: float | Fraction = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "snapshots", integer(self.snapshots, "snapshots", "DiskRevolve", 1))
        object.__setattr__(self, "write", price(self.write, "write", "DiskRevolve"))
        object.__setattr__(self, "read", price(self.read, "read", "DiskRevolve"))

    def schedule(self, steps: int | None) -> Schedule:
        """A new schedule for a loop of ``steps`` steps; None is refused."""
        steps = self.known_length(steps)
        return OptimalSchedule(steps, self._part(steps), self.slots(steps), (self.snapshots,), lowest=0)

    def slots(self, steps: int) -> int:
        """The most snapshots that are ever held at once, in memory and on disk, by a loop of ``steps`` steps."""
        return sum(self.slots_by_level(steps))

    def slots_by_level(self, steps: int) -> tuple[int, ...]:
        """The most that are ever held at once in memory, and on disk."""
        on_disk = self._part(steps).slots if steps > 1 else 0
        return min(self.snapshots, max(steps - 1, 1), steps), on_disk

    def closed_cost(self, steps: int) -> Cost:
        """What a loop of ``steps`` steps costs. A billion are as quick as a thousand, or nearly so."""
        steps = self.known_length(steps)
        return optimal_cost(steps, self._part(steps), lowest=0)

    def _part(self, steps: int) -> Part:
        hierarchy = memory_and_disk(self.snapshots, Fraction(self.write), Fraction(self.read))
        if steps < 2:  # the state before the only step stands in memory
            return Part.best(hierarchy, 1, 0, self.snapshots, stored=True)
        part = Part.best(hierarchy, steps, 1, UNLIMITED, stored=False)
        # After an early end no more are held than were planned.
        return part._replace(slots=part.counts[0].chains)


@lru_cache(maxsize=32)
def memory_and_disk(snapshots: int, write: Fraction, read: Fraction) -> Hierarchy:
    """Free memory, and a disk without end; kept, because its tables serve any number of steps."""
    return Hierarchy(snapshots, [Tier(UNLIMITED, write, read)])
