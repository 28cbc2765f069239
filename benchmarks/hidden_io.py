"""How much of the time for writing and reading snapshots BackgroundStorage hides behind the steps.

    python benchmarks/hidden_io.py [slow|gzip|fsync|plain ...] [--mib MIB] [--steps STEPS] [--folder FOLDER] ...

A loop is differentiated three times in turns: with snapshots in memory, in an HDF5 file, and in an HDF5 file in the
background. The steps, or the imitated disk, are made so slow that both take about the same time. The hidden part is
(foreground - background) / (foreground - memory), of the best times of all rounds: 1 would be all of the time that the file
takes, and less than 0 that the background costs more than it hides.

``slow`` is a slow disk, imitated by waiting; ``gzip`` compresses, for which there must be a processor that has nothing else
to do; ``fsync`` waits after each snapshot until the disk has it; ``plain`` does nothing of this, so that the file is in the
memory of the operating system, and taking the copy that the background writes costs as much as writing.
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass

import numpy as np

import checkpointer
from checkpointer import BackgroundStorage, HDF5Storage, MemoryStorage, Revolve, Storage, checkpointed
from checkpointer.storage import HDF5Session

MIB = {"slow": 4, "gzip": 0.5, "fsync": 4, "plain": 4}


@checkpointer.transform
def simulate(u, steps, parts, scheme, storage):
    """Diffusion; a step has several parts, and so takes as long as one likes."""
    u = u.copy()
    for _ in checkpointed(range(steps), scheme, storage=storage):
        for _ in range(parts):
            u[1:-1] += 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return np.mean(u**2)


@dataclass(frozen=True)
class Slowed(Storage):
    """An HDF5 file that makes the loop wait: for a slow disk, or until the disk has written what it was given."""

    folder: str
    waiting: float = 0.0
    """Seconds that a snapshot takes; unless there are any, the disk is asked."""

    def session(self):
        session = HDF5Storage(folder=self.folder).session()
        session.__class__ = SlowedSession
        session.waiting = self.waiting
        return session


class SlowedSession(HDF5Session):
    def _save(self, key, snapshot, level):
        super()._save(key, snapshot, level)
        if self.waiting:
            time.sleep(self.waiting)
        else:
            os.fsync(self._file.file.id.get_vfd_handle())

    def _load(self, key):
        time.sleep(self.waiting)
        return super()._load(key)


def seconds(gradient, parts, asked, storage):
    start = time.perf_counter()
    gradient(asked.state, asked.steps, parts, Revolve(asked.snapshots), storage)
    return time.perf_counter() - start


def storage_of(kind, asked, waiting):
    if kind in ("slow", "fsync"):
        return Slowed(asked.folder, waiting if kind == "slow" else 0.0)
    return HDF5Storage(folder=asked.folder, compression="gzip" if kind == "gzip" else None)


def compare(kind, asked):
    """Print a line for one kind of file."""
    mib = asked.mib or MIB[kind]
    asked.state = np.random.default_rng(0).normal(size=int(mib * 2**17))
    gradient = checkpointer.grad(simulate)
    parts, waiting = 1, 0.02
    for _ in range(2):
        without = seconds(gradient, parts, asked, MemoryStorage())
        within = seconds(gradient, parts, asked, storage_of(kind, asked, waiting))
        ratio = (within - without) / without
        if kind == "slow":
            waiting /= ratio
        else:
            parts = min(max(round(parts * ratio), 1), 30)
    file = storage_of(kind, asked, waiting)
    storages = {
        "memory": MemoryStorage(),
        "foreground": file,
        "background": BackgroundStorage(file, asked.buffers),
    }
    best = dict.fromkeys(storages, np.inf)
    for _ in range(asked.rounds):
        for who, storage in storages.items():
            best[who] = min(best[who], seconds(gradient, parts, asked, storage))
    io = best["foreground"] - best["memory"]
    hidden = f"{(best['foreground'] - best['background']) / io:8.2f}" if io > 0.1 * best["memory"] else "-"
    times = " ".join(f"{best[who]:11.2f}" for who in storages)
    print(f"{kind:6} {mib:5g} {parts:6} {times} {io / best['memory']:13.2f} {hidden:>8}", flush=True)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=list(MIB))
    parser.add_argument("--mib", type=float)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--snapshots", type=int, default=6)
    parser.add_argument("--buffers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", default=tempfile.gettempdir())
    asked = parser.parse_args()
    print(
        f"{'':6} {'':5} {'parts':>6} {'seconds with snapshots in the':>35} {'file / memory':>13} {'hidden':>8}"
    )
    print(
        f"{'':6} {'MiB':>5} {'a step':>6} {'memory':>11} {'foreground':>11} {'background':>11} {'':>13} {'part':>8}"
    )
    for kind in asked.kinds:
        compare(kind, asked)


if __name__ == "__main__":
    main()
