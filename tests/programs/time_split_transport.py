"""Operator splitting with a list of processes; each is a function, a bound method, a partial or a callable object."""
from functools import partial

import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.3, 0.2, 1.1, 0.6])


def advect(c, dt, speed):
    c[:] = c - dt*speed*(c - np.roll(c, 1))


class Chemistry:
    """Two species react; the rate is an attribute of the class until an instance sets its own."""
    rate = 0.5

    def __init__(self, fields):
        self.fields = fields

    def react(self, dt):
        a, b = self.fields["a"], self.fields["b"]
        r = self.rate*a*b*dt
        a -= r
        b -= r
        self.fields["c"] = self.fields.get("c", 0.0) + r


class Emission:
    def __init__(self, field, where):
        self.field, self.where = field, where
        self.total = 0.0

    def __call__(self, dt, strength=1.0):
        self.field[self.where] += strength*dt
        self.total += strength*dt


def run(x, scheme):
    speed, diff, rate, source = x
    fields = {"a": np.linspace(1, 2, 9), "b": np.linspace(2, 1, 9)}
    chem = Chemistry(fields)
    chem.rate = rate
    emission = Emission(fields["a"], [2, 5])

    def diffuse(dt, names=("a", "b")):
        for name in names:
            f = fields[name]
            f += diff*dt*(np.roll(f, -1) - 2*f + np.roll(f, 1))

    processes = [partial(advect, fields["a"], speed=speed), diffuse, chem.react, partial(emission, strength=source)]
    for n in checkpointed(range(6), scheme):
        order = processes if n % 2 == 0 else processes[::-1]
        for process in order:
            process(0.1)
    return sum(np.sum(f**2) for f in fields.values()) + emission.total
