"""Storage on ranks: a file for each, points that all make together, and errors that all raise."""

import os
import random
import re
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
from harness import on_ranks
from mpi4py import MPI

from checkpointer import (
    ArgumentError,
    BackgroundStorage,
    Dump,
    HDF5Storage,
    MemoryStorage,
    Online,
    Revolve,
    StorageError,
    TieredStorage,
    checkpointed,
    loop,
    value_and_grad,
)
from checkpointer.errors import CheckpointerError, RankError
from checkpointer.mpi4py import private, waiting
from checkpointer.storage import journal, run_files, verify

STEPS = 8


def alone(u, scheme, storage=None, dump=None):
    """Ranks that have nothing to do with each other."""
    for step in checkpointed(range(STEPS), scheme, storage=storage, dump=dump):
        u = u + 0.1 * np.roll(u, 1) * u
        u[step % u.size] *= 0.5
    return (u * u).sum()


def halo(u, scheme, storage=None, comm=MPI.COMM_WORLD):
    """Diffusion on a ring of blocks, and a sum that all ranks need."""
    left, right = (comm.rank - 1) % comm.size, (comm.rank + 1) % comm.size
    for _ in checkpointed(range(STEPS), scheme, storage=storage):
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
        comm.Allreduce((u * u).sum().reshape(1), energy)
        u = u + 0.1 * (wide[2:] - 2 * u + wide[:-2]) / (1 + energy[0])
    total = np.empty(1)
    comm.Allreduce((u * u).sum().reshape(1), total)
    return total[0]


def unknown(u, scheme, storage=None, comm=MPI.COMM_WORLD):
    """A loop that all ranks leave together, nobody knows when."""
    largest, steps = np.ones(1), 0
    while checkpointed(largest[0] > 0.6, scheme, storage=storage):
        u = u - 0.1 * u * u
        comm.Allreduce(abs(u).max().reshape(1), largest, MPI.MAX)
        steps += 1
    return comm.allreduce((u * u).sum())


def from_anybody(u, scheme, storage=None, comm=MPI.COMM_WORLD, prescribed=None):
    """Rank 0 takes what the others send in the order in which it comes, which may be another one each time."""
    order = []
    for step in checkpointed(range(STEPS), scheme, storage=storage):
        if comm.rank:
            comm.Send(np.array(u[:2]), 0, step)
        else:
            status, got = MPI.Status(), np.empty(2)
            for _ in range(1, comm.size):
                source = MPI.ANY_SOURCE if prescribed is None else prescribed[len(order)]
                comm.Recv(got, source, step, status)
                order.append(status.source)
                u = u + 0.01 * status.source * got[0] * u
        u = u + 0.05 * np.roll(u, 1) * u
    seen[:] = order
    return comm.allreduce((u * u).sum())


seen = []
"""In which order rank 0 took the messages."""


def given(comm):
    return np.random.default_rng(comm.rank).uniform(0.3, 1.0, 6)


def same(a, b):
    return a[0] == b[0] and np.array_equal(a[1], b[1])


def raised(comm, function, *args, kinds=StorageError):
    """What each rank's gradient raised; every rank has to raise something."""
    try:
        value_and_grad(function)(*args)
    except kinds as error:
        text = f"{type(error).__name__}: {error}"
    else:
        text = "nothing was raised"
    run_files.close_all()
    texts = comm.allgather(text)
    assert "nothing was raised" not in texts, texts
    return texts


class Killed(BaseException):
    """A process that dies."""


