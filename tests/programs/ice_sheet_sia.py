"""Shallow ice: a flowline glacier on a sloping bed with a mass balance that depends on the surface."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.35, 1.2, 0.8, 0.25])   # stiffness, equilibrium line, gradient, bed slope

class Params(object):
    rho_g = 1.0
    n = 3

    def __init__(self, A, ELA, grad):
        self.Gamma = 2*A*self.rho_g**self.n/(self.n + 2)
        self.ELA = ELA
        self.grad = grad

def diffusivity(H, S, dx, p):
    Hm = (H[1:] + H[:-1])/2.
    dSdx = np.diff(S)/dx
    return p.Gamma*Hm**(p.n + 2)*np.abs(dSdx)**(p.n - 1)

def balance(S, p, bmax=0.4):
    b = p.grad*(S - p.ELA)
    return np.minimum(b, bmax)

def run(x, scheme):
    p = Params(x[0], x[1], x[2])
    nx, dx, dt = 15, 0.5, 0.05
    X = np.linspace(0, (nx - 1)*dx, nx)
    B = 2.0 - x[3]*X
    H = np.where(X < 3.2, 0.9 + 0.1*np.cos(X), 0.)
    volume = np.zeros(12)
    for k in checkpointed(range(12), scheme):
        S = B + H
        D = diffusivity(H, S, dx, p)
        q = -D*np.diff(S)/dx
        dHdt = np.zeros(nx)
        dHdt[1:-1] = -np.diff(q)/dx
        H += dt*(dHdt + balance(S, p))
        H[H < 0] = 0.          # no negative ice
        H[0] = H[1]
        H[-1] = 0
        volume[k] = np.sum(H)*dx
    slope = np.gradient(S, dx)
    return volume[-1]**2 + volume[3:6].mean() + np.abs(slope).max()
