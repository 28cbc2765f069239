"""A one-dimensional plasma: cloud-in-cell weights, np.add.at for the charge, a dense Poisson solve."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.3, 1.1, 2.4, 3.3, 4.7, 5.2, 6.9, 7.4])

def getAcc(pos, Nx, boxsize, n0, Gmtx, Lmtx):
    N = pos.shape[0]
    dx = boxsize/Nx
    j = np.floor(pos/dx).astype(int)
    jp1 = j + 1
    weight_j = (jp1*dx - pos)/dx
    weight_jp1 = (pos - j*dx)/dx
    jp1 = np.mod(jp1, Nx)
    n = np.zeros(Nx)
    np.add.at(n, j, weight_j)
    np.add.at(n, jp1, weight_jp1)
    n *= n0*boxsize/N/dx
    phi = np.linalg.solve(Lmtx, n - n0)
    E = -Gmtx @ phi
    return -(weight_j*E[j] + weight_jp1*E[jp1])

def run(x, scheme):
    Nx, boxsize, n0, dt = 6, 9.0, 1.0, 0.2
    dx = boxsize/Nx
    e = np.ones(Nx)
    Gmtx = (np.diag(e[1:], 1) - np.diag(e[1:], -1))
    Gmtx[0, -1], Gmtx[-1, 0] = -1, 1
    Gmtx /= 2*dx
    Lmtx = np.diag(e[1:], 1) + np.diag(e[1:], -1) - 2*np.eye(Nx)
    Lmtx[0, -1] = Lmtx[-1, 0] = 1
    Lmtx = Lmtx/dx**2 - 0.05*np.eye(Nx)
    pos = x
    vel = np.where(np.arange(x.size) % 2 == 0, 0.5, -0.5)
    acc = getAcc(pos, Nx, boxsize, n0, Gmtx, Lmtx)
    for i in checkpointed(range(7), scheme):
        vel = vel + acc*dt/2
        pos = pos + vel*dt
        pos = np.mod(pos, boxsize)
        acc = getAcc(pos, Nx, boxsize, n0, Gmtx, Lmtx)
        vel += acc*dt/2
    return np.sum(vel**2) + np.cos(pos).sum()
