"""The reverse sweep that all schemes share: binomial, from whatever snapshots stand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from checkpointer.errors import ScheduleError
from checkpointer.schemes.actions import Action, Advance, Discard, Restore, Reverse, Snapshot
from checkpointer.schemes.binomial import first_part


def reverse_from(
    standing: Mapping[int, int],
    end: int,
    slots: int,
    *,
    start: int = 0,
    taken: Collection[int] = (),
    level: Callable[[int], int] | None = None,
) -> Iterator[Action]:
    """Reverse the steps end - 1, ..., start, binomially between the snapshots that stand.

    The stretch between two standing snapshots is reversed optimally with its own slot and all that are
    empty by then. No snapshot is given up before its stretch is done: where they stand badly, that could
    save more. No current state is presumed. Needs O(slots) memory, and O(r) integer operations an action.

    Parameters
    ----------
    standing : mapping of int to int
        The snapshots that stand: slot -> step. Those of ``end`` or later steps are discarded unused.
    end : int
        The number of steps to reverse.
    slots : int
        How many snapshots may be held at once, those that stand included.
    start : int
        The last step to reverse.
    taken : collection of int
        Slots that hold something else, such as tapes.
    level : function, optional
        The level of a slot; 0 for all unless given.

    Raises
    ------
    ScheduleError
        If no snapshot stands from which a step could be recomputed.

    Source: Griewank & Walther, "Algorithm 799: revolve", ACM Trans. Math. Softw. 26 (2000) 19-45.

    >>> list(reverse_from({0: 0}, 2, slots=1))  # doctest: +NORMALIZE_WHITESPACE
    [Restore(step=0, slot=0), Advance(start=0, stop=1), Reverse(step=1),
     Restore(step=0, slot=0), Discard(slot=0), Reverse(step=0)]
    """
    stack = [Restore(step, slot) for slot, step in sorted(standing.items(), key=lambda pair: pair[1])]
    empty = _empty_slots({*standing, *taken}, min(slots, len(taken) + max(end - start, len(standing))))
    # Long loops spend their time below, most of it in making actions: no generator is nested in this one, what comes
    # again is made once, and the most frequent cases come first.
    discards = _Discards()
    last = end - 1
    while stack:
        restore = stack[-1]
        position = restore.step
        if position > last:  # of no use
            empty.append(stack.pop().slot)
            yield discards[restore.slot]
            continue
        yield restore
        if position == last:  # used for the last time: make room before the step's tape needs it
            stack.pop()
            empty.append(restore.slot)
            yield discards[restore.slot]
            yield Reverse(last)
            last -= 1
            continue
        between, room = last - position - 1, len(empty)
        while room and between:
            part = 1 if between <= 2 * room else first_part(between + 2, room + 1)
            step = position + part
            slot = empty.pop()
            yield Advance(position, step)
            yield Snapshot(step, slot, level(slot) if level else 0)
            stack.append(Restore(step, slot))
            position = step
            between -= part
            room -= 1
        yield Advance(position, last)
        yield Reverse(last)
        last -= 1
    if last >= start:
        raise ScheduleError(f"step {last} cannot be reversed: no snapshot of it or of an earlier step stands")


class _Discards(dict[int, Discard]):
    """The Discard of each slot."""

    def __missing__(self, slot: int) -> Discard:
        self[slot] = discard = Discard(slot)
        return discard


def _empty_slots(standing: Collection[int], slots: int) -> list[int]:
    """The slots that may still be filled, the one to take next at the end."""
    numbers = [slot for slot in range(slots) if slot not in standing]
    return numbers[: max(slots - len(standing), 0)][::-1]
