"""Evenly spaced snapshots, and every state of one period at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

from checkpointer.errors import ArgumentError
from checkpointer.schemes.actions import Action
from checkpointer.schemes.arguments import integer
from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.cost import Cost
from checkpointer.schemes.periods import cost_of_periods
from checkpointer.schemes.placed import PlacedSchedule


@dataclass(frozen=True, repr=False)
class Periodic(Scheme):
    """Keep the starts of the periods, then every state of the period that is being reversed.

    About two plain steps in all for each step of the loop. Either the number of periods is given, or their length:

    - ``Periodic(snapshots=8)``: at most ``snapshots + ceil(steps / snapshots)`` states. The length of a period is
      ``ceil(steps / snapshots)``; the last one takes what remains. The number of steps must be known.
    - ``Periodic(period=10)``: at most ``ceil(steps / period) + period`` states. Works for loops of unknown length; the
      memory grows with the loop.

    Parameters
    ----------
    snapshots : int, optional
        Number of periods, 1 or more.
    period : int, optional
        Steps in a period, 1 or more.

    Raises
    ------
    ArgumentError
        If not exactly one of them is given, or if it is not such an integer.

    Source: the oldest of all checkpointing schemes; Griewank & Walther, "Evaluating Derivatives", 2nd ed.
    (2008), chapter 12, compares it with others.

    >>> schedule = Periodic(snapshots=3).schedule(10)
    >>> for action in schedule.forward():
    ...     pass
    >>> schedule.standing
    {0: 0, 1: 4, 2: 8}
    >>> Periodic(period=4).online
    True
    """

    snapshots: int | None = None
    period: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if (self.snapshots is None) == (self.period is None):
            both = (
                "neither is given"
                if self.period is None
                else f"both are given: {self.snapshots!r} and {self.period!r}"
            )
            raise ArgumentError(
                "Periodic takes the number of periods, Periodic(snapshots=8), or their length, "
                f"Periodic(period=10), but {both}"
            )
        name = "period" if self.snapshots is None else "snapshots"
        object.__setattr__(self, name, integer(getattr(self, name), name, "Periodic", 1))
        object.__setattr__(self, "online", self.snapshots is None)

    def __repr__(self) -> str:
        given = f"period={self.period}" if self.snapshots is None else f"snapshots={self.snapshots}"
        return f"Periodic({given})"

    def schedule(self, steps: int | None) -> Schedule:
        """A new schedule for a loop of ``steps`` steps; or, if the period is given, of an unknown number."""
        steps = self.possible_length(steps) if self.online else self.known_length(steps)
        return _PeriodicSchedule(self, steps)

    def slots(self, steps: int) -> int:
        """The most snapshots that are ever held at once by a loop of ``steps`` steps."""
        if steps == 0:
            return 0
        period = min(self.length(steps), steps)
        # Of a period's states, the first stands since the forward sweep, the last is reversed from at once,
        # and one more needs no further slot: the last period's last step was recorded, so that it is a step
        # shorter, and the other periods find the slots of those that are done. A loop that ends early, or whose length
        # is not known, is reversed like one that is a step longer and whose last step was recorded.
        return -(-steps // period) + max(period - 3, 0)

    def closed_cost(self, steps: int) -> Cost:
        """What a loop of ``steps`` steps costs, at once."""
        period = max(self.length(self.known_length(steps)), 1)
        return cost_of_periods(steps, period, max(min(period, steps) - 2, 0), level=0, placed=False)

    def length(self, steps: int) -> int:
        """The number of steps in a period of a loop of ``steps`` steps; the last one may have fewer."""
        if self.period is not None:
            return self.period
        assert self.snapshots is not None  # one of them is given
        return -(-steps // self.snapshots)


class _PeriodicSchedule(PlacedSchedule):
    """With as many slots as `Periodic.slots` says, the optimal reversal of a period is to store every state in it."""

    def __init__(self, scheme: Periodic, steps: int | None) -> None:
        places = zip(count(0, max(scheme.length(steps or 0), 1)), count(), strict=False)
        super().__init__(steps, None if steps is None else scheme.slots(steps), places)
        self._scheme = scheme

    def reverse_sweep(self) -> Iterable[Action]:
        """Every state of one period at a time."""
        if self.slots is None:
            assert self.steps is not None  # set by finish
            self.slots = self._scheme.slots(self.steps + 1)
        return super().reverse_sweep()
