"""Alternating-direction sweeps: the same routine for rows and columns, given the array or its transpose."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.5, 1.0, 0.3])  # diffusivity, height, offset


def sweep_x(T, r):
    """One implicit-explicit sweep along the first axis, in place; T may be a transposed view."""
    old = T.copy()
    inner = T[1:-1]
    for _ in range(2):
        inner[...] = (old[1:-1] + r*(T[2:] + T[:-2]))/(1 + 2*r)
    return T[::-1]      # a view, in the other direction


def run(x, scheme):
    kappa, height, offset = x
    T = np.zeros((6, 8))
    T[2:4, 3:5] = height
    T.flat[::9] += offset
    moved = np.moveaxis(T, 0, 1)
    heat = 0.
    for k in checkpointed(range(6), scheme):
        back = sweep_x(T, kappa)
        back[0] *= 1.1              # writes to the last row of T
        sweep_x(T.T, 0.5*kappa)
        moved[-1, 1:3] += 0.01*T[0, 0]
        heat += T.ravel()[10]*np.trace(T[:, :6])
    return heat + (T**2).sum()
