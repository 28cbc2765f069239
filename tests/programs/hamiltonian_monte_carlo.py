"""Hamiltonian Monte Carlo for a banana: momenta from a Generator in a global, samples kept, rejections counted."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.3, -0.2, 0.7, 1.5])

rng = np.random.default_rng(1)
stats = {"accepted": 0, "proposed": 0}


def U(q, a, b):
    return 0.5*(q[0]**2/a + b*(q[1] - q[0]**2)**2)


def grad_U(q, a, b):
    d = q[1] - q[0]**2
    return np.array([q[0]/a - 2*b*d*q[0], b*d])


def hmc_step(q, a, b, eps=0.15, L=4):
    p = rng.normal(size=2)
    q_new, p_new = q, p - 0.5*eps*grad_U(q, a, b)
    for leap in range(L):
        q_new = q_new + eps*p_new
        if leap != L - 1:
            p_new = p_new - eps*grad_U(q_new, a, b)
    p_new = p_new - 0.5*eps*grad_U(q_new, a, b)
    dH = U(q_new, a, b) - U(q, a, b) + 0.5*np.sum(p_new**2) - 0.5*np.sum(p**2)
    stats["proposed"] += 1
    if np.log(rng.uniform()) < -dH:
        stats["accepted"] += 1
        return q_new
    return q


def run(x, scheme):
    rng.bit_generator.state = np.random.default_rng(8).bit_generator.state
    q, a, b = x[:2], x[2], x[3]
    samples = [q]
    for _ in checkpointed(range(8), scheme):
        q = hmc_step(q, a, b)
        samples.append(q)
    S = np.array(samples)
    return np.mean(S[:, 0]*S[:, 1]) + S.var(axis=0).sum()
