"""A schedule that is given by where its forward sweep places the snapshots: what all our schemes use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from checkpointer.schemes.actions import Action, Advance, Discard, Record, Snapshot
from checkpointer.schemes.base import Schedule


class PlacedSchedule(Schedule):
    """Take snapshots at given places on the way forward, and reverse from those that stand at the end.

    Parameters
    ----------
    steps, slots : int or None
        As for `Schedule`.
    places : iterable of (int, int)
        The snapshots as pairs (step, slot), by rising step, the first at step 0. May be endless. A snapshot
        whose slot is occupied takes the place of the one in it, which stands until then.
    level : function, optional
        The level of a slot; 0 for all unless given. The reverse sweep below is the one of levels that cost the same.

    >>> schedule = PlacedSchedule(steps=4, slots=2, places=[(0, 0), (2, 1)])
    >>> for action in schedule.forward():
    ...     print(action)
    Snapshot(step=0, slot=0)
    Advance(start=0, stop=2)
    Snapshot(step=2, slot=1)
    Advance(start=2, stop=3)
    Record(step=3)
    """

    def __init__(
        self,
        steps: int | None,
        slots: int | None,
        places: Iterable[tuple[int, int]],
        level: Callable[[int], int] | None = None,
    ) -> None:
        super().__init__(steps, slots)
        self._places = places
        self._level = level

    def first_sweep(self) -> Iterator[Action]:
        """The snapshots in their places, and the steps between them."""
        if self.steps == 0:
            return
        last = None if self.steps is None else self.steps - 1
        position = 0
        for step, slot in self._places:
            if last is not None and step >= max(last, 1):
                break  # the last step is recorded: the state before it is never needed again
            if step > position:
                yield Advance(position, step)
            if slot in self.standing:
                yield Discard(slot)
            yield Snapshot(step, slot, self.level(slot))
            position = step
        yield from _run_out(position, last)

    def level(self, slot: int) -> int:
        """The level of a slot."""
        return 0 if self._level is None else self._level(slot)


def _run_out(position: int, last: int | None) -> Iterator[Action]:
    """The rest of the forward sweep, when no further snapshot is to be placed."""
    if last is None:
        while True:
            yield Advance(position, 2 * position + 1)
            position = 2 * position + 1
    if last > position:
        yield Advance(position, last)
    yield Record(last)
