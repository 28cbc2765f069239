"""The 2D Burgers flow of burgers.py on the ranks of an MPI program, and its adjoint.

Each rank has a block of the interior points with one more point on every side: the halo, which is filled with the
neighbours' points before each step, or, where there is no neighbour, the boundary. Nothing here is for derivatives but
the mark on the loop and ``value_and_grad``.

    mpiexec -n 4 checkpointer run examples/burgers_mpi.py
    mpiexec -n 4 python -m checkpointer run examples/burgers_mpi.py --n 512 --steps 1000
    mpiexec -n 6 checkpointer run examples/burgers_mpi.py --scheme online --disk-snapshots 20

The first prints

    128 x 128 points, 200 steps, Revolve(snapshots=10)
    mean of u² + v²       0.21806450206417338
    norm of its gradient  0.007455236366675644

on any number of ranks, up to rounding, then the time and the memory that the first rank took, and saves a picture of the
adjoint, burgers_adjoint.png (``--picture`` names another file), as burgers.py does. The third has snapshots on disk as well,
where each rank has a file of its own. ``mpiexec -n 4 python examples/burgers_mpi.py --plain`` only simulates.
"""

import argparse
import sys
import time

import numpy as np
from burgers import advance, dx, dy, peak_memory, save_picture
from mpi4py import MPI

from checkpointer import (
    HDF5Storage,
    MemoryStorage,
    Multistage,
    Online,
    Revolve,
    TieredStorage,
    checkpointed,
    value_and_grad,
)


