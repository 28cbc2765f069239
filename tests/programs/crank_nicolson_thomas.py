"""Crank-Nicolson for heat with a nonlinear conductivity; the tridiagonal systems are solved by hand."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = 1 + 0.5*np.sin(np.linspace(0.1, 3, 10))


def TDMAsolver(a, b, c, d):
    """The Thomas algorithm: sub-diagonal a, diagonal b, super-diagonal c, right-hand side d."""
    nf = len(d)
    ac, bc, cc, dc = map(np.array, (a, b, c, d))  # copy arrays
    for it in range(1, nf):
        mc = ac[it-1]/bc[it-1]
        bc[it] = bc[it] - mc*cc[it-1]
        dc[it] = dc[it] - mc*dc[it-1]
    xc = bc
    xc[-1] = dc[-1]/bc[-1]
    for il in range(nf-2, -1, -1):
        xc[il] = (dc[il] - cc[il]*xc[il+1])/bc[il]
    return xc


def run(x, scheme):
    u = x
    n = len(u)
    for k in checkpointed(range(5), scheme):
        kappa = 0.5*(1 + u**2)
        km = 0.5*(kappa[1:] + kappa[:-1])
        lower = np.append(-0.5*km[:-1], 0.0)
        upper = np.insert(-0.5*km[1:], 0, 0.0)
        diag = np.ones(n)
        diag[1:-1] += 0.5*(km[1:] + km[:-1])
        rhs = u.copy()
        rhs[1:-1] += 0.5*(km[1:]*(u[2:] - u[1:-1]) - km[:-1]*(u[1:-1] - u[:-2]))
        u = TDMAsolver(lower, diag, upper, rhs)
    return float(np.sum(u[2:-2]**2))
