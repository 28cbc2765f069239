"""Binomial checkpointing with snapshots in memory and on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, count

from checkpointer.errors import ArgumentError
from checkpointer.schemes.arguments import integer
from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.binomial import binomial_cost, snapshot_steps, stack_counts
from checkpointer.schemes.cost import Cost
from checkpointer.schemes.placed import PlacedSchedule


@dataclass(frozen=True)
class Multistage(Scheme):
    """Hold ``snapshots`` states in memory and ``disk_snapshots`` on disk, and recompute as little as `Revolve` does.

    It is `Revolve` with all the snapshots together. Snapshots stand in a stack, whose positions are written and read
    more or less often; the busiest positions live in memory (level 0), the others on disk (level 1). That makes the
    transfers to and from the disk as few as they can be without more recomputed steps. The initial state's position
    is usually among the quiet ones.

    Parameters
    ----------
    snapshots : int
        States held in memory at once, 0 or more.
    disk_snapshots : int
        States held on disk at once, 0 or more. Together at least 1; more than steps - 1 are never used, and memory
        is filled first.

    Raises
    ------
    ArgumentError
        If they are not such integers.

    Source: Stumm & Walther, "MultiStage approaches for optimal offline checkpointing", SIAM J. Sci. Comput. 31 (2009)
    1946-1967. How often a position is used is not always more than below it: in 8 steps with 3 snapshots the positions
    are written and read 3, 5 and 3 times. It is counted exactly, for a billion steps too: see `stack_counts`.

    >>> Multistage(snapshots=1, disk_snapshots=2).in_memory(10)  # the busiest of [3, 5, 7]
    frozenset({2})
    >>> for action in Multistage(snapshots=1, disk_snapshots=2).schedule(10).forward():
    ...     print(action)
    Snapshot(step=0, slot=0, level=1)
    Advance(start=0, stop=4)
    Snapshot(step=4, slot=1, level=1)
    Advance(start=4, stop=7)
    Snapshot(step=7, slot=2)
    Advance(start=7, stop=9)
    Record(step=9)
    """

    snapshots: int
    disk_snapshots: int

    def __post_init__(self) -> None:
        for name in ("snapshots", "disk_snapshots"):
            object.__setattr__(self, name, integer(getattr(self, name), name, "Multistage", 0))
        if self._total < 1:
            raise ArgumentError(
                "Multistage: snapshots and disk_snapshots must be 1 or more together, but both are 0"
            )

    def schedule(self, steps: int | None) -> Schedule:
        """A new schedule for a loop of ``steps`` steps; None is refused."""
        steps = self.known_length(steps)
        slots = self.slots(steps)
        places = zip(chain([0], snapshot_steps(0, steps, slots)), count(), strict=False)
        in_memory = self.in_memory(steps)
        return PlacedSchedule(steps, slots, places, level=lambda slot: int(slot not in in_memory))

    def slots(self, steps: int) -> int:
        """The most snapshots that are ever held at once, in memory and on disk, by a loop of ``steps`` steps."""
        return min(self._total, max(steps - 1, 1), steps)

    def slots_by_level(self, steps: int) -> tuple[int, ...]:
        """The most that are ever held at once in memory, and on disk."""
        slots = self.slots(steps)
        in_memory = min(self.snapshots, slots)
        return in_memory, slots - in_memory

    def closed_cost(self, steps: int) -> Cost:
        """What a loop of ``steps`` steps costs, in O(c * r) integer operations for c slots and r repetitions."""
        binomial = binomial_cost(self.known_length(steps), self._total)
        memory, disk = self.slots_by_level(steps)
        if disk == 0:
            return binomial
        in_memory = self.in_memory(steps)
        writes, reads = (
            (
                sum(counts[slot] for slot in in_memory),
                sum(n for slot, n in enumerate(counts) if slot not in in_memory),
            )
            for counts in stack_counts(steps, self._total)
        )
        return replace(binomial, writes=writes, reads=reads, peaks=(memory, disk))

    def in_memory(self, steps: int) -> frozenset[int]:
        """The positions of the stack, which are the slots, that live in memory; of equally busy ones, the highest."""
        writes, reads = stack_counts(steps, self._total)
        uses = [
            (written + read, position)
            for position, (written, read) in enumerate(zip(writes, reads, strict=True))
        ]
        busiest_last = sorted(uses)
        return frozenset(position for _, position in busiest_last[max(len(uses) - self.snapshots, 0) :])

    @property
    def _total(self) -> int:
        return self.snapshots + self.disk_snapshots
