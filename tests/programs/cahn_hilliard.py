"""Cahn-Hilliard, semi-implicit in Fourier space, the concentration kept as a module-style script would."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = 0.4 + 0.05*np.cos(1.7*np.arange(64))

def free_energy_derivative(c, A=1.0):
    return 2*A*c*(1 - c)**2 - 2*A*c**2*(1 - c)

def run(x, scheme):
    Nx = Ny = 8
    dt, kappa, M = 0.1, 0.5, 1.0
    c = x.reshape(Nx, Ny).copy()
    kx = 2*np.pi*np.fft.fftfreq(Nx)
    ky = 2*np.pi*np.fft.fftfreq(Ny)
    k2 = kx[:, None]**2 + ky[None, :]**2
    denom = 1 + dt*M*kappa*k2**2
    mass = []
    for istep in checkpointed(range(7), scheme):
        g = free_energy_derivative(c)
        ghat, chat = np.fft.fft2(g), np.fft.fft2(c)
        chat = (chat - dt*M*k2*ghat)/denom
        c = np.fft.ifft2(chat).real
        # inrange = (c >= 0.9999)
        c[c >= 0.9999] = 0.9999
        c[c < 0.00001] = 0.00001
        mass.append(np.var(c))
    return 100*mass[-1] + np.sum(mass[:3]) + c[2, 3]
