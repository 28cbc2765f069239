"""Underdamped Langevin dynamics in a double well, BAOAB splitting, a Generator that the simulation owns."""
from dataclasses import dataclass, field

import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.8, 1.5, 0.4])  # friction, barrier, temperature


@dataclass
class Langevin:
    gamma: float
    barrier: float
    kT: float
    dt: float = 0.1
    x: np.ndarray = field(default_factory=lambda: np.linspace(-1.5, 1.5, 6))
    v: np.ndarray = None
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(2021))

    def __post_init__(self):
        if self.v is None:
            self.v = np.zeros_like(self.x)

    def force(self):
        return -4*self.barrier*self.x*(self.x**2 - 1)

    def step(self):
        half = 0.5*self.dt
        self.v = self.v + half*self.force()
        self.x = self.x + half*self.v
        c1 = np.exp(-self.gamma*self.dt)
        c2 = np.sqrt((1 - c1**2)*self.kT)
        self.v = c1*self.v + c2*self.rng.standard_normal(self.x.shape)
        self.x = self.x + half*self.v
        self.v += half*self.force()


def run(x, scheme):
    gamma, barrier, kT = x
    sim = Langevin(gamma, barrier, kT)
    heat = []
    for _ in checkpointed(range(9), scheme):
        sim.step()
        heat.append(np.mean(sim.v**2))
    return np.mean(heat) + np.sum(sim.x**2)
