"""The reverse sweep that all schemes share: binomial, from whatever snapshots stand."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from checkpointer.errors import ScheduleError
from checkpointer.schemes.actions import Action, Advance, Discard, Restore, Reverse, Snapshot
from checkpointer.schemes.binomial import snapshot_steps


def reverse_from(
    standing: Mapping[int, int], end: int, slots: int, *, start: int = 0, taken: Collection[int] = ()
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

    Raises
    ------
    ScheduleError
        If no snapshot stands from which a step could be recomputed.

    Source: Griewank & Walther, "Algorithm 799: revolve", ACM Trans. Math. Softw. 26 (2000) 19-45.

    >>> list(reverse_from({0: 0}, 2, slots=1))  # doctest: +NORMALIZE_WHITESPACE
    [Restore(step=0, slot=0), Advance(start=0, stop=1), Reverse(step=1),
     Restore(step=0, slot=0), Discard(slot=0), Reverse(step=0)]
    """
    stack = [Restore(step, slot) for step, slot in sorted((step, slot) for slot, step in standing.items())]
    most = len(taken) + max(end - start, len(standing))
    empty = _empty_slots({*standing, *taken}, min(slots, most))
    while stack:
        top = stack[-1]
        if top.step < end:
            yield top
        if top.step >= end - 1:  # used for the last time: make room before the step's tape needs it
            yield Discard(top.slot)
            stack.pop()
            empty.append(top.slot)
            if top.step >= end:
                continue
        elif empty and top.step < end - 2:
            yield from _advance_to(end - 1, stack, empty)
        else:
            yield Advance(top.step, end - 1)
        yield Reverse(end - 1)
        end -= 1
    if end > start:
        raise ScheduleError(
            f"step {end - 1} cannot be reversed: no snapshot of it or of an earlier step stands"
        )


def _advance_to(last: int, stack: list[Restore], empty: list[int]) -> Iterator[Action]:
    """Advance from the restored top of the stack to ``last``, with snapshots on the way."""
    position = stack[-1].step
    for step in snapshot_steps(position, last + 1, slots=1 + len(empty)):
        slot = empty.pop()
        yield Advance(position, step)
        yield Snapshot(step, slot)
        stack.append(Restore(step, slot))
        position = step
    yield Advance(position, last)


def _empty_slots(standing: Collection[int], slots: int) -> list[int]:
    """The slots that may still be filled, the one to take next at the end."""
    numbers = [slot for slot in range(slots) if slot not in standing]
    return numbers[: max(slots - len(standing), 0)][::-1]
