"""What the adjoint of an MPI program costs: messages, and weak scaling from one rank to two; a model for more of them.

    python benchmarks/mpi_overhead.py count [--ranks 4]
    python benchmarks/mpi_overhead.py scaling
    python benchmarks/mpi_overhead.py --model 64 1024 4096

The program is examples/burgers_mpi.py. ``count`` starts it under mpiexec and prints what all ranks together sent in the
forward and in the reverse sweep: what `checkpointer.last_run` has counted, what follows from the blocks and the
schedule, and, if there is an mpicc, what a library between mpi4py and MPI has seen (mpi_messages.c). ``scaling`` runs
blocks of several sizes, in turn and the best of several, on one rank, on two ranks that know nothing of each other, on
two that have themselves as all four neighbours, and on two ranks with a block each of the same grid. The costs of the
model (mpi_model.py) are taken from all but the last, and the last is compared with the model. ``--model`` prints what
the model predicts for so many ranks; ``--latency``, ``--bandwidth``, ``--block`` and others change its assumptions.
docs/scaling.md discusses all of it.
"""

import argparse
import ctypes
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mpi_model
import numpy as np
from mpi_model import CLUSTER, SHARED_MEMORY, Costs, Network

import checkpointer
from checkpointer import Revolve
from checkpointer.schemes import simulate

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
SIZES = (32, 64, 128, 256)
COLUMNS = ("forward", "recomputing", "reversing", "adjoint")


def load():
    """The example, transformed."""
    sys.path.insert(0, str(EXAMPLES))
    with checkpointer.install_import_hook("burgers", "burgers_mpi"):
        import burgers_mpi
    return burgers_mpi


