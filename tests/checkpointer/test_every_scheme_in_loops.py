"""Every scheme, and those of another package, in real differentiated loops: the values and gradients of Revolve."""

import numpy as np
import pytest

from checkpointer import HDF5Storage, MemoryStorage, Revolve, TieredStorage, value_and_grad
from checkpointer.schemes import (
    SCHEMES,
    Auto,
    DiskRevolve,
    FromCheckpointSchedules,
    HRevolve,
    Level,
    Mixed,
    Multistage,
    Online,
    Periodic,
    PeriodicDiskRevolve,
    StoreAll,
    TwoLevel,
)

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
    Auto(),
    Auto(memory="60 kB", disk="60 kB"),
    Online(3),
    Online(1),
    Online(2, disk_snapshots=2),
    Periodic(period=4),
    TwoLevel(4, 2),
    TwoLevel(3, 0),
    PeriodicDiskRevolve(2, write=1, read=1),
    StoreAll(),
]
OFFLINE = [
    Revolve(1),
    Periodic(3),
    Multistage(1, 2),
    Multistage(0, 3),
    DiskRevolve(1, write=0.5, read=0.5),
    HRevolve(Level(2)),
    HRevolve(Level(1), Level(2, write=0.5, read=0.5)),
    Mixed(1),
    Mixed(4),
]
THEIRS_ONLINE = [
    FromCheckpointSchedules(lambda n: theirs.TwoLevelCheckpointSchedule(4, 2), online=True),
    FromCheckpointSchedules(lambda n: theirs.SingleMemoryStorageSchedule(), online=True),
    FromCheckpointSchedules(lambda n: theirs.SingleDiskStorageSchedule(move_data=True), online=True),
]
THEIRS = [
    FromCheckpointSchedules(lambda n: theirs.MultistageCheckpointSchedule(n, 1, 2)),
    FromCheckpointSchedules(lambda n: theirs.MixedCheckpointSchedule(n, 3)),
    FromCheckpointSchedules(lambda n: theirs.HRevolve(n, 1, 2)),
    FromCheckpointSchedules(lambda n: theirs.DiskRevolve(n, 2)),
]
EVERY_ONLINE = [*ONLINE, *THEIRS_ONLINE]
INPUTS = [np.array([0.9, 0.4, 0.7, 0.1, 0.8, 0.3]), np.linspace(0.2, 0.75, 5)]


def tiers():
    return TieredStorage(MemoryStorage(), HDF5Storage())


@pytest.fixture
def program(load):
    return load(PROGRAM).rewritten


def test_no_scheme_is_missing():
    assert {type(scheme) for scheme in [*ONLINE, *OFFLINE]} == {*SCHEMES.values()}
    assert all(scheme.online for scheme in EVERY_ONLINE)
    assert not any(scheme.online for scheme in [*OFFLINE, *THEIRS])


@pytest.mark.parametrize(("until", "which"), [(99, 0), (99, 1), (10, 0), (7, 1), (3, 0), (0, 1)])
def test_loops_of_known_length(program, until, which):
    u = INPUTS[which]
    value, gradient = value_and_grad(program.known)(u, Revolve(3), until=until)
    for scheme in [*EVERY_ONLINE, *OFFLINE, *THEIRS]:
        ours = value_and_grad(program.known)(u, scheme, tiers(), until=until)
        assert ours[0] == value, scheme
        assert np.array_equal(ours[1], gradient), scheme


@pytest.mark.parametrize("u", INPUTS, ids=["mixed", "rising"])
def test_loops_of_unknown_length(program, u):
    value, gradient = value_and_grad(program.unknown)(u, Online(10**6))
    for scheme in EVERY_ONLINE:
        ours = value_and_grad(program.unknown)(u, scheme, tiers())
        assert ours[0] == value, scheme
        assert np.array_equal(ours[1], gradient), scheme


def test_what_all_agree_on_is_right(program):
    """The reference is itself compared with central differences."""
    for u in INPUTS:
        for function, scheme in ((program.known, Revolve(3)), (program.unknown, Online(10**6))):
            gradient = value_and_grad(function)(u, scheme)[1]
            h = 1e-6 * np.eye(u.size)
            differences = [(function(u + e, scheme) - function(u - e, scheme)) / 2e-6 for e in h]
            assert gradient == pytest.approx(differences, rel=1e-6, abs=1e-8)
