"""How much memory a differentiated loop takes whose snapshots stand in memory and on disk: its resident peak, in states.

    python benchmarks/tier_memory.py [--mib 64] [--steps 20] [--loops LOOP ...] [--folder FOLDER] [RAM,DISK ...]

Each loop runs in a process of its own under ``Multistage(RAM, DISK)`` with
``TieredStorage(MemoryStorage(), HDF5Storage(folder=...))``. A state is all arrays that the loop changes, --mib together. The
peak is that of the process's resident memory (VmHWM of Linux) above what the process has just before the gradient is
computed, when it holds the input; "beyond" is what is left of it without the snapshots in memory. docs/memory.md says
where that goes.

    in_place    u[1:-1] += 0.25 * (u[2:] - 2 * u[1:-1] + u[:-2])
    new_arrays  u = u + 0.1 * np.sin(u)
    swapped     the first one from u into v; u, v = v, u
"""

import argparse
import subprocess
import sys
import tempfile

import h5py  # noqa: F401 - now, so that it is not counted
import numpy as np

from checkpointer import HDF5Storage, MemoryStorage, Multistage, TieredStorage, checkpointed, grad, transform


@transform
def in_place(u, scheme, storage, steps):
    """Heat in a rod."""
    u = u.copy()
    for _ in checkpointed(range(steps), scheme, storage=storage):
        u[1:-1] += 0.25 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return np.mean(u * u)


@transform
def new_arrays(u, scheme, storage, steps):
    """Every step makes its state anew."""
    for _ in checkpointed(range(steps), scheme, storage=storage):
        u = u + 0.1 * np.sin(u)
    return np.mean(u * u)


@transform
def swapped(u, scheme, storage, steps):
    """Heat in a rod, in two buffers in turn."""
    u, v = u.copy(), u.copy()
    for _ in checkpointed(range(steps), scheme, storage=storage):
        v[1:-1] = u[1:-1] + 0.25 * (u[2:] - 2 * u[1:-1] + u[:-2])
        u, v = v, u
    return np.mean(u * u)


LOOPS = {"in_place": in_place, "new_arrays": new_arrays, "swapped": swapped}
ARRAYS = {"in_place": 1, "new_arrays": 1, "swapped": 2}


def memory(field):
    """Bytes of this process, as Linux counts them."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def peak(name, size, ram, disk, steps, folder):
    """The resident peak of this process, in states; to be called once."""
    storage = TieredStorage(MemoryStorage(), HDF5Storage(folder=folder))
    grad(LOOPS[name])(np.ones(100), Multistage(ram, disk), storage, steps)  # so that all is loaded
    u = np.sin(np.linspace(0.0, 9.0, size // ARRAYS[name] // 8))
    before = memory("VmRSS")
    grad(LOOPS[name])(u, Multistage(ram, disk), storage, steps)
    return (memory("VmHWM") - before) / size


def main():
    """Print a line for each loop and pair of numbers of snapshots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("snapshots", nargs="*", default=["1,20", "4,20", "4,100"], metavar="RAM,DISK")
    parser.add_argument("--mib", type=float, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--loops", nargs="*", choices=LOOPS, default=list(LOOPS))
    parser.add_argument("--folder", default=tempfile.gettempdir())
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        ram, disk = map(int, asked.snapshots[0].split(","))
        size = round(asked.mib * 2**20)
        print(peak(asked.loops[0], size, ram, disk, asked.steps, asked.folder))
        return
    print(f"{'':12} {'ram':>5} {'disk':>5} {'peak':>7} {'beyond':>7}   states of {asked.mib:g} MiB")
    for name in asked.loops:
        for pair in asked.snapshots:
            options = [
                f"--mib={asked.mib}",
                f"--steps={asked.steps}",
                f"--folder={asked.folder}",
                "--loops",
                name,
            ]
            command = [sys.executable, __file__, pair, "--here", *options]
            found = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            ram, disk = map(int, pair.split(","))
            print(f"{name:12} {ram:5} {disk:5} {found:7.2f} {found - ram:7.2f}", flush=True)


if __name__ == "__main__":
    main()
