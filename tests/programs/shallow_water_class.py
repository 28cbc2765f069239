"""A two-dimensional shallow water model as a class, its loop in a method, until the time is up."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.3, 0.8, 0.02])  # height and width of the hump, friction
LENGTH = "unknown"


class ShallowWater:
    grav = 9.81

    def __init__(self, nx, ny, lx=1.0, ly=1.0):
        self.nx, self.ny = nx, ny
        self.dx, self.dy = lx/nx, ly/ny
        self.t = 0.0
        self.h = np.ones((ny, nx))
        self.hu = np.zeros((ny, nx))
        self.hv = np.zeros_like(self.hu)
        self.step_count = 0

    @property
    def u(self):
        return self.hu/self.h

    @property
    def v(self):
        return self.hv/self.h

    def cfl(self, courant=0.4):
        c = np.sqrt(self.grav*self.h)
        speed = np.max(np.maximum(np.abs(self.u), np.abs(self.v)) + c)
        return courant*min(self.dx, self.dy)/speed

    def _flux(self):
        p = 0.5*self.grav*self.h**2
        fx = (self.hu, self.hu*self.u + p, self.hu*self.v)
        fy = (self.hv, self.hu*self.v, self.hv*self.v + p)
        return fx, fy

    def step(self, dt):
        fx, fy = self._flux()
        for q, f, g in zip((self.h, self.hu, self.hv), fx, fy):
            # Lax-Friedrichs, periodic
            q[...] = (0.25*(np.roll(q, 1, 0) + np.roll(q, -1, 0) + np.roll(q, 1, 1) + np.roll(q, -1, 1))
                      - dt/(2*self.dx)*(np.roll(f, -1, axis=1) - np.roll(f, 1, axis=1))
                      - dt/(2*self.dy)*(np.roll(g, -1, axis=0) - np.roll(g, 1, axis=0)))

    def run(self, t_end, drag, scheme):
        while checkpointed(self.t < t_end, scheme):
            dt = self.cfl()
            if self.t + dt > t_end:
                dt = t_end - self.t
            self.step(dt)
            self.hu *= 1 - drag*dt
            self.t += dt
            self.step_count += 1
        return self


def run(x, scheme):
    model = ShallowWater(8, 6)
    X, Y = np.meshgrid(np.linspace(-1, 1, 8), np.linspace(-1, 1, 6))
    model.h += x[0]*np.exp(-(X**2 + Y**2)/x[1]**2)
    model.run(0.07, x[2], scheme)
    return np.sum(model.h**3) + np.sum(model.u**2)
