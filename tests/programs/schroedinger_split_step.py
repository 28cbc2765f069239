"""A wave packet meets a barrier: split-step Fourier, phases applied in place to a complex array."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([-2.0, 3.0, 1.0, 1.5])   # where, how fast, how wide, how high


class Packet:
    def __init__(self, x, psi, V, dt, hbar=1.0, m=1.0):
        self.x, self.psi_x = x, psi.astype(complex)
        dx = x[1] - x[0]
        self.k = 2*np.pi*np.fft.fftfreq(len(x), d=dx)
        self.x_evolve_half = np.exp(-0.5j*V/hbar*dt)
        self.k_evolve = np.exp(-0.5j*hbar/m*(self.k*self.k)*dt)
        self.t = 0.0
        self.dt = dt

    @property
    def norm(self):
        return np.sqrt((abs(self.psi_x)**2).sum())

    def time_step(self, Nsteps=1):
        self.psi_x *= self.x_evolve_half
        for _ in range(Nsteps):
            psi_k = np.fft.fft(self.psi_x)
            psi_k *= self.k_evolve
            self.psi_x[:] = np.fft.ifft(psi_k)
            self.psi_x *= self.x_evolve_half**2
        self.psi_x *= np.conj(self.x_evolve_half)
        self.psi_x /= self.norm
        self.t += self.dt*Nsteps


def run(x, scheme):
    grid = np.linspace(-6, 6, 24, endpoint=False)
    x0, k0, d, V0 = x
    psi = np.exp(-0.5*((grid - x0)/d)**2 + 1j*k0*grid)
    V = V0/(1 + grid**4)
    wave = Packet(grid, psi, V, dt=0.05)
    centre = np.zeros(6)
    for n in checkpointed(range(6), scheme):
        wave.time_step(Nsteps=2)
        centre[n] = np.vdot(wave.psi_x, grid*wave.psi_x).real
    through = np.sum(np.abs(wave.psi_x[grid > 0])**2)
    return through + centre.sum() + np.angle(wave.psi_x[10])
