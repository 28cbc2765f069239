"""Sod's shock tube: MUSCL reconstruction, HLL fluxes, a time step from the fastest wave, until the end time."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.0, 1.0, 0.125, 0.1, 1.4])  # left and right density and pressure, gamma
LENGTH = "unknown"


def prim2cons(W, gam):
    rho, u, p = W
    return np.array([rho, rho*u, p/(gam - 1) + 0.5*rho*u**2])


def cons2prim(U, gam):
    rho = U[0]
    u = U[1]/rho
    return np.stack([rho, u, (gam - 1)*(U[2] - 0.5*rho*u**2)])


def flux(W, U):
    return np.vstack((U[1], U[1]*W[1] + W[2], W[1]*(U[2] + W[2])))


def slopes(W):
    d = np.zeros_like(W)
    for k in range(3):
        for i in range(1, W.shape[1] - 1):
            a, b = W[k, i] - W[k, i-1], W[k, i+1] - W[k, i]
            if a*b > 0.0:
                d[k, i] = a if abs(a) < abs(b) else b
    return d


def hll(WL, WR, gam):
    UL, UR = prim2cons(WL, gam), prim2cons(WR, gam)
    cL, cR = np.sqrt(gam*WL[2]/WL[0]), np.sqrt(gam*WR[2]/WR[0])
    sL, sR = np.minimum(WL[1] - cL, WR[1] - cR), np.maximum(WL[1] + cL, WR[1] + cR)
    FL, FR = flux(WL, UL), flux(WR, UR)
    F = (sR*FL - sL*FR + sL*sR*(UR - UL))/(sR - sL)
    F = np.where(sL >= 0, FL, F)
    return np.where(sR <= 0, FR, F)


def run(x, scheme):
    gam = x[4]
    n, tend, cfl = 12, 0.1, 0.5
    dx = 1/n
    xc = (np.arange(n) + 0.5)*dx
    W = np.zeros((3, n))
    W[0] = np.where(xc < 0.5, x[0], x[2])
    W[2] = np.where(xc < 0.5, x[1], x[3])
    U = prim2cons(W, gam)
    t = 0
    while checkpointed(t < tend, scheme):
        W = cons2prim(U, gam)
        a = np.max(np.abs(W[1]) + np.sqrt(gam*W[2]/W[0]))
        dt = min(cfl*dx/a, tend - t)
        dW = slopes(W)
        F = hll(W[:, :-1] + 0.5*dW[:, :-1], W[:, 1:] - 0.5*dW[:, 1:], gam)
        U[:, 1:-1] -= dt/dx*(F[:, 1:] - F[:, :-1])
        U[:, 0], U[:, -1] = U[:, 1], U[:, -2]
        t += dt
    return (U**2).sum()*dx + U[1].max()
