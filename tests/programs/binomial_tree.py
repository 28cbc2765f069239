"""An American option on a binomial tree: backwards through the tree, the vector of values shrinks."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([100.0, 102.0, 0.05, 0.25])  # spot, strike, rate, volatility

def run(x, scheme):
    S0, K, r, sigma = x
    N, T = 12, 1.0
    dt = T/N
    u = np.exp(sigma*np.sqrt(dt))
    d = 1/u
    p = (np.exp(r*dt) - d)/(u - d)
    disc = np.exp(-r*dt)

    # stock prices at maturity
    S = S0*d**(np.arange(N, -1, -1))*u**(np.arange(0, N + 1))
    V = np.maximum(K - S, 0)
    exercised = np.zeros(N, dtype=int)
    for i in checkpointed(np.arange(N - 1, -1, -1), scheme):
        V[:i+1] = disc*(p*V[1:i+2] + (1 - p)*V[0:i+1])
        V = V[:-1]
        S = S[:-1]*u
        payoff = K - S
        exercised[i] = np.sum(payoff > V)
        V = np.where(payoff > V, payoff, V)
    return V[0] if exercised.any() else 0.0
