"""Binomial checkpointing: the fewest recomputed steps that a given number of snapshots allows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, count

from checkpointer.schemes.arguments import integer
from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.binomial import binomial_cost, snapshot_steps
from checkpointer.schemes.cost import Cost
from checkpointer.schemes.placed import PlacedSchedule


@dataclass(frozen=True)
class Revolve(Scheme):
    """Hold at most ``snapshots`` states and recompute as few steps as that allows.

    The choice for loops whose length is known. `advances` says beforehand what it will cost.

    Parameters
    ----------
    snapshots : int
        States held at once, 1 or more, the initial one included. More than steps - 1 are never used.

    Raises
    ------
    ArgumentError
        If snapshots is not such an integer.

    Source: Griewank & Walther, "Algorithm 799: revolve", ACM Trans. Math. Softw. 26 (2000) 19-45.

    >>> schedule = Revolve(snapshots=5).schedule(15)
    >>> for action in schedule.forward():
    ...     pass
    >>> schedule.standing
    {0: 0, 1: 6, 2: 8, 3: 10, 4: 12}
    """

    snapshots: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "snapshots", integer(self.snapshots, "snapshots", "Revolve", 1))

    def schedule(self, steps: int | None) -> Schedule:
        """A new schedule for a loop of ``steps`` steps; None is refused."""
        steps = self.known_length(steps)
        slots = self.slots(steps)
        places = zip(chain([0], snapshot_steps(0, steps, slots)), count(), strict=False)
        return PlacedSchedule(steps, slots, places)

    def slots(self, steps: int) -> int:
        """The most snapshots that are ever held at once by a loop of ``steps`` steps."""
        return min(self.snapshots, max(steps - 1, 1), steps)

    def closed_cost(self, steps: int) -> Cost:
        """What a loop of ``steps`` steps costs, in O(r) integer operations."""
        return binomial_cost(self.known_length(steps), self.snapshots)
