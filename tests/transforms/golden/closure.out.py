# Adjoint of closure.py, written by checkpointer 0.1.0. Change closure.py, not this file.
#
# loop 1  closure.py:18  for i in range(n)  Revolve(snapshots=2)
from checkpointer import Revolve
from checkpointer.runtime import (
    Advance,
    Discard,
    Record,
    Restore,
    Reverse,
    Snapshot,
    differentiable,
    run_loop,
)


# closure.py:4
def outer(n):
    count = 0

    def observe():
        return x, last

    # closure.py:10
    @differentiable
    def inner(x0):
        x = x0
        watchers = []

        def look():
            return x, last

        last: object  # first bound in the loop
        scaled: object  # first bound in the loop

        def outer_inner_loop1_step(i):
            """One iteration of closure.py:18."""
            global tally
            nonlocal count, last, x, scaled
            count += 1
            last = i
            x = x * last
            scaled = 2 * x
            watchers.append(lambda: scaled)
            tally = [j * i for j in range(i)]

        run_loop(
            outer_inner_loop1_step,
            range(n),
            Revolve(snapshots=2),
            forward=outer_inner_loop1_forward,
            reverse=outer_inner_loop1_reverse,
        )
        return look(), watchers

    return inner(1), count


def outer_inner_loop1_forward(loop):
    """Run closure.py:18 and leave the snapshots that the reverse sweep starts from."""
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


def outer_inner_loop1_reverse(loop, adjoint):
    """Pull the adjoint of the state after closure.py:18 back to the state before it."""
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
