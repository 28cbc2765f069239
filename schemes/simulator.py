"""Any schedule, executed against a model of the memory: whether it is valid, and what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NoReturn

from checkpointer.errors import ArgumentError, ScheduleError
from checkpointer.schemes.actions import Action, Advance, Discard, Record, Restore, Reverse, Snapshot
from checkpointer.schemes.arguments import integer
from checkpointer.schemes.base import Schedule, Scheme


@dataclass(frozen=True)
class Cost:
    """What a schedule's two sweeps cost.

    Attributes
    ----------
    steps : int
        Steps that the loop ran, and that were reversed.
    advances : int
        Steps that ran plainly, those of the first sweep included.
    reversals : int
        Steps that ran under the tape and were pulled back through: the recorded one and all others.
    snapshots, restores, discards : int
        Snapshots written, read and forgotten.
    peak : int
        The most snapshots held at once.
    """

    steps: int
    advances: int
    reversals: int
    snapshots: int
    restores: int
    discards: int
    peak: int


def simulate(
    plan: Scheme | Schedule, steps: int, *, length_known: bool = True, ends_after: int | None = None
) -> Cost:
    """Run both sweeps of a schedule, without a loop, and count.

    Parameters
    ----------
    plan : Scheme or Schedule
        A scheme, yours or ours, or a fresh schedule made for ``steps`` (or for None, if the length is not
        known).
    steps : int
        How many steps there are to run.
    length_known : bool
        Whether a scheme is told the number of steps. If not, the loop ends when a step is asked for that is
        not there.
    ends_after : int, optional
        The loop is left, as if by a ``break``, as soon as this many steps have run.

    Raises
    ------
    ArgumentError
        If an argument is not as described.
    ScheduleError
        If the schedule is not valid: the message names the first action that cannot be executed, and why.
        The current state must be the one that an action starts from (it is lost after each Reverse); what
        is restored must have been stored there; a slot must be empty when it is written, and no more may be
        held than the scheme's `slots` says; every step that ran must be reversed once, from the last to the
        first; and no snapshot may be left at the end.

    >>> from checkpointer.schemes.revolve import Revolve
    >>> simulate(Revolve(snapshots=3), 10)
    Cost(steps=10, advances=15, reversals=10, snapshots=6, restores=9, discards=6, peak=3)
    """
    steps = integer(steps, "steps", "simulate", 0)
    ran = steps if ends_after is None else integer(ends_after, "ends_after", "simulate", 0)
    if ran > steps:
        raise ArgumentError(f"simulate: ends_after must be at most steps, which is {steps}, but is {ran}")
    if isinstance(plan, Schedule):
        schedule, limit = plan, plan.slots
    else:
        schedule = plan.schedule(steps if length_known else None)
        limit = plan.slots(steps if length_known else ran + 1)
    machine = _Machine(steps, limit)
    recorded = _run_forward(machine, schedule, ran, broken=ends_after is not None)
    schedule.finish(ran, recorded)
    machine.to_reverse = ran
    for action in schedule.reverse():
        machine.execute(action)
    machine.check_end()
    return machine.cost(ran)


def _run_forward(machine: _Machine, schedule: Schedule, ran: int, broken: bool) -> bool:
    """Execute the forward sweep of a loop that ends after ``ran`` steps. True if the last was recorded."""
    exhausted = True
    furthest = math.inf if schedule.steps is None else machine.steps
    for action in schedule.forward():
        match action:
            case Advance(start, stop) if start <= ran < stop <= furthest:  # the loop ends in the middle of it
                if ran > start:
                    machine.execute(Advance(start, ran))
                exhausted = False
                break
            case Record(step) if step == ran:
                exhausted = False
                break
            case _:
                machine.execute(action)
        if broken and machine.current == ran > 0:
            exhausted = False
            break
    if machine.current != ran or (exhausted and schedule.steps is None):
        raise ScheduleError(
            f"the forward sweep stops before step {machine.current}, although the loop goes on"
        )
    return machine.tape is not None


@dataclass
class _Machine:
    """The memory of a consumer: the current state, one tape and the slots; and what was done so far."""

    steps: int
    limit: int | None
    current: int | None = 0
    tape: int | None = None
    slots: dict[int, int] = field(default_factory=dict)
    to_reverse: int | None = None  # steps left to reverse; None in the forward sweep
    peak: int = 0
    advances: int = 0
    reversals: int = 0
    snapshots: int = 0
    restores: int = 0
    discards: int = 0
    action: Action | None = None

    def execute(self, action: Action) -> None:
        """Execute one action, or say why that is not possible."""
        self.action = action
        match action:
            case Advance(start, stop):
                self._advance(start, stop)
            case Snapshot(step, slot):
                self._snapshot(step, slot)
            case Record(step):
                self._record(step)
            case Restore(step, slot):
                self._restore(step, slot)
            case Reverse(step):
                self._reverse(step)
            case Discard(slot):
                self._discard(slot)
            case _:
                self._refuse("this is no action")

    def check_end(self) -> None:
        """Nothing may be left to do, or lie about, after the reverse sweep."""
        if self.to_reverse:
            raise ScheduleError(f"steps 0 to {self.to_reverse - 1} were never reversed")
        if self.slots:
            raise ScheduleError(f"snapshots are left over after the reverse sweep: {self._held()}")

    def cost(self, ran: int) -> Cost:
        """What was counted."""
        return Cost(
            ran, self.advances, self.reversals, self.snapshots, self.restores, self.discards, self.peak
        )

    def _advance(self, start: int, stop: int) -> None:
        self._needs_current(start)
        if stop <= start:
            self._refuse("it contains no step")
        self._needs_step(stop - 1)
        self.advances += stop - start
        self.current = stop

    def _snapshot(self, step: int, slot: int) -> None:
        self._needs_current(step)
        if slot in self.slots:
            self._refuse(f"slot {slot} holds the state before step {self.slots[slot]}; discard that first")
        self.slots[slot] = step
        self.snapshots += 1
        self.peak = max(self.peak, len(self.slots))
        if self.limit is not None and len(self.slots) > self.limit:
            self._refuse(f"no more than {self.limit} snapshots may be held, and these are: {self._held()}")

    def _record(self, step: int) -> None:
        self._needs_current(step)
        if self.to_reverse is not None:
            self._refuse("only the forward sweep records")
        if step != self.steps - 1:
            self._refuse(f"only the last step, {self.steps - 1}, may be recorded")
        self.current = step + 1
        self.tape = step

    def _restore(self, step: int, slot: int) -> None:
        if self.to_reverse is None:
            self._refuse("the forward sweep has nothing to restore")
        if slot not in self.slots:
            self._refuse(f"slot {slot} is empty; held are: {self._held()}")
        if self.slots[slot] != step:
            self._refuse(f"slot {slot} holds the state before step {self.slots[slot]}")
        self.restores += 1
        self.current = step

    def _reverse(self, step: int) -> None:
        if self.to_reverse is None:
            self._refuse("the forward sweep reverses nothing")
        if step != self.to_reverse - 1:
            self._refuse(
                f"step {self.to_reverse - 1} is next" if self.to_reverse else "no step is left to reverse"
            )
        if self.tape != step:
            self._needs_current(step)
        self.to_reverse = step
        self.reversals += 1
        self.tape = self.current = None

    def _discard(self, slot: int) -> None:
        if self.slots.pop(slot, None) is None:
            self._refuse(f"slot {slot} is empty; held are: {self._held()}")
        self.discards += 1

    def _needs_current(self, step: int) -> None:
        if self.current is None:
            self._refuse("the current state was lost when a step was reversed; restore a snapshot first")
        if self.current != step:
            self._refuse(f"the current state is the one before step {self.current}, not before step {step}")

    def _needs_step(self, step: int) -> None:
        last = (self.steps if self.to_reverse is None else self.to_reverse) - 1
        if step > last:
            self._refuse(f"it runs past step {last}, the last that there is to run")

    def _held(self) -> str:
        return ", ".join(f"step {step} in slot {slot}" for slot, step in self.slots.items()) or "none"

    def _refuse(self, why: str) -> NoReturn:
        sweep = "forward" if self.to_reverse is None else "reverse"
        raise ScheduleError(f"{self.action} in the {sweep} sweep cannot be executed: {why}")
