"""The lower-case calls: values as mpi4py's own, adjoints by dot products with differences of the program itself."""

import dataclasses
import operator
from typing import NamedTuple

import numpy as np
import pytest
from harness import on_ranks
from mpi4py import MPI

from checkpointer import Revolve, checkpointed, vjp
from checkpointer.active import active
from checkpointer.errors import CheckpointerError


class Pair(NamedTuple):
    name: str
    values: object


@dataclasses.dataclass
class Block:
    field: object
    time: float
    notes: dict


# --- the programs: each takes a rank's four numbers, and returns four ---------------------------------------------------


def ring_of_numbers(comm, u):
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    request = comm.isend(u[0] * u[1], dest=right, tag=3)
    number = comm.recv(source=left, tag=3)
    request.wait()
    assert isinstance(number, np.float64)
    u = u.copy()
    u[2] = number * u[2] + 0.5 * u[3]
    return u


def trees(comm, u):
    """Nested containers, with plain values among those that are differentiated."""
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    parcel = {
        "field": u[:3] * u[1],
        "meta": ("name", comm.rank, None, True, [1.5, np.float32(2)]),
        "pair": Pair("x", [u[3] ** 2, np.arange(3)]),
        "block": Block(u[::2], float(comm.rank), {"same": u}),
    }
    request = comm.issend(parcel, dest=right)
    got = comm.recv(source=left)
    request.wait()
    assert got["meta"] == ("name", left, None, True, [1.5, 2.0])
    assert type(got["meta"][4][1]) is np.float32
    assert type(got["pair"]) is Pair
    assert got["pair"].values[1].dtype == np.arange(3).dtype
    got["field"][0] += u[0]  # what is received is the program's own
    got["pair"].values[1][:] = 7
    return np.concatenate(
        [got["field"] + got["pair"].values[0], got["block"].field[1:] * got["block"].time]
    ) + (0.1 * got["block"].notes["same"])


def blocking(comm, u):
    """send, ssend and bsend, in pairs; whoever has no partner sends to nobody."""
    other = comm.rank ^ 1
    other = other if other < comm.size else MPI.PROC_NULL
    for tag, send in enumerate([comm.send, comm.ssend]):
        if comm.rank % 2:
            got = comm.recv(source=other, tag=tag)
            send([u * (tag + 1), "text"], dest=other, tag=tag)
        else:
            send([u * u, comm.rank], other, tag)
            got = comm.recv(None, other, tag)
        if got is None:
            assert other == MPI.PROC_NULL
        else:
            u = 0.5 * u + np.sin(got[0])
    comm.bsend(u[1] * 2, dest=other, tag=9)
    got = comm.recv(source=other, tag=9)
    return u if got is None else u + got


def wildcards(comm, u):
    """Rank 0 takes from whoever comes first, and notes who it was."""
    if comm.rank:
        comm.send((comm.rank, u * comm.rank), dest=0, tag=10 + comm.rank)
        comm.send(u[0], dest=0, tag=50)
        return u * comm.recv(source=0)
    found = {}
    status = MPI.Status()
    for _ in range(1, comm.size):
        comm.probe(status=status)
        rank, array = comm.recv(source=status.source, tag=10 + status.source)
        assert rank == status.source
        found[rank] = rank * array**2 + comm.recv(source=rank, tag=50)
    weights = sum([found[rank] for rank in sorted(found)], np.zeros(4))
    for rank in range(1, comm.size):
        comm.send(0.1 * weights[rank % 4], dest=rank)
    return u + 0.1 * weights


def any_source(comm, u):
    if comm.rank == 0:
        found = [0.0] * comm.size
        for _ in range(1, comm.size):
            status = MPI.Status()
            given = comm.recv(status=status)
            assert given["from"] == status.Get_source()
            found[given["from"]] = given["u"] * (status.Get_tag() - 10)
        u = u + 0.1 * sum(found)
    else:
        comm.send({"u": u * u, "from": comm.rank}, dest=0, tag=10 + comm.rank)
    comm.barrier()  # or a rank's next message may come before another's first
    return u


