"""The journaled file: after a kill or a power loss at any moment, it is what it was before a commit or after it."""

import itertools
import os
import random

import h5py
import numpy as np
import pytest

from checkpointer.storage import journal as module
from checkpointer.storage.journal import JournaledFile, recover

ME = bytes(range(16))


class Disk:
    """Two files, and every write to them, in order; ``sync`` makes what was written before last.

    What was written after the last sync of its file may be on the disk or not, in any combination, in whole sectors.
    """

    SECTOR = 512

    def __init__(self):
        self.files = {"file": bytearray(), "journal": bytearray()}
        self.log = []

    def durable(self, count, rng):
        """The files after the first ``count`` operations and a power loss."""
        lasting = {name: bytearray() for name in self.files}
        waiting = {name: [] for name in self.files}
        for kind, name, *rest in self.log[:count]:
            if kind == "sync":
                for change in waiting[name]:
                    change(lasting[name])
                waiting[name] = []
            else:
                waiting[name] += self._parts(kind, *rest)
        for name, changes in waiting.items():
            for change in changes:
                if rng.random() < 0.5:
                    change(lasting[name])
        return lasting

    def _parts(self, kind, *rest):
        if kind == "truncate":
            return [lambda content: _truncate(content, rest[0])]
        offset, data = rest
        cuts = [0, *range(self.SECTOR - offset % self.SECTOR, len(data), self.SECTOR), len(data)]
        return [
            lambda content, low=low, high=high: _put(content, offset + low, data[low:high])
            for low, high in itertools.pairwise(cuts)
            if high > low
        ]


def _truncate(content, size):
    del content[size:]
    content.extend(bytes(size - len(content)))


def _put(content, offset, data):
    content.extend(bytes(max(0, offset + len(data) - len(content))))
    content[offset : offset + len(data)] = data


@pytest.fixture
def disk(monkeypatch, tmp_path):
    """The module's system calls, recorded on the way to real files."""
    disk = Disk()
    names = {}

    def of(descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        return names.setdefault(path, "journal" if path.endswith("-journal") else "file")

    real_pwrite, real_truncate = os.pwrite, os.ftruncate

    def pwrite(descriptor, data, offset):
        disk.log.append(("write", of(descriptor), offset, bytes(data)))
        return real_pwrite(descriptor, data, offset)

    def ftruncate(descriptor, size):
        disk.log.append(("truncate", of(descriptor), size))
        return real_truncate(descriptor, size)

    monkeypatch.setattr(module.os, "pwrite", pwrite)
    monkeypatch.setattr(module.os, "ftruncate", ftruncate)
    monkeypatch.setattr(module, "_sync", lambda descriptor: disk.log.append(("sync", of(descriptor))))
    monkeypatch.setattr(module, "sync_folder", lambda path: None)
    return disk


def opened(tmp_path, name="file"):
    path = tmp_path / name
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    return JournaledFile(descriptor, f"{path}-journal", ME), descriptor


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="the test tells files by /proc")
@pytest.mark.parametrize("seed", range(6))
def test_after_a_power_loss_the_file_is_what_it_was_before_a_commit_or_after_it(disk, tmp_path, seed):
    rng = random.Random(seed)
    file, descriptor = opened(tmp_path)
    states = [b""]
    ends = [0]  # how many operations there were when each state was in force for sure
    model = bytearray()
    for _ in range(6):
        for _ in range(rng.randrange(1, 6)):
            offset, data = rng.randrange(20_000), rng.randbytes(rng.randrange(1, 6_000))
            file.seek(offset)
            file.write(data)
            _put(model, offset, data)
        if rng.random() < 0.3:
            size = rng.randrange(len(model) + 1)
            file.truncate(size)
            _truncate(model, size)
        file.commit()
        states.append(bytes(model))
        ends.append(len(disk.log))
    os.close(descriptor)
    log = list(disk.log)
    for count in range(len(log) + 1):
        disk.log = log
        left = disk.durable(count, rng)
        for name, content in left.items():
            (tmp_path / ("lost" if name == "file" else "lost-journal")).write_bytes(content)
        again = os.open(tmp_path / "lost", os.O_RDWR)
        recover(again, str(tmp_path / "lost-journal"), ME)
        found = (tmp_path / "lost").read_bytes()
        os.close(again)
        last = max(number for number, end in enumerate(ends) if end <= count)
        assert found in states[last : last + 2], (count, last)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="the test tells files by /proc")
