"""One run on several ranks with durable points, to be killed: see ranks.py.

    mpiexec -n 3 python child_on_ranks.py FOLDER --loop halo --n 2000 --steps 60 --scheme "Revolve(5)" --every 0.05

Each rank writes its process's number to FOLDER/pid-RANK, says in its log when it goes on and has made a point, and
writes value and gradient to FOLDER/result-RANK.npz when it is done.
"""

import argparse
import logging
import os
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI

import checkpointer
from checkpointer import (  # noqa: F401  named by --scheme
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--loop")
    parser.add_argument("--n", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--scheme")
    parser.add_argument("--tiers", action="store_true")
    parser.add_argument("--every", type=float)
    parser.add_argument("--plain", action="store_true")
    args = parser.parse_args()

    rank = MPI.COMM_WORLD.rank
    (args.folder / f"pid-{rank}").write_text(str(os.getpid()))
    logging.basicConfig(filename=args.folder / f"log-{rank}", level=logging.DEBUG, format="%(message)s")
    with checkpointer.install_import_hook("loops_on_ranks"):
        import loops_on_ranks
    storage = MemoryStorage()
    if not args.plain:
        storage = HDF5Storage(args.folder / "run.h5", resume=True, every=args.every)
        if args.tiers:
            storage = TieredStorage(MemoryStorage(), storage)
    u = np.random.default_rng(rank).uniform(0.3, 1.0, args.n)
    MPI.COMM_WORLD.Barrier()
    (args.folder / f"begins-{rank}").touch()
    start = time.perf_counter()
    loop = getattr(loops_on_ranks, args.loop)
    value, gradient = checkpointer.value_and_grad(loop)(u, args.steps, eval(args.scheme), storage)
    (args.folder / f"took-{rank}").write_text(str(time.perf_counter() - start))
    partial = args.folder / f"partial-{rank}.npz"
    np.savez(partial, value=value, gradient=gradient)
    os.replace(partial, args.folder / f"result-{rank}.npz")


if __name__ == "__main__":
    main()
