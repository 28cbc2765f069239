"""Finite-horizon LQR: the Riccati recursion backwards, then the closed loop with the stored gains."""
import numpy as np
from numpy.linalg import inv

from checkpointer import checkpointed

CONTROLS = np.array([0.1, 0.95, 1.0, 0.5, 2.0])


def run(x, scheme):
    dt, damping, q1, q2, r = x
    A = np.array([[1.0, dt], [-0.2*dt, damping]])
    B = np.array([[0.0], [dt]])
    Q = np.diag([q1, q2])
    R = np.array([[r]])
    N = 8
    P = Q
    K = [None]*N
    for k in checkpointed(reversed(range(N)), scheme):
        K[k] = inv(R + B.T @ P @ B) @ (B.T @ P @ A)
        P = Q + A.T @ P @ A - A.T @ P @ B @ K[k]
        P = 0.5*(P + P.T)
    s = np.array([[1.0], [-0.3]])
    J = 0.0
    for gain in checkpointed(K, scheme):
        u = -gain @ s
        J += (s.T @ Q @ s + u.T @ R @ u).item()
        s = A @ s + B @ u
    return J + P[0, 1]
