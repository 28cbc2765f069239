"""Nested iteration: the solution is carried to a grid twice as fine, so the state changes its shape in the loop."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.4, 1.3, 2.0, 0.7])


def refine(u):
    fine = np.zeros(2*len(u) - 1)
    fine[::2] = u
    fine[1::2] = 0.5*(u[1:] + u[:-1])
    return fine


def gauss_seidel(u, f, sweeps):
    n = len(u)
    h2 = 1.0/(n - 1)**2
    for _ in range(sweeps):
        for i in range(1, n - 1):
            u[i] = 0.5*(u[i-1] + u[i+1] + h2*(f[i] - u[i]**3))


def run(x, scheme):
    u = np.array([x[0], 0.5, x[1]])
    norms = {}
    for level in checkpointed(range(4), scheme):
        s = np.linspace(0.0, 1.0, u.size)
        f = x[2]*np.sin(np.pi*s) + x[3]
        gauss_seidel(u, f, 2)
        norms[f"level {level}"] = np.linalg.norm(u)/np.sqrt(u.size)
        if level < 3:
            u = refine(u)
    return u.mean() + norms["level 1"]**2
