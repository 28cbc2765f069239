"""Soft discs with neighbour lists that are rebuilt every few steps, lists of lists of integers."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.1, 0.15, 0.9, 0.2, 1.8, 0.1, 0.2, 1.0, 1.1, 0.9, 1.9, 1.2, 2.5])


class Discs:
    rebuilds = 0

    def __init__(self, pos, k, skin=0.4):
        self.pos = pos
        self.vel = np.zeros_like(pos)
        self.k = k
        self.skin = skin
        self.neighbours = []
        self._moved = np.inf

    def build(self):
        self.neighbours.clear()
        for i in range(len(self.pos)):
            near = np.flatnonzero(np.linalg.norm(self.pos - self.pos[i], axis=1) < 1.0 + self.skin)
            self.neighbours.append([j for j in near if j > i])
        self._moved = 0.0
        type(self).rebuilds += 1

    def force(self):
        F = np.zeros_like(self.pos)
        for i, js in enumerate(self.neighbours):
            if not js:
                continue
            d = self.pos[js] - self.pos[i]
            r = np.sqrt(np.sum(d*d, axis=1))
            overlap = np.maximum(1.1 - r, 0.0)
            f = (self.k*overlap/r)[:, None]*d
            F[js] += f
            F[i] -= f.sum(0)
        return F

    def step(self, dt):
        if self._moved > 0.5*self.skin:
            self.build()
        self.vel += dt*(self.force() - 0.3*self.vel)
        shift = dt*self.vel
        self.pos += shift
        self._moved += np.max(np.abs(shift))


def run(x, scheme):
    Discs.rebuilds = 0
    discs = Discs(x[:-1].reshape(-1, 2), x[-1])
    for _ in checkpointed(range(9), scheme):
        discs.step(0.15)
    assert Discs.rebuilds > 1, Discs.rebuilds
    return np.sum(discs.pos**2) + np.sum(np.abs(discs.vel))
