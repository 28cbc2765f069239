"""A driven qubit with decay: a complex density matrix, commutators, Pauli matrices as module constants."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.2, 0.5, 0.3, 0.8])

sx = np.array([[0, 1], [1, 0]], dtype=complex)
sy = np.array([[0, -1j], [1j, 0]])
sz = np.diag([1.0 + 0j, -1.0])
sm = 0.5*(sx - 1j*sy)

def dagger(A):
    return A.conj().T

def dissipator(c, rho):
    cd = dagger(c)
    return c @ rho @ cd - 0.5*(cd @ c @ rho + rho @ cd @ c)

def lindblad_rhs(rho, H, ops):
    out = -1j*(H @ rho - rho @ H)
    for rate, op in ops:
        out += rate*dissipator(op, rho)
    return out

def expect(A, rho):
    return np.trace(A @ rho).real

def run(x, scheme):
    omega, delta, gamma, alpha = x
    psi = np.array([np.cos(alpha), np.sin(alpha)*np.exp(0.3j)])
    rho = np.outer(psi, psi.conj())
    ops = [(gamma, sm), (0.1*gamma, sz)]
    dt, bloch = 0.1, np.zeros((7, 3))
    for n in checkpointed(range(7), scheme):
        H = 0.5*delta*sz + 0.5*omega*np.cos(0.4*n)*sx
        k1 = lindblad_rhs(rho, H, ops)
        k2 = lindblad_rhs(rho + 0.5*dt*k1, H, ops)
        rho = rho + dt*k2
        rho /= np.trace(rho)
        bloch[n, :] = [expect(s, rho) for s in (sx, sy, sz)]
    purity = np.real(np.trace(rho @ rho))
    return purity + bloch[-1] @ np.array([1, 2, 3]) + np.abs(rho[0, 1])
