"""One-dimensional FDTD in the manner of the textbooks: index loops, absorbing ends that remember old values in lists."""
import numpy as np
from math import exp

from checkpointer import checkpointed

CONTROLS = np.array([1.2, 4.0, 0.03])   # amplitude, permittivity of the slab, conductivity

ke = 24


def run(x, scheme):
    ex = np.zeros(ke)
    hy = np.zeros(ke)
    boundary_low = [0, 0]
    boundary_high = [0, 0]

    eaf = 0.5*x[2]
    ca = np.ones(ke)
    cb = np.ones(ke)*0.5
    for k in range(14, 19):
        ca[k] = (1 - eaf)/(1 + eaf)
        cb[k] = 0.5/(x[1]*(1 + eaf))

    t0, spread = 6, 2.5
    for time_step in checkpointed(range(1, 12), scheme):
        # Calculate the Ex field
        for k in range(1, ke):
            ex[k] = ca[k]*ex[k] + cb[k]*(hy[k - 1] - hy[k])

        # Put a Gaussian pulse in the middle
        pulse = exp(-0.5*((t0 - time_step)/spread)**2)
        ex[5] = ex[5] + x[0]*pulse

        # Absorbing Boundary Conditions
        ex[0] = boundary_low.pop(0)
        boundary_low.append(ex[1])
        ex[ke - 1] = boundary_high.pop(0)
        boundary_high.append(ex[ke - 2])

        # Calculate the Hy field
        for k in range(ke - 1):
            hy[k] = hy[k] + 0.5*(ex[k] - ex[k + 1])

    return np.dot(ex, ex) + np.dot(hy, hy)
