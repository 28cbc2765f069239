# Adjoint of leaving.py, written by checkpointer 0.1.0. Change leaving.py, not this file.
#
# loop 1  leaving.py:5  for i, row in enumerate(data)  Revolve(snapshots=3)
# loop 2  leaving.py:27  while n > 0  Revolve(snapshots=3)
from checkpointer import Revolve
from checkpointer.runtime import (
    BREAK,
    CONTINUE,
    EXHAUSTED,
    Advance,
    Discard,
    Record,
    Restore,
    Return,
    Reverse,
    Snapshot,
    differentiable,
    run_loop,
    run_while,
)


# leaving.py:4
@differentiable
def search(data, limit):
    seen: object  # first bound in the loop

    def search_loop1_step(item):
        """One iteration of leaving.py:5."""
        nonlocal seen
        i, row = item
        if row is None:
            return CONTINUE
        for x in row:
            if x < 0:
                break
            if x == limit:
                return Return((i, x))
        else:
            return CONTINUE
        try:
            if row[0] > limit:
                return BREAK
        finally:
            seen = i

    ended = run_loop(
        search_loop1_step,
        enumerate(data),
        Revolve(snapshots=3),
        forward=search_loop1_forward,
        reverse=search_loop1_reverse,
    )
    if ended.returned:
        return ended.value
    if ended.exhausted:
        # nothing found
        return None
    return seen


def search_loop1_forward(loop):
    """Run leaving.py:5 and leave the snapshots that the reverse sweep starts from."""
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


def search_loop1_reverse(loop, adjoint):
    """Pull the adjoint of the state after leaving.py:5 back to the state before it."""
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


# leaving.py:26
@differentiable
def only_else(n):
    def only_else_loop1_step():
        """One iteration of leaving.py:27."""
        nonlocal n
        if not n > 0:
            return EXHAUSTED
        n -= 1
        if n == 7: return BREAK

    ended = run_while(
        only_else_loop1_step,
        Revolve(snapshots=3),
        forward=only_else_loop1_forward,
        reverse=only_else_loop1_reverse,
    )
    if ended.exhausted:  # reached zero
        n = -1

    return n


def only_else_loop1_forward(loop):
    """Run leaving.py:27 and leave the snapshots that the reverse sweep starts from."""
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


def only_else_loop1_reverse(loop, adjoint):
    """Pull the adjoint of the state after leaving.py:27 back to the state before it."""
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
