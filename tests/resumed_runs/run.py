"""Kill runs of examples/burgers.py with SIGKILL at random moments, again and again, and let them go on.

    python tests/resumed_runs/run.py 100 --seed 1

Each run has a size, a scheme and storages drawn at random; it is killed several times, in either sweep or in the middle of
writing, and started again until it ends. Its value and gradient have to be those of a run that nobody killed, to the last
bit, and a run that had made a durable point must never begin anew.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

CHILD = Path(__file__).with_name("child.py")
SCHEMES = (
    "Revolve(1)",
    "Revolve(5)",
    "Multistage(2, 4)",
    "DiskRevolve(3)",
    "Mixed(4)",
    "Online(4)",
    "StoreAll()",
    "Auto()",
)


def arguments(rng):
    """What a run is told, drawn at random."""
    n, steps = rng.choice(((32, 60), (64, 60), (128, 40), (256, 24)))
    every = rng.choice((0, 0.02, 0.1))
    chosen = [f"--n={n}", f"--steps={steps}", f"--scheme={rng.choice(SCHEMES)}", f"--every={every}"]
    return chosen + ["--tiers"] * rng.choice((0, 1))


def start(folder, chosen):
    command = [sys.executable, str(CHILD), str(folder), *chosen]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _until_it_begins(process):
    """What it says until its imports are done."""
    heard = ""
    for line in process.stdout:
        heard += line
        if line == "begins\n":
            break
    return heard


def result(folder):
    with np.load(folder / "result.npz") as file:
        return [file[name].tobytes() for name in ("value", "d_u", "d_v")]


def killed_and_resumed(seed, kills=4):
    """One run: what came of it, and how often it was killed and went on."""
    rng = random.Random(seed)
    chosen = arguments(rng)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reference = start(folder, [*chosen, "--plain"])
        said, _ = reference.communicate(timeout=300)
        assert reference.returncode == 0, said
        span = float(said.rpartition("took ")[2])
        expected = result(folder)
        (folder / "result.npz").unlink()
        return resumed(folder, chosen, rng, span, kills, expected)


def resumed(folder, chosen, rng, span, kills, expected):
    counts = Counter()
    durable = False
    while True:
        process, heard = start(folder, chosen), ""
        if counts["killed"] < kills:
            heard = _until_it_begins(process)
            try:
                process.wait(rng.uniform(0, 1.5) * span)
            except subprocess.TimeoutExpired:
                process.kill()
        said, _ = process.communicate(timeout=300)
        said = heard + said
        if durable and process.returncode == 0 and "goes on from" not in said:
            return f"BEGAN ANEW {chosen}\n{said}", counts
        counts["went on"] += "goes on from" in said
        durable = durable or "a durable point" in said
        if process.returncode == -9:
            counts["killed"] += 1
        elif process.returncode:
            return f"FAILED {chosen}\n{said}", counts
        else:
            return ("right" if result(folder) == expected else f"WRONG {chosen}"), counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=4, help="most kills of one run (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time (%(default)s)")
    args = parser.parse_args()
    outcomes, totals = Counter(), Counter()
    seeds = [f"{args.seed}/{number}" for number in range(args.runs)]
    with ThreadPoolExecutor(args.jobs) as pool:
        for outcome, counts in pool.map(lambda seed: killed_and_resumed(seed, args.kills), seeds):
            outcomes[outcome.partition(" ")[0]] += 1
            totals += counts
            if outcome != "right":
                print(outcome)
    print(dict(outcomes), dict(totals))
    return 0 if set(outcomes) == {"right"} else 1


if __name__ == "__main__":
    sys.exit(main())
