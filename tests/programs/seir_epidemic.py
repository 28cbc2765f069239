"""An epidemic with a contact rate that a generator hands out week by week."""
from collections import namedtuple

import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.6, 0.2, 0.1, 0.05])  # transmission, incubation, recovery, waning
LENGTH = "unknown"

Compartments = namedtuple("Compartments", ["S", "E", "I", "R"])


def contacts(weeks, lockdown=range(4, 7)):
    """Relative contact rate and whether tests are made, week by week"""
    level = 1.0
    for week in range(weeks):
        if week in lockdown:
            level = 0.4
        elif level < 1:
            level = min(1.0, level + 0.2)
        yield week, level, week % 2 == 0


def seir(c, beta, sigma, gamma, omega, dt=1.0):
    new_E = beta*c.S*c.I
    new_I = sigma*c.E
    new_R = gamma*c.I
    lost = omega*c.R
    return Compartments(c.S + dt*(lost - new_E), c.E + dt*(new_E - new_I), c.I + dt*(new_I - new_R), c.R + dt*(new_R - lost))


def run(x, scheme):
    beta, *rest = x
    c = Compartments(0.99, 0.0, 0.01, 0.0)
    cases = []
    peak = 0.0
    for week, level, tested in checkpointed(contacts(10), scheme):
        c = seir(c, beta*level, *rest)
        if tested:
            cases += [c.I]
        peak = np.fmax(peak, c.I)
    return 100*peak + np.sum(np.array(cases)**2) + c.R
