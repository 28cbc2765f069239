"""Operations of all ranks: value and adjoint of each, alone and in marked loops, on arrays that differ from rank to rank.

The adjoint is tested by the inner product: what the ranks' results change by, by central differences, has to be what their
arguments' adjoints say, summed over the ranks.
"""

import functools

import numpy as np
import pytest
from harness import on_ranks
from mpi4py import MPI

from checkpointer import Revolve, checkpointed, vjp
from checkpointer.active import active
from checkpointer.errors import RankError, TraceError

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
    starts = [SIZE + rank * rank for rank in range(comm.size)]
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


def together(programs):
    """All results, one after the other: one call costs less than thirty."""

    def program(comm, u):
        return np.concatenate([program(comm, u).reshape(-1) for program in programs])

    return program


def looped(program, snapshots):
    """A time loop in which each step uses the operations."""

    def simulate(comm, u):
        for _ in checkpointed(range(3), Revolve(snapshots=snapshots)):
            w = program(comm, u)
            rows = np.zeros((w.size // SIZE + 1) * SIZE, u.dtype)
            rows[: w.size] = w
            u = 0.5 + 0.3 * np.sin(u + 0.02 * np.sum(rows.reshape(-1, SIZE), axis=0))
        return u

    return simulate


def numbers(rng, shape, kind=float):
    found = rng.uniform(0.2, 1.2, shape)
    if np.dtype(kind).kind == "c":
        found = found + 1j * rng.uniform(-1, 1, shape)
    return found.astype(kind)


def mismatch(comm, function, seed, kind=float, h=1e-5):
    """How far the inner products are apart, relatively; the value has to have the same bits as without differentiation."""
    rng = np.random.default_rng([seed, comm.rank])
    u, v = numbers(rng, SIZE, kind), numbers(rng, SIZE, kind)
    plain = function(comm, u.copy())
    value, pull = vjp(lambda u: function(comm, u), u.copy())
    assert value.dtype == plain.dtype
    assert np.array_equal(value, plain)
    weights = numbers(rng, plain.shape, kind) - 0.5
    adjoint = pull(weights)
    change = (function(comm, u + h * v) - function(comm, u - h * v)) / (2 * h)
    products = [float(np.sum(weights * change).real), float(np.sum(adjoint * v).real)]
    forward, backward = comm.allreduce(np.array(products))
    return abs(forward - backward) / max(1, abs(forward))


def check(comm, programs, seed, *, form=lambda program: program, kind=float, h=1e-5, tolerance=1e-8):
    """All programs in one; if that fails, one by one, to say which it was."""
    if mismatch(comm, form(together(programs.values())), seed, kind, h) > tolerance:
        for name, program in programs.items():
            found = mismatch(comm, form(together([program])), seed, kind, h)
            assert found <= tolerance, (name, found)
        raise AssertionError("each is right alone, but not together")


def case_operations(comm):
    for seed in (1, 2):
        check(comm, PROGRAMS, seed)


@on_ranks(2, 3)
def case_operations_in_loops(comm):
    for snapshots in (2, 50):
        check(comm, PROGRAMS, snapshots, form=functools.partial(looped, snapshots=snapshots))


ANY_KIND = {
    name: program
    for name, program in LINEAR_OR_SMOOTH.items()
    if program
    not in (gather_in_place, gatherv, scatterv_overlapping, allgather_in_place, allgatherv, alltoallv)
    and program is not allreduce_of_a_number
}


@on_ranks(1, 3)
def case_complex_numbers(comm):
    check(comm, ANY_KIND, 3, kind=complex)


@on_ranks(2)
def case_single_precision(comm):
    kinds = {
        name: ANY_KIND[name]
        for name in ("Bcast", "Reduce PROD", "Allreduce", "Gather", "Scan PROD", "Reduce_scatter")
    }
    for kind in (np.float32, np.complex64):
        check(comm, kinds, 4, kind=kind, h=1e-2, tolerance=2e-3)


# --- what is not the general case ----------------------------------------------------------------------------------------


@on_ranks(1, 4)
def case_ties_share_the_adjoint(comm):
    """As NumPy's own max of what all ranks have."""
    rows = np.array([[1.0, 5.0, np.nan], [3.0, 5.0, 2.0], [3.0, 5.0, np.nan], [2.0, 4.0, np.nan]])[
        : comm.size
    ]
    rows[:, 2] = rows[:, 2] if comm.size == 4 else 1.0
    rows[:, 2] = np.nan

    def extremes(u):
        largest, running = np.empty(3), np.empty(3)
        comm.Allreduce(u, largest, MPI.MAX)
        comm.Scan(-u, running, MPI.MIN)
        return largest, running

    _, pull = vjp(extremes, rows[comm.rank])
    weights = np.array([1.0, 2.0, 3.0])
    zero = np.zeros(3)
    from_all = pull((weights if comm.rank == 0 else zero, zero))
    _, expected = vjp(lambda every: np.max(every, axis=0), rows)
    assert np.array_equal(from_all, expected(weights)[comm.rank])
    _, pull = vjp(extremes, rows[comm.rank])
    from_scan = pull((zero, weights * (comm.rank + 1)))
    _, expected = vjp(lambda every: [np.min(-every[: rank + 1], axis=0) for rank in range(comm.size)], rows)
    assert np.allclose(from_scan, expected([weights * (rank + 1) for rank in range(comm.size)])[comm.rank])


@on_ranks(3)
def case_products_with_zeros(comm):
    """By hand: one zero leaves the product of the others, two leave nothing."""
    u = np.array([[2.0, 0.0, 0.0], [3.0, 4.0, 0.0], [5.0, 6.0, 7.0]])[comm.rank]
    expected = np.array([[15.0, 24.0, 0.0], [10.0, 0.0, 0.0], [6.0, 0.0, 0.0]])[comm.rank]

    def product(u):
        got = np.empty(3)
        comm.Allreduce(u, got, MPI.PROD)
        return got

    _, pull = vjp(product, u)
    assert np.array_equal(pull(np.full(3, float(comm.rank == 1))), expected)

    def running(u):
        got = np.ones(3)
        comm.Exscan(u, got, MPI.PROD)
        return got

    _, pull = vjp(running, u)
    expected = np.array([[3.0, 4.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])[comm.rank]
    assert np.array_equal(pull(np.full(3, float(comm.rank == 2))), expected)


@on_ranks(4)
def case_integers_have_no_adjoint(comm):
    """They are combined as ever, and the floating-point numbers beside them keep theirs."""

    def program(u):
        order = np.argsort(u)
        ranks, best = np.empty(comm.size, int), np.empty_like(order)
        comm.Allgather(np.array([comm.rank]), ranks)
        comm.Allreduce(order, best, MPI.BXOR)
        comm.Allreduce(MPI.IN_PLACE, best, MPI.MAX)
        comm.Scan(MPI.IN_PLACE, ranks, MPI.SUM)
        flags = np.zeros(2, bool)
        comm.Reduce(u[:2] > 0.5, flags, MPI.LOR)
        comm.Bcast(flags)
        pairs = np.zeros(1, dtype=np.dtype([("value", float), ("place", np.int32)], align=True))
        comm.Bcast([pairs, MPI.DOUBLE_INT])
        halves = np.empty(6, np.int32)
        comm.Scatter([np.arange(3 * comm.size) if comm.rank == 0 else None, 24, MPI.BYTE], [halves, MPI.BYTE])
        return u[best % 3] * (1 + ranks.sum()) * (1 + flags.sum()) * halves[0]

    u = np.random.default_rng(comm.rank).uniform(0, 1, 3)
    plain = program(u)
    value, pull = vjp(program, u)
    assert np.array_equal(value, plain)
    adjoint = pull(np.ones(3))
    assert np.isclose(adjoint @ u, plain.sum())


@on_ranks(2, 3)
def case_unused_overwritten_constant(comm):
    """Nothing of it flows into the result on some ranks: the others do not wait for ever, and nothing is left over."""
    even = comm.rank % 2 == 0

    def program(u):
        every, total, mine = np.zeros(4 * comm.size), np.zeros(4), np.zeros(4)
        comm.Allgather(u * u, every)
        comm.Allreduce(u, total)
        total[:] = 1.0
        comm.Scan(np.ones(4) if even else u, total)
        comm.Exscan(u * 2, mine)
        comm.Reduce_scatter_block(every, mine)
        comm.Bcast(mine)
        if even:
            return total * u
        return every[:4] * 1.0

    rng = np.random.default_rng(comm.rank)
    u, v, weights = rng.uniform(size=(3, 4))
    if comm.rank == comm.size - 1:
        weights[:] = 0
    _, pull = vjp(program, u)
    adjoint = pull(weights)
    change = (program(u + 1e-5 * v) - program(u - 1e-5 * v)) / 2e-5
    assert np.isclose(comm.allreduce(weights @ change), comm.allreduce(adjoint @ v), rtol=1e-9)


@on_ranks(1, 3)
def case_empty_parts(comm):
    """Also of all ranks, and without an array."""

    def program(u):
        counts = [3 if rank == comm.size - 1 else 0 for rank in range(comm.size)]
        got, nothing = np.zeros(3), np.zeros(0)
        given = u if counts[comm.rank] else [None, 0, MPI.DOUBLE]
        comm.Allgatherv(given, [got, counts])
        for name in (
            "Allgather",
            "Alltoall",
            "Allreduce",
            "Scan",
            "Exscan",
            "Reduce_scatter_block",
            "Gather",
            "Scatter",
        ):
            getattr(comm, name)(nothing, np.zeros(0))
        comm.Bcast(nothing)
        comm.Reduce(nothing, np.zeros(0), MPI.PROD)
        return got * got

    u = np.array([1.0, 2.0, 3.0]) + comm.rank
    _, pull = vjp(program, u)
    last = comm.rank == comm.size - 1
    assert np.array_equal(pull(np.ones(3)), 2 * comm.size * u if last else np.zeros(3))


@on_ranks(2, 4)
def case_derived_datatypes(comm):
    """Columns of a matrix go to the ranks and come back as rows."""
    n = comm.size
    column = MPI.DOUBLE.Create_vector(n, 1, n)
    place = column.Create_resized(0, MPI.DOUBLE.extent).Commit()

    def program(u):
        matrix = u.reshape(n, n) * 1.0
        mine, every = np.empty(n), np.zeros((n, n))
        comm.Scatter([matrix, 1, place], mine)
        comm.Allgather(mine * mine, [every, 1, place])
        comm.Alltoall([every, 1, place], matrix)
        return matrix

    rng = np.random.default_rng(comm.rank)
    u, v, weights = rng.uniform(size=(3, n * n))
    plain = program(u)
    value, pull = vjp(program, u)
    assert np.array_equal(value, plain)
    adjoint = pull(weights.reshape(n, n))
    change = (program(u + 1e-5 * v) - program(u - 1e-5 * v)).reshape(-1) / 2e-5
    assert np.isclose(comm.allreduce(weights @ change), comm.allreduce(adjoint @ v), rtol=1e-9)
    place.Free()
    column.Free()


@on_ranks(1, 2, 4)
def case_neighbours(comm):
    """In grids with and without ends, also where a rank is its own neighbour, or both of its neighbours are the same."""
    for dims, periods in ((2, [True, False]), (1, [True]), (1, [False])):
        grid = comm.Create_cart(MPI.Compute_dims(comm.size, dims), periods[:dims])

        def program(u, grid=grid, dims=dims):
            slots = 2 * dims
            got, every = np.full((slots, 3), 0.5), np.full((slots, 2), 0.25)
            grid.Neighbor_alltoall(np.outer(np.arange(1, slots + 1), u), got)
            grid.Neighbor_allgather(u[:2] * u[1:], every)
            counts, starts = [slot % 3 for slot in range(slots)], [3 * slot for slot in range(slots)]
            more = np.zeros((slots, 3))
            back = [counts[slot ^ 1] for slot in range(slots)]
            if min(grid.dims) > 2 or not any(grid.periods):
                grid.Neighbor_alltoallv([got * got, counts, starts, MPI.DOUBLE], [more, (back, starts)])
            grid.Neighbor_allgatherv(u, got)
            return np.concatenate([(got * more).reshape(-1), every.reshape(-1), got.reshape(-1) ** 2])

        rng = np.random.default_rng([dims, comm.rank])
        u, v = rng.uniform(size=(2, 3))
        plain = program(u)
        value, pull = vjp(program, u)
        assert np.array_equal(value, plain)
        weights = rng.uniform(size=plain.shape)
        adjoint = pull(weights)
        change = (program(u + 1e-5 * v) - program(u - 1e-5 * v)) / 2e-5
        assert np.isclose(comm.allreduce(weights @ change), comm.allreduce(adjoint @ v), rtol=1e-9)
        grid.Free()


# --- what is refused -----------------------------------------------------------------------------------------------------


def refused(function, error, *words):
    """Every rank raises an error that says what it has to."""
    with pytest.raises(error) as caught:
        vjp(function, np.arange(1.0, 5.0))
    for word in words:
        assert word in str(caught.value), str(caught.value)


@on_ranks(2)
def case_refusals(comm):
    operation = MPI.Op.Create(lambda a, b, datatype: None)

    def other_operation(u):
        got = np.empty(4)
        comm.Scan(u, got, operation)
        return got

    def overlapping(u):
        got = np.empty(8)
        comm.Allgatherv(u, [got, [4, 4], [0, 2]])
        return got[:4]

    def other_type(u):
        comm.Bcast([u, MPI.BYTE])
        return u

    def other_sizes(u):
        got = np.empty(2 * comm.size)
        comm.Allgather(u, got)
        return u

    refused(
        other_operation,
        TraceError,
        "CKP227",
        "Scan with an operation that is none of MPI.SUM, MPI.PROD, MPI.MAX",
    )
    operation.Free()
    refused(
        overlapping,
        TraceError,
        "CKP228",
        "Allgatherv puts what comes from several ranks into the same elements",
    )
    refused(other_type, TraceError, "CKP228", "Bcast reads an array of float64 as MPI_BYTE")
    refused(
        other_sizes,
        TraceError,
        "CKP228",
        "Allgather, in which a part of 32 bytes (float64) comes to a place of 16",
    )


@on_ranks(2, 3)
def case_ranks_that_do_not_do_the_same(comm):
    def roots(u):
        comm.Bcast(u * 1.0, comm.rank)
        return u

    def operations(u):
        got = np.empty(4)
        comm.Allreduce(u, got, MPI.MAX if comm.rank else MPI.SUM)
        return got

    def types(u):
        got = np.empty(4)
        comm.Allreduce(
            u if comm.rank else u.astype(np.float32), got if comm.rank else np.empty(4, np.float32)
        )
        return got

    refused(roots, RankError, "rank 0: Bcast (root 0, 32 bytes, float64)")
    refused(operations, RankError, "Allreduce (SUM, 32 bytes, float64)", "Allreduce (MAX, 32 bytes, float64)")
    refused(types, RankError, "16 bytes, float32", "32 bytes, float64")


@on_ranks(3)
def case_messages_are_counted(comm):
    """A rank counts what it gives: on the way back the transposes, which are as large."""
    calls = []

    def program(u):
        calls.append(active.traffic)
        got = np.empty(12) if comm.rank == 0 else None
        comm.Gather(u, got)
        comm.Scatter(got, u)
        comm.Allreduce(MPI.IN_PLACE, u)
        return u

    _, pull = vjp(program, np.ones(4))
    pull(np.ones(4))
    (traffic,) = calls
    assert (traffic.first.messages, traffic.adjoint.messages) == (3, 3)
    assert traffic.first.bytes == 32 + (96 if comm.rank == 0 else 0) + 32
    assert traffic.adjoint.bytes == (96 if comm.rank == 0 else 0) + 32 + 32
