"""How fast HDF5Storage saves and loads snapshots, compared with plain h5py on the same bytes.

    python benchmarks/storage_throughput.py [MIB ...] [--folder FOLDER]

For a state of one array, and for one of 16 arrays of the same size together: GB/s of plain h5py when it creates,
overwrites and reads contiguous datasets; and as ratios to that, the speed of a first save into a slot, of a save into a
slot that was used before, and of a load into the live arrays. "ours" saves the live arrays, as a loop does; "blocks" saves
a snapshot that was taken in memory before. All write to files in the same folder, in turns; the best of all rounds counts.
"""

import argparse
import os
import tempfile
import time

import h5py
import numpy as np

from checkpointer import HDF5Storage
from checkpointer.snapshots import capture
from checkpointer.state import State

ROUNDS = 15


def seconds(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


class Ours:
    """Snapshots of a state through `HDF5Storage`."""

    def __init__(self, arrays, folder, *, live):
        self.state = State([], [arrays])
        self.live = live
        self.session = HDF5Storage(folder=folder).session()

    def snapshot(self):
        return capture(self.state, step=0, live=self.live)

    def create(self):
        snapshot = self.snapshot()
        return seconds(lambda: self.session.save(0, snapshot))

    def overwrite(self):
        self.session.discard(0)
        return self.create()

    def read(self):
        return seconds(lambda: self.session.load(0).restore())

    def close(self):
        self.session.close()


class Plain:
    """Contiguous datasets through h5py."""

    def __init__(self, arrays, folder):
        self.arrays = arrays
        self.path = os.path.join(folder, f"plain-{os.getpid()}.h5")
        self.file = h5py.File(self.path, "w")

    def create(self):
        def create():
            for number, array in enumerate(self.arrays):
                self.file.create_dataset(str(number), data=array)

        return seconds(create)

    def overwrite(self):
        return seconds(lambda: [self.file[str(n)].write_direct(array) for n, array in enumerate(self.arrays)])

    def read(self):
        return seconds(lambda: [self.file[str(n)].read_direct(array) for n, array in enumerate(self.arrays)])

    def close(self):
        self.file.close()
        os.unlink(self.path)


def measure(arrays, folder):
    """The best seconds of each action, by who did it."""
    best = {}
    for _ in range(ROUNDS):
        writers = {
            "h5py": Plain(arrays, folder),
            "ours": Ours(arrays, folder, live=True),
            "blocks": Ours(arrays, folder, live=False),
        }
        for action in ("create", "overwrite", "read"):
            for who, writer in writers.items():
                for array in arrays:
                    array += 1.0  # no block is like the one before
                needed = getattr(writer, action)()
                best[action, who] = min(needed, best.get((action, who), needed))
        for writer in writers.values():
            writer.close()
    return best


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mib", nargs="*", type=int, default=[1, 8, 64])
    parser.add_argument("--folder", default=tempfile.gettempdir())
    asked = parser.parse_args()
    print(f"{'':35} {'ratio to h5py':>14}")
    print(f"{'MiB':>5} {'arrays':>6} {'':10} {'h5py GB/s':>11} {'ours':>7} {'blocks':>7}")
    for mib in asked.mib:
        for count in (1, 16):
            arrays = [np.random.default_rng(0).normal(size=mib * 2**17 // count) for _ in range(count)]
            size = sum(array.nbytes for array in arrays)
            best = measure(arrays, asked.folder)
            for action in ("create", "overwrite", "read"):
                plain = best[action, "h5py"]
                ratios = [plain / best[action, who] for who in ("ours", "blocks")]
                print(
                    f"{mib:5} {count:6} {action:10} {size / plain / 1e9:11.2f} {ratios[0]:7.2f} {ratios[1]:7.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
