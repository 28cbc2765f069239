"""Backward Euler for a stiff reaction: Newton's iteration inside, both loops marked, the inner one a while loop."""
import numpy as np

from checkpointer import Online, checkpointed

CONTROLS = np.array([0.04, 30.0, 10.0, 1.0])


def rates(y, k):
    r1, r2, r3 = k[0]*y[0], k[1]*y[1]*y[1], k[2]*y[1]*y[2]
    return np.array([-r1 + r3, r1 - r3 - r2, r2])


def jacobian(y, k):
    return np.array([[-k[0], k[2]*y[2], k[2]*y[1]],
                     [k[0], -k[2]*y[2] - 2*k[1]*y[1], -k[2]*y[1]],
                     [0, 2*k[1]*y[1], 0]])


class NewtonFailed(Exception):
    pass


def implicit_step(y0, dt, k, inner=Online(2)):
    y = y0.copy()
    it = 0
    while checkpointed(True, inner):
        G = y - y0 - dt*rates(y, k)
        if np.linalg.norm(G) < 1e-9:
            return y, it
        y = y - np.linalg.solve(np.eye(3) - dt*jacobian(y, k), G)
        it += 1
        if it > 20:
            raise NewtonFailed(f"residual {np.linalg.norm(G):g}")


def run(x, scheme):
    y = np.array([x[3], 0.0, 0.0])
    dt, iterations = 0.5, 0
    for n in checkpointed(range(5), scheme):
        try:
            y, its = implicit_step(y, dt, x)
        except NewtonFailed:
            dt = dt/2
            continue
        iterations += its
        dt *= 1.5
    return y[0] + 100*y[1] + y[2]**2 + 0*iterations
