"""Shallow water in one dimension, with everything in module globals."""
from numpy import *

from checkpointer import checkpointed

CONTROLS = 1.0 + 0.3*exp(-linspace(-2, 2, 16)**2)

g = 9.81
dx = 1.0
dt = 0.05
eta = None          # set by init
u = None
t = 0.0
nsteps = 0


def init(h0):
    global eta, u, t, nsteps
    eta = h0.copy()
    u = zeros(len(eta) + 1)
    t, nsteps = 0.0, 0


def continuity():
    global eta
    h = 0.5*(eta[1:] + eta[:-1])
    flux = zeros_like(u)
    flux[1:-1] = h*u[1:-1]
    eta = eta - dt/dx*(flux[1:] - flux[:-1])


def momentum():
    u[1:-1] -= g*dt/dx*(eta[1:] - eta[:-1])
    u[1:-1] *= 1 - 0.02*abs(u[1:-1])


def run(x, scheme):
    global t, nsteps
    init(x)
    # checkpointer: scheme
    for n in range(10):
        momentum()
        continuity()
        t += dt
        nsteps += 1
    assert nsteps == 10
    return sum(eta**2) + sum(u**2)*t
