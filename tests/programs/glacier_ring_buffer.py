"""A box glacier fed by snow that takes years to become ice: a circular store of layers with integer pointers."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.0, 1.3, 0.8, 1.1, 0.9, 1.4, 0.7, 1.2, 1.0, 0.05])

NLAYERS = 4

class Firn:
    """The youngest layer is at `tau`, the one before it at `taum1`."""

    def __init__(self, snow):
        self.layers = np.ones(NLAYERS)*snow
        self.age = np.zeros(NLAYERS, dtype=int)
        self.tau, self.taum1, self.taup1 = 0, NLAYERS - 1, 1

    def shift(self):
        self.taum1, self.tau, self.taup1 = self.tau, self.taup1, (self.taup1 + 1) % NLAYERS

    def add(self, snow, compaction):
        ice = self.layers[self.taup1]
        self.layers[self.taup1] = snow
        self.age += 1
        self.age[self.taup1] = 0
        self.layers *= 1 - compaction*self.age/(1. + self.age)
        self.layers[self.tau] += 0.1*self.layers[self.taum1]
        self.shift()
        return ice

def run(x, scheme):
    *snowfall, compaction = x
    firn = Firn(0.5)
    length = 2.0
    lengths = np.empty(len(snowfall) + 1)
    lengths[0] = length
    for year, snow in checkpointed(list(enumerate(snowfall)), scheme):
        ice = firn.add(snow, compaction)
        thickness = np.sqrt(length)
        length += 0.5*ice - 0.3*thickness*length**0.25
        lengths[year + 1] = length
    return lengths[-1] + np.ptp(lengths) + firn.layers.sum()*firn.age[firn.tau - 1]