def in_flight(comm, u):
    """Several messages of one tag, some of them without a derivative, completed in another order."""
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    receives = [comm.irecv(source=left, tag=4) for _ in range(4)]
    sends = [
        comm.isend(given, right, tag=4) for given in (u[0] * u[1], "nothing", {"u": u**2}, np.arange(2.0))
    ]
    sends.append(comm.isend(u[2], dest=right, tag=5))
    big = comm.irecv(1 << 17, source=left, tag=5)
    third = receives[2].wait()
    second, constant = receives[1].wait(), receives[3].wait()
    assert second == "nothing"
    assert constant.tolist() == [0, 1]
    first = receives[0].wait()
    assert receives[0].wait() is None
    assert receives[0].test() == (True, None)
    assert MPI.Request.waitall(sends) == [None] * 5
    return third["u"] * first + big.wait() * u + constant.sum()


def many_requests(comm, u):
    """waitall, waitany, waitsome, testall and test."""
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    made = u * 0

    def begin():
        receives = [comm.irecv(source=left, tag=tag) for tag in range(3)]
        return receives, [comm.isend(u * (tag + 1), right, tag=tag) for tag in range(3)]

    receives, sends = begin()
    for factor, got in enumerate(MPI.Request.waitall(receives)):
        made = made + factor * got
    MPI.Request.waitall(sends)
    receives, sends = begin()
    for _ in receives:
        number, got = MPI.Request.waitany(receives)
        made = made + got * u[number]
    assert MPI.Request.waitany(receives) == (MPI.UNDEFINED, None)
    MPI.Request.waitall(sends)
    receives, sends = begin()
    numbers, got = MPI.Request.waitsome(receives)
    while numbers is not None:
        for number, one in zip(numbers, got, strict=False):
            made = made + one * number
        numbers, got = MPI.Request.waitsome(receives)
    done, results = MPI.Request.testall(sends)
    while not done:
        done, results = MPI.Request.testall(sends)
    assert results == [None] * 3
    receives, sends = begin()
    MPI.Request.waitall(sends)
    done, got = receives[1].test()
    while not done:
        done, got = receives[1].test()
    made = made + got[::-1]
    receives[0].wait()  # unused
    receives[2].wait()
    return 0.1 * made


def exchange_with_neighbours(comm, u):
    left = comm.rank - 1 if comm.rank else MPI.PROC_NULL
    right = comm.rank + 1 if comm.rank + 1 < comm.size else MPI.PROC_NULL
    upper = comm.sendrecv(u[-1], dest=right, source=left)
    lower = comm.sendrecv({"edge": u[0] ** 2}, dest=left, sendtag=2, source=right, recvtag=2)
    v = 0.5 * u
    if upper is not None:
        v[0] += upper
    if lower is not None:
        v[-1] += lower["edge"]
    return v


def itself(comm, u):
    request = comm.isend([u, u[0]], dest=comm.rank)
    array, number = comm.recv(source=comm.rank)
    request.wait()
    got = comm.sendrecv(None, dest=comm.rank, source=comm.rank)
    assert got is None
    array *= number
    return array + u


def some_constant(comm, u):
    """Only even ranks send what is differentiated; what the last one receives is not used."""
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    given = u * u if comm.rank % 2 == 0 else np.array([1.0, 2.0, 3.0, 4.0])
    request = comm.isend(given, dest=right, tag=1)
    got = comm.recv(source=left, tag=1)
    request.wait()
    got[0] = u[1]
    return u * 0.5 if comm.rank == comm.size - 1 else got * u


def both_cases(comm, u):
    """Upper- and lower-case messages with one tag."""
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    first, third = np.empty(4), np.empty(4)
    requests = [comm.Irecv(first, left, 6), comm.irecv(source=left, tag=6), comm.Irecv(third, left, 6)]
    requests.append(comm.irecv(source=left, tag=6))
    sends = [comm.Isend(u * 2, right, 6), comm.isend("plain", right, 6), comm.Isend(u * 3, right, 6)]
    sends.append(comm.isend(u[1] * u[2], right, 6))
    _, text, _, number = MPI.Request.waitall(requests)
    assert text == "plain"
    MPI.Request.Waitall(sends)
    return first * u + third**2 * 0.1 + number


