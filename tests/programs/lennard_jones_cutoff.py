"""Molecular dynamics with a cutoff: pair loops, minimum image, velocity Verlet, a thermostat now and then."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.2, 0.3, 1.4, 0.4, 2.6, 0.5, 0.4, 1.6, 1.7, 1.5, 2.8, 1.9, 1.0, 0.9])

def forces(r, L, rc, sigma, epsilon):
    n = len(r)
    f = np.zeros((n, 2))
    pe = 0.0
    for i in range(n - 1):
        for j in range(i + 1, n):
            d = r[i] - r[j]
            d -= L*np.rint(d/L)
            r2 = d[0]**2 + d[1]**2
            if r2 > rc**2:
                continue
            s6 = (sigma**2/r2)**3
            pe += 4*epsilon*(s6**2 - s6)
            fij = 24*epsilon*(2*s6**2 - s6)/r2*d
            f[i] += fij
            f[j] -= fij
    return f, pe

def run(x, scheme):
    L, rc, dt = 3.8, 1.7, 0.01
    r = x[:12].reshape(6, 2)
    sigma, eps = x[12:]
    v = 0.5*np.cos(np.arange(12)).reshape(6, 2)
    f, pe = forces(r, L, rc, sigma, eps)
    for it in checkpointed(range(6), scheme):
        v += 0.5*dt*f
        r = (r + dt*v) % L
        f, pe = forces(r, L, rc, sigma, eps)
        v += 0.5*dt*f
        if (it + 1) % 3 == 0:
            T = np.sum(v**2)/(2*len(v))
            v *= np.sqrt(0.4/T)
    return 0.5*np.sum(v**2*np.array([1.0, 2.0])) + pe
