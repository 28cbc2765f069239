"""Cart and pole under feedback: an abstract base class, super(), a setter with side effects, a static method."""
from abc import ABC, abstractmethod

import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.1, 0.2, -0.5, -2.0, 18.0, 3.0])  # initial angle, pole mass, gains


class System(ABC):
    registry = []

    def __init__(self, dt):
        self.dt = dt
        self.time = 0.0
        System.registry.append(self)

    @abstractmethod
    def rhs(self, s, u):
        ...

    def step(self, u):
        s, dt = self.state, self.dt
        k1 = self.rhs(s, u)
        k2 = self.rhs(s + dt*k1, u)
        self.state = s + 0.5*dt*(k1 + k2)
        self.time += dt


class CartPole(System):
    def __init__(self, theta, m, dt=0.05, **options):
        super().__init__(dt)
        self._history = []
        self.m, self.M, self.l = m, options.get("cart", 1.0), options.get("length", 0.5)
        self.state = np.array([0.0, 0.0, theta, 0.0])

    @property
    def state(self):
        return self._state

    @state.setter
    def state(self, value):
        self._state = value
        self._history.append(self.wrap(value[2]))

    @staticmethod
    def wrap(angle):
        return (angle + np.pi) % (2*np.pi) - np.pi

    def rhs(self, s, u):
        _, v, th, w = s
        sin, cos = np.sin(th), np.cos(th)
        total = self.m + self.M
        tmp = (u + self.m*self.l*w**2*sin)/total
        alpha = (9.8*sin - cos*tmp)/(self.l*(4/3 - self.m*cos**2/total))
        return np.array([v, tmp - self.m*self.l*alpha*cos/total, w, alpha])


def run(x, scheme):
    System.registry.clear()
    theta, m, *gains = x
    pole = CartPole(theta, m, cart=1.2)
    effort = 0.0
    for _ in checkpointed(range(9), scheme):
        force = sum(k*s for k, s in zip(gains, pole.state))
        force = min(max(force, -9.0), 9.0)
        pole.step(force)
        effort += force**2*pole.dt
    assert System.registry == [pole]
    return effort + 10*np.sum(np.square(pole.state)) + max(map(abs, pole._history))
