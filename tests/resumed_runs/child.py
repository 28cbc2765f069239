"""One run of examples/burgers.py with durable points, to be killed: see run.py.

    python child.py FOLDER --n 64 --steps 100 --scheme "Revolve(5)" --every 0.1

It writes the value and the gradient to FOLDER/result.npz when it is done, and says in lines of its own when it goes on from
a durable point and when it has made one.
"""

import argparse
import logging
import os
import sys
import time
from pathlib import Path

import numpy as np

import checkpointer
from checkpointer import (  # noqa: F401  named by --scheme
    Auto,
    DiskRevolve,
    HDF5Storage,
    MemoryStorage,
    Mixed,
    Multistage,
    Online,
    Revolve,
    StoreAll,
    TieredStorage,
)

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--scheme")
    parser.add_argument("--tiers", action="store_true")
    parser.add_argument("--every", type=float)
    parser.add_argument("--plain", action="store_true")
    args = parser.parse_args()

    logging.basicConfig(stream=sys.stdout, level=logging.DEBUG, format="%(name)s: %(message)s")
    with checkpointer.install_import_hook("burgers"):
        import burgers
    storage = MemoryStorage()
    if not args.plain:
        storage = HDF5Storage(args.folder / "run.h5", resume=True, every=args.every)
        if args.tiers:
            storage = TieredStorage(MemoryStorage(), storage)
    velocities = burgers.initial_velocities(args.n)
    print("begins", flush=True)
    start = time.perf_counter()
    value, (d_u, d_v) = checkpointer.value_and_grad(burgers.energy)(
        velocities, args.steps, eval(args.scheme), storage
    )
    print(f"took {time.perf_counter() - start}")
    partial = args.folder / "partial.npz"
    np.savez(partial, value=value, d_u=d_u, d_v=d_v)
    os.replace(partial, args.folder / "result.npz")


if __name__ == "__main__":
    main()
