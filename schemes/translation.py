"""The actions of the package checkpoint_schedules, one after the other, as actions of ours."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import count
from typing import Any, NoReturn

from checkpointer.errors import ScheduleError
from checkpointer.schemes.actions import Action, Advance, Discard, Record, Restore, Reverse, Snapshot
from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.reversal import reverse_from

LEVELS = {"RAM": 0, "DISK": 1}

Place = tuple[str, int]
"""Where data stands in their schedules: a kind of storage, and the step that the data is of."""


class Translation(Schedule):
    """A schedule of theirs, translated as it is asked for.

    Parameters
    ----------
    scheme : Scheme
        Says how many slots the whole schedule takes.
    source : checkpoint_schedules.CheckpointSchedule or None
        None for a loop without steps.
    steps : int or None
        As for `Schedule`.
    """

    def __init__(self, scheme: Scheme, source: Any, steps: int | None) -> None:
        super().__init__(steps, None)
        self._scheme = scheme
        self._source = source
        self._planned = steps
        self._end = steps  # the steps that are not reversed yet; None while nobody knows
        self._in_forward_sweep = True
        self._forward_is_over = False
        self._current: int | None = 0
        self._slot_at: dict[Place, int] = {}  # snapshots
        self._taped_at: set[Place] = set()
        self._loaded: tuple[int, int, bool] | None = (
            None  # step and slot to restore from, and whether to discard then
        )
        self._untaped: int | None = None  # a step whose tape is made when it turns out that it is to be kept
        self._ends_in_tape = False
        self._free: list[int] = []
        self._unused = count()

    # --- the two sweeps --------------------------------------------------------------------------------------------

    def first_sweep(self) -> Iterator[Action]:
        """Their forward sweep, up to its end or, in a loop of unknown length, for ever."""
        while self._source is not None:
            action = self._next()
            match type(action).__name__:
                case "Forward":
                    yield from self._forward(action)
                case "Copy" | "Move":
                    yield from self._transfer(action)
                case "EndForward":
                    self._forward_is_over = True
                    return
                case _:
                    self._refuse(action, "does not belong into a forward sweep")
            if self._current == self.steps and self._source.max_n is None:
                self._source.finalize(self.steps)

    def reverse_sweep(self) -> Iterator[Action]:
        """Their reverse sweep; or, if they cannot be told that the loop ended early, ours from what stands."""
        self._in_forward_sweep = False
        self._end = self.steps
        if self._continues():
            yield from self._their_reverse_sweep()
        else:
            yield from self._reverse_what_stands()
        for slot in list(self.standing):
            yield Discard(slot)

    def _continues(self) -> bool:
        """Whether their schedule can go on from how the forward sweep ended."""
        if not self.steps or (self._ends_in_tape and not self.recorded):
            return False
        if self._source.max_n is None:
            self._source.finalize(self.steps)
        if self._source.max_n != self.steps:
            return False
        if not self._forward_is_over:
            action = self._next()
            if type(action).__name__ != "EndForward":
                self._refuse(action, "follows the end of the loop, which was told")
        return True

    def _their_reverse_sweep(self) -> Iterator[Action]:
        self._current = None
        for place in [place for place in self._slot_at if place[1] >= (self._end or 0)]:
            yield self._discard(self._slot_at.pop(place))
        while self._end:
            action = self._next()
            name = type(action).__name__
            if self._untaped is not None and not (name == "Reverse" and action.n1 == self._untaped + 1):
                yield from self._keep_tape(self._untaped)
            match name:
                case "Forward":
                    yield from self._forward(action)
                case "Copy" | "Move":
                    yield from self._transfer(action)
                case "Reverse":
                    yield from self._reverse(action)
                case _:
                    self._refuse(action, f"comes although {self._end} steps are left to reverse")

    def _reverse_what_stands(self) -> Iterator[Action]:
        """Binomially from the snapshots, and from the tapes where they are of the next step."""
        assert self.steps is not None  # set by finish
        end, slots = (
            self.steps - self.recorded,
            self._scheme.slots(self._planned or 0) if self._planned else 0,
        )
        if self.recorded:
            yield Reverse(end)
        while end > 0:
            start = max((step + 1 for step in self.tapes.values()), default=0)
            if start < end:
                stretch = {slot: step for slot, step in self.standing.items() if step >= start}
                taken = {*self.standing, *self.tapes}.difference(stretch)
                for action in reverse_from(stretch, end, slots, start=start, taken=taken):
                    yield self._on_a_level_with_room(action)
                end = start
            else:
                end -= 1
                yield Reverse(end)

    def _on_a_level_with_room(self, action: Action) -> Action:
        if not isinstance(action, Snapshot):
            return action
        in_memory = len(self.tapes) + sum(level == 0 for level in self.level_of.values())
        room = self._scheme.slots_by_level(self._planned or 0)[0]
        return Snapshot(action.step, action.slot, int(in_memory >= room))

    # --- their actions ---------------------------------------------------------------------------------------------

    def _forward(self, action: Any) -> Iterator[Action]:
        start, stop, storage = action.n0, action.n1, action.storage.name
        yield from self._restore_before(start)
        if self._in_forward_sweep and self._end is not None:
            stop = min(stop, self._end)  # they may not know the length before the loop has ended
        if start != self._current:
            self._refuse(
                action, f"starts from a state that is not there; there is that before step {self._current}"
            )
        if stop <= start or (self._end is not None and stop > self._end):
            self._refuse(
                action, f"runs other steps than {start} to {(self._end or 0) - 1}, those that are left"
            )
        if start - 1 in self._slot_of_tape and not (action.write_ics or action.write_adj_deps):
            self._refuse(
                action, f"leaves the state after step {start - 1}, whose tape is kept, without storing it"
            )
        if action.write_ics and storage in LEVELS:
            yield from self._store(start, storage)
        if action.write_adj_deps:
            yield from self._tape(action, range(start, stop))
        else:
            yield Advance(start, stop)
        self._current = stop

    def _tape(self, action: Any, steps: range) -> Iterator[Action]:
        """Tape some steps. The one that is reversed next needs no slot."""
        self._taped_at.add((action.storage.name, steps.start))
        for step in steps:
            if step in self._slot_of_tape:
                self._refuse(action, f"tapes step {step}, whose tape is there already")
            if action.storage.name != "WORK" or self._end is None or step != self._end - 1:
                yield Record(step, self._take_slot())
            elif self._in_forward_sweep:
                self._ends_in_tape = True
                yield Record(step)
            else:
                self._untaped = step

    def _keep_tape(self, step: int) -> Iterator[Action]:
        self._untaped = None
        yield Record(step, self._take_slot())

    def _reverse(self, action: Any) -> Iterator[Action]:
        assert self._end is not None
        if action.n1 != self._end:
            self._refuse(action, f"is not the next, which is step {self._end - 1}")
        yield from self._restore_before(None)
        for step in range(action.n1 - 1, action.n0 - 1, -1):
            slot = self._slot_of_tape.get(step)
            recorded = self.recorded and step + 1 == self.steps
            if slot is None and step != self._untaped and not recorded:
                self._refuse(action, f"reverses step {step}, of which there is no adjoint data")
            yield Reverse(step)
            if slot is not None:
                heapq.heappush(self._free, slot)
            self._untaped = None
            self._end = step
            for place in [(storage, step) for storage in LEVELS if (storage, step) in self._slot_at]:
                yield self._discard(self._slot_at.pop(place))  # no step is left to be run from there
        self._current = None

    def _transfer(self, action: Any) -> Iterator[Action]:
        """Copy or move data: to working storage, from there, between memory and disk, or out of existence."""
        place, target = (action.from_storage.name, action.n), action.to_storage.name
        moved = type(action).__name__ == "Move"
        yield from self._restore_before(None)
        if self._end is not None and action.n >= self._end and not self._in_forward_sweep:
            return  # it was of no use any more, and is gone
        if place[0] == "WORK" and action.n == self._current and target in LEVELS:
            yield from self._store(action.n, target)
        elif place not in self._slot_at and place not in self._taped_at:
            self._refuse(action, "needs data that was never stored there")
        elif target == "WORK":
            self._load(place, moved)
        elif target == "NONE":
            yield from self._delete(action, place)
        else:
            yield from self._transport(action, place, target, moved)

    def _load(self, place: Place, moved: bool) -> None:
        if place in self._slot_at:
            slot = self._slot_at.pop(place) if moved else self._slot_at[place]
            self._loaded = place[1], slot, moved
        if moved:
            self._taped_at.discard(place)

    def _delete(self, action: Any, place: Place) -> Iterator[Action]:
        if place in self._taped_at:
            self._refuse(action, "deletes a tape before its step is reversed")
        yield self._discard(self._slot_at.pop(place))

    def _transport(self, action: Any, place: Place, target: str, moved: bool) -> Iterator[Action]:
        """Between memory and disk. A tape stays where it is; a snapshot is restored and stored again."""
        if place in self._taped_at:
            self._taped_at.add((target, place[1]))
        if place in self._slot_at:
            if self._in_forward_sweep:
                self._refuse(action, "would lose the state that the forward sweep has reached")
            slot = self._slot_at[place]
            yield Restore(place[1], slot)
            self._current = place[1]
            if moved:
                del self._slot_at[place]
                yield self._discard(slot)
            yield from self._store(place[1], target)
        if moved:
            self._taped_at.discard(place)

    # --- snapshots and slots -----------------------------------------------------------------------------------------

    def _store(self, step: int, storage: str) -> Iterator[Action]:
        """Store the current state, in the place of what stands there."""
        if (storage, step) in self._slot_at:
            yield self._discard(self._slot_at.pop((storage, step)))
        slot = self._slot_at[storage, step] = self._take_slot()
        yield Snapshot(step, slot, LEVELS[storage])

    def _restore_before(self, start: int | None) -> Iterator[Action]:
        """Restore what was loaded if steps are run from there; loaded adjoint data needs no state."""
        if self._loaded is None:
            return
        (step, slot, moved), self._loaded = self._loaded, None
        if start is not None:
            yield Restore(step, slot)
            self._current = step
        if moved:
            yield self._discard(slot)

    def _discard(self, slot: int) -> Discard:
        heapq.heappush(self._free, slot)
        return Discard(slot)

    def _take_slot(self) -> int:
        return heapq.heappop(self._free) if self._free else next(self._unused)

    # --- their schedule ------------------------------------------------------------------------------------------------

    def _next(self) -> Any:
        action = next(self._source, None)
        if action is None:
            when = (
                "the forward sweep is over"
                if self._in_forward_sweep
                else f"step {(self._end or 0) - 1} is reversed"
            )
            raise ScheduleError(f"{type(self._source).__name__} ends before {when}")
        return action

    def _refuse(self, action: Any, why: str) -> NoReturn:
        raise ScheduleError(f"{action!r} of {type(self._source).__name__} cannot be run: it {why}")
