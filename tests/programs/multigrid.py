"""Multigrid V-cycles until the residual is small; levels in a list, recursion on the index."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.0, 0.5, 2.0, -0.7])
LENGTH = "unknown"


def smooth(u, f, h, sweeps=2):
    for _ in range(sweeps):
        u[1:-1:2] = 0.5*(u[:-2:2] + u[2::2] - h*h*f[1:-1:2])
        u[2:-1:2] = 0.5*(u[1:-2:2] + u[3::2] - h*h*f[2:-1:2])


def residual(u, f, h):
    r = np.zeros_like(u)
    r[1:-1] = f[1:-1] - (u[2:] - 2*u[1:-1] + u[:-2])/(h*h)
    return r


def v_cycle(u, f, h):
    if len(u) == 3:
        u[1] = 0.5*(u[0] + u[2] - h*h*f[1])
        return
    smooth(u, f, h)
    r = residual(u, f, h)
    rc = np.zeros((len(u) + 1)//2)
    rc[1:-1] = 0.25*r[1:-2:2] + 0.5*r[2:-1:2] + 0.25*r[3::2]
    ec = np.zeros_like(rc)
    v_cycle(ec, rc, 2*h)
    u[2:-1:2] += ec[1:-1]
    u[1::2] += 0.5*(ec[1:] + ec[:-1])
    smooth(u, f, h)


def run(x, scheme):
    n = 16
    h = 1/n
    s = np.linspace(0, 1, n + 1)
    f = x[0]*np.sin(3*s) + x[1]*np.exp(-x[2]*s)
    u = np.zeros(n + 1)
    u[-1] = x[3]
    while checkpointed(np.abs(residual(u, f, h)).max() > 1e-2, scheme):
        v_cycle(u, f, h)
    return u @ u + u[n//2]
