"""The schedule of an optimal part, or of a sequence of them: one stack of snapshots on several levels of storage."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from checkpointer.schemes.actions import Action, Advance, Discard, Record, Restore, Reverse, Snapshot
from checkpointer.schemes.base import Schedule
from checkpointer.schemes.parts import Part


class LayeredSchedule(Schedule):
    """Hold a stack of snapshots; with each, the part of the steps up to the next one that it is to reverse.

    Parameters
    ----------
    steps, slots : int or None
        As for `Schedule`.
    sizes : tuple of int
        How many slots each level of storage has, but the last, whose slots are numbered on from there without end.
    lowest : int
        The level of a part whose snapshots stand on level 0 of the storage: 0 if memory is free, else 1.
    """

    def __init__(self, steps: int | None, slots: int | None, sizes: tuple[int, ...], lowest: int) -> None:
        super().__init__(steps, slots)
        self._stack: list[tuple[int, int, Part]] = []
        self._next_slot = list(accumulate(sizes, initial=0))
        self._empty: list[list[int]] = [[] for _ in self._next_slot]
        self._lowest = lowest

    def reverse_sweep(self) -> Iterator[Action]:
        """Each snapshot's part in turn, split as it was planned.

        After an early end the last snapshot has other steps to reverse than were planned, and gets a new plan.
        """
        assert self.steps is not None  # set by finish
        end = self.steps - self.recorded
        if self.recorded:
            yield Reverse(end)
        while self._stack:
            start, slot, part = self._stack.pop()
            if start >= end:
                yield self._discard(slot)
                continue
            if part.length != end - start:
                part = part.resized(end - start)
            yield Restore(start, slot)
            if part.is_last_read():
                yield self._discard(slot)
                yield from self._advance_through(start, part.fresh())
            else:
                late, early = part.split()
                self._stack.append((start, slot, early))
                yield Advance(start, start + early.length)
                yield from self._advance_through(start + early.length, late.fresh())
            yield Reverse(end - 1)
            end -= 1

    def _last_part(self, start: int, part: Part) -> Iterator[Action]:
        """The steps of the first sweep from ``start`` on, up to the last, which is recorded.

        Where they are one step only, the state before it is stored if it is the initial one: the loop may be left without
        a tape, and no other state stands that the step could be reversed from.
        """
        if start == 0 and part.length == 1:
            yield self._snapshot(0, part)
        yield from self._advance_through(start, part.fresh())
        yield Record(start + part.length - 1)

    def _advance_through(self, start: int, part: Part) -> Iterator[Action]:
        """From the current state before ``start`` to the one before the part's last step, with snapshots on the way."""
        while part.length > 1:
            late, early = part.split()
            yield self._snapshot(start, early)
            yield Advance(start, start + early.length)
            start, part = start + early.length, late.fresh()

    def _snapshot(self, step: int, part: Part) -> Snapshot:
        """Store a state from which the part is to be reversed."""
        level = part.level - self._lowest
        if self._empty[level]:
            slot = self._empty[level].pop()
        else:
            slot = self._next_slot[level]
            self._next_slot[level] += 1
        self._stack.append((step, slot, part))
        return Snapshot(step, slot, level)

    def _discard(self, slot: int) -> Discard:
        self._empty[self.level_of[slot]].append(slot)
        return Discard(slot)


class OptimalSchedule(LayeredSchedule):
    """The schedule of one part: all steps of a loop of known length."""

    def __init__(self, steps: int, part: Part, slots: int, sizes: tuple[int, ...], lowest: int) -> None:
        super().__init__(steps, slots, sizes, lowest)
        self._part = part

    def first_sweep(self) -> Iterator[Action]:
        """The first way through all steps, the last of which is recorded."""
        if self.steps:
            yield from self._last_part(0, self._part)
