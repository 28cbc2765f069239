"""Operations of all ranks: value and adjoint of each, alone and in marked loops, on arrays that differ from rank to rank.

The adjoint is tested by the inner product: what the ranks' results change by, by central differences, has to be what their
arguments' adjoints say, summed over the ranks.
"""

import numpy as np
from harness import on_ranks
from mpi4py import MPI

from checkpointer import Revolve, checkpointed, vjp

SIZE = 24  # which 1, 2, 3 and 4 ranks can share


# --- the operations: each takes an array of SIZE numbers, and returns an array -----------------------------------------


def bcast(comm, u):
    got = u * u
    comm.Bcast(got, comm.size - 1)
    return got * u


def reduce(op, root, **options):
    def program(comm, u):
        mine = np.sin(u)
        if comm.rank == root(comm):
            got = np.empty_like(u)
            comm.Reduce(mine, got, op=op, root=root(comm))
            return got * u
        comm.Reduce(mine, None, op, root(comm))
        return u

    return program


def reduce_in_place(comm, u):
    mine = 3 * u
    if comm.rank == 0:
        comm.Reduce(MPI.IN_PLACE, mine)
        return mine
    comm.Reduce(mine, None)
    return u


def allreduce(op):
    def program(comm, u):
        got = np.empty_like(u)
        comm.Allreduce(u + u * u, got, op)
        return got * u

    return program


def allreduce_in_place(comm, u):
    got = u * u
    comm.Allreduce(MPI.IN_PLACE, got)
    return got


def allreduce_of_a_number(comm, u):
    total = np.empty(1)
    comm.Allreduce(np.sum(u * u), total)
    return total * u


def gather(comm, u):
    got = np.empty((comm.size, u.size), u.dtype) if comm.rank == 0 else None
    comm.Gather(u * u, got)
    return u if got is None else got[::-1] * u


def gather_in_place(comm, u):
    root = comm.size - 1
    part = u[:5] * u[5:10]
    if comm.rank != root:
        comm.Gather(part, None, root)
        return u
    got = np.zeros(6 * comm.size)
    got[5 * root : 5 * comm.size] = part
    comm.Gather(MPI.IN_PLACE, [got, 5, MPI.DOUBLE], root)
    return got


def gatherv(comm, u):
    counts = [2 * rank for rank in range(comm.size)]
    starts = [SIZE + 3 * rank for rank in range(comm.size)]
    part = np.exp(u)[: counts[comm.rank]]
    if comm.rank:
        comm.Gatherv(part, None)
        return u
    got = np.ones(2 * SIZE)
    comm.Gatherv(part, [got, counts, starts, MPI.DOUBLE])
    return got[SIZE:] * u


