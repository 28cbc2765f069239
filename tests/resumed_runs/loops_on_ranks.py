"""Loops on ranks, for child_on_ranks.py."""

import numpy as np
from mpi4py import MPI

from checkpointer import checkpointed


def alone(u, steps, scheme, storage):
    """Ranks that have nothing to do with each other."""
    work = np.zeros_like(u)
    for step in checkpointed(range(steps), scheme, storage=storage):
        work[1:-1] = u[2:] - 2 * u[1:-1] + u[:-2]
        u = u + 0.1 * work * u
        u[step % u.size] *= 0.5
    return (u * u).sum()


def halo(u, steps, scheme, storage):
    """Diffusion on a ring of blocks, slower the more energy there is."""
    comm = MPI.COMM_WORLD
    left, right = (comm.rank - 1) % comm.size, (comm.rank + 1) % comm.size
    for _ in checkpointed(range(steps), scheme, storage=storage):
        wide = np.empty(u.size + 2)
        wide[1:-1] = u
        requests = [
            comm.Irecv(wide[:1], left, 1),
            comm.Irecv(wide[-1:], right, 2),
            comm.Isend(np.array(u[-1:]), right, 1),
            comm.Isend(np.array(u[:1]), left, 2),
        ]
        MPI.Request.Waitall(requests)
        energy = np.empty(1)
        comm.Allreduce((u * u).mean().reshape(1), energy)
        u = u + 0.1 * (wide[2:] - 2 * u + wide[:-2]) / (1 + energy[0])
    total = np.empty(1)
    comm.Allreduce((u * u).sum().reshape(1), total)
    return total[0]


def until_small(u, steps, scheme, storage):
    """A loop that all ranks leave together, after some steps."""
    comm = MPI.COMM_WORLD
    largest, bound = np.ones(1), 1 / (1 + 0.05 * steps)
    while checkpointed(largest[0] > bound, scheme, storage=storage):
        u = u - 0.05 * u * u
        comm.Allreduce(abs(u).max().reshape(1), largest, MPI.MAX)
    return (u * u).sum()
