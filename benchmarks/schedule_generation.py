"""How long schedules take to make, beside those of checkpoint_schedules and pyrevolve on the same machine in one run.

    python benchmarks/schedule_generation.py [--limit SECONDS] [--only TEXT]

Each row is one problem, each cell a process of its own: the time from the call of the scheme to the last action of the
reverse sweep, all actions being taken and thrown away; the number of actions; and by how much the process's peak memory
grew. The times are CPU times, so that other programs on the machine matter less. A cell that takes longer than the limit is
stopped. A package that is not installed is left out: ``pip install checkpoint_schedules pyrevolve``.

Actions are not the same things everywhere: a step that is reversed takes up to five of ours (Restore, Advance, Snapshot,
Discard, Reverse), and one or two of the others' (a Forward of theirs may advance, store and tape).
"""

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from checkpointer.schemes import DiskRevolve, HRevolve, Level, Mixed, Multistage, Revolve, Scheme

OURS, THEIRS, PYREVOLVE = "checkpointer", "checkpoint_schedules", "pyrevolve"
INSTALLED = {OURS: "checkpointer", THEIRS: "checkpoint_schedules", PYREVOLVE: "pyrevolve"}


def ours(scheme: Scheme, steps: int) -> Iterator[object]:
    """Both sweeps of one of our schemes."""
    schedule = scheme.schedule(steps)
    yield from schedule.forward()
    schedule.finish(steps, recorded=True)
    yield from schedule.reverse()


def theirs(name: str, *arguments: object, **keywords: object) -> Iterator[object]:
    """A schedule of checkpoint_schedules."""
    import checkpoint_schedules

    yield from getattr(checkpoint_schedules, name)(*arguments, **keywords)


def pyrevolve(steps: int, snapshots: int) -> Iterator[object]:
    """The actions of pyrevolve's compiled revolve, taken through its Python interface."""
    from pyrevolve.crevolve import Action, CRevolve

    revolve = CRevolve(snapshots, steps, None)
    while (action := revolve.revolve()) not in (Action.terminate, Action.error):
        yield action


Maker = Callable[[], Iterator[object]]
LEVELS = HRevolve(Level(10), Level(100, write=2, read=2))
DISK = DiskRevolve(10, write=2, read=2)

PROBLEMS: dict[str, dict[str, Maker]] = {
    "binomial, 1 000 000 steps, 1 000 snapshots": {
        OURS: lambda: ours(Revolve(1000), 10**6),
        THEIRS: lambda: theirs("MultistageCheckpointSchedule", 10**6, 1000, 0),
        PYREVOLVE: lambda: pyrevolve(10**6, 1000),
    },
    "binomial, 2 000 steps, 10 snapshots": {
        OURS: lambda: ours(Revolve(10), 2000),
        THEIRS: lambda: theirs("Revolve", 2000, 10),
        PYREVOLVE: lambda: pyrevolve(2000, 10),
    },
    "memory and disk, 100 000 steps, 10 + 100 snapshots": {
        OURS: lambda: ours(Multistage(10, 100), 10**5),
        THEIRS: lambda: theirs("MultistageCheckpointSchedule", 10**5, 10, 100),
    },
    "states or tapes, 2 000 steps, 10 slots": {
        OURS: lambda: ours(Mixed(10), 2000),
        THEIRS: lambda: theirs("MixedCheckpointSchedule", 2000, 10),
    },
    "states or tapes, 100 000 steps, 10 slots": {
        OURS: lambda: ours(Mixed(10), 10**5),
        THEIRS: lambda: theirs("MixedCheckpointSchedule", 10**5, 10),
    },
    "states or tapes, 10 000 steps, 1 000 slots": {
        OURS: lambda: ours(Mixed(1000), 10**4),
        THEIRS: lambda: theirs("MixedCheckpointSchedule", 10**4, 1000),
    },
    "unlimited disk, 1 000 steps, 10 in memory": {
        OURS: lambda: ours(DISK, 1000),
        THEIRS: lambda: theirs("DiskRevolve", 1000, 10),
    },
    "unlimited disk, 100 000 steps, 10 in memory": {
        OURS: lambda: ours(DISK, 10**5),
        THEIRS: lambda: theirs("DiskRevolve", 10**5, 10),
    },
    "hierarchy, 1 000 steps, 10 in memory, 100 on disk": {
        OURS: lambda: ours(LEVELS, 1000),
        THEIRS: lambda: theirs("HRevolve", 1000, 10, 100),
    },
    "hierarchy, 10 000 steps, 10 in memory, 100 on disk": {
        OURS: lambda: ours(LEVELS, 10**4),
        THEIRS: lambda: theirs("HRevolve", 10**4, 10, 100),
    },
    "hierarchy, 100 000 steps, 10 in memory, 100 on disk": {
        OURS: lambda: ours(LEVELS, 10**5),
        THEIRS: lambda: theirs("HRevolve", 10**5, 10, 100),
    },
}


def measure(problem: str, package: str) -> dict[str, float]:
    """Run one cell in this process."""
    if package == THEIRS:
        import checkpoint_schedules  # noqa: F401  which is not what is measured
    if package == PYREVOLVE:
        import pyrevolve  # noqa: F401
    before, start = peak(), time.process_time()
    actions = sum(1 for _ in PROBLEMS[problem][package]())
    return {"seconds": time.process_time() - start, "actions": actions, "memory": peak() - before}


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def cell(problem: str, package: str, limit: float) -> str:
    """Run one cell in a process of its own; what to print of it."""
    command = [sys.executable, __file__, "--cell", problem, package]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return f"more than {limit:g} s"
    if done.returncode:
        return f"failed: {done.stderr.strip().splitlines()[-1][:60]}"
    found = json.loads(done.stdout)
    return f"{found['seconds']:.3g} s, {found['actions']:,} actions, {found['memory'] / 1e6:.1f} MB"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=float, default=60, help="seconds for each cell")
    parser.add_argument("--only", default="", help="problems that have this in their names")
    parser.add_argument("--cell", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cell:
        print(json.dumps(measure(*arguments.cell)))
        return
    for problem, makers in PROBLEMS.items():
        if arguments.only not in problem:
            continue
        print(problem)
        for package in makers:
            if importlib.util.find_spec(INSTALLED[package]):
                print(f"  {package:20}  {cell(problem, package, arguments.limit)}", flush=True)


if __name__ == "__main__":
    main()
