"""ADMM for the lasso: soft thresholds, over-relaxation, a penalty that adapts, residuals in a history of dicts."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.0, 0.3, -0.8, 0.6, -0.2, 0.25])


def soft_threshold(v, k):
    return np.sign(v)*np.maximum(np.abs(v) - k, 0)


def run(x, scheme):
    b, lam = x[:-1], x[-1]
    A = np.cos(np.arange(15)).reshape(5, 3) + 0.2
    rho, alpha = 1.0, 1.5
    n = A.shape[1]
    z = u = np.zeros(n)              # the same zeros
    Atb = A.T.dot(b)
    history = []
    for k in checkpointed(range(10), scheme):
        w = np.linalg.solve(A.T @ A + rho*np.eye(n), Atb + rho*(z - u))
        zold = np.copy(z)
        w_hat = alpha*w + (1 - alpha)*zold
        z = soft_threshold(w_hat + u, lam/rho)
        u = u + (w_hat - z)
        history.append({"r": np.linalg.norm(w - z), "s": np.linalg.norm(-rho*(z - zold))})
        if history[-1]["r"] > 10*history[-1]["s"]:
            rho, u = 2*rho, u/2
        elif history[-1]["s"] > 10*history[-1]["r"]:
            rho /= 2
            u *= 2
    return 0.5*np.sum((A @ z - b)**2) + lam*np.sum(np.abs(z)) + sum(h["r"] for h in history)
