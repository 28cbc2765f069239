"""The heat equation, explicitly."""

import numpy as np
from checkpointer import Revolve, checkpointed


def simulate(u, nu, steps):
    """Doc."""
    dx = 1.0 / (u.size - 1)
    dt = 0.25 * dx**2
    t = 0.0
    # the time loop
    for step in checkpointed(range(steps), Revolve(snapshots=8)):  # marked
        # explicit Euler
        flux = nu * (u[2:] - 2 * u[1:-1] + u[:-2]) / dx**2

        u[1:-1] += dt * flux  # in place
        t += dt
        # end of the step
    # after the loop
    return u.sum() * t


# after the function
def main():
    return simulate(np.ones(5), 1.0, 10)
