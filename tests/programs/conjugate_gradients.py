"""Conjugate gradients to a tolerance, with the walrus."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.0, -0.5, 0.8, 0.3, 0.9, -0.2])
LENGTH = "unknown"


def cg(A, b, scheme, tol=1e-7, maxiter=50):
    x = np.zeros_like(b)
    r = b - A @ x
    p = r.copy()
    rs_old, it = r @ r, 0
    while checkpointed((res := np.sqrt(rs_old)) > tol and it < maxiter, scheme):
        Ap = A @ p
        alpha = rs_old/(p @ Ap)
        x += alpha*p
        r -= alpha*Ap
        rs_new = r @ r
        p = r + (rs_new/rs_old)*p
        rs_old = rs_new
        it += 1
    return x, it, res


def run(x, scheme):
    n = x.size
    i = np.arange(n)
    A = np.exp(-0.7*np.abs(i[:, None] - i[None, :])) + np.diag(1 + x**2)
    solution, it, res = cg(A, np.cos(i)*x, scheme)
    return solution @ solution + solution[2]