def on_ranks(ranks, *arguments, preload=None):
    """Run this file on some ranks; what the first one prints as JSON."""
    mpiexec = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
    if mpiexec is None:
        sys.exit("no mpiexec beside Python or on the PATH")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if preload:
        environment["LD_PRELOAD"] = str(preload)
    command = [mpiexec, "-n", str(ranks), sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def table(*rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


# --- messages ---------------------------------------------------------------------------------------------------------


def library(folder):
    """The library that counts below mpi4py, or None if it cannot be compiled."""
    mpicc = shutil.which("mpicc", path=str(Path(sys.executable).parent)) or shutil.which("mpicc")
    if mpicc is None:
        return None
    made = Path(folder) / "libmessages.so"
    done = subprocess.run(
        [mpicc, "-shared", "-fPIC", "-O1", "-o", made, HERE / "mpi_messages.c"], check=False
    )
    return made if done.returncode == 0 else None


def count_on_rank(n, steps, snapshots):
    """On each rank: differentiate, and let the first one tell the sums."""
    program = load()
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    below = ctypes.CDLL(None)
    counts_below = hasattr(below, "messages_counted")
    phase = below.messages_phase if counts_below else lambda number: None
    blocks = program.Blocks((n, n), world)
    velocities = program.initial_velocities(blocks)
    phase(1)
    _, pull = checkpointer.vjp(program.energy, velocities, blocks, steps, Revolve(snapshots))
    phase(2)
    pull(1.0 if world.rank == 0 else 0.0)
    phase(3)
    run = checkpointer.last_run()
    mine = [[run.messages[name].messages, run.messages[name].bytes] for name in COLUMNS]
    seen = [[below.messages_counted(k, what) for what in range(3)] for k in (1, 2)] if counts_below else []
    found = {
        "counted": np.sum(world.allgather(mine), axis=0).tolist(),
        "below": np.sum(world.allgather(seen), axis=0).tolist(),
        "advances": run.loops[0].cost.advances,
        "dims": list(blocks.comm.dims),
    }
    if world.rank == 0:
        print(json.dumps(found))


def expected(n, steps, advances, dims):
    """What all ranks together send, from the blocks and the schedule; the loss is summed once, and so is its adjoint."""
    rows, columns = dims
    inner = n - 2
    messages = 2 * mpi_model.FIELDS * ((rows - 1) * columns + (columns - 1) * rows)  # in a step
    size = 8 * 2 * mpi_model.FIELDS * inner * (rows - 1 + columns - 1)
    again = advances - (
        steps - 1
    )  # the forward sweep runs all steps, and the last one under the tape at once
    loss = rows * columns
    return [
        [steps * messages + loss, steps * size + 8 * loss],
        [again * messages, again * size],
        [(steps - 1) * messages, (steps - 1) * size],
        [steps * messages + loss, steps * (size + mpi_model.HEADER * messages) + 8 * loss],
    ]


def count(ranks, n, steps, snapshots):
    with tempfile.TemporaryDirectory() as folder:
        found = on_ranks(ranks, "--count-on-rank", n, steps, snapshots, preload=library(folder))
    counted = found["counted"]
    print(
        f"{n} x {n} points, {steps} steps, Revolve({snapshots}), {ranks} ranks: {' x '.join(map(str, found['dims']))} blocks"
    )
    table(
        ("sent by all ranks", *COLUMNS),
        *(
            (name, *(f"{column[which]}" for column in counts))
            for counts, kind in (
                (counted, ""),
                (expected(n, steps, found["advances"], found["dims"]), ", expected"),
            )
            for which, name in ((0, f"messages{kind}"), (1, f"bytes{kind}"))
        ),
    )
    forward, *reverse = counted
    for which, name in ((0, "messages"), (1, "bytes")):
        adjoint = counted[3][which] / forward[which]
        whole = sum(column[which] for column in reverse) / forward[which]
        print(f"{name}: adjoint / forward sweep {adjoint:.3f}, reverse sweep / forward sweep {whole:.3f}")
    if not found["below"]:
        print("not counted below mpi4py: there is no mpicc")
        return
    loss = ranks, 8 * ranks  # collective operations are no messages there
    for name, seen, columns in zip(("forward", "reverse"), found["below"], ([forward], reverse), strict=True):
        ours = [sum(column[which] for column in columns) - loss[which] for which in (0, 1)]
        print(
            f"{name} sweep, below mpi4py: {seen[0]} messages, {seen[1]} bytes, {seen[2]} calls of collective operations;"
            f" more than ours: {seen[0] - ours[0]} messages, {seen[1] - ours[1]} bytes"
        )


# --- weak scaling -----------------------------------------------------------------------------------------------------


def scaling_on_rank(steps, snapshots, rounds, sizes):
    """On each of two ranks: the kinds of runs in turn, and the first rank tells the best times of each."""
    program = load()
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    scheme = Revolve(snapshots)
    measured(program, grids(program, MPI, sizes[0])["two"], steps, scheme)  # warms up
    found = []
    for m in sizes:
        best = {}
        for _ in range(rounds):
            for kind, blocks in grids(program, MPI, m).items():
                wait_quietly(world)
                if kind == "one" and world.rank == 1:
                    continue
                times = measured(program, blocks, steps, scheme)
                if kind != "one":
                    times = slowest(world.allgather(times))
                best[kind] = fastest([times, best.get(kind, times)])
        found.append((m, best))
    if world.rank == 0:
        print(json.dumps(found))


def grids(program, mpi, m):
    """What this rank takes part in: a block of m x m points in each."""
    alone, apart, looped = (program.Blocks((m + 2, m + 2), mpi.COMM_SELF) for _ in range(3))
    looped.west = looped.east = looped.south = looped.north = 0
    return {
        "one": alone,
        "apart": apart,
        "looped": looped,
        "two": program.Blocks((2 * m + 2, m + 2), mpi.COMM_WORLD),
    }


def slowest(several):
    return {name: max(times[name] for times in several) for name in several[0]}


def fastest(several):
    return {name: min(times[name] for times in several) for name in several[0]}


def wait_quietly(comm):
    """Until all ranks are here, without keeping a processor busy."""
    request = comm.Ibarrier()
    while not request.Test():
        time.sleep(0.002)


def measured(program, blocks, steps, scheme):
    """Seconds of the program, of its value and gradient, and of a step and a snapshot of each kind in the latter."""
    velocities = program.initial_velocities(blocks)
    plain = math.inf
    for _ in range(3):
        blocks.comm.Barrier()
        start = time.perf_counter()
        program.energy(velocities, blocks, steps, scheme)
        plain = min(plain, time.perf_counter() - start)
    blocks.comm.Barrier()
    start = time.perf_counter()
    checkpointer.value_and_grad(program.energy)(velocities, blocks, steps, scheme)
    gradient = time.perf_counter() - start
    (loop,) = checkpointer.last_run().loops
    cost, seconds = loop.cost, loop.seconds
    return {
        "plain": plain,
        "gradient": gradient,
        "advance": (seconds["forward"] + seconds["recomputing"]) / cost.advances,
        "reverse": seconds["reversing"] / cost.reversals,
        "snapshot": (seconds["saving"] + seconds["loading"]) / (cost.snapshots + cost.restores),
    }


def costs_of(found, steps):
    """Those of the model: of steps from ranks that are apart, of messages from those that send them to themselves."""
    kinds = {
        "plain": lambda times: times["plain"] / steps,
        "advance": lambda times: times["advance"],
        "reverse": lambda times: times["reverse"],
    }

    def message(of):
        more = [(of(best["looped"]) - of(best["apart"])) / mpi_model.MOST for _, best in found]
        return max(float(np.median(more)), 0.0)

    return Costs(
        sizes=tuple(m for m, _ in found),
        snapshot=tuple(best["apart"]["snapshot"] for _, best in found),
        message=tuple(map(message, kinds.values())),
        **{name: tuple(of(best["apart"]) for _, best in found) for name, of in kinds.items()},
    )


def scaling(steps, snapshots, rounds, sizes):
    found = on_ranks(2, "--scaling-on-rank", steps, snapshots, rounds, *sizes)
    costs = costs_of(found, steps)
    print(f"{steps} steps, Revolve({snapshots}), best of {rounds}, seconds")
    rows = [("block", "", "one rank", "two apart", "two", "one / two", "apart / two", "model", "model / two")]
    for m, best in found:
        model = mpi_model.predict(2, m, steps, snapshots, costs, SHARED_MEMORY)
        for name in ("plain", "gradient"):
            one, apart, two = (best[kind][name] for kind in ("one", "apart", "two"))
            predicted = getattr(model, name)
            times = (f"{seconds:.4f}" for seconds in (one, apart, two))
            rows.append(
                (
                    f"{m} x {m}",
                    name,
                    *times,
                    f"{one / two:.2f}",
                    f"{apart / two:.2f}",
                    f"{predicted:.4f}",
                    f"{predicted / two:.2f}",
                )
            )
    table(*rows)
    for m, best in found:
        ratios = (best[kind]["gradient"] / best[kind]["plain"] for kind in ("one", "two"))
        print(f"{m} x {m}: gradient / plain " + ", on two ranks ".join(f"{ratio:.1f}" for ratio in ratios))
    print(costs)


# --- the model --------------------------------------------------------------------------------------------------------


def model(args):
    network = Network(args.latency, args.bandwidth)
    cost = simulate(Revolve(args.snapshots), args.steps)
    print(
        f"{args.steps} steps, Revolve({args.snapshots}): {cost.advances} plain steps and {cost.reversals} reversed ones;"
        f" latency {args.latency * 1e6:g} µs, bandwidth {args.bandwidth / 1e9:g} GB/s"
    )
    print("weak scaling, efficiency against one rank")
    table(mpi_model.HEADINGS, *mpi_model.weak(args.model, args.block, args.steps, args.snapshots, network))
    print(f"strong scaling, {args.points} x {args.points} points, efficiency against {args.model[0]} ranks")
    table(mpi_model.HEADINGS, *mpi_model.strong(args.model, args.points, args.steps, args.snapshots, network))


def main():
    parser = argparse.ArgumentParser(description="What the adjoint of an MPI program costs.")
    parser.add_argument("what", nargs="?", choices=["all", "count", "scaling"], default="all")
    parser.add_argument("--ranks", type=int, default=4, help="for count (%(default)s)")
    parser.add_argument(
        "--n", type=int, default=130, help="points in each direction, for count (%(default)s)"
    )
    parser.add_argument("--steps", type=int, help="(200; for scaling 20)")
    parser.add_argument("--snapshots", type=int, default=10, help="(%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="for scaling (%(default)s)")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="of blocks, for scaling")
    parser.add_argument("--model", type=int, nargs="+", metavar="RANKS", help="print what the model predicts")
    parser.add_argument("--block", type=int, default=256, help="its side, for the model (%(default)s)")
    parser.add_argument("--points", type=int, default=2048, help="for its strong scaling (%(default)s)")
    parser.add_argument("--latency", type=float, default=CLUSTER.latency, help="seconds (%(default)s)")
    parser.add_argument("--bandwidth", type=float, default=CLUSTER.bandwidth, help="bytes/s (%(default)s)")
    parser.add_argument("--count-on-rank", type=int, nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--scaling-on-rank", type=int, nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.count_on_rank:
        count_on_rank(*args.count_on_rank)
    elif args.scaling_on_rank:
        steps, snapshots, rounds, *sizes = args.scaling_on_rank
        scaling_on_rank(steps, snapshots, rounds, sizes)
    elif args.model:
        args.steps = args.steps or 200
        model(args)
    else:
        if args.what in ("all", "count"):
            count(args.ranks, args.n, args.steps or 200, args.snapshots)
        if args.what in ("all", "scaling"):
            scaling(args.steps or 20, args.snapshots, args.rounds, args.sizes)


if __name__ == "__main__":
    main()