def broadcast(comm, u):
    total = u * 0
    for root in range(comm.size):
        mine = {"u": u * (root + 1), "root": root, "t": u[0] * u[1]} if comm.rank == root else None
        got = comm.bcast(mine, root=root)
        assert got["root"] == root
        got["u"][1] *= 2
        total = total + got["u"] * got["t"] * (comm.rank + 1)
    assert comm.bcast(None) is None
    assert comm.bcast("text") == "text"
    return 0.1 * total + u


def gather_and_scatter(comm, u):
    root = comm.size - 1
    given = (u, "even") if comm.rank % 2 == 0 else [u[0] * u[3], 7]
    found = comm.gather(given, root=root)
    if comm.rank == root:
        assert found[0][1] == "even"
        total = sum(np.sum(one[0]) for one in found)
        items = [total * rank + u[rank % 4] if rank % 3 else None for rank in range(comm.size)]
    else:
        assert found is None
        items = None
    got = comm.scatter(items, root=root)
    return u if got is None else u * 0.5 + got


def all_to_all(comm, u):
    everyones = comm.allgather({"u": u * u, "rank": comm.rank})
    assert [one["rank"] for one in everyones] == list(range(comm.size))
    v = 0.1 * sum((one["rank"] + 1) * one["u"] for one in everyones)
    got = comm.alltoall([u * rank if rank != comm.rank else None for rank in range(comm.size)])
    for rank, one in enumerate(got):
        assert (one is None) == (rank == comm.rank)
        if one is not None:
            v = v + one * v
    numbers = comm.allgather(u[0] if comm.rank == 0 else 3)
    return v + numbers[0] * numbers[-1]


def sums(comm, u):
    total = comm.allreduce(u)
    total[0] += 1
    number = comm.allreduce(u[1] * u[2] if comm.rank != 1 else 2)
    some = comm.reduce(u[3] ** 2, root=comm.size - 1)
    count = comm.allreduce(comm.rank)
    assert type(count) is int
    assert comm.allreduce([comm.rank]) == list(range(comm.size))
    assert comm.allreduce(np.arange(2), op=lambda x, y: x + y).tolist() == [0, comm.size]
    assert (some is None) == (comm.rank != comm.size - 1)
    v = total * number * 0.1 + count
    return v if some is None else v + some


def products(comm, u):
    factor = comm.allreduce(u[0] if comm.rank else 0.0, op=MPI.PROD)
    array = comm.reduce(u, op=MPI.PROD)
    number = comm.allreduce(u[1], op=MPI.PROD)
    return u * number + factor if array is None else u + 2 * array + factor


def extremes(comm, u):
    largest = comm.allreduce(u[0] ** 2, op=MPI.MAX)
    least = comm.reduce(u[1], op=MPI.MIN, root=0)
    so_far = comm.scan(u[2], op=MPI.MAX)
    v = u * largest + so_far**2
    return v if least is None else v * least


def scans(comm, u):
    before = comm.exscan(u * u)
    upto = comm.scan(u)
    number = comm.scan(u[0] if comm.rank else 2, op=MPI.PROD)
    assert comm.scan(1) == comm.rank + 1
    v = upto * u + number
    if comm.rank == 0:
        assert before is None
        return v
    return v + before


def complex_numbers(comm, u):
    z = u * (1 + 2j) + 1j * u[::-1] ** 2
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    got = comm.sendrecv([z, z[0], u.astype(np.float32)], dest=right, source=left)
    number = comm.allreduce(z[1] * (comm.rank + 1))
    everyones = comm.allgather(z[2])
    product = comm.allreduce(z[3], op=MPI.PROD)
    w = got[0] * got[1] + number * everyones[-1] + product
    assert got[2].dtype == np.float32
    assert np.iscomplexobj(w)
    return 0.1 * (w.real + 2 * w.imag) + got[2] * 0


def python_numbers(comm, u):
    x = u[0].item() * 2.0
    assert type(comm.allreduce(1.5)) is float
    got = comm.allreduce(x)
    assert isinstance(got, float)
    assert not isinstance(got, np.floating)
    least = comm.bcast(x * x, root=0)
    assert not isinstance(least, np.floating)
    return u * got + least


