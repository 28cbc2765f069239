"""Burgers' equation with slope limiters that are chosen from a dictionary by name."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = 0.6 + 0.4*np.sin(2*np.pi*np.arange(20)/20 + 0.1)
STEP = 1e-6  # where two slopes are nearly equal, a limiter has a kink nearby

def minmod(a, b):
    return 0.5*(np.sign(a) + np.sign(b))*np.minimum(np.abs(a), np.abs(b))

def superbee(a, b):
    s1 = minmod(2*a, b)
    s2 = minmod(a, 2*b)
    return np.where(np.abs(s1) > np.abs(s2), s1, s2)

def vanleer(a, b):
    ab = a*b
    out = np.zeros_like(a)
    pos = ab > 0
    out[pos] = 2*ab[pos]/(a[pos] + b[pos])
    return out

LIMITERS = {'minmod': minmod, 'superbee': superbee, 'vanleer': vanleer}

def godunov(ul, ur):
    fl, fr = 0.5*ul**2, 0.5*ur**2
    S = 0.5*(ul + ur)
    return np.where(ul > ur, np.where(S > 0, fl, fr),
                    np.where(ul > 0, fl, np.where(ur < 0, fr, 0.0)))

def evolve(u, limiter, nsteps, dtdx, scheme):
    limit = LIMITERS[limiter]
    for n in checkpointed(range(nsteps), scheme):
        du = limit(u - np.roll(u, 1), np.roll(u, -1) - u)
        left = u + 0.5*du*(1 - dtdx*u)
        right = u - 0.5*du*(1 + dtdx*u)
        F = godunov(left, np.roll(right, -1))
        u = u - dtdx*(F - np.roll(F, 1))
    return u

def run(x, scheme):
    results = [evolve(x, name, 4, 0.4, scheme) for name in LIMITERS]
    return sum(np.sum(w**2) for w in results) + np.abs(results[0] - results[1]).sum()
