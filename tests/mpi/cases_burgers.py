"""The Burgers example on ranks against the one for a single process, which an adjoint by hand is checked against."""

import importlib
import sys
from functools import cache
from pathlib import Path

import numpy as np
from harness import on_ranks
from mpi4py import MPI  # noqa: F401  whose communicator the cases are called with

import checkpointer
from checkpointer import HDF5Storage, MemoryStorage, Online, Revolve, StoreAll, TieredStorage, TwoLevel

EXAMPLES = Path(__file__).parents[2] / "examples"
STEPS = 9


@cache
def programs():
    """The examples for one process and for many."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        with checkpointer.install_import_hook("burgers", "burgers_mpi"):
            return importlib.import_module("burgers"), importlib.import_module("burgers_mpi")
    finally:
        sys.path.remove(str(EXAMPLES))
        sys.modules.pop("burgers", None)
        sys.modules.pop("burgers_mpi", None)


def schemes():
    tiers = TieredStorage(MemoryStorage(), HDF5Storage())
    return [(Revolve(3), None), (Online(3), None), (TwoLevel(period=4, snapshots=2), tiers)]


@on_ranks(1, 2, 3, 4, 6)
def case_value_and_gradient(comm):
    """To rounding: blocks of equal and of different sizes, schemes in memory, online, and with a disk."""
    serial, program = programs()
    for n in (14, 19):
        velocities = serial.initial_velocities(n)
        right, expected = checkpointer.value_and_grad(serial.energy)(velocities, STEPS, StoreAll())
        blocks = program.Blocks((n, n), comm)
        mine = program.initial_velocities(blocks)
        assert abs(program.energy(mine, blocks, STEPS, Revolve(3)) - right) <= 1e-12 * right
        for scheme, storage in schemes():
            value, gradient = checkpointer.value_and_grad(program.energy)(
                mine, blocks, STEPS, scheme, storage
            )
            assert abs(value - right) <= 1e-12 * right
            whole = comm.bcast(blocks.gather(*gradient))
            assert np.abs(whole - expected).max() <= 1e-12 * np.abs(expected).max()


@on_ranks(2, 4)
def case_messages(comm):
    """As many on the way back as on the way there, of the same numbers with three more; counted by hand."""
    _, program = programs()
    n = 10
    blocks = program.Blocks((n, n), comm)
    mine = program.initial_velocities(blocks)
    checkpointer.value_and_grad(program.energy)(mine, blocks, STEPS, Revolve(3))
    run = checkpointer.last_run()

    neighbours = {2: [8], 4: [4, 4]}[comm.size]  # the points of each side with a neighbour
    messages, numbers = 2 * len(neighbours), 2 * sum(neighbours)  # per step
    again = run.loops[0].cost.advances - (STEPS - 1)  # the last step runs under the tape at once
    assert again > 0
    counts = {name: (count.messages, count.bytes) for name, count in run.messages.items()}
    assert counts == {
        "forward": (STEPS * messages + 1, 8 * (STEPS * numbers + 1)),  # and the sum of the loss
        "recomputing": (again * messages, 8 * again * numbers),
        "reversing": ((STEPS - 1) * messages, 8 * (STEPS - 1) * numbers),
        "adjoint": (STEPS * messages + 1, 8 * (STEPS * (numbers + 3 * messages) + 1)),
    }
