"""Traffic on a ring road with on-ramps, cell transmission; the loop runs over the rows of the ramps' demands."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = 0.1 + 0.05*np.sin(np.arange(18))

vf, w, kjam, qmax = 1.0, 0.5, 1.0, 0.3333


def demand(k):
    return np.minimum(vf*k, qmax)


def supply(k):
    return np.minimum(qmax, w*(kjam - k))


class Road:
    def __init__(self, cells):
        self._k = np.full(cells, 0.28) + 0.25*(np.arange(cells) > 6)
        self.queue = np.zeros(2)
        self.outflow = []

    @property
    def density(self):
        return self._k

    @density.setter
    def density(self, value):
        self.outflow.append(value[-1]*vf)
        self._k = np.clip(value, 0.0, kjam)

    def advance(self, ramp, dt=0.8):
        k = self.density
        q = np.minimum(demand(k), supply(np.roll(k, -1)))
        self.queue += ramp
        room = supply(k[[2, 6]]) - q[[1, 5]]
        enter = np.minimum(self.queue, np.maximum(room, 0))
        self.queue -= enter
        change = np.roll(q, 1) - q
        change[[2, 6]] += enter
        self.density = k + dt*change


def run(x, scheme):
    road = Road(10)
    forcing = x.reshape(9, 2)
    for ramp in checkpointed(forcing, scheme):
        road.advance(ramp)
    return np.sum(road.density**2) + sum(road.outflow) + road.queue @ road.queue
