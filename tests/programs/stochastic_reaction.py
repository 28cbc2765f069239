"""A stochastic SIR model in the diffusion approximation: noise arrays scaled in place, three ways to draw, a shuffle."""
import numpy as np
from numpy.random import randn, seed

from checkpointer import checkpointed

CONTROLS = np.array([0.5, 0.2, 0.05, 1.0])  # infection, recovery, noise, spread between towns


def diffusion_step(S, I, beta, gamma, sigma, dt, rng):
    noise = rng.normal(0.0, sigma*np.sqrt(dt), size=S.shape)
    noise *= np.sqrt(S*I)
    dI = dt*beta*S*I + noise
    dI = np.minimum(dI, S)
    recovered = gamma*dt*I
    S -= dI
    I += dI
    I -= recovered
    return recovered


def run(x, scheme):
    beta, gamma, sigma, spread = x
    seed(12)
    rng = np.random.RandomState(3)
    S = rng.uniform(0.7, 0.9, 5)            # drawn here, changed by the loop
    I = 1 - S
    R = np.zeros(5)
    for day in checkpointed(range(8), scheme):
        R += diffusion_step(S, I, beta, gamma, sigma, 0.5, rng)
        travel = np.abs(randn(5))
        travel *= 0.02*spread*I
        I += np.roll(travel, 1) - travel
        if day == 4:
            np.random.shuffle(I)
        S *= np.random.uniform(0.98, 0.98 + sigma, size=5)
    return np.sum(R**2) + I.max() + S[0]
