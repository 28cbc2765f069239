"""N bodies as matrices: pairwise distances by broadcasting, a masked power, saved positions and energies."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.0, 0.5, -0.9, 0.3, 0.2, -0.6, 0.15, 0.9, 0.4, -0.35, 0.7, -0.25])


def getAcc(pos, mass, G, softening):
    # positions r = [x,y,z] for all particles
    x = pos[:, 0:1]
    y = pos[:, 1:2]
    z = pos[:, 2:3]

    # matrix that stores all pairwise particle separations: r_j - r_i
    dx = x.T - x
    dy = y.T - y
    dz = z.T - z

    inv_r3 = (dx**2 + dy**2 + dz**2 + softening**2)
    inv_r3[inv_r3 > 0] = inv_r3[inv_r3 > 0]**(-1.5)

    ax = G * (dx * inv_r3) @ mass
    ay = G * (dy * inv_r3) @ mass
    az = G * (dz * inv_r3) @ mass
    a = np.hstack((ax, ay, az))
    return a


def getEnergy(pos, vel, mass, G):
    KE = 0.5 * np.sum(np.sum(mass * vel**2))
    dx = pos[:, 0:1].T - pos[:, 0:1]
    dy = pos[:, 1:2].T - pos[:, 1:2]
    dz = pos[:, 2:3].T - pos[:, 2:3]
    inv_r = np.sqrt(dx**2 + dy**2 + dz**2)
    inv_r[inv_r > 0] = 1.0/inv_r[inv_r > 0]
    PE = G * np.sum(np.sum(np.triu(-(mass*mass.T)*inv_r, 1)))
    return KE, PE


def run(x, scheme):
    N, t, tEnd, dt, G = 4, 0, 0.3, 0.05, 1.0
    pos = x.reshape(N, 3)
    mass = 20.0*np.ones((N, 1))/N
    vel = np.array([[.1, .4, 0.], [-.3, .2, .1], [.2, -.5, .3], [0., -.1, -.4]])
    vel -= np.mean(mass * vel, 0) / np.mean(mass)
    acc = getAcc(pos, mass, G, 0.1)
    Nt = int(np.ceil(tEnd/dt))
    pos_save = np.zeros((N, 3, Nt + 1))
    pos_save[:, :, 0] = pos
    KE_save = np.zeros(Nt + 1)
    PE_save = np.zeros(Nt + 1)
    for i in checkpointed(range(Nt), scheme):
        vel += acc * dt/2.0          # (1/2) kick
        pos += vel * dt              # drift
        acc = getAcc(pos, mass, G, 0.1)
        vel += acc * dt/2.0          # (1/2) kick
        t += dt
        KE, PE = getEnergy(pos, vel, mass, G)
        pos_save[:, :, i+1] = pos
        KE_save[i+1] = KE
        PE_save[i+1] = PE
    return np.sum(pos_save[:, :2, ::2]**2) + KE_save[-1] + 0.1*PE_save.sum()
