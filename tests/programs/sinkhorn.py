"""Entropic optimal transport: Sinkhorn's scaling in an endless loop with a way out."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.1, 0.5, 0.9, 0.25, 0.7, 1.3, 0.3])
LENGTH = "unknown"


def sinkhorn(a, b, C, reg, scheme, stop=1e-4):
    K = np.exp(-C/reg)
    u, v = np.ones(len(a))/len(a), np.ones(len(b))/len(b)
    Kp = (1/a).reshape(-1, 1)*K
    cpt, errors = 0, []
    while checkpointed(True, scheme):
        uprev, vprev = u, v
        KtU = np.dot(K.T, u)
        v = b/KtU
        u = 1./np.dot(Kp, v)
        if np.any(KtU == 0) or np.any(np.isnan(u)) or np.any(np.isinf(v)):
            u, v = uprev, vprev
            break
        if cpt % 2 == 0:
            tmp = np.einsum('i,ij,j->j', u, K, v)
            errors.append(np.linalg.norm(tmp - b))
            if errors[-1] < stop:
                break
        cpt += 1
    return u[:, None]*K*v[None, :]


def run(x, scheme):
    xs, ys, reg = x[:3], x[3:6], x[6]
    C = np.abs(np.subtract.outer(xs, ys))**2
    P = sinkhorn(np.array([.3, .3, .4]), np.array([.2, .5, .3]), C, reg, scheme)
    return np.sum(P*C) + reg*np.sum(P*np.log(P))
