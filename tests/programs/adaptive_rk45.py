"""Dormand-Prince with error control: rejected steps, a step size that depends on the solution, accepted times in a list."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.7, 1.1, 0.9])
LENGTH = "unknown"

C = [0, 1/5, 3/10, 4/5, 8/9, 1, 1]
A = [[],
     [1/5],
     [3/40, 9/40],
     [44/45, -56/15, 32/9],
     [19372/6561, -25360/2187, 64448/6561, -212/729],
     [9017/3168, -355/33, 46732/5247, 49/176, -5103/18656],
     [35/384, 0, 500/1113, 125/192, -2187/6784, 11/84]]
B4 = [5179/57600, 0, 7571/16695, 393/640, -92097/339200, 187/2100, 1/40]


def integrate(f, t, t_end, y, scheme, h=0.5, tol=1e-5):
    times, rejected = [t], 0
    while checkpointed(t < t_end, scheme):
        h = min(h, t_end - t)
        k = []
        for c, row in zip(C, A):
            k.append(f(t + c*h, y + h*sum(a*ki for a, ki in zip(row, k))))
        y_new = y + h*sum(b*ki for b, ki in zip(A[-1], k))
        y_low = y + h*sum(b*ki for b, ki in zip(B4, k))
        err = np.linalg.norm(y_new - y_low)/tol
        factor = 0.9*err**-0.2
        if err > 1:
            rejected += 1
            h *= max(0.2, factor)
            continue
        t, y = t + h, y_new
        times.append(t)
        h *= min(3.0, factor)
    return y, times, rejected


def run(x, scheme):
    mu = x[2]

    def vdp(t, y):
        return np.array([y[1], mu*(1 - y[0]**2)*y[1] - y[0] + 0.1*np.cos(t)])

    y, times, rejected = integrate(vdp, 0.0, 2.5, x[:2], scheme)
    assert rejected > 0
    return y @ y + times[3]
