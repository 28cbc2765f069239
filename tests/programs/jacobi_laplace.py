"""Laplace's equation by Jacobi's iteration until the change is small; two buffers change places."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.0, 0.5, -0.3, 0.8, 1.2])
LENGTH = "unknown"


def relax(p, pn, scheme, target=3e-2):
    error, sweeps = 1.0, 0
    while checkpointed(error > target, scheme):
        pn[1:-1, 1:-1] = 0.25*(p[1:-1, 2:] + p[1:-1, :-2] + p[2:, 1:-1] + p[:-2, 1:-1])
        pn[:, 0] = p[:, 0]
        pn[0], pn[-1] = p[0], pn[-2]
        pn[:, -1] = pn[:, -2]
        error = np.abs(pn - p).max()
        p, pn = pn, p
        sweeps += 1
        if sweeps >= 40:
            break
    else:
        p = p*1.0
    return p, sweeps


def run(x, scheme):
    p = np.zeros((7, 7))
    p[1:-1, 0] = x
    p[0, :] = np.linspace(x[0], x[-1], 7)**2
    p, sweeps = relax(p, np.empty_like(p), scheme)
    return np.sum(p**2) + p[3, 4]*sweeps
