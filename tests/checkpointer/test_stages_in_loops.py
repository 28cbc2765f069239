"""Schemes with several stages of storage, and those of another package, in real differentiated loops."""

import numpy as np
import pytest

from checkpointer import MemoryStorage, Revolve, TieredStorage, value_and_grad
from checkpointer.schemes import FromCheckpointSchedules, Multistage, Online, Periodic, TwoLevel

theirs = pytest.importorskip("checkpoint_schedules")

pytestmark = pytest.mark.filterwarnings("ignore:Numba not available")

PROGRAM = """
import numpy as np
from checkpointer import checkpointed

def known(u, scheme, storage=None, until=99):
    u = u.copy()
    work = np.zeros_like(u)
    for step in checkpointed(range(11), scheme, storage=storage):
        work[1:-1] = u[2:] - 2 * u[1:-1] + u[:-2]
        u += 0.1 * work * u
        work[0] = u[step % u.size]
        if step == until:
            break
    return (u * u).sum() + work[0]

def unknown(u, scheme, storage=None):
    u, steps = u.copy(), 0
    while checkpointed(u.max() > 0.3, scheme, storage=storage):
        u *= 1 - 0.2 * u
        steps += 1
    return (u * u).sum() + 0.1 * steps * u[0]
"""

ONLINE = [
    TwoLevel(4, 2),
    TwoLevel(3, 0),
    Periodic(period=4),
    FromCheckpointSchedules(lambda n: theirs.TwoLevelCheckpointSchedule(4, 2), online=True),
    FromCheckpointSchedules(lambda n: theirs.SingleMemoryStorageSchedule(), online=True),
    FromCheckpointSchedules(lambda n: theirs.SingleDiskStorageSchedule(move_data=True), online=True),
]
OFFLINE = [
    Multistage(1, 2),
    FromCheckpointSchedules(lambda n: theirs.MultistageCheckpointSchedule(n, 1, 2)),
    FromCheckpointSchedules(lambda n: theirs.MixedCheckpointSchedule(n, 3)),
    FromCheckpointSchedules(lambda n: theirs.HRevolve(n, 1, 2)),
    FromCheckpointSchedules(lambda n: theirs.DiskRevolve(n, 2)),
]
U = np.array([0.9, 0.4, 0.7, 0.1, 0.8, 0.3])


def tiers():
    return TieredStorage(MemoryStorage(), MemoryStorage())


@pytest.fixture
def program(load):
    return load(PROGRAM).rewritten


@pytest.mark.parametrize("until", [99, 10, 7, 3, 0])
def test_loops_of_known_length(program, until):
    value, gradient = value_and_grad(program.known)(U, Revolve(3), until=until)
    for scheme in [*ONLINE, *OFFLINE]:
        ours = value_and_grad(program.known)(U, scheme, tiers(), until=until)
        assert ours[0] == value
        assert np.array_equal(ours[1], gradient), scheme


def test_loops_of_unknown_length(program):
    value, gradient = value_and_grad(program.unknown)(U, Online(3))
    for scheme in ONLINE:
        ours = value_and_grad(program.unknown)(U, scheme, tiers())
        assert ours[0] == value
        assert np.array_equal(ours[1], gradient), scheme
