# Adjoint of function.py, written by checkpointer 0.1.0. Change function.py, not this file.
#
# loop 1  function.py:13  for step in range(steps)  Revolve(snapshots=8)
"""The heat equation, explicitly."""

from checkpointer import Revolve
from checkpointer import numpy as np
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


# function.py:7
@differentiable
def simulate(u, nu, steps):
    """Doc."""
    dx = 1.0 / (u.size - 1)
    dt = 0.25 * dx**2
    t = 0.0

    # the time loop
    def simulate_loop1_step(step):  # marked
        """One iteration of function.py:13."""
        nonlocal t
        # explicit Euler
        flux = nu * (u[2:] - 2 * u[1:-1] + u[:-2]) / dx**2

        u[1:-1] += dt * flux  # in place
        t += dt
        # end of the step

    run_loop(
        simulate_loop1_step,
        range(steps),
        Revolve(snapshots=8),
        forward=simulate_loop1_forward,
        reverse=simulate_loop1_reverse,
    )
    # after the loop
    return u.sum() * t


def simulate_loop1_forward(loop):
    """Run function.py:13 and leave the snapshots that the reverse sweep starts from."""
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


def simulate_loop1_reverse(loop, adjoint):
    """Pull the adjoint of the state after function.py:13 back to the state before it."""
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


# after the function
# function.py:25
def main():
    return simulate(np.ones(5), 1.0, 10)
