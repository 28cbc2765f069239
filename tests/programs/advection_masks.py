"""Upwind transport in a changing wind: boolean masks, np.roll, a land mask, tracers in a loop over a list."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = 1 + 0.4*np.cos(0.7*np.arange(24))

N = 24
land = np.zeros(N, bool)
land[[3, 4, 17]] = True

def upwind(c, a):
    flux = np.zeros_like(c)
    pos = a > 0
    neg = ~pos
    flux[pos] = a[pos]*c[pos]
    flux[neg] = a[neg]*np.roll(c, -1)[neg]
    flux[land | np.roll(land, -1)] = 0
    return flux

def run(x, scheme):
    temperature = x.copy()
    salt = 0.5*x**2
    tracers = [temperature, salt]
    grid = np.arange(N)
    for n in checkpointed(range(8), scheme):
        wind = 0.5*np.sin(2*np.pi*grid/N + 0.6*n) + 0.05*(temperature > 1.0)*temperature
        for c in tracers:
            F = upwind(c, wind)
            c -= F - np.roll(F, 1)
            c[land] = np.nan_to_num(c[land])*0.9
        if not np.isfinite(tracers[0]).all():
            raise FloatingPointError(f"blow-up in step {n}")
        temperature[~land & (salt < 0.3)] *= 1.01
    return np.sum(tracers[0]*tracers[1]) + salt[~land].min()
