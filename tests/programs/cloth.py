"""A hanging cloth: particles and springs that know each other, Verlet steps, relaxed constraints."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([9.81, 40.0, 0.6, 0.3])  # gravity, stiffness, damping, wind


class Particle:
    def __init__(self, x, y, fixed=False):
        self.pos = np.array([x, y, 0.0])
        self.prev = self.pos          # at rest: the very same array
        self.force = np.zeros(3)
        self.fixed = fixed
        self.springs = []


class Spring:
    def __init__(self, a, b, k):
        self.ends = (a, b)
        self.k = k
        self.rest = np.linalg.norm(a.pos - b.pos)
        for p in self.ends:
            p.springs.append(self)

    def apply(self):
        a, b = self.ends
        d = b.pos - a.pos
        length = np.linalg.norm(d)
        f = self.k*(length - self.rest)*d/length
        a.force += f
        b.force -= f


def build(n, k):
    particles = {(i, j): Particle(0.3*i, -0.3*j, fixed=(j == 0)) for i in range(n) for j in range(n)}
    springs = []
    for (i, j), p in particles.items():
        for di, dj in ((1, 0), (0, 1)):
            if (i + di, j + dj) in particles:
                springs.append(Spring(p, particles[i + di, j + dj], k))
    return particles, springs


def run(x, scheme):
    g, k, damping, wind = x
    particles, springs = build(3, k)
    dt, mass = 0.05, 0.4
    for step in checkpointed(range(5), scheme):
        for p in particles.values():
            p.force[:] = 0, -mass*g, wind
        for s in springs:
            s.apply()
        for p in particles.values():
            if p.fixed:
                continue
            new = p.pos + (1 - damping*dt)*(p.pos - p.prev) + dt**2/mass*p.force
            p.prev, p.pos = p.pos, new
    corner = particles[2, 2]
    return corner.pos @ corner.pos + sum(len(p.springs)*p.pos[1] for p in particles.values())
