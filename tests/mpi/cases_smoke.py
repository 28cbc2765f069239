"""What the harness and mpi4py have to do before anything is differentiated."""

import numpy as np
import pytest
from harness import on_ranks
from mpi4py import MPI

from checkpointer import Revolve, checkpointed, value_and_grad


def case_everybody_is_there(comm):
    assert comm.size == MPI.COMM_WORLD.size
    assert comm.allgather(comm.rank) == list(range(comm.size))


def case_a_ring(comm):
    """Each rank's array, passed on until it is home again."""
    mine = np.full(3, comm.rank + 1.0)
    passed = mine.copy()
    for _ in range(comm.size):
        comm.Sendrecv_replace(passed, dest=(comm.rank + 1) % comm.size, source=(comm.rank - 1) % comm.size)
    assert np.array_equal(passed, mine)


@on_ranks(2, 4)
def case_pairs(comm):
    other, received = comm.rank ^ 1, np.empty(2)
    requests = [comm.Irecv(received, source=other), comm.Isend(np.array([comm.rank, 7.0]), dest=other)]
    MPI.Request.Waitall(requests)
    assert received.tolist() == [other, 7.0]


def case_a_loop_that_does_not_communicate(comm):
    """d/du of u**32 on each rank's own number."""

    def power(u):
        for _ in checkpointed(range(5), Revolve(snapshots=2)):
            u = u * u
        return u

    u = 1 + comm.rank / 8
    value, gradient = value_and_grad(power)(u)
    assert value == power(u)
    assert gradient == pytest.approx(32 * u**31, rel=1e-14)


def case_the_marked_loop_is_rewritten(comm):
    assert np.__name__ == "checkpointer.numpy"


@on_ranks(3)
def case_a_folder_that_all_share(comm, folder):
    (folder / str(comm.rank)).write_text("here")
    comm.Barrier()
    assert sorted(file.name for file in folder.iterdir()) == ["0", "1", "2"]


def case_communicators_that_are_made_and_freed(comm):
    """Nothing is differentiated: their private duplicates, which nobody has used, go with them."""
    for _ in range(3):
        part = comm.Split(comm.rank % 2, comm.rank)
        grid = part.Create_cart([part.size], periods=[True])
        twin = grid.Dup()
        assert twin.allreduce(1) == part.size
        for made in (part, twin, grid):
            made.Free()
            assert made == MPI.COMM_NULL
