"""Powered descent: thrust and gimbal angle for each step are zipped; the state is a named tuple."""
from typing import NamedTuple
import math

import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.2, 1.1, 0.9, 1.3, 1.2, 1.0, 0.02, -0.01, 0.03, 0.01, -0.02, 0.015])


class State(NamedTuple):
    x: float
    z: float
    vx: float
    vz: float
    mass: float = 1.0

    def kinetic(self):
        return 0.5*self.mass*(self.vx**2 + self.vz**2)


class Rocket:
    g, isp, dt = 1.0, 5.0, 0.25

    def __init__(self, state):
        self.state = state
        self.log = {"fuel": [], "height": []}
        self.landed = False

    def fire(self, thrust, angle):
        s = self.state
        a = thrust/s.mass
        ax, az = a*math.sin(angle), a*math.cos(angle) - self.g
        drag = 0.05*math.hypot(s.vx, s.vz)
        vx = s.vx + self.dt*(ax - drag*s.vx)
        vz = s.vz + self.dt*(az - drag*s.vz)
        self.state = s._replace(x=s.x + self.dt*vx, z=s.z + self.dt*vz, vx=vx, vz=vz,
                                mass=s.mass - self.dt*abs(thrust)/(self.isp*9.0))
        self.log["fuel"].append(self.state.mass)
        self.log["height"].append(self.state.z)


def run(x, scheme):
    thrusts, angles = np.split(x, 2)
    rocket = Rocket(State(0.5, 2.0, -0.2, -0.6))
    for thrust, angle in checkpointed(zip(thrusts, angles), scheme):
        rocket.fire(thrust, angle)
        if rocket.state.z < 0.0:
            rocket.landed = True
            break
    else:
        rocket.state = rocket.state._replace(vz=rocket.state.vz*1.0)
    final = rocket.state
    return final.kinetic() + final.x**2 + final.z**2 - 0.1*final.mass + sum(rocket.log["height"])
