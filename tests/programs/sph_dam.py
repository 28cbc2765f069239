"""Smoothed particle hydrodynamics: a dozen particles fall into a box."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.0, 0.9, 9.8])  # stiffness, viscosity, gravity

def kernel(r, h):
    q = np.maximum(0., 1 - r/h)
    return 4/(np.pi*h**2)*q**3, -12/(np.pi*h**3)*q**2

def density(pos, mass, h):
    delta = pos[:, np.newaxis, :] - pos[np.newaxis, :, :]
    r = np.sqrt((delta**2).sum(axis=-1) + 1e-4)
    W, dW = kernel(r, h)
    return (mass*W).sum(1), delta, r, dW

def forces(pos, vel, mass, h, stiff, mu, g):
    rho, delta, r, dW = density(pos, mass, h)
    p = stiff*(rho - 0.6)
    p = np.clip(p, 0, None)
    pij = (p/rho**2)[:, None] + (p/rho**2)[None, :]
    acc = -(mass*pij*dW/r)[..., None]*delta
    acc = acc.sum(axis=1)
    dv = vel[None, :, :] - vel[:, None, :]
    visc = np.where(r < h, mu*mass/rho[None, :]*(1 - r/h), 0)
    acc += np.einsum('ij,ijk->ik', visc, dv)
    acc[:, 1] -= g
    return acc

def run(x, scheme):
    stiff, mu, g = x
    pos = np.array([[i*0.31, 0.12 + j*0.27] for i in range(4) for j in range(3)])
    vel = np.zeros_like(pos)
    mass, h, dt = 0.1, 0.6, 0.02
    for step in checkpointed(range(7), scheme):
        vel += dt*forces(pos, vel, mass, h, stiff, mu, g)
        pos += dt*vel
        out = pos[:, 1] < 0
        vel[out, 1] *= -0.5
        pos[out, 1] = 0.0
        left = pos[:, 0] < 0
        vel[left, 0] *= -0.5
        pos[left, 0] *= -1
    return np.sum(vel**2) + np.sum(pos[:, 1])
