"""No marked loop here, but one may call these."""
import numpy as np


def flux(u):
    return np.roll(u, 1) - float(u[0])
