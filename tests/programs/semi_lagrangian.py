"""Semi-Lagrangian transport: departure points, integer cells, bilinear weights, fancy indices that wrap."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.8, 0.6, 0.3, 2.1])

def bilinear(q, X, Y):
    ny, nx = q.shape
    i0 = np.floor(X).astype(np.int64); j0 = np.floor(Y).astype(np.int64)
    fx = X - i0
    fy = Y - j0
    i1 = (i0 + 1) % nx; j1 = (j0 + 1) % ny
    i0 %= nx; j0 %= ny
    return ((1-fy)*((1-fx)*q[j0, i0] + fx*q[j0, i1])
            + fy*((1-fx)*q[j1, i0] + fx*q[j1, i1]))

def run(x, scheme):
    U, V, swirl, width = x
    nx, ny = 9, 7
    I, J = np.meshgrid(np.arange(nx), np.arange(ny))
    q = np.exp(-((I - 4)**2 + (J - 3)**2)/width)
    total = np.array(0.0)
    for step in checkpointed(range(6), scheme):
        u = U + swirl*np.cos(2*np.pi*J/ny)*q
        v = V - swirl*np.sin(2*np.pi*I/nx)
        Xm, Ym = I - 0.5*u, J - 0.5*v
        X = I - bilinear(u, Xm, Ym)
        Y = J - bilinear(v, Xm, Ym)
        q = bilinear(q, X, Y)
        total += q[3, 4]*q.max()
    return float(total) + np.sum(q[::2, 1:]**2)
