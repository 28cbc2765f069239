"""Coupled phase oscillators: a callable model object, the order parameter as a complex mean."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.1, 0.9, 1.7, -0.6, 2.4, -1.3, 1.4])  # phases, and the coupling


class Kuramoto:
    def __init__(self, coupling, natfreqs, adj_mat=None):
        self.coupling = coupling
        self.natfreqs = natfreqs
        self.adj_mat = np.ones((len(natfreqs),)*2) - np.eye(len(natfreqs)) if adj_mat is None else adj_mat

    def __call__(self, angles, t):
        angles_i, angles_j = np.meshgrid(angles, angles)
        interactions = self.adj_mat*np.sin(angles_j - angles_i)
        dxdt = self.natfreqs + self.coupling*interactions.sum(axis=0)/len(angles)
        return dxdt

    @staticmethod
    def phase_coherence(angles_vec):
        suma = sum([(np.e**(1j*i)) for i in angles_vec])
        return abs(suma/len(angles_vec))


def run(x, scheme):
    model = Kuramoto(coupling=x[-1], natfreqs=np.linspace(-0.5, 0.8, 6))
    theta = x[:-1] % (2*np.pi)
    dt, coherence = 0.1, []
    for t in checkpointed(np.arange(0, 0.8, 0.1), scheme):
        k1 = model(theta, t)
        k2 = model(theta + dt*k1, t + dt)
        theta += 0.5*dt*(k1 + k2)
        theta %= 2*np.pi
        coherence.append(Kuramoto.phase_coherence(theta))
    return coherence[-1] + np.mean(coherence)**2 + np.std(np.sin(theta))
