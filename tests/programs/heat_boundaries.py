"""Heat in a rod whose two ends are of different kinds; the kind is a string, as it stands in an input file."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.linspace(0.4, 1.3, 11)


def apply_bc(T, left, right, t, h=2.5, T_inf=0.3):
    # ghost values at both ends
    if left == 'dirichlet':
        T[0] = 1.0 + 0.1*np.sin(t)
    elif left == 'neumann':
        T[0] = T[1]
    elif left == 'periodic':
        T[0], T[-1] = T[-2], T[1]
        return
    if right == 'robin':
        T[-1] = (T[-2] + h*T_inf)/(1 + h)
    elif right == 'flux':
        T[-1] = T[-2] + 0.05*T[-2]**2
    else:
        raise ValueError('unknown boundary condition %s' % right)


def solve(T0, left, right, nt, scheme):
    T = np.array(T0)
    alpha, dt = 0.2, 1.0
    t = 0.
    for it in checkpointed(range(1, nt + 1), scheme):
        T[1:-1] = T[1:-1] + alpha*dt*(T[2:] - 2*T[1:-1] + T[:-2])
        t += dt
        apply_bc(T, left, right, t)
    return T


def run(x, scheme):
    total = 0.0
    for left, right in [('dirichlet', 'robin'), ('neumann', 'flux'), ('periodic', None)]:
        total = total + np.sum(solve(x, left, right, 6, scheme)**2)
    return total
