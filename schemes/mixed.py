"""Slots for states and tapes alike: the fewest steps run where a tape of one step is as large as a state."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from checkpointer.errors import ScheduleError
from checkpointer.schemes.actions import Action, Advance, Discard, Record, Restore, Reverse, Snapshot
from checkpointer.schemes.arguments import integer
from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.cost import Cost
from checkpointer.schemes.mixed_arithmetic import first_part, mixed_cost


@dataclass(frozen=True, init=False, repr=False)
class Mixed(Scheme):
    """Hold at most ``slots`` things, each a state or the tape of one step, and run as few steps as that allows.

    A step whose tape is held is not run again to be reversed. Where a tape is not much larger than a state, that is
    better than `Revolve`, which holds states only: with 3 slots, 10 steps take 19 runs of a step instead of 25.
    `steps_run` says beforehand how many. The tape that is pulled back through at the moment is not counted.

    Parameters
    ----------
    slots : int
        States and tapes held at once, 1 or more. More than steps - 1 are never used.

    Attributes
    ----------
    held : int
        The number of slots; `slots` is how many a loop of a given length uses.

    Raises
    ------
    ArgumentError
        If slots is not such an integer.

    Source: Maddison, "Step-based checkpointing with high-level algorithmic differentiation", J. Comput. Sci. (2024)
    102405; solved in closed form, see `mixed_arithmetic`.

    >>> schedule = Mixed(slots=3).schedule(6)
    >>> for action in schedule.forward():
    ...     pass
    >>> schedule.standing, schedule.tapes
    ({0: 0}, {1: 3, 2: 4})
    """

    held: int

    def __init__(self, slots: int) -> None:
        object.__setattr__(self, "held", integer(slots, "slots", "Mixed", 1))

    def __repr__(self) -> str:
        return f"Mixed(slots={self.held})"

    def schedule(self, steps: int | None) -> Schedule:
        """A new schedule for a loop of ``steps`` steps; None is refused."""
        steps = self.known_length(steps)
        return MixedSchedule(steps, self.slots(steps))

    def slots(self, steps: int) -> int:
        """The most states and kept tapes that are ever held at once by a loop of ``steps`` steps."""
        return min(self.held, max(steps - 1, 0))

    def closed_cost(self, steps: int) -> Cost:
        """What a loop of ``steps`` steps costs, in O(slots + r) integer operations, r the most often that a step is run."""
        return mixed_cost(self.known_length(steps), self.held)


class MixedSchedule(Schedule):
    """The actions of `Mixed`: each takes O(log r + log slots) binomial coefficients, all of them the memory of its slots.

    What is held is a stack, and a thing's slot its height in it: snapshots, and above them tapes of all steps that follow,
    so that Record(k, slot) is always followed by Record(k + 1, ...) or Reverse(k + 1). When the tape of step k is pulled
    back through, k + 1 has just been reversed, or is the number of steps that ran.

    If the loop ends early, the reverse sweep starts from the snapshots and tapes that stand. No snapshot is given up
    before the steps behind it are reversed, and those are in the fewest steps that the empty slots allow.
    """

    def __init__(self, steps: int, slots: int) -> None:
        super().__init__(steps, slots)
        self._limit = slots
        self._snapshots: list[int] = []  # the stack's lower part: their steps

    def first_sweep(self) -> Iterator[Action]:
        """Snapshots at the start of parts that get shorter, then tapes."""
        assert self.steps is not None  # Mixed needs the length
        if self.steps > 0:
            yield from self._to_last(0, self.steps)
            yield Record(self.steps - 1)

    def reverse_sweep(self) -> Iterator[Action]:
        """Pull back through the tapes, restore the snapshot below them, take up what it frees, and so on."""
        assert self.steps is not None  # set by finish
        end = self.steps
        if end > 0 and not self._last_can_be_reversed(end - 1):
            raise ScheduleError(
                f"step {end - 1} cannot be reversed: the forward sweep asked for its tape, which was not kept"
            )
        start = end - len(self.tapes) - self.recorded  # from there on, all steps have tapes
        while True:
            for step in range(end - 1, start - 1, -1):
                yield Reverse(step)
            end = start
            if not self._snapshots:
                return
            position = self._snapshots.pop()
            if position >= end:  # the loop ended there
                yield Discard(len(self._snapshots))
            else:
                yield Restore(position, len(self._snapshots))
                start = yield from self._to_last(position, end, stored=True)

    def _last_can_be_reversed(self, last: int) -> bool:
        """Whether the last step that ran has a tape, or a snapshot stands below it that no tape separates from it."""
        return self.recorded or last in self.tapes.values() or bool(self._snapshots and not self.tapes)

    def _to_last(self, position: int, end: int, stored: bool = False) -> Generator[Action, None, int]:
        """Come from the current state before ``position`` to the one before ``end - 1``, and fill the slots.

        Returns the first step that is taped, or ``end - 1``. If the current state is ``stored``, it is in the lowest slot
        that counts as empty.
        """
        while end - position > (empty := self._limit - len(self._snapshots)) + 1:
            self._snapshots.append(position)
            if not stored:
                yield Snapshot(position, len(self._snapshots) - 1)
            stored = False
            stop = position + first_part(end - position, empty)
            yield Advance(position, stop)
            position = stop
        if stored:  # used for the last time: make room for the tapes
            yield Discard(len(self._snapshots))
        for slot, step in enumerate(range(position, end - 1), len(self._snapshots)):
            yield Record(step, slot)
        return position