PROGRAMS = [
    ring_of_numbers,
    trees,
    blocking,
    wildcards,
    any_source,
    in_flight,
    many_requests,
    exchange_with_neighbours,
    itself,
    some_constant,
    both_cases,
    broadcast,
    gather_and_scatter,
    all_to_all,
    sums,
    products,
    extremes,
    scans,
    complex_numbers,
    python_numbers,
]


# --- the dot-product test ---------------------------------------------------------------------------------------------


def stepping(program, snapshots):
    """The program itself, or several times in a marked loop."""

    def once(comm, u):
        return program(comm, u)

    def steps(comm, u):
        for _ in checkpointed(range(4), Revolve(snapshots=snapshots)):
            u = 0.7 + 0.2 * np.sin(program(comm, u) / 2)
        return u

    return once if snapshots is None else steps


def slope_of(function, u, direction, h):
    """The derivative by differences of fourth order."""

    def difference(h):
        return function(u + h * direction) - function(u - h * direction)

    return (8 * difference(h) - difference(2 * h)) / (12 * h)


def check(comm, program):
    rng = np.random.default_rng([comm.rank, len(program.__name__)])
    for snapshots, inputs in ((None, 2), (2, 2), (50, 1)):
        function = stepping(program, snapshots)
        for _ in range(inputs):
            u, direction, adjoint = rng.uniform(0.4, 1.1, 4), rng.standard_normal(4), rng.standard_normal(4)
            plain = function(comm, u.copy())
            value, pullback = vjp(lambda u, f=function: f(comm, u), u.copy())
            assert np.array_equal(value, plain), (program.__name__, snapshots)
            (pulled,) = np.atleast_2d(pullback(adjoint))
            errors = []
            for h in (2e-4, 2e-5):  # some programs are steep
                slope = slope_of(lambda u, f=function: f(comm, u), u, direction, h)
                sides = comm.allreduce(
                    np.array([adjoint @ slope, pulled @ direction, abs(adjoint) @ (1 + abs(slope))])
                )
                errors.append(abs(sides[0] - sides[1]) / sides[2])
                if errors[-1] < 1e-9:
                    break
            assert errors[-1] < 1e-9, (program.__name__, snapshots, *errors)


@on_ranks(1, 2, 3)
def case_programs(comm):
    MPI.Attach_buffer(bytearray(1 << 16))  # for bsend
    for program in PROGRAMS:
        check(comm, program)


# --- what is refused ----------------------------------------------------------------------------------------------------


def refused(function, u):
    """What a differentiated call says; every rank says it, so no rank waits for another one."""
    with pytest.raises(CheckpointerError) as info:
        vjp(function, u)
    return str(info.value)


@on_ranks(4)
def case_reductions_without_a_rule(comm):
    u = np.array([1.0, 2.0])
    assert "CKP227" in refused(lambda u: comm.allreduce([u[0]]), u)  # lists are concatenated
    assert "lists" in refused(lambda u: comm.allreduce({"u": u} if comm.rank == 0 else u), u)
    assert "none of MPI.SUM" in refused(lambda u: comm.allreduce(u[0], op=operator.add), u)
    assert "MPI.MAX" in refused(lambda u: comm.reduce(u, op=MPI.MAX), u)


@on_ranks(1, 4)
def case_ties(comm):
    """Ranks that have the largest number share the adjoint."""
    _, pullback = vjp(lambda u: comm.allreduce(u, op=MPI.MAX), 3.0)
    assert float(np.ravel(pullback(1.0))[0]) == pytest.approx(1.0)  # size ranks ask, and size share


@on_ranks(2)
def case_nothing_goes_back_for_constants(comm):
    """No adjoint message for what no derivative flows through."""

    def function(u):
        other = 1 - comm.rank
        request = comm.isend({"rank": comm.rank, "array": np.ones(3)}, dest=other)
        got = comm.recv(source=other)
        request.wait()
        seen.append(active.traffic)
        return u * got["array"].sum()

    seen = []
    value, pullback = vjp(function, 2.0)
    assert value == 6.0
    pullback(1.0)
    assert seen[-1].first.messages == 1
    assert seen[-1].adjoint.messages == 0
