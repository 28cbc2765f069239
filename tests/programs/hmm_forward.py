"""The forward algorithm of a hidden Markov model with log-sum-exp, over the observations."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.8, 0.3, -0.5, 1.1, 0.6, 0.2, 0.9, 1.4, -0.1])


def logsumexp(a, axis=None, keepdims=False):
    m = np.max(a, axis=axis, keepdims=True)
    s = np.log(np.sum(np.exp(a - m), axis=axis, keepdims=True)) + m
    return s if keepdims else np.squeeze(s, axis=axis)


def run(x, scheme):
    observations, mu = x[:6], x[6:]
    logits = np.outer(mu, mu) + np.eye(3)
    logA = logits - logsumexp(logits, axis=1, keepdims=True)
    logalpha = np.log(np.ones(3)/3)
    filtered = np.zeros((0, 3))
    for y in checkpointed(observations, scheme):
        emission = -0.5*(y - mu)**2
        logalpha = emission + logsumexp(logalpha[:, None] + logA, axis=0)
        normal = np.exp(logalpha - logsumexp(logalpha))
        filtered = np.vstack([filtered, normal])
    entropy = -np.sum(filtered*np.log(filtered))
    return logsumexp(logalpha) + 0.1*entropy
