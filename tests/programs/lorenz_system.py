"""The Lorenz attractor as every plotting library's gallery has it."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0., 1., 1.05]) + 0.3
COMPLEX = True


def lorenz(xyz, *, s=10, r=28, b=2.667):
    """Partial derivatives of the Lorenz attractor at a point."""
    x, y, z = xyz
    x_dot = s*(y - x)
    y_dot = r*x - y - x*z
    z_dot = x*y - b*z
    return np.array([x_dot, y_dot, z_dot])


def run(x, scheme):
    dt = 0.01
    num_steps = 10

    xyzs = np.empty((num_steps + 1, 3), dtype=x.dtype)  # Need one more for the initial values
    xyzs[0] = x  # Set initial values
    # Step through "time", calculating the partial derivatives at the current point
    # and using them to estimate the next point
    # checkpointer: scheme
    for i in range(num_steps):
        xyzs[i + 1] = xyzs[i] + lorenz(xyzs[i]) * dt

    X, Y, Z = xyzs.T
    return X[-1]*Y[-1] + np.mean(Z)
