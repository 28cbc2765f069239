# Adjoint of script.py, written by checkpointer 0.1.0. Change script.py, not this file.
#
# loop 1  script.py:5  for name, (a, b) in {"x": (1, 2)}.items()  Online(snapshots=4)
# loop 2  script.py:14  while (error := abs(u).max()) < 1 or u[0] < 0  None
# loop 3  script.py:20  for k in range(3)
from checkpointer import Online
from checkpointer import numpy as np
from checkpointer.runtime import (
    EXHAUSTED,
    Advance,
    Discard,
    Record,
    Restore,
    Reverse,
    Snapshot,
    differentiable,
    run_loop,
    run_while,
)


def loop1_forward(loop):
    """Run script.py:5 and leave the snapshots that the reverse sweep starts from."""
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


def loop1_reverse(loop, adjoint):
    """Pull the adjoint of the state after script.py:5 back to the state before it."""
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


# over all files
def loop1_step(item):
    """One iteration of script.py:5."""
    global name, a, b, total
    name, (a, b) = item
    total = a * b


run_loop(
    loop1_step,
    {"x": (1, 2)}.items(),
    Online(snapshots=4),
    forward=loop1_forward,
    reverse=loop1_reverse,
    storage=None,
)
print(total)


def loop2_forward(loop):
    """Run script.py:14 and leave the snapshots that the reverse sweep starts from."""
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


def loop2_reverse(loop, adjoint):
    """Pull the adjoint of the state after script.py:14 back to the state before it."""
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


def helper_loop1_forward(loop):
    """Run script.py:20 and leave the snapshots that the reverse sweep starts from."""
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


def helper_loop1_reverse(loop, adjoint):
    """Pull the adjoint of the state after script.py:20 back to the state before it."""
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


if __name__ == "__main__":
    u = np.zeros(3)

    # refine
    def loop2_step():
        """One iteration of script.py:14."""
        global error, u
        if not (
            (error := abs(u).max()) < 1 or
                 u[0] < 0
        ):
            return EXHAUSTED
        u += 0.5

    ended = run_while(
        loop2_step,
        None,
        forward=loop2_forward,
        reverse=loop2_reverse,
    )
    if ended.exhausted:
        print("converged")

    # script.py:19
    @differentiable
    def helper(v):
        def helper_loop1_step(k):
            """One iteration of script.py:20."""
            nonlocal v
            v = v * k

        run_loop(
            helper_loop1_step,
            range(3),
            forward=helper_loop1_forward,
            reverse=helper_loop1_reverse,
        )
        return v

    print(helper(u))
