"""Gray-Scott in place, through views of the inside of two bordered arrays."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.16, 0.08, 0.060, 0.062])  # Du, Dv, F, k
n = 8

def run(x, scheme):
    Du, Dv, F, k = x
    U = np.zeros((n+2, n+2), x.dtype)
    V = np.zeros((n+2, n+2), x.dtype)
    u, v = U[1:-1, 1:-1], V[1:-1, 1:-1]

    r = 2
    u[...] = 1.0
    U[n//2-r:n//2+r, n//2-r:n//2+r] = 0.50
    V[n//2-r:n//2+r, n//2-r:n//2+r] = 0.25
    u += 0.05*np.sin(np.arange(n*n)).reshape(n, n)

    for i in checkpointed(range(7), scheme):
        Lu = (                 U[0:-2, 1:-1] +
              U[1:-1, 0:-2] - 4*U[1:-1, 1:-1] + U[1:-1, 2:] +
                                U[2:  , 1:-1])
        Lv = (                 V[0:-2, 1:-1] +
              V[1:-1, 0:-2] - 4*V[1:-1, 1:-1] + V[1:-1, 2:] +
                                V[2:  , 1:-1])

        uvv = u*v*v
        u += (Du*Lu - uvv +  F   *(1-u))
        v += (Dv*Lv + uvv - (F+k)*v    )
        if i % 3 == 0:
            U[0], U[-1] = U[-2], U[1]
            V[:, [0, -1]] = V[:, [-2, 1]]
    return (v**2).sum() + (U[:, 0]*V[:, -1]).sum()
