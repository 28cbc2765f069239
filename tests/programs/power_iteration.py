"""Power iteration with a Rayleigh quotient, stopped by break; afterwards deflation, in an outer loop that is marked, too."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([2.0, 0.7, 0.3, 1.1, 0.4, 3.0])


def dominant(A, v, scheme, tol=1e-3):
    lam = 0.0
    for k in checkpointed(range(50), scheme):
        w = A @ v
        v = w/np.linalg.norm(w)
        new = v @ A @ v
        if abs(new - lam) < tol:
            break
        lam = new
    return new, v, k


def run(x, scheme):
    A = np.zeros((3, 3))
    A[np.triu_indices(3)] = x
    A = A + A.T
    values, counts = [], []
    for _ in checkpointed(range(2), scheme):
        lam, v, k = dominant(A, np.ones(3)/np.sqrt(3), scheme)
        A = A - lam*np.outer(v, v)
        values.append(lam)
        counts.append(k)
    return values[0]**2 + np.prod(values) + v[0]*v[1] + counts[0]
