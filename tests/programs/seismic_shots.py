"""A misfit over several shots: the loop over shots and the time loop are both marked."""
import numpy as np

from checkpointer import Revolve, checkpointed

CONTROLS = 1.0 + 0.1*np.sin(np.arange(12))    # the velocity model


def ricker(nt, f=0.9):
    t = np.arange(nt)*0.5 - 1.5
    return (1 - 2*(np.pi*f*t)**2)*np.exp(-(np.pi*f*t)**2)


class Survey1D:
    def __init__(self, velocity, nt):
        self.c2 = (0.5*velocity)**2
        self.n = len(velocity)
        self.nt = nt
        self.u = [np.zeros(self.n) for _ in range(3)]     # three time levels
        self.wavelet = ricker(nt)

    def clear(self):
        for level in self.u:
            level.fill(0.0)

    def shoot(self, source):
        self.clear()
        gather = np.zeros((self.nt, 2))
        # checkpointer: Revolve(snapshots=2)
        for it in range(self.nt):
            old, now, new = self.u
            new[1:-1] = 2*now[1:-1] - old[1:-1] + self.c2[1:-1]*(now[2:] - 2*now[1:-1] + now[:-2])
            new[source] += self.wavelet[it]*self.c2[source]
            gather[it] = new[[1, -2]]
            self.u = [now, new, old]
        return gather


def run(x, scheme):
    survey = Survey1D(x, nt=7)
    misfit, gathers = 0.0, {}
    for shot in checkpointed((3, 6, 9), scheme):
        gathers[shot] = survey.shoot(shot)
        misfit += 0.5*np.sum((gathers[shot] - 0.1*shot)**2)
    return misfit + np.vdot(np.ones(7), np.arange(7.0)) + gathers[3].sum()
