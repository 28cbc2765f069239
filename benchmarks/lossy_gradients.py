"""What lossy compression of the snapshots does to a gradient, and how much smaller they become.

    python benchmarks/lossy_gradients.py [--n POINTS] [--steps STEPS] [--snapshots SNAPSHOTS]

For the Burgers example and several bounds on the error of each element (its velocities are at most one, so that an absolute
bound is almost a relative one): the largest error that there was, how many times smaller the arrays became, and the error of
the gradient (the norm of the difference divided by the norm). Without loss the same for "zstd", "blosc" and "gzip".
"""

import argparse
import importlib
import logging
import os
import re
import sys
import tempfile
from pathlib import Path

import numpy as np

import checkpointer
from checkpointer import HDF5Storage, Lossy, Revolve, checkpointed, grad

BOUNDS = [1e-2, 1e-3, 1e-4, 1e-6, 1e-8, 1e-10]


def load_burgers():
    """The example, rewritten."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
    with checkpointer.install_import_hook("burgers"):
        return importlib.import_module("burgers")


class Said(logging.Handler):
    """The last line that a session logged."""

    line = ""

    def emit(self, record):
        self.line = record.getMessage()


BURGERS = load_burgers()


@checkpointer.transform
def energy(velocities, steps, scheme, storage):
    """The loss of the example, with its steps."""
    u, v = velocities[0].copy(), velocities[1].copy()
    un, vn = u.copy(), v.copy()
    for _ in checkpointed(range(steps), scheme, storage=storage):
        BURGERS.advance(u, v, un, vn)
        u, un = un, u
        v, vn = vn, v
    return np.mean(u[1:-1, 1:-1] ** 2 + v[1:-1, 1:-1] ** 2)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=128)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--snapshots", type=int, default=6)
    asked = parser.parse_args()
    said, logger = Said(), logging.getLogger("checkpointer")
    logger.setLevel(logging.INFO)
    logger.addHandler(said)
    velocities = np.array(BURGERS.initial_velocities(asked.n))

    def gradient(storage):
        return grad(energy)(velocities, asked.steps, Revolve(asked.snapshots), storage)

    exact = gradient(HDF5Storage())
    print(f"{'compression':24} {'largest error':>13} {'ratio':>7} {'error of the gradient':>22}")
    for bound in BOUNDS:
        found = gradient(HDF5Storage(compression=Lossy(absolute=bound)))
        error = np.linalg.norm(found - exact) / np.linalg.norm(exact)
        largest, ratio = re.search(r"error is ([^,]*),.*\(ratio ([^)]*)\)", said.line).groups()
        print(f"{f'Lossy(absolute={bound:g})':24} {largest:>13} {ratio:>7} {error:22.1e}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        sizes = {}
        for method in (None, "zstd", "blosc", "gzip"):
            path = os.path.join(folder, f"{method}.h5")
            found = gradient(HDF5Storage(path, compression=method))
            assert np.array_equal(found, exact)
            sizes[method] = os.path.getsize(path)
            ratio = sizes[None] / sizes[method]
            print(f"{method!r:24} {'0':>13} {ratio:7.3g} {'0':>22}", flush=True)


if __name__ == "__main__":
    main()
