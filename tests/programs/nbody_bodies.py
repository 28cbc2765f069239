"""N bodies as a list of objects which know the system that knows them."""
from collections import namedtuple
from itertools import combinations

import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([3.0, 1.0, 0.5, 1.1, 0.9, 0.12])  # three masses, three speeds

Vec = namedtuple("Vec", "x y")


class Body:
    __slots__ = ("name", "mass", "r", "v", "system")

    def __init__(self, name, mass, r, v):
        self.name, self.mass, self.r, self.v = name, mass, r, v
        self.system = None

    def move(self, dt):
        self.r = Vec(self.r.x + dt*self.v.x, self.r.y + dt*self.v.y)

    def kick(self, fx, fy, dt):
        self.v = self.v._replace(x=self.v.x + dt*fx/self.mass, y=self.v.y + dt*fy/self.mass)
        self.system.impulse += abs(fx)*dt


class System:
    def __init__(self, bodies):
        self.bodies = list(bodies)
        self.impulse = 0.0
        for body in self.bodies:
            body.system = self          # a circle of references
        self.by_name = {body.name: body for body in self.bodies}

    def step(self, dt):
        for body in self.bodies:
            body.move(dt/2)
        for a, b in combinations(self.bodies, 2):
            dx, dy = b.r.x - a.r.x, b.r.y - a.r.y
            d2 = dx*dx + dy*dy + 0.05
            f = a.mass*b.mass/(d2*d2**0.5)
            a.kick(f*dx, f*dy, dt)
            b.kick(-f*dx, -f*dy, dt)
        for body in self.bodies:
            body.move(dt/2)


def run(x, scheme):
    m, s = x[:3], x[3:]
    sun = Body("sun", m[0], Vec(0.0, 0.0), Vec(0.0, -s[2]))
    earth = Body("earth", m[1], Vec(1.5, 0.0), Vec(0.0, s[0]))
    moon = Body("moon", m[2], Vec(0.0, 1.8), Vec(-s[1], 0.0))
    system = System((sun, earth, moon))
    for _ in checkpointed(range(6), scheme):
        system.step(0.05)
    moon = system.by_name["moon"]
    return moon.r.x**2 + moon.r.y*sun.v.y + system.impulse