def scatter(comm, u):
    got = np.empty((2, SIZE // comm.size // 2), u.dtype)
    comm.Scatter(u * u if comm.rank == 0 else None, got)
    return got[0] * got[1]


def scatter_in_place(comm, u):
    given = u * u
    if comm.rank == 0:
        comm.Scatter(given, MPI.IN_PLACE)
        return given * u
    comm.Scatter(None, given[: SIZE // comm.size])
    return given * u


def scatterv_overlapping(comm, u):
    """Every rank's part reaches into the next one's, as halos do."""
    size = SIZE // comm.size
    counts = np.full(comm.size, size)
    counts[1:] += 2
    starts = [size * rank - 2 * (rank > 0) for rank in range(comm.size)]
    got = np.empty(counts[comm.rank])
    comm.Scatterv([np.sin(u), (counts, starts)] if comm.rank == 0 else None, got)
    return got * got


def allgather(comm, u):
    got = np.empty(comm.size * u.size, u.dtype)
    comm.Allgather(u, got)
    return got * got[::-1]


def allgather_in_place(comm, u):
    size = SIZE // comm.size
    got = u * u
    comm.Allgather(MPI.IN_PLACE, [got, size, "d"])
    return got * u


def allgatherv(comm, u):
    counts = [(3 * rank + 1) % 5 for rank in range(comm.size)]
    starts = [6 * (comm.size - 1 - rank) for rank in range(comm.size)]
    got = np.full(SIZE, 0.5)
    comm.Allgatherv([u * u, counts[comm.rank], MPI.DOUBLE], [got, (counts, starts), MPI.DOUBLE])
    return got * u


def allgatherv_in_place(comm, u):
    got = np.cos(u)
    comm.Allgatherv(MPI.IN_PLACE, got)
    return got * u


def alltoall(comm, u):
    got = np.empty((comm.size, SIZE // comm.size), u.dtype)
    comm.Alltoall([u * u, MPI.COMPLEX16 if u.dtype.kind == "c" else MPI.DOUBLE], got)
    return got[0] * got[-1]


def alltoall_in_place(comm, u):
    got = u * u
    comm.Alltoall(MPI.IN_PLACE, got)
    return got * u


def alltoallv(comm, u):
    """Rank r sends (r + s) % 3 elements to rank s."""
    counts = [(comm.rank + rank) % 3 for rank in range(comm.size)]
    starts = [4 * rank for rank in range(comm.size)]
    got = np.zeros(SIZE)
    comm.Alltoallv([u * u, (counts, starts)], [got, counts, starts[::-1], "f8"])
    return got * u


def scan(op, name):
    def program(comm, u):
        got = u * u
        getattr(comm, name)(u + 0.5, got, op)
        return got * u

    return program


def scan_in_place(comm, u):
    got = u * u
    comm.Scan(MPI.IN_PLACE, got)
    comm.Exscan(MPI.IN_PLACE, got)
    return got


def reduce_scatter(op):
    def program(comm, u):
        counts = [SIZE // comm.size] * comm.size
        counts[0] += counts[-1] if comm.size > 1 else 0
        counts[-1] = 0 if comm.size > 1 else counts[-1]
        got = np.empty(counts[comm.rank], u.dtype)
        comm.Reduce_scatter(u * u, got, counts if op == MPI.SUM else None, op)
        return got**2

    return program


def reduce_scatter_in_place(comm, u):
    got = u * u
    comm.Reduce_scatter_block(MPI.IN_PLACE, got)
    return got[: SIZE // comm.size]


def reduce_scatter_block(op):
    def program(comm, u):
        got = np.empty(SIZE // comm.size, u.dtype)
        comm.Reduce_scatter_block(u * u, got, op)
        return got * got

    return program


def first(comm):
    return 0


def last(comm):
    return comm.size - 1


LINEAR_OR_SMOOTH = {
    "Bcast": bcast,
    "Reduce": reduce(MPI.SUM, last),
    "Reduce PROD": reduce(MPI.PROD, first),
    "Reduce in place": reduce_in_place,
    "Allreduce": allreduce(MPI.SUM),
    "Allreduce PROD": allreduce(MPI.PROD),
    "Allreduce in place": allreduce_in_place,
    "Allreduce of a number": allreduce_of_a_number,
    "Gather": gather,
    "Gather in place": gather_in_place,
    "Gatherv": gatherv,
    "Scatter": scatter,
    "Scatter in place": scatter_in_place,
    "Scatterv": scatterv_overlapping,
    "Allgather": allgather,
    "Allgather in place": allgather_in_place,
    "Allgatherv": allgatherv,
    "Allgatherv in place": allgatherv_in_place,
    "Alltoall": alltoall,
    "Alltoall in place": alltoall_in_place,
    "Alltoallv": alltoallv,
    "Scan": scan(MPI.SUM, "Scan"),
    "Scan PROD": scan(MPI.PROD, "Scan"),
    "Exscan": scan(MPI.SUM, "Exscan"),
    "Exscan PROD": scan(MPI.PROD, "Exscan"),
    "Scans in place": scan_in_place,
    "Reduce_scatter": reduce_scatter(MPI.SUM),
    "Reduce_scatter PROD": reduce_scatter(MPI.PROD),
    "Reduce_scatter_block": reduce_scatter_block(MPI.SUM),
    "Reduce_scatter_block in place": reduce_scatter_in_place,
}
EXTREMA = {
    "Reduce MAX": reduce(MPI.MAX, last),
    "Allreduce MIN": allreduce(MPI.MIN),
    "Scan MAX": scan(MPI.MAX, "Scan"),
    "Exscan MIN": scan(MPI.MIN, "Exscan"),
    "Reduce_scatter MIN": reduce_scatter(MPI.MIN),
    "Reduce_scatter_block MAX": reduce_scatter_block(MPI.MAX),
}
PROGRAMS = {**LINEAR_OR_SMOOTH, **EXTREMA}


# --- the test ------------------------------------------------------------------------------------------------------------


def looped(program, snapshots):
    """A time loop in which each step uses the operation."""

    def simulate(comm, u):
        for _ in checkpointed(range(4), Revolve(snapshots=snapshots)):
            w = program(comm, u)
            rows = np.zeros((comm.size + 2) * SIZE, u.dtype)
            rows[: w.size] = w.reshape(-1)
            u = 0.5 + 0.3 * np.sin(u + 0.02 * np.sum(rows.reshape(-1, SIZE), axis=0))
        return u

    return simulate


def numbers(rng, shape, kind=float):
    found = rng.uniform(0.2, 1.2, shape)
    return (found + 1j * rng.uniform(-1, 1, shape)).astype(kind) if kind in (complex, np.complex64) else found.astype(kind)


def check(comm, name, function, seed, kind=float, h=1e-5, tolerance=1e-8):
    rng = np.random.default_rng([seed, comm.rank])
    u, v = numbers(rng, SIZE, kind), numbers(rng, SIZE, kind)
    plain = function(comm, u.copy())
    value, pull = vjp(lambda u: function(comm, u), u.copy())
    assert value.dtype == plain.dtype and np.array_equal(value, plain), name
    seed_of_result = numbers(rng, plain.shape, kind) - 0.5
    adjoint = pull(seed_of_result)
    change = (function(comm, u + h * v) - function(comm, u - h * v)) / (2 * h)
    forward = comm.allreduce(float(np.sum(seed_of_result * change).real))
    backward = comm.allreduce(float(np.sum(adjoint * v).real))
    assert abs(forward - backward) <= tolerance * max(1, abs(forward)), (name, forward, backward)


def case_operations(comm):
    for name, program in PROGRAMS.items():
        for seed in (1, 2):
            check(comm, name, program, seed)


def case_operations_in_loops(comm):
    for name, program in PROGRAMS.items():
        for snapshots in (2, 50):
            check(comm, name, looped(program, snapshots), snapshots)
