"""Kuramoto-Sivashinsky, ETDRK4 with coefficients from contour integrals (after the well-known MATLAB script)."""
import numpy as np
from numpy.fft import fft, ifft
from numpy import pi, exp, real, mean

from checkpointer import checkpointed

N = 16
s = 32*pi*np.arange(1, N+1)/N
CONTROLS = np.cos(s/16)*(1+np.sin(s/16)) + 0.2

# Precompute various ETDRK4 scalar quantities:
h = 1/4
k = np.r_[0:N/2, 0, -N/2+1:0]/16
L = k**2 - k**4
E = exp(h*L); E2 = exp(h*L/2)
M = 16
r = exp(1j*pi*(np.arange(1, M+1)-.5)/M)
LR = h*np.tile(L, (M, 1)).T + np.tile(r, (N, 1))
Q  = h*real(mean((exp(LR/2)-1)/LR, axis=1))
f1 = h*real(mean((-4-LR+exp(LR)*(4-3*LR+LR**2))/LR**3, axis=1))
f2 = h*real(mean((2+LR+exp(LR)*(-2+LR))/LR**3, axis=1))
f3 = h*real(mean((-4-3*LR-LR**2+exp(LR)*(4-LR))/LR**3, axis=1))
g = -0.5j*k

def run(x, scheme):
    u = x
    v = fft(u)
    uu = [u]; tt = [0]
    nmax = 6; nplt = 2
    for n in checkpointed(range(1, nmax+1), scheme):
        t = n*h
        Nv = g*fft(real(ifft(v))**2)
        a = E2*v + Q*Nv
        Na = g*fft(real(ifft(a))**2)
        b = E2*v + Q*Na
        Nb = g*fft(real(ifft(b))**2)
        c = E2*a + Q*(2*Nb-Nv)
        Nc = g*fft(real(ifft(c))**2)
        v = E*v + Nv*f1 + 2*(Na+Nb)*f2 + Nc*f3
        if n % nplt == 0:
            u = real(ifft(v))
            uu.append(u)
            tt.append(t)
    uu = np.vstack(uu)
    return np.sum(uu[-1]**2) + np.sum(uu[1]*np.cos(s)) + tt[-1]
