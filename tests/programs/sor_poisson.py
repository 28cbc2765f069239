"""Successive over-relaxation, point by point, as one writes it after years of Fortran."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.0, 2.0, -1.0, 1.6])  # three charges and the relaxation factor

def run(x, scheme):
    NX = 7; NY = 6
    omega = x[3]
    phi = np.zeros((NX, NY)); rho = np.zeros((NX, NY))
    rho[2,2] = x[0]; rho[4,3] = x[1]; rho[3,1] = x[2]
    for iteration in checkpointed(range(100), scheme):
        maxdiff = 0.0
        for i in range(1, NX-1):
            for j in range(1, NY-1):
                if i == 5 and j == 4:
                    continue            # an electrode
                old = phi[i,j]
                new = 0.25*(phi[i+1,j] + phi[i-1,j] + phi[i,j+1] + phi[i,j-1] + rho[i,j])
                phi[i,j] = (1 - omega)*old + omega*new
                if abs(phi[i,j] - old) > maxdiff:
                    maxdiff = abs(phi[i,j] - old)
        if maxdiff < 5e-2:
            break
    else:
        raise RuntimeError("no convergence")
    return (phi**2).sum() + maxdiff*iteration
