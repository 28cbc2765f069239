"""Shallow water on a staggered grid, translated from Fortran: one routine with work arrays, ints as switches."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.0, 0.4, 0.15, 0.03])

def DYN(H, U, V, HN, UN, VN, NX, NY, DT, DX, G, F, R, IOPT=1):
    # --- momentum
    for J in range(1, NY-1):
        for I in range(1, NX-1):
            DUX = G*(H[I,J] - H[I-1,J])/DX
            DVY = G*(H[I,J] - H[I,J-1])/DX
            VB = 0.25*(V[I,J] + V[I-1,J] + V[I,J+1] + V[I-1,J+1])
            UB = 0.25*(U[I,J] + U[I+1,J] + U[I,J-1] + U[I+1,J-1])
            UN[I,J] = U[I,J] + DT*(F*VB - DUX - R*U[I,J])
            VN[I,J] = V[I,J] + DT*(-F*UB - DVY - R*V[I,J])
            if IOPT == 2: UN[I,J] = UN[I,J] + DT*0.1
    # --- continuity
    for J in range(1, NY-1):
        for I in range(1, NX-1):
            HN[I,J] = H[I,J] - DT/DX*(UN[I+1,J] - UN[I,J] + VN[I,J+1] - VN[I,J])

def run(X, scheme):
    NX, NY, DX, DT = 6, 5, 1.0, 0.1
    H = np.zeros((NX, NY)); U = np.zeros((NX, NY)); V = np.zeros((NX, NY))
    HN = H.copy(); UN = U.copy(); VN = V.copy()
    H[2,2] = X[0]; H[3,2] = 0.5*X[0]
    TIME = 0.0
    for ITER in checkpointed(range(1, 6), scheme):
        TIME = TIME + DT
        DYN(H, U, V, HN, UN, VN, NX, NY, DT, DX, X[1], X[2], X[3], 1 if ITER % 2 else 2)
        # --- exchange time levels
        H, HN = HN, H
        U, UN = UN, U
        V, VN = VN, V
    return (H*H).sum() + U.sum()*TIME + V[2,3]
