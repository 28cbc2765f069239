"""What a checkpointing scheme is, and what a schedule is: the two classes that every scheme is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import chain

from checkpointer.errors import ArgumentError, ScheduleError
from checkpointer.schemes.actions import Action, Advance, Discard, Record, Reverse, Snapshot
from checkpointer.schemes.arguments import integer
from checkpointer.schemes.cost import Cost
from checkpointer.schemes.measurement import Measurement
from checkpointer.schemes.reversal import reverse_from


class Scheme(ABC):
    """Where a loop keeps snapshots: a small, immutable description that any number of loops may share.

    Attributes
    ----------
    online : bool
        Whether `schedule` accepts None, that is, a loop whose length only its end will tell. Most schemes say so once,
        for the class; where it depends on the arguments, as for `Periodic`, the class says False, and an instance that
        does accept None says True.
    """

    online: bool = False

    @abstractmethod
    def schedule(self, steps: int | None) -> Schedule:
        """A new schedule for one run of a loop.

        Parameters
        ----------
        steps : int or None
            How many steps the loop will run, unless it ends early. None if nobody knows yet.

        Raises
        ------
        ArgumentError
            If steps is negative or no integer, or None although the scheme is not `online`.
        """

    @abstractmethod
    def slots(self, steps: int) -> int:
        """The most snapshots and kept tapes that are ever held at once by a loop of ``steps`` steps.

        A loop of unknown length has started to ask for one more step than it runs: count that one in.
        """

    def slots_by_level(self, steps: int) -> tuple[int, ...]:
        """The most that are ever held at once on each level of storage; kept tapes count for level 0."""
        return (self.slots(steps),)

    def closed_cost(self, steps: int) -> Cost | None:
        """What a loop of ``steps`` steps, told at its start, costs, without executing the schedule.

        None if there is no quick way to tell; `predict` then counts.
        """
        return None

    def known_length(self, steps: int | None) -> int:
        """The number of steps, checked, for a scheme that cannot do without.

        Raises
        ------
        ArgumentError
            If it is None, negative or no integer.
        """
        if steps is None:
            raise ArgumentError(
                f"{self!r} places its snapshots by the number of steps, which this loop does not tell "
                "before it ends. Use Online(snapshots=...), which needs no length, or StoreAll()"
            )
        return integer(steps, "steps", f"{type(self).__name__}.schedule", 0)

    def possible_length(self, steps: int | None) -> int | None:
        """The number of steps, checked, for a scheme that can also do without.

        Raises
        ------
        ArgumentError
            If it is negative or no integer.
        """
        return None if steps is None else self.known_length(steps)


class Schedule(ABC):
    """The actions of one run of a loop, forward and back, generated as they are asked for.

    The consumer executes the actions of `forward` until they or the loop end, calls `finish` with the
    number of steps that really ran, and executes the actions of `reverse`. Each of the three is used once.

    A scheme of your own needs a subclass with a `first_sweep`. `reverse_sweep` may stay as it is: it reverses
    from whatever snapshots stand, after an early end too.

    Parameters
    ----------
    steps : int or None
        How many steps the loop will run, unless it ends early. None if nobody knows yet.
    slots : int or None
        How many snapshots and kept tapes may be held at once. None for as many as the forward sweep takes.

    Attributes
    ----------
    steps : int or None
        As above; once `finish` was called, the number of steps that really ran.
    slots : int or None
        As above.
    standing : dict of int to int
        The snapshots that stand at the moment: slot -> step. An inherited `reverse_sweep` keeps its own account, and
        leaves this empty.
    level_of : dict of int to int
        Where they stand: slot -> level.
    tapes : dict of int to int
        The tapes that stand in slots: slot -> step.
    recorded : bool
        Whether the forward sweep kept the tape of its last step. False until `finish` was called.
    trial : int or None
        A step of the forward sweep that the schedule wants to be measured when it is advanced over; None for no step.
    measurement : Measurement or None
        What a consumer measured of that step, if it did.

    >>> class OnlyTheStart(Schedule):
    ...     def first_sweep(self):
    ...         yield Snapshot(0, slot=0)
    ...         yield Advance(0, self.steps)
    >>> schedule = OnlyTheStart(steps=5, slots=1)
    >>> for action in schedule.forward():
    ...     print(action)
    Snapshot(step=0, slot=0)
    Advance(start=0, stop=5)
    >>> schedule.finish(2, recorded=False)  # the loop was left by a break
    >>> for action in schedule.reverse():
    ...     print(action)
    Restore(step=0, slot=0)
    Advance(start=0, stop=1)
    Reverse(step=1)
    Restore(step=0, slot=0)
    Discard(slot=0)
    Reverse(step=0)
    """

    def __init__(self, steps: int | None, slots: int | None) -> None:
        self.steps = steps
        self.slots = slots
        self.standing: dict[int, int] = {}
        self.level_of: dict[int, int] = {}
        self.tapes: dict[int, int] = {}
        self._slot_of_tape: dict[int, int] = {}
        self.recorded = False
        self.trial: int | None = None
        self.measurement: Measurement | None = None
        self._stage = "new"
        self._last: Advance | Record = Advance(0, 0)

    @abstractmethod
    def first_sweep(self) -> Iterable[Action]:
        """The actions of the forward sweep: lazily, from the initial state, and without end if steps is None.

        Advance, Snapshot, Discard and Record with a slot; as the last, if steps is known, Record without one.
        Nothing at all if steps is 0.
        """

    def level(self, slot: int) -> int:
        """The level on which the inherited `reverse_sweep` stores what it puts into a slot."""
        return 0

    def reverse_sweep(self) -> Iterable[Action]:
        """The actions that reverse the ``self.steps`` steps that ran, the last of them `recorded` or not.

        As it stands here, it is binomial between the snapshots that stand, whatever their `level`, and knows of no kept
        tapes.
        """
        assert self.steps is not None  # set by finish
        left = self.steps - self.recorded
        slots = len(self.standing) if self.slots is None else self.slots
        level = None if type(self).level is Schedule.level else self.level
        backward = reverse_from(dict(self.standing), left, slots, level=level)
        return chain([Reverse(left)], backward) if self.recorded else backward

    def forward(self) -> Iterator[Action]:
        """The actions of the forward sweep. If the loop ends in the middle of one, just stop asking for more.

        Raises
        ------
        ScheduleError
            If it was called before.
        """
        self._enter("forward", after=("new",))
        return self._tracked(self.first_sweep())

    def finish(self, steps: int, recorded: bool) -> None:
        """Say how the forward sweep ended. To be called after every one, also where it ended as foreseen.

        Parameters
        ----------
        steps : int
            How many steps really ran.
        recorded : bool
            Whether the last action was Record without a slot, and its tape was kept.

        Raises
        ------
        ScheduleError
            If the forward sweep cannot have ended like this, or if it was called before.
        """
        match self._last:
            case Record(step, slot):
                first, last, recordable = step, step + 1, slot is None and steps == step + 1
            case Advance(start, stop):
                first, last, recordable = start, stop, False
        if not first <= steps <= last:
            raise ScheduleError(
                f"a loop cannot have ended after {steps} steps when {self._last} was its last action"
            )
        if recorded and not recordable:
            raise ScheduleError(
                f"the tape of step {steps - 1} cannot have been kept: {self._last} was the last action"
            )
        self._enter("finish", after=("new", "forward"))
        self.steps = steps
        self.recorded = recorded
        self._forget_tapes_from(steps)

    def reverse(self) -> Iterator[Action]:
        """The actions of the reverse sweep, from the last step that ran to the first.

        No snapshot is left over.

        Raises
        ------
        ScheduleError
            If `finish` was not called, or if this was called before.
        """
        self._enter("reverse", after=("finish",))
        actions = self.reverse_sweep()
        if type(self).reverse_sweep is not Schedule.reverse_sweep:
            return self._tracked(actions)
        self.standing.clear()  # which nobody needs from here on; not to track the actions is quicker
        self.level_of.clear()
        return iter(actions)

    def _enter(self, stage: str, after: tuple[str, ...]) -> None:
        if self._stage not in after:
            raise ScheduleError(
                f"{stage}() cannot follow {self._stage}(): a schedule is used once, for forward(), then "
                "finish(), then reverse(); ask the scheme for a new one"
            )
        self._stage = stage

    def _forget_tapes_from(self, steps: int) -> None:
        """The loop ended before this step: there is no tape of it, although one was asked for."""
        for step in [step for step in self._slot_of_tape if step >= steps]:
            del self.tapes[self._slot_of_tape.pop(step)]

    def _tracked(self, actions: Iterable[Action]) -> Iterator[Action]:
        """Note what each action does to the snapshots before the consumer executes it.

        Every action of every stream passes here: isinstance, the most frequent first, is quicker than match.
        """
        standing, level_of, tapes, slot_of_tape = self.standing, self.level_of, self.tapes, self._slot_of_tape
        for action in actions:
            if isinstance(action, Reverse):
                if action.step in slot_of_tape:
                    del tapes[slot_of_tape.pop(action.step)]
            elif isinstance(action, Advance):
                self._last = action
            elif isinstance(action, Snapshot):
                standing[action.slot] = action.step
                level_of[action.slot] = action.level
            elif isinstance(action, Discard):
                standing.pop(action.slot, None)
                level_of.pop(action.slot, None)
            elif isinstance(action, Record):
                self._last = action
                if action.slot is not None:
                    tapes[action.slot] = action.step
                    slot_of_tape[action.step] = action.slot
            yield action
