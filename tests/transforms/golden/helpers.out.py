# Adjoint of helpers.py, written by checkpointer 0.1.0. Change helpers.py, not this file.
"""No marked loop here, but one may call these."""
from checkpointer import numpy as np
from checkpointer.runtime import as_float


def flux(u):
    return np.roll(u, 1) - as_float(u[0])
