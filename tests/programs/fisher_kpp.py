"""Fisher's equation, Strang splitting with a dense propagator, np.matmul with out=, np.gradient for the front's slope."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.8, 1.5, 0.4])  # diffusivity, growth, height


def run(x, scheme):
    D, r, u0 = x
    n, dt = 17, 0.1
    grid = np.linspace(0, 8, n)
    dx = grid[1] - grid[0]
    A = np.diag(-2*np.ones(n)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
    A[0, 1] = A[-1, -2] = 2
    half = np.linalg.inv(np.eye(n) - 0.5*dt*D/dx**2*A)
    u = u0*np.exp(-grid**2)
    tmp = np.empty_like(u)
    speed = np.zeros(8)
    for k in checkpointed(range(8), scheme):
        np.matmul(half, u, out=tmp)
        growth = np.exp(r*dt)
        np.divide(tmp*growth, 1 + tmp*(growth - 1), out=tmp)
        np.dot(half, tmp, out=u)
        slope = np.gradient(u, dx)
        speed[k] = -slope.min()
    return np.trapezoid(u, grid) + speed @ speed
