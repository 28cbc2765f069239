"""A scheme that measures the first step of a loop, and then chooses another one by its costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from checkpointer.schemes.actions import Action, Advance, Discard, Record, Restore, Reverse, Snapshot
from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.mixed import Mixed
from checkpointer.schemes.sizes import parse_size
from checkpointer.schemes.store_all import StoreAll

if TYPE_CHECKING:
    from checkpointer.schemes.choice import Choice

SHARE = 4
"""Without a budget, `Auto` takes one part in so many of the memory that is available when the loop begins."""


@dataclass(frozen=True, repr=False)
class Auto(Scheme):
    """Measure the state, a step, its reversal and the storage in the loop's first step; then choose scheme and counts.

    What is used if a mark names no scheme. The budgets are for the snapshots, for kept tapes and for what reversing
    one step takes; the program's own arrays and their adjoint are not counted. The first step is run two to six times
    more than other schemes run it, unless the same loop was measured before. For loops of known length, the choice is
    the scheme of the least predicted time among `Revolve`, `Mixed` and, with a disk, `Multistage` and `HRevolve`; for
    others it is `Online`.

    A consumer that measures nothing, such as `simulate`, gets the schedule of `StoreAll`.

    Parameters
    ----------
    memory : int or str, optional
        Bytes, or a size such as ``"2 GiB"``. Unless given, a quarter of the memory that is available when the
        loop begins.
    disk : int or str, optional
        Bytes on the storage's second level, or a size. None unless given.
    storage : Storage, optional
        Where the snapshots go, the same as the ``storage`` of a mark, which goes before it. Unless given, memory, and a
        temporary HDF5 file for ``disk``.

    Raises
    ------
    ArgumentError
        If one of them is no size. If the memory does not hold one snapshot and the reversal of one step, in the loop.

    >>> Auto(memory="2 GiB", disk="100 GB")
    Auto(memory=2147483648, disk=100000000000)
    """

    memory: int | str | None = None
    disk: int | str | None = None
    storage: object = None
    online = True

    def __post_init__(self) -> None:
        for name in ("memory", "disk"):
            size = getattr(self, name)
            if size is not None:
                object.__setattr__(self, name, parse_size(size, name, "Auto"))

    def __repr__(self) -> str:
        given = {name: getattr(self, name) for name in ("memory", "disk", "storage")}
        return f"Auto({', '.join(f'{name}={value!r}' for name, value in given.items() if value is not None)})"

    def schedule(self, steps: int | None) -> AutoSchedule:
        """A new schedule for a loop of ``steps`` steps, or of a number that only its end will tell."""
        return AutoSchedule(self, self.possible_length(steps))

    def slots(self, steps: int) -> int:
        """One for each step: what is held is limited in bytes, not in numbers."""
        return steps


class AutoSchedule(Schedule):
    """The schedule of the scheme that is chosen once the first step was measured.

    Attributes
    ----------
    scheme : Auto
    choice : Choice or None
        What was chosen; None until the first step has run, and if nothing was measured.
    """

    def __init__(self, scheme: Auto, steps: int | None) -> None:
        super().__init__(steps, None)
        self.scheme = scheme
        self.trial = 0
        self.choice: Choice | None = None
        self._chosen: _Continued | None = None

    def first_sweep(self) -> Iterator[Action]:
        """The first step, on trial, and then what the chosen scheme does."""
        if self.steps == 0:
            return
        yield Snapshot(0, slot=0)
        if self.steps == 1:
            yield Record(0)
            return
        yield Advance(0, 1)
        self._chosen = _Continued(self._choose(), self.steps)
        yield from self._chosen.forward()

    def finish(self, steps: int, recorded: bool) -> None:
        """Say how the forward sweep ended."""
        super().finish(steps, recorded)
        if self._chosen is not None:
            self._chosen.finish(steps, recorded)

    def reverse_sweep(self) -> Iterable[Action]:
        """The reverse sweep of the chosen scheme."""
        return super().reverse_sweep() if self._chosen is None else self._chosen.reverse()

    def _choose(self) -> Scheme:
        measured, steps = self.measurement, self.steps
        if measured is None:
            return StoreAll()
        memory = self.scheme.memory
        budget = measured.available // SHARE if memory is None else memory
        assert isinstance(budget, int)
        assert isinstance(self.scheme.disk, int | None)
        from checkpointer.schemes.choice import choose  # loads all schemes, which only now is needed

        self.choice = choose(measured, steps, budget, self.scheme.disk or 0)
        return self.choice.scheme


class _Continued:
    """A schedule whose first step has run already, from a snapshot in slot 0 on level 0.

    Most schedules begin with a snapshot of the initial state, and so can be continued; that of `Mixed` may begin with a
    tape, and is told of one step less.
    """

    def __init__(self, scheme: Scheme, steps: int | None) -> None:
        self._offset = 1 if isinstance(scheme, Mixed) else 0
        self._schedule = scheme.schedule(None if steps is None else steps - self._offset)
        self._first_slot = 0

    def forward(self) -> Iterator[Action]:
        """The rest of the forward sweep."""
        actions = self._schedule.forward()
        if not self._offset:
            begun = next(actions)
            assert isinstance(begun, Snapshot)
            self._first_slot = begun.slot
            advance = next(actions)
            assert isinstance(advance, Advance)
            if advance.stop > 1:
                yield Advance(1, advance.stop)
        for action in actions:
            yield self._renamed(action)

    def finish(self, steps: int, recorded: bool) -> None:
        """Say how the forward sweep ended."""
        self._schedule.finish(steps - self._offset, recorded)

    def reverse(self) -> Iterator[Action]:
        """The reverse sweep."""
        for action in self._schedule.reverse():
            yield self._renamed(action)
        if self._offset:
            yield Restore(0, slot=0)
            yield Discard(slot=0)
            yield Reverse(0)

    def _renamed(self, action: Action) -> Action:
        """The action in the numbers of the whole loop, whose first snapshot stands in slot 0."""
        offset = self._offset
        match action:
            case Advance(start, stop):
                return Advance(start + offset, stop + offset)
            case Reverse(step):
                return Reverse(step + offset)
            case Discard(slot):
                return Discard(self._slot(slot))
            case Record(step, None):
                return Record(step + offset)
            case Record(step, slot) | Restore(step, slot) | Snapshot(step, slot):
                assert slot is not None
                return replace(action, step=step + offset, slot=self._slot(slot))

    def _slot(self, slot: int) -> int:
        if self._offset:
            return slot + 1
        return {self._first_slot: 0, 0: self._first_slot}.get(slot, slot)
