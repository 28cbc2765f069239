"""Evenly spaced snapshots, and every state of one period at a time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from checkpointer.schemes.arguments import integer
from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.placed import PlacedSchedule


@dataclass(frozen=True)
class Periodic(Scheme):
    """Keep the starts of ``snapshots`` periods, then every state of the period that is being reversed.

    About two plain steps in all for each step of the loop, for at most
    ``snapshots + ceil(steps / snapshots)`` states. The length of a period is ``ceil(steps / snapshots)``;
    the last one takes what remains.

    Parameters
    ----------
    snapshots : int
        Number of periods, 1 or more.

    Raises
    ------
    ArgumentError
        If snapshots is not such an integer.

    Source: the oldest of all checkpointing schemes; Griewank & Walther, "Evaluating Derivatives", 2nd ed.
    (2008), chapter 12, compares it with others.

    >>> schedule = Periodic(snapshots=3).schedule(10)
    >>> for action in schedule.forward():
    ...     pass
    >>> schedule.standing
    {0: 0, 1: 4, 2: 8}
    """

    snapshots: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "snapshots", integer(self.snapshots, "snapshots", "Periodic", 1))

    def schedule(self, steps: int | None) -> Schedule:
        """A new schedule for a loop of ``steps`` steps; None is refused."""
        steps = self.known_length(steps)
        places = zip(count(0, max(self._period(steps), 1)), count(), strict=False)
        # With so many slots the optimal reversal of a period is to store every state in it.
        return PlacedSchedule(steps, self.slots(steps), places)

    def slots(self, steps: int) -> int:
        """The most snapshots that are ever held at once by a loop of ``steps`` steps."""
        if steps == 0:
            return 0
        period = self._period(steps)
        # Of a period's states, the first stands since the forward sweep, the last is reversed from at once,
        # and one more needs no further slot: the last period's last step was recorded, so that it is a step
        # shorter, and the other periods find the slots of those that are done.
        return -(-steps // period) + max(period - 3, 0)

    def _period(self, steps: int) -> int:
        return -(-steps // self.snapshots)
