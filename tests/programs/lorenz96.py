"""Lorenz-96 with RK4 in preallocated buffers, compared with observations on the way: a 4D-Var cost."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = 3 + np.sin(1.3*np.arange(12))


def tendency(X, F, out):
    # dX_i = (X_{i+1} - X_{i-2}) X_{i-1} - X_i + F
    np.subtract(np.roll(X, -1), np.roll(X, 2), out=out)
    out *= np.roll(X, 1)
    out -= X
    out += F
    return out


class RK4:
    def __init__(self, n, dt):
        self.k = np.empty((4, n))
        self.stage = np.empty(n)
        self.dt = dt

    def __call__(self, f, X, *args):
        k, s, dt = self.k, self.stage, self.dt
        f(X, *args, k[0])
        for i, a in enumerate((0.5, 0.5, 1.0)):
            s[:] = X
            s += a*dt*k[i]
            f(s, *args, out=k[i + 1])
        X += dt/6*(k[0] + 2*k[1] + 2*k[2] + k[3])


def run(x, scheme):
    n = len(x)
    observed = np.arange(0, n, 3)
    obs = np.cos(np.outer(np.arange(4), observed)) + 3
    state, J = x.copy(), 0.0
    step = RK4(n, 0.02)
    obs_iter = 0
    for k in checkpointed(range(8), scheme):
        step(tendency, state, 8.0)
        if (k + 1) % 2 == 0:
            innovation = state[observed] - obs[obs_iter]
            J += 0.5*innovation @ innovation
            obs_iter += 1
    return J