class Blocks:
    """A grid whose inner points are in blocks, one for each rank of ``comm``, in as many rows as columns or nearly so.

    On this rank ``x`` and ``y`` are the slices of the grid that its arrays hold, halo included, and ``own`` those of its
    arrays that no other rank has: its block, and the boundary next to it.
    """

    def __init__(self, shape, comm):
        self.shape = shape
        self.comm = comm.Create_cart(MPI.Compute_dims(comm.size, 2), periods=[False, False])
        self.west, self.east = self.comm.Shift(0, 1)
        self.south, self.north = self.comm.Shift(1, 1)
        if any(n - 2 < blocks for n, blocks in zip(shape, self.comm.dims, strict=True)):
            points, blocks = (" x ".join(map(str, counts)) for counts in (shape, self.comm.dims))
            raise ValueError(
                f"{points} points are too few for {blocks} blocks: each needs a point inside the boundary"
            )
        self.x, self.y = (
            slice((n - 2) * k // blocks, (n - 2) * (k + 1) // blocks + 2)
            for n, k, blocks in zip(shape, self.comm.coords, self.comm.dims, strict=True)
        )
        self.own = (
            slice(None if self.west == MPI.PROC_NULL else 1, None if self.east == MPI.PROC_NULL else -1),
            slice(None if self.south == MPI.PROC_NULL else 1, None if self.north == MPI.PROC_NULL else -1),
        )

    def exchange(self, *fields):
        """Fill the halo of each field with the points of the neighbours; without a neighbour, the boundary stays."""
        requests = []
        columns = []  # a column of an array is not contiguous, as a message has to be
        for tag, w in enumerate(fields):
            from_south, from_north = np.empty((2, len(w) - 2))
            columns.append((from_south, from_north))
            requests += [
                self.comm.Irecv(w[0, 1:-1], source=self.west, tag=tag),
                self.comm.Irecv(w[-1, 1:-1], source=self.east, tag=tag),
                self.comm.Irecv(from_south, source=self.south, tag=tag),
                self.comm.Irecv(from_north, source=self.north, tag=tag),
                self.comm.Isend(w[1, 1:-1], dest=self.west, tag=tag),
                self.comm.Isend(w[-2, 1:-1], dest=self.east, tag=tag),
                self.comm.Isend(w[1:-1, 1].copy(), dest=self.south, tag=tag),
                self.comm.Isend(w[1:-1, -2].copy(), dest=self.north, tag=tag),
            ]
        MPI.Request.Waitall(requests)
        for w, (from_south, from_north) in zip(fields, columns, strict=True):
            if self.south != MPI.PROC_NULL:
                w[1:-1, 0] = from_south
            if self.north != MPI.PROC_NULL:
                w[1:-1, -1] = from_north

    def gather(self, *fields):
        """The fields on all points, on the first rank; None on the others."""
        pieces = self.comm.gather((self.x, self.y, self.own, fields))
        if pieces is None:
            return None
        whole = np.empty((len(fields), *self.shape))
        for x, y, own, piece in pieces:
            whole[:, x, y][:, *own] = [w[own] for w in piece]
        return whole


def initial_velocities(blocks):
    """exp(-x² - y²) in both components, x and y centred on the origin: on this rank's points."""
    nx, ny = blocks.shape
    x = (np.arange(nx) - (nx - 1) / 2) * dx
    y = (np.arange(ny) - (ny - 1) / 2) * dy
    X, Y = np.meshgrid(x[blocks.x], y[blocks.y], indexing="ij")
    u = np.exp(-(X**2) - Y**2)
    return u, u.copy()


def energy(velocities, blocks, steps, scheme, storage=None):
    """The loss, the same on every rank: the mean of u² + v² over the interior after the given steps."""
    u0, v0 = velocities
    u = u0.copy()
    v = v0.copy()
    un = u.copy()
    vn = v.copy()
    for _ in checkpointed(range(steps), scheme, storage=storage):
        blocks.exchange(u, v)
        advance(u, v, un, vn)
        u, un = un, u
        v, vn = vn, v
    here = np.array(np.sum(u[1:-1, 1:-1] ** 2 + v[1:-1, 1:-1] ** 2))
    everywhere = np.empty_like(here)
    blocks.comm.Allreduce(here, everywhere)
    nx, ny = blocks.shape
    return everywhere / ((nx - 2) * (ny - 2))


def chosen_scheme(name, snapshots, disk_snapshots):
    """The scheme, and the storage that it needs if there are snapshots on disk."""
    if name == "online":
        scheme = Online(snapshots, disk_snapshots)
    elif disk_snapshots:
        scheme = Multistage(snapshots, disk_snapshots)
    else:
        scheme = Revolve(snapshots)
    return scheme, TieredStorage(MemoryStorage(), HDF5Storage()) if disk_snapshots else None


def main():
    """Read the options, simulate; the first rank prints the numbers and saves the picture."""
    parser = argparse.ArgumentParser(description="The adjoint of the energy in a 2D Burgers flow, on ranks.")
    parser.add_argument("--n", type=int, default=128, help="points in each direction (%(default)s)")
    parser.add_argument("--steps", type=int, default=200, help="time steps (%(default)s)")
    parser.add_argument("--scheme", choices=["revolve", "online"], default="revolve", help="(%(default)s)")
    parser.add_argument("--snapshots", type=int, default=10, help="held at once in memory (%(default)s)")
    parser.add_argument("--disk-snapshots", type=int, default=0, help="and on disk (%(default)s)")
    parser.add_argument(
        "--picture", metavar="FILE", default="burgers_adjoint.png", help="image of the adjoint"
    )
    parser.add_argument("--plain", action="store_true", help="simulate only, without the gradient")
    args = parser.parse_args()

    try:
        blocks = Blocks((args.n, args.n), MPI.COMM_WORLD)
    except ValueError as error:
        sys.exit(str(error) if MPI.COMM_WORLD.rank == 0 else 1)
    first = blocks.comm.rank == 0
    scheme, storage = chosen_scheme(args.scheme, args.snapshots, args.disk_snapshots)
    velocities = initial_velocities(blocks)
    memory_before = peak_memory()
    start = time.perf_counter()

    if first:
        print(f"{args.n} x {args.n} points, {args.steps} steps, {scheme!r}")
    if args.plain:
        J = energy(velocities, blocks, args.steps, scheme, storage)
    else:
        J, gradient = value_and_grad(energy)(velocities, blocks, args.steps, scheme, storage)
    seconds = time.perf_counter() - start
    memory = peak_memory() - memory_before

    whole = None if args.plain else blocks.gather(*gradient)
    if not first:
        return
    print(f"mean of u² + v²       {J}")
    if not args.plain:
        print(f"norm of its gradient  {np.sqrt(np.sum(whole**2))}")
    print(f"time                  {seconds:.1f} s")
    print(f"peak memory           {memory:.0f} MiB more than before the simulation")
    if not args.plain:
        save_picture(args.picture, *whole, args.steps)
        print(f"picture               {args.picture}")


if __name__ == "__main__":
    main()
