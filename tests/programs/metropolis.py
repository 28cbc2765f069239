"""A Metropolis chain with the old global random state, accepted moves counted in a global."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.5, -0.8, 1.2, 0.7])  # start, and the temperature

accepted = 0


def energy(s, coupling=0.3, *fields):
    E = 0.25*np.sum((s**2 - 1)**2)
    E -= coupling*(s*np.roll(s, 1)).sum()
    for i, h in enumerate(fields):
        E -= h*s[i]
    return E


def sweep(s, T):
    global accepted
    for i in range(len(s)):
        E0 = energy(s, 0.3, 0.1, -0.05)
        old = s[i]
        s[i] = old + 0.4*np.random.randn()*np.sqrt(T)
        dE = energy(s, 0.3, 0.1, -0.05) - E0
        if dE > 0 and np.random.rand() > np.exp(-dE/T):
            s[i] = old     # rejected
        else:
            accepted += 1


def run(x, scheme):
    global accepted
    np.random.seed(3)
    accepted = 0
    spins, T = x[:-1].copy(), x[-1]
    mean = 0.0
    for n in checkpointed(range(8), scheme):
        sweep(spins, T)
        if n >= 4:
            mean += energy(spins)/4
    assert 3 < accepted < 24
    return mean + spins.dot(spins)
