"""Two-dimensional acoustics: three time levels that change roles, a source, receivers, absorbing taper."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.0, 0.6, -0.5, -0.9, 0.3, 0.2, -0.1, 0.05, 0.4])   # a wavelet, and the speed of a layer


def laplacian(u):
    out = np.zeros(u.shape)
    out[1:-1, 1:-1] = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4*u[1:-1, 1:-1]
    return out


def run(x, scheme):
    wavelet, c_layer = x[:-1], x[-1]
    nz = nx = 9
    c2 = np.full((nz, nx), 0.2)
    c2[5:] = c_layer**2
    taper = np.ones((nz, nx))
    for i in range(3):
        w = np.exp(-(0.1*(3 - i))**2)
        taper[i, :] *= w; taper[-1-i, :] *= w
        taper[:, i] *= w; taper[:, -1-i] *= w
    up, u, un = np.zeros((3, nz, nx))
    rec = np.array([2, 4, 6])
    seis = np.zeros((len(wavelet), len(rec)))
    for it, src in checkpointed(enumerate(wavelet), scheme):
        un[:] = 2*u - up + c2*laplacian(u)
        un[2, 4] += src
        un *= taper
        u *= taper
        up, u, un = u, un, up
        seis[it] = u[3, rec]
    return 10*np.sum(seis**2) + np.sum(u*up)
