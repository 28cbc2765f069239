"""The Brusselator, with a general-purpose integrator that passes *args and **kwargs on."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.0, 2.2, 0.02, 0.015])


def rk4(f, y, t, dt, *args, **kwargs):
    k1 = f(y, t, *args, **kwargs)
    k2 = f(y + 0.5*dt*k1, t + 0.5*dt, *args, **kwargs)
    k3 = f(y + 0.5*dt*k2, t + 0.5*dt, *args, **kwargs)
    k4 = f(y + dt*k3, t + dt, *args, **kwargs)
    return y + (dt/6.0)*(k1 + 2*k2 + 2*k3 + k4)


def counted(f):
    """How often was it called?"""
    def wrapper(*args, **kwargs):
        wrapper.calls += 1
        return f(*args, **kwargs)
    wrapper.calls = 0
    return wrapper


@counted
def brusselator(y, t, A, B, diffusion=(0.0, 0.0), periodic=True):
    u, v = np.split(y, 2)
    reaction = u**2*v
    du = A + reaction - (B + 1)*u
    dv = B*u - reaction
    for d, D, q in zip((du, dv), diffusion, (u, v)):
        padded = np.pad(q, 1, mode='wrap' if periodic else 'edge')
        d += D*(padded[2:] - 2*q + padded[:-2])/0.25
    return np.concatenate((du, dv))


def run(x, scheme):
    brusselator.calls = 0
    A, B, Du, Dv = x
    n = 6
    y = np.concatenate([1 + 0.1*np.sin(np.arange(n)), 2.5 + 0.1*np.cos(np.arange(n))])
    for n_step, t in checkpointed(enumerate(np.linspace(0, 0.4, 5)), scheme):
        y = rk4(brusselator, y, t, 0.1, A, B, diffusion=(Du, Dv), periodic=n_step % 2 == 0)
    assert brusselator.calls == 20
    return y.dot(y)