@contextmanager
def dying(comm, commit, phases):
    """In the ``with`` block the ranks die in the commit of this number, each in a phase of its own.

    They leave on the disk what a kill at that moment leaves; tests/resumed_runs/ranks.py kills processes.
    """
    real = {name: getattr(journal, name) for name in ("_write_journal", "_apply", "_sync")}
    count, phase = 0, phases[comm.rank]

    def write_journal(path, text):
        nonlocal count
        promised = text[:8] == journal._MAGIC_OF_PROMISE
        count += promised
        if promised and count == commit:
            if phase == "before":
                raise OSError(5, "killed before its journal was written")
            if phase == "torn":
                real["_write_journal"](path, text[: len(text) // 2])
                raise OSError(5, "killed while its journal was written")
        real["_write_journal"](path, text)

    def apply(descriptor, changes, length):
        if count == commit and phase == "half":
            first = journal._CHANGE.size + journal._CHANGE.unpack_from(changes)[1]
            real["_apply"](descriptor, changes[:first], max(length, os.fstat(descriptor).st_size))
            raise Killed
        if not (count == commit and phase == "not applied"):
            real["_apply"](descriptor, changes, length)
        if count == commit and phase in ("not applied", "applied"):
            raise Killed

    journal._write_journal, journal._apply, journal._sync = write_journal, apply, lambda descriptor: None
    try:
        yield
    finally:
        for name, function in real.items():
            setattr(journal, name, function)


def phases_of(rng, size):
    """All were ready, and some have changed their files; or some were not, and the others wait for them."""
    if rng.random() < 0.5:
        return [rng.choice(("not applied", "half", "applied")) for _ in range(size)]
    phases = [rng.choice(("before", "torn", "ready")) for _ in range(size)]
    phases[rng.randrange(size)] = rng.choice(("before", "torn"))
    return phases


def point_of(folder, comm):
    """The durable point that each rank's file would go on from; -1 for its journal."""
    with h5py.File(folder / f"rank-{comm.rank}-of-{comm.size}.h5") as file:
        return int(file.attrs["point"])


SCHEMES = {"alone": Revolve(3), "halo": Revolve(3), "unknown": Online(3), "from_anybody": Revolve(2)}


def as_new_processes(comm):
    """What was under way between the killed ranks is no business of those that are started next."""
    abandoned.extend(waiting.given_up)  # their memory is still MPI's
    waiting.given_up.clear()
    private._ready.pop(comm.handle, None)
    comm.Set_attr(private._KEY, private.Duplicate(comm))


abandoned = []


@on_ranks(3, seconds=120)
def case_killed_in_the_middle_of_commits(comm, folder):
    """Again and again, on each rank in another phase of the commit: the result is that of a run that nobody killed."""
    rng, kills = random.Random(7), 0
    for number, name in enumerate(["alone", "halo", "unknown", "from_anybody", "halo"]):
        function, scheme = globals()[name], SCHEMES[name]
        storage = HDF5Storage(folder / f"{number}.h5", resume=True, every=0)
        if number % 3 == 1:
            storage = TieredStorage(MemoryStorage(), storage)
        for _ in range(3):
            commit, phases = rng.randrange(1, 8), phases_of(rng, comm.size)
            with dying(comm, commit, phases):
                try:
                    value_and_grad(function)(given(comm), scheme, storage)
                except (Killed, RankError, StorageError):
                    kills += 1
            run_files.close_all()
            comm.Barrier()
            as_new_processes(comm)
        found = value_and_grad(function)(given(comm), scheme, storage)
        run_files.close_all()
        more = [None, comm, list(seen)] if name == "from_anybody" else []
        assert same(value_and_grad(function)(given(comm), scheme, *more), found), (number, name)
    assert kills > 10, kills


@on_ranks(3)
def case_a_file_for_each_rank(comm, folder):
    for number, (storage, dump) in enumerate(
        [
            (HDF5Storage(folder / "0.h5"), None),
            (TieredStorage(MemoryStorage(), HDF5Storage(folder / "1.h5")), None),
            (BackgroundStorage(HDF5Storage(folder / "2.h5")), None),
            (HDF5Storage(folder / "3.h5", resume=True), None),
            (None, Dump(folder / "4-{run}.h5", every=5)),
            (HDF5Storage(), None),
        ]
    ):
        u = given(comm)
        found = value_and_grad(alone)(u, Revolve(3), storage, dump)
        assert same(found, value_and_grad(alone)(u, Revolve(3)))
        comm.Barrier()
        path = folder / f"{number}.h5"
        if number < 4:
            assert sorted(os.listdir(path)) == [f"rank-{rank}-of-{comm.size}.h5" for rank in range(comm.size)]
            run_files.close_all()
            comm.Barrier()
            verify(path)
            verify(path / f"rank-{comm.rank}-of-{comm.size}.h5")
    with h5py.File(folder / f"4-1.h5/rank-{comm.rank}-of-{comm.size}.h5") as file:
        assert file.attrs["status"] == "complete"
        assert (file.attrs["rank"], file.attrs["ranks"]) == (comm.rank, comm.size)
        assert np.array_equal(file["u"][0], u)
        assert np.array_equal(file["u_adjoint"][0], found[1])
    comm.Barrier()
    assert not [name for name in os.listdir(folder) if name.startswith("5")]


@on_ranks(3)
def case_verify_names_the_bad_file(comm, folder):
    value_and_grad(alone)(given(comm), Revolve(3), HDF5Storage(folder / "run.h5"))
    comm.Barrier()
    if comm.rank == 0:
        with h5py.File(folder / "run.h5/rank-1-of-3.h5", "r+") as file:
            file["loop-1/slot-0/state/u"][2] += 1
        assert_raises(r"rank-1-of-3\.h5 is damaged", lambda: verify(folder / "run.h5"))
        os.unlink(folder / "run.h5/rank-1-of-3.h5")
        assert_raises(
            r"the file of rank 1 of 3, .*rank-1-of-3\.h5, is missing", lambda: verify(folder / "run.h5")
        )
        (folder / "empty").mkdir()
        assert_raises("holds no files of ranks", lambda: verify(folder / "empty"))


def assert_raises(pattern, call, kind=StorageError):
    with pytest.raises(kind, match=pattern):
        call()


@on_ranks(3)
def case_another_number_of_ranks_is_refused_on_all(comm, folder):
    two = comm.Split(comm.rank > 1, comm.rank)
    u = given(comm)
    for name, resume in (("run.h5", True), ("kept.h5", False)):
        value_and_grad(alone)(u, Revolve(3), HDF5Storage(folder / name, resume=resume))
        run_files.close_all()
        comm.Barrier()
        texts = raised(comm, alone, u, Revolve(3), HDF5Storage(folder / name, resume=resume, comm=two))
        for text, size in zip(texts, (2, 2, 1), strict=True):
            assert f"files of a program on 3 ranks, and this one runs on {size}" in text, text
    value_and_grad(alone)(u, Revolve(3), HDF5Storage(folder / f"{comm.rank}.h5", comm=MPI.COMM_SELF))
    assert (folder / f"{comm.rank}.h5").is_file()
    texts = raised(comm, alone, u, Revolve(3), HDF5Storage(folder / "0.h5", resume=True))
    assert all(
        "0.h5 is a file, as a program on one rank makes it, and this one runs on 3" in text for text in texts
    )
    two.Free()


@on_ranks(4)
def case_groups_of_ranks(comm, folder):
    """Two runs beside each other, each on half of the ranks, with paths of their own; one is killed, the other is not."""
    half = comm.Split(comm.rank % 2, comm.rank)
    storage = HDF5Storage(folder / f"{comm.rank % 2}.h5", resume=True, every=0, comm=half)
    u = given(comm)
    expected = value_and_grad(halo)(u, Revolve(3), None, half)
    for running in (0, 1):  # one after the other: an error takes all ranks down that wait at that moment
        comm.Barrier()
        if comm.rank % 2 != running:
            value_and_grad(alone)(u, Revolve(3))
        elif running:
            with dying(half, 6, ["half", "applied"]), pytest.raises((Killed, RankError)):
                value_and_grad(halo)(u, Revolve(3), storage, half)
            run_files.close_all()
        else:
            assert same(value_and_grad(halo)(u, Revolve(3), storage, half), expected)
    comm.Barrier()
    assert same(value_and_grad(halo)(u, Revolve(3), storage, half), expected)
    run_files.close_all()
    half.Free()


@on_ranks(2)
def case_a_loop_on_one_rank(comm, folder):
    if comm.rank == 1:
        for storage in (
            HDF5Storage(folder / "run.h5", resume=True, every=0, comm=MPI.COMM_SELF),
            HDF5Storage(folder / "kept.h5"),
        ):
            u = given(comm)
            assert same(value_and_grad(alone)(u, Revolve(3), storage), value_and_grad(alone)(u, Revolve(3)))
        assert (folder / "run.h5").is_file()
        assert os.listdir(folder / "kept.h5") == ["rank-1-of-2.h5"]
        run_files.close_all()
    else:  # ranks tell each other of errors by the number of the call
        for _ in range(4):
            value_and_grad(alone)(given(comm), Revolve(3))


def begun(comm, path, function="halo", commit=9):
    """A run that was killed, and its storage."""
    storage = HDF5Storage(path, resume=True, every=0)
    with dying(comm, commit, ["applied"] * comm.size):
        try:
            value_and_grad(globals()[function])(given(comm), SCHEMES[function], storage)
        except (Killed, RankError):
            pass
        else:
            raise AssertionError("it was not killed")
    run_files.close_all()
    comm.Barrier()
    return storage


@on_ranks(3)
def case_what_is_wrong_with_one_file_is_said_on_all_ranks(comm, folder):
    path, other = folder / "run.h5", folder / "other.h5"
    storage = begun(comm, path)
    begun(comm, other)
    names = [f"rank-{rank}-of-3.h5" for rank in range(3)]
    file, contents = path / names[1], {}
    u, expected = given(comm), value_and_grad(halo)(given(comm), Revolve(3))
    if comm.rank == 1:
        contents = {name: (path / name).read_bytes() for name in (names[1], names[2], f"{names[1]}-journal")}
        contents["other"] = (other / names[1]).read_bytes()
    steps = []

    def expect(*words, do):
        if comm.rank == 1:
            do()
        comm.Barrier()
        calls = len(steps)
        for text in raised(comm, halo, u, Revolve(3), storage):
            for word in words:
                assert re.search(word, text), (word, text)
        assert len(steps) == calls, "a step was run"
        comm.Barrier()
        if comm.rank == 1:
            file.write_bytes(contents[names[1]])
            (path / f"{names[1]}-journal").write_bytes(b"")
            (path / names[2]).write_bytes(contents[names[2]])
        comm.Barrier()

    real = loop.Loop.run

    def counted(self, number):
        steps.append(number)
        return real(self, number)

    loop.Loop.run = counted
    try:
        missing = r"the file of rank 1 of 3, .*rank-1-of-3\.h5, is missing or empty on \S+, .* durable point 9\. Bring"
        expect(missing, do=lambda: file.unlink())
        expect(missing, do=lambda: file.write_bytes(b""))
        expect(
            "on rank 1 of 3: .*rank-1-of-3.h5 exists, and is not", do=lambda: file.write_bytes(b"Dear diary")
        )
        expect("on rank 1 of 3: .*rank-1-of-3.h5 is damaged", do=lambda: os.truncate(file, 5000))

        def damage_a_snapshot():
            os.unlink(path / f"{names[1]}-journal")
            with h5py.File(file, "r+") as opened:
                state = min(name for name in opened["loop-1"] if name.startswith("state-"))
                opened[f"loop-1/{state}/state/u"][3] += 1

        expect(r"on rank 1 of 3: .*rank-1-of-3\.h5 is damaged \(.*the snapshot of step", do=damage_a_snapshot)
        expect(
            "on rank 1 of 3: .*rank-1-of-3.h5 is the file of rank 2 of 3",
            do=lambda: file.write_bytes(contents[names[2]]),
        )
        expect(
            r"are of different runs: the file of rank 1 of 3, \(.*rank-1-of-3\.h5\) is not of the run",
            do=lambda: file.write_bytes(contents["other"]),
        )
    finally:
        loop.Loop.run = real
    found = value_and_grad(halo)(u, Revolve(3), storage)
    run_files.close_all()
    assert same(found, expected)


@on_ranks(3)
def case_files_of_different_moments(comm, folder):
    """One rank's file was put back from a copy."""
    storage = begun(comm, folder / "run.h5", commit=4)
    file = folder / "run.h5/rank-2-of-3.h5"
    if comm.rank == 2:
        copy = file.read_bytes()
    begun(comm, folder / "run.h5", commit=6)
    if comm.rank == 2:
        (folder / "run.h5/rank-2-of-3.h5-journal").unlink()
        file.write_bytes(copy)
    comm.Barrier()
    for text in raised(comm, halo, given(comm), Revolve(3), storage):
        assert "are of different moments of the run" in text
        assert "rank-2-of-3.h5 at 4" in text


@on_ranks(2)
def case_what_differs_on_one_rank_is_said_on_both(comm, folder):
    storage = begun(comm, folder / "run.h5", "alone")
    u = given(comm) + (comm.rank == 1)
    for text in raised(comm, alone, u, Revolve(3), storage):
        assert re.search(
            r"^StorageError: on rank 1 of 2: .*rank-1-of-2\.h5 belongs to another run: u is not", text
        ), text


@on_ranks(2)
def case_ranks_that_do_not_do_the_same(comm, folder):
    def steps_differ(u, storage):
        for _ in checkpointed(range(5 + comm.rank), Revolve(3), storage=storage):
            u = u * u
        return u.sum()

    def constant_on_one(u, storage):
        u = np.ones(3) if comm.rank else u
        for _ in checkpointed(range(5), Revolve(3), storage=storage):
            u = np.cos(u)
        return u.sum()

    for number, function in enumerate((steps_differ, constant_on_one)):
        storage = HDF5Storage(folder / f"{number}.h5", resume=True, every=0)
        for text in raised(comm, function, given(comm), storage, kinds=CheckpointerError):
            assert "the ranks do not do the same: rank " in text, text


@on_ranks(3)
def case_a_full_disk_of_one_rank(comm, folder):
    """A point that one rank cannot make is made by none; the next start goes on from the one before."""
    storage = HDF5Storage(folder / "run.h5", resume=True, every=0)
    expected, u = value_and_grad(halo)(given(comm), Revolve(3)), given(comm)
    real, count = journal._write_journal, 0

    def full(path, text):
        nonlocal count
        count += 1
        if comm.rank == 1 and count == 6:
            raise OSError(28, "No space left on device")
        real(path, text)

    journal._write_journal = full
    try:
        texts = raised(comm, halo, u, Revolve(3), storage)
    finally:
        journal._write_journal = real
    for text in texts:
        assert re.search(
            r"on rank 1 of 3: cannot make a durable point.* in .*rank-1-of-3\.h5: No space left", text
        ), text
    found = value_and_grad(halo)(u, Revolve(3), storage)
    assert same(found, expected)
    run_files.close_all()


@on_ranks(2)
def case_after_a_failed_point_the_process_is_not_trusted(comm, folder):
    storage = HDF5Storage(folder / "run.h5", resume=True, every=0)
    real = journal._write_journal
    count = 0

    def full(path, text):
        nonlocal count
        count += 1
        if comm.rank == 1 and count == 6:
            raise OSError(28, "No space left on device")
        real(path, text)

    journal._write_journal = full
    try:
        assert_raises("No space left", lambda: value_and_grad(alone)(given(comm), Revolve(3), storage))
    finally:
        journal._write_journal = real
    for text in raised(comm, alone, given(comm), Revolve(3), storage):
        assert "start the program again" in text


@on_ranks(2)
def case_the_clock_of_all(comm, folder):
    """With clocks that differ, the points are at the same places, and there are some."""
    u, expected = given(comm), value_and_grad(halo)(given(comm), Revolve(3))
    storage = HDF5Storage(folder / "run.h5", resume=True, every=0.01 if comm.rank else 0.02)
    found = value_and_grad(halo)(u, Revolve(3), storage)
    run_files.close_all()
    assert same(found, expected)
    points = comm.allgather(point_of(folder / "run.h5", comm))
    assert points[0] == points[1] >= 2


@on_ranks(1)
def case_arguments(comm):
    assert_raises("comm must be a communicator", lambda: HDF5Storage("run.h5", comm=3), ArgumentError)
    assert_raises("comm is MPI.COMM_NULL", lambda: HDF5Storage("run.h5", comm=MPI.COMM_NULL), ArgumentError)
    assert_raises("give a path too", lambda: HDF5Storage(comm=MPI.COMM_SELF), ArgumentError)
    assert repr(HDF5Storage("run.h5", comm=MPI.COMM_SELF)) == "HDF5Storage('run.h5', comm=...)"
    assert hash(HDF5Storage("run.h5", comm=MPI.COMM_SELF)) == hash(HDF5Storage("run.h5"))
