"""Two-dimensional TM waves with a split-field layer, buffers given to out=, and a probe."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.5, 1.0, 0.7, -0.4, 0.2, 0.6, 0.1, 0.3])   # the source, step by step


class Grid2D:
    def __init__(self, n, layer=3, smax=0.6):
        self.n = n
        sigma = np.zeros(n)
        ramp = (np.arange(layer, 0, -1)/layer)**2
        sigma[:layer] = smax*ramp
        sigma[-layer:] = smax*ramp[::-1]
        self.sx, self.sy = np.meshgrid(sigma, sigma, indexing="ij")
        self.Ezx, self.Ezy = np.zeros((n, n)), np.zeros((n, n))
        self.Hx, self.Hy = np.zeros((n, n - 1)), np.zeros((n - 1, n))
        self._tmp_x = np.empty((n, n - 1))
        self._tmp_y = np.empty((n - 1, n))

    @property
    def Ez(self):
        return self.Ezx + self.Ezy

    def update_h(self, c):
        Ez = self.Ez
        np.subtract(Ez[:, 1:], Ez[:, :-1], out=self._tmp_x)
        np.multiply(self._tmp_x, c, out=self._tmp_x)
        self.Hx -= self._tmp_x
        np.subtract(Ez[1:], Ez[:-1], out=self._tmp_y)
        self._tmp_y *= c
        self.Hy += self._tmp_y

    def update_e(self, c):
        inner = slice(1, -1)
        self.Ezx[inner, :] *= 1 - self.sx[inner, :]
        self.Ezx[inner, :] += c*(self.Hy[1:, :] - self.Hy[:-1, :])
        self.Ezy[:, inner] *= 1 - self.sy[:, inner]
        self.Ezy[:, inner] -= c*(self.Hx[:, 1:] - self.Hx[:, :-1])


def run(x, scheme):
    grid = Grid2D(11)
    probe = []
    courant = 0.5*(1 + 0.1*x[0])
    for amplitude in checkpointed(x, scheme):
        grid.update_h(courant)
        grid.update_e(courant)
        grid.Ezx[5, 5] += amplitude
        grid.Ezy[5, 5] += 0.5*amplitude**2
        probe.append(grid.Ez[7, 4])
    return np.sum(np.array(probe)**2) + np.sum(grid.Ez**2)
