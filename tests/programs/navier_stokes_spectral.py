"""Two-dimensional turbulence in vorticity form, pseudo-spectral, third-order Runge-Kutta with work arrays in a dict."""
import numpy as np
from numpy.fft import fft2, ifft2, fftfreq

from checkpointer import checkpointed

CONTROLS = np.array([1.0, 0.4, -0.3, 0.02])


class Spectral2D:
    def __init__(self, N, nu):
        k = fftfreq(N, 1.0/N)
        self.kx, self.ky = np.meshgrid(k, k)
        self.k2 = self.kx**2 + self.ky**2
        self.invk2 = np.where(self.k2 > 0, 1.0/np.where(self.k2 == 0, 1, self.k2), 0.0)
        self.dealias = (np.abs(self.kx) < N/3).astype(float)*(np.abs(self.ky) < N/3)
        self.nu = nu
        self.diag = {}

    def rhs(self, wh):
        psih = wh*self.invk2
        u = np.real(ifft2(1j*self.ky*psih))
        v = np.real(ifft2(-1j*self.kx*psih))
        wx = ifft2(1j*self.kx*wh).real
        wy = ifft2(1j*self.ky*wh).real
        self.diag['energy'] = 0.5*np.mean(u**2 + v**2)
        return -self.dealias*fft2(u*wx + v*wy) - self.nu*self.k2*wh

    def integrate(self, wh, dt, steps, scheme):
        wh1 = np.empty_like(wh)
        for _ in checkpointed(range(steps), scheme):
            k1 = self.rhs(wh)
            wh1[:] = wh + dt*k1
            k2 = self.rhs(wh1)
            wh1[:] = 0.75*wh + 0.25*(wh1 + dt*k2)
            k3 = self.rhs(wh1)
            wh = wh/3 + 2/3*(wh1 + dt*k3)
        return wh


def run(x, scheme):
    N = 8
    s = 2*np.pi*np.arange(N)/N
    X, Y = np.meshgrid(s, s)
    w = x[0]*np.sin(X)*np.cos(Y) + x[1]*np.cos(2*X + Y) + x[2]*np.sin(Y)
    model = Spectral2D(N, x[3])
    wh = model.integrate(fft2(w), 0.05, 4, scheme)
    return np.sum(np.abs(wh)**2)/N**4 + model.diag['energy']