def test_a_power_loss_leaves_an_hdf5_file_that_opens(disk, tmp_path):
    """With contents written directly, as the storage writes them."""
    rng = random.Random(5)
    file, descriptor = opened(tmp_path)
    hdf5 = h5py.File(file, "w", libver="v108", rdcc_nbytes=0)
    ends = []
    for number in range(5):
        group = hdf5.create_group(f"state-{number}")
        group.attrs["step"] = number
        group["u"] = np.arange(100.0) + number
        if number > 1:
            del hdf5[f"state-{number - 2}"]
        hdf5.flush()
        file.commit()
        ends.append(len(disk.log))
    log = list(disk.log)
    for count in range(ends[0], len(log) + 1):
        disk.log = log
        left = disk.durable(count, rng)
        (tmp_path / "lost").write_bytes(left["file"])
        (tmp_path / "lost-journal").write_bytes(left["journal"])
        again = os.open(tmp_path / "lost", os.O_RDWR)
        recover(again, str(tmp_path / "lost-journal"), ME)
        os.close(again)
        last = max(number for number, end in enumerate(ends) if end <= count)
        with h5py.File(tmp_path / "lost") as found:
            newest = max(int(name.rpartition("-")[2]) for name in found)
            assert newest in (last, last + 1)
            for number in range(max(0, newest - 1), newest + 1):
                np.testing.assert_array_equal(found[f"state-{number}/u"], np.arange(100.0) + number)
    hdf5.close()
    os.close(descriptor)


def test_nothing_is_in_the_file_before_the_commit(tmp_path):
    file, descriptor = opened(tmp_path)
    file.write(b"to be")
    assert (file.seek(0), file.read()) == (0, b"to be")
    assert (tmp_path / "file").read_bytes() == b""
    file.commit()
    assert (tmp_path / "file").read_bytes() == b"to be"
    assert file.pending == 0
    os.close(descriptor)


def test_what_is_written_directly_is_not_written_over_by_what_stood_there_before(tmp_path):
    file, descriptor = opened(tmp_path)
    file.write(bytes(10_000))
    file.written(3_000, 4_000)
    os.pwrite(descriptor, b"x" * 4_000, 3_000)
    assert file.seek(0) == 0
    assert file.read() == bytes(3_000) + b"x" * 4_000 + bytes(3_000)
    file.commit()
    assert (tmp_path / "file").read_bytes() == bytes(3_000) + b"x" * 4_000 + bytes(3_000)
    os.close(descriptor)


def test_the_journal_of_another_file_is_left_alone(tmp_path):
    file, descriptor = opened(tmp_path)
    file.write(b"to be")
    file.commit()
    os.pwrite(descriptor, b"or not", 0)
    recover(descriptor, str(tmp_path / "file-journal"), bytes(16))
    assert (tmp_path / "file").read_bytes() == b"or not"
    recover(descriptor, str(tmp_path / "file-journal"), ME)
    assert (tmp_path / "file").read_bytes() == b"to be"
    os.close(descriptor)


@pytest.mark.parametrize(
    "damage",
    [lambda text: text[:-1], lambda text: text[:-1] + b"?", lambda text: text[:20], lambda text: b""],
)
def test_a_journal_that_is_not_whole_is_not_in_force(tmp_path, damage):
    file, descriptor = opened(tmp_path)
    file.write(b"to be")
    file.commit()
    journal = tmp_path / "file-journal"
    journal.write_bytes(damage(journal.read_bytes()))
    os.pwrite(descriptor, b"TO BE", 0)
    recover(descriptor, str(journal), ME)
    assert (tmp_path / "file").read_bytes() == b"TO BE"
    os.close(descriptor)
