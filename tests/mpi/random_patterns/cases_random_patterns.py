"""A small share of the programs that ``run.py`` judges in hundreds, and whether the judge would notice anything."""

import warnings

import numpy as np
import oracle
from harness import on_ranks
from writer import FEATURES, HEAD, program_of, write

EACH = 3


def judged(program, seed=0):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return oracle.Judge(lambda stage: None).differentiated(program, seed)


def right(comm, start):
    for seed in range(start, start + EACH):
        program = write(seed, small=True)
        outcome = judged(program, seed)
        assert outcome.kind == "right", f"seed {seed}: {outcome}\n{program.source.removeprefix(HEAD)}"


@on_ranks(2, 3, 4, seconds=240)
def case_random_programs_are_right(comm):
    right(comm, 1000 * comm.size)


LOOP = """
comm = MPI.COMM_WORLD
rank, size = comm.rank, comm.size
{}

def f(u, v, m, s, t, scheme):
    u, v = u.copy(), v.copy()
    for i in checkpointed(range(2), scheme):
        {}
    return u, v, m, s, t
"""


def verdict(step, above=""):
    return judged(program_of(LOOP.format(above, step)))


@on_ranks(2)
def case_the_judge_accepts_what_is_right(comm):
    assert (
        verdict(
            "comm.Sendrecv(np.sin(u), (rank + 1) % size, recvbuf=v, source=rank - 1 if rank else size - 1)"
        ).kind
        == "right"
    )


@on_ranks(2)
def case_the_judge_notices_a_slightly_wrong_derivative_on_one_rank(comm):
    rule = """
from autograd.extend import defvjp, primitive

tripled = primitive(lambda u: 3 * u)
defvjp(tripled, lambda ans, u: lambda g: (3.0 + 1e-8 * rank) * g)
"""
    outcome = verdict("u = 0.2 * tripled(u)", rule)
    assert outcome.kind == "wrong"
    assert outcome.why.startswith("the inner product at input 0 is ")


@on_ranks(2)
def case_the_judge_notices_another_value_on_one_rank(comm):
    outcome = verdict("v += rank * np.__name__.startswith('checkpointer')")
    assert outcome.kind == "wrong"
    assert outcome.why.startswith("v on rank 1, undifferentiated: ")


@on_ranks(2)
def case_the_judge_notices_a_message_that_is_left_over(comm):
    outcome = verdict("if rank == 0 and i == 1: comm.Isend(u, 1, 9).Free()")
    comm.Recv(np.empty(12), 0, 9) if comm.rank == 1 else None
    assert outcome.why == "undifferentiated: a message to rank 1 was never received"


@on_ranks(1)
def case_every_piece_is_written(comm):
    """Each kind of piece occurs in the programs of some seeds, and a feature that is left out does not."""
    texts = {name: "".join(write(seed).source for seed in range(120)) for name in ["all"]}
    names = "Sendrecv( Sendrecv_replace Ssend Issend Irecv Waitall Waitany Waitsome Testall .Test( ANY_SOURCE ANY_TAG"
    names += " Startall .Start( Bcast Reduce( Allreduce IN_PLACE Allgather( Allgatherv Gather( Gatherv Scatter( Scatterv"
    names += " Alltoall( Alltoallv Scan Exscan Reduce_scatter( Reduce_scatter_block Barrier .send( .recv( isend irecv"
    names += " .bcast( .allreduce( .gather( .allgather( .scatter( .alltoall( .reduce( .scan( exscan"
    names += " Create_cart Split Dup PROC_NULL float32 1j while asfortranarray MPI.MAX MPI.MIN MPI.PROD"
    assert [name for name in names.split() if name not in texts["all"]] == []
    assert set(FEATURES) >= {"persistent", "lower"}
    bare = "".join(write(seed, without=["persistent", "lower", "wildcards"]).source for seed in range(40))
    assert [name for name in ("Start", "isend", ".allreduce(", "ANY_SOURCE") if name in bare] == []
