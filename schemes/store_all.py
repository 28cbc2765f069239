"""A snapshot before every step: no step is computed twice, except under the tape."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.binomial import binomial_cost
from checkpointer.schemes.cost import Cost
from checkpointer.schemes.placed import PlacedSchedule


@dataclass(frozen=True)
class StoreAll(Scheme):
    """Hold the state before every step, in memory that grows with the number of steps.

    For short loops, and to compare other schemes with. Works for loops of unknown length.

    >>> schedule = StoreAll().schedule(3)
    >>> for action in schedule.forward():
    ...     print(action)
    Snapshot(step=0, slot=0)
    Advance(start=0, stop=1)
    Snapshot(step=1, slot=1)
    Advance(start=1, stop=2)
    Record(step=2)
    """

    online = True

    def schedule(self, steps: int | None) -> Schedule:
        """A new schedule for a loop of ``steps`` steps, or of a number that only its end will tell."""
        return PlacedSchedule(self.possible_length(steps), None, zip(count(), count(), strict=False))

    def slots(self, steps: int) -> int:
        """The most snapshots that are ever held at once by a loop of ``steps`` steps.

        One fewer are, if the length is known at the start, since the last step is then recorded at once.
        """
        return steps

    def closed_cost(self, steps: int) -> Cost:
        """What a loop of ``steps`` steps costs, at once."""
        return binomial_cost(self.known_length(steps), max(steps - 1, 1))
