"""The model of a consumer that the simulator executes streams on: the current state, the tapes and the slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from checkpointer.errors import ScheduleError
from checkpointer.schemes.actions import Action, Advance, Discard, Record, Restore, Reverse, Snapshot


class Slots:
    """What stands in the slots, slot -> (step, level) of a snapshot or slot -> step of a tape; and the most ever."""

    def __init__(self, limit: int | None, limits: Sequence[int] | None = None) -> None:
        self._limit = limit
        self._limits = limits
        self.snapshots: dict[int, tuple[int, int]] = {}
        self.tapes: dict[int, int] = {}
        self.slot_of_tape: dict[int, int] = {}
        self.peak = 0
        self.peaks: list[int] = [0]
        self._counts: list[int] = [0]

    def put_snapshot(self, slot: int, step: int, level: int) -> None:
        """Stand a snapshot in an empty slot."""
        self.snapshots[slot] = step, level
        self._count(level, 1)

    def put_tape(self, slot: int, step: int) -> None:
        """Stand a tape in an empty slot."""
        self.tapes[slot] = step
        self.slot_of_tape[step] = slot
        self._count(0, 1)

    def drop_snapshot(self, slot: int) -> None:
        """Empty a slot that holds a snapshot."""
        self._count(self.snapshots.pop(slot)[1], -1)

    def use_tape(self, step: int) -> bool:
        """Empty the slot that holds the tape of a step. False if there is none."""
        slot = self.slot_of_tape.pop(step, None)
        if slot is None:
            return False
        del self.tapes[slot]
        self._count(0, -1)
        return True

    def excess(self) -> str | None:
        """In words, how the latest thing exceeds a limit."""
        if self._limit is not None and self._held() > self._limit:
            return f"no more than {self._limit} snapshots may be held, and these are: {self}"
        for level, count in enumerate(self._counts):
            limit = None if self._limits is None else (*self._limits, *[0] * level)[level]
            if limit is not None and count > limit:
                return (
                    f"no more than {limit} snapshots may be held on level {level}, and these are held: {self}"
                )
        return None

    def _held(self) -> int:
        return len(self.snapshots) + len(self.tapes)

    def _count(self, level: int, change: int) -> None:
        _count(self._counts, level, change)
        _count(self.peaks, level, 0)
        self.peaks[level] = max(self.peaks[level], self._counts[level])
        self.peak = max(self.peak, self._held())

    def at(self, slot: int) -> str | None:
        """In words, what stands in a slot; None if nothing does."""
        if slot in self.snapshots:
            return f"the state before step {self.snapshots[slot][0]}"
        return f"the tape of step {self.tapes[slot]}" if slot in self.tapes else None

    def __str__(self) -> str:
        states = [f"step {step} in slot {slot}" for slot, (step, _) in self.snapshots.items()]
        tapes = [f"the tape of step {step} in slot {slot}" for slot, step in self.tapes.items()]
        return ", ".join(states + tapes) or "none"


@dataclass
class Machine:
    """The memory of a consumer: the current state, one tape and the slots; and what was done so far."""

    steps: int
    memory: Slots
    current: int | None = 0
    tape: int | None = None
    to_reverse: int | None = None  # steps left to reverse; None in the forward sweep
    advances: int = 0
    reversals: int = 0
    discards: int = 0
    tapes: int = 0
    writes: list[int] = field(default_factory=lambda: [0])
    reads: list[int] = field(default_factory=lambda: [0])
    action: Action | None = None

    def execute(self, action: Action) -> None:
        """Execute one action, or say why that is not possible."""
        self.action = action
        match action:
            case Advance(start, stop):
                self._advance(start, stop)
            case Snapshot(step, slot, level):
                self._snapshot(step, slot, level)
            case Record(step, slot):
                self._record(step, slot)
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
        if self.memory.snapshots or self.memory.tapes:
            raise ScheduleError(f"snapshots are left over after the reverse sweep: {self.memory}")

    def _advance(self, start: int, stop: int) -> None:
        self._needs_current(start)
        if stop <= start:
            self._refuse("it contains no step")
        self._needs_step(stop - 1)
        self.advances += stop - start
        self.current = stop

    def _snapshot(self, step: int, slot: int, level: int) -> None:
        self._needs_current(step)
        if level < 0:
            self._refuse("levels count from 0")
        self._needs_empty(slot)
        self.memory.put_snapshot(slot, step, level)
        _count(self.writes, level, 1)
        self._needs_room()

    def _record(self, step: int, slot: int | None) -> None:
        self._needs_current(step)
        if slot is None:
            self._record_last(step)
        else:
            self._needs_step(step)
            self._needs_empty(slot)
            if step in self.memory.slot_of_tape:
                self._refuse(f"a tape of step {step} stands in slot {self.memory.slot_of_tape[step]} already")
            self.memory.put_tape(slot, step)
            self.tapes += 1
            self._needs_room()
        self.current = step + 1

    def _record_last(self, step: int) -> None:
        if self.to_reverse is not None:
            self._refuse("only the forward sweep records without a slot")
        if step != self.steps - 1:
            self._refuse(f"only the last step, {self.steps - 1}, may be recorded without a slot")
        self.tape = step

    def _restore(self, step: int, slot: int) -> None:
        if self.to_reverse is None:
            self._refuse("the forward sweep has nothing to restore")
        self._needs_snapshot(slot)
        stored, level = self.memory.snapshots[slot]
        if stored != step:
            self._refuse(f"slot {slot} holds the state before step {stored}")
        _count(self.reads, level, 1)
        self.current = step

    def _reverse(self, step: int) -> None:
        if self.to_reverse is None:
            self._refuse("the forward sweep reverses nothing")
        if step != self.to_reverse - 1:
            self._refuse(
                f"step {self.to_reverse - 1} is next" if self.to_reverse else "no step is left to reverse"
            )
        if self.tape != step and not self.memory.use_tape(step):
            self._needs_current(step)
        self.to_reverse = step
        self.reversals += 1
        self.tape = self.current = None

    def _discard(self, slot: int) -> None:
        self._needs_snapshot(slot)
        self.memory.drop_snapshot(slot)
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

    def _needs_empty(self, slot: int) -> None:
        if (held := self.memory.at(slot)) is not None:
            self._refuse(f"slot {slot} holds {held}; discard that first")

    def _needs_snapshot(self, slot: int) -> None:
        if slot in self.memory.tapes:
            self._refuse(f"slot {slot} holds {self.memory.at(slot)}, which only its Reverse uses up")
        if slot not in self.memory.snapshots:
            self._refuse(f"slot {slot} is empty; held are: {self.memory}")

    def _needs_room(self) -> None:
        if (excess := self.memory.excess()) is not None:
            self._refuse(excess)

    def _refuse(self, why: str) -> NoReturn:
        sweep = "forward" if self.to_reverse is None else "reverse"
        raise ScheduleError(f"{self.action} in the {sweep} sweep cannot be executed: {why}")


def _count(counts: list[int], level: int, change: int) -> None:
    while len(counts) <= level:
        counts.append(0)
    counts[level] += change
