# Adjoint of nested.py, written by checkpointer 0.1.0. Change nested.py, not this file.
#
# loop 1  nested.py:5  for i in range(n)  Revolve(snapshots=2)
# loop 2  nested.py:7  for j in range(i)  Revolve(snapshots=2)
from checkpointer import Revolve
from checkpointer.runtime import (
    BREAK,
    CONTINUE,
    Advance,
    Discard,
    Record,
    Restore,
    Return,
    Reverse,
    Snapshot,
    differentiable,
    run_loop,
)


# nested.py:4
@differentiable
def run(n, item):
    entry: object  # first bound in the loop
    last: object  # first bound in the loop

    def run_loop1_step(i):
        """One iteration of nested.py:5."""
        nonlocal last
        row = 0

        def run_loop2_step(j):
            """One iteration of nested.py:7."""
            nonlocal row, entry
            row += j
            entry = (i, j)
            if row > 9:
                return Return(entry)
            if row > 8:
                return BREAK

        ended = run_loop(
            run_loop2_step,
            range(i),
            Revolve(snapshots=2),
            forward=run_loop2_forward,
            reverse=run_loop2_reverse,
        )
        if ended.returned:
            return Return(ended.value)
        if ended.exhausted:
            return CONTINUE
        last = row
        if entry == item:
            return BREAK

    ended = run_loop(
        run_loop1_step,
        range(n),
        Revolve(snapshots=2),
        forward=run_loop1_forward,
        reverse=run_loop1_reverse,
    )
    if ended.returned:
        return ended.value
    return last


def run_loop1_forward(loop):
    """Run nested.py:5 and leave the snapshots that the reverse sweep starts from."""
    for action in loop.forward_actions():
        match action:
            case Advance(start, stop):
                loop.advance(start, stop)
            case Snapshot(step, slot, level):
                loop.save(step, slot, level)
            case Discard(slot):
                loop.discard(slot)
            case Record(step, slot):
                loop.record(step, slot)


def run_loop1_reverse(loop, adjoint):
    """Pull the adjoint of the state after nested.py:5 back to the state before it."""
    for action in loop.reverse_actions():
        match action:
            case Restore(step, slot):
                loop.restore(step, slot)
            case Advance(start, stop):
                loop.advance(start, stop)
            case Snapshot(step, slot, level):
                loop.save(step, slot, level)
            case Record(step, slot):
                loop.record(step, slot)
            case Reverse(step):
                adjoint = loop.pullback(step, adjoint)
            case Discard(slot):
                loop.discard(slot)
    return adjoint


def run_loop2_forward(loop):
    """Run nested.py:7 and leave the snapshots that the reverse sweep starts from."""
    for action in loop.forward_actions():
        match action:
            case Advance(start, stop):
                loop.advance(start, stop)
            case Snapshot(step, slot, level):
                loop.save(step, slot, level)
            case Discard(slot):
                loop.discard(slot)
            case Record(step, slot):
                loop.record(step, slot)


def run_loop2_reverse(loop, adjoint):
    """Pull the adjoint of the state after nested.py:7 back to the state before it."""
    for action in loop.reverse_actions():
        match action:
            case Restore(step, slot):
                loop.restore(step, slot)
            case Advance(start, stop):
                loop.advance(start, stop)
            case Snapshot(step, slot, level):
                loop.save(step, slot, level)
            case Record(step, slot):
                loop.record(step, slot)
            case Reverse(step):
                adjoint = loop.pullback(step, adjoint)
            case Discard(slot):
                loop.discard(slot)
    return adjoint
