"""Kill programs on several ranks with SIGKILL at random moments, again and again, and let them go on.

    python tests/resumed_runs/ranks.py 100 --seed 1

Each run has a number of ranks, a loop, a scheme and storages drawn at random. All its ranks are killed, or one, after which
mpiexec ends the others; then it is started again, until it ends. On each rank value and gradient have to be those of a
run that nobody killed, to the last bit, and a run of which all ranks had made a durable point must never begin anew.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "mpi"))

import harness

CHILD = Path(__file__).with_name("child_on_ranks.py")
SCHEMES = (
    "Revolve(1)",
    "Revolve(5)",
    "Multistage(2, 4)",
    "DiskRevolve(3)",
    "Mixed(4)",
    "StoreAll()",
    "Online(4)",
)


def arguments(rng):
    """How many ranks a run has and what it is told, drawn at random."""
    loop = rng.choice(("alone", "halo", "halo", "until_small"))
    scheme = "Online(4)" if loop == "until_small" else rng.choice(SCHEMES)
    chosen = [f"--loop={loop}", f"--scheme={scheme}", f"--n={rng.choice((200, 20_000))}"]
    chosen += [f"--steps={rng.choice((30, 60))}", f"--every={rng.choice((0, 0.02, 0.1))}"]
    return rng.choice((2, 2, 3)), chosen + ["--tiers"] * rng.choice((0, 1))


class Started:
    """A program on some ranks that is running."""

    def __init__(self, folder, ranks, chosen):
        self.folder, self.ranks = folder, ranks
        for file in [*folder.glob("begins-*"), *folder.glob("pid-*"), *folder.glob("log-*")]:
            file.unlink()
        command = [*harness.mpiexec(), "-n", str(ranks), sys.executable, str(CHILD), str(folder), *chosen]
        with open(folder / "output", "w") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, env=harness.environment())

    def until_it_begins(self):
        while not all((self.folder / f"begins-{rank}").exists() for rank in range(self.ranks)):
            if self.process.poll() is not None:
                break
            time.sleep(0.005)

    def kill(self, which):
        """Kill some ranks; mpiexec sees to the others."""
        for rank in which:
            with suppress(ProcessLookupError):
                os.kill(int((self.folder / f"pid-{rank}").read_text()), signal.SIGKILL)

    def end(self):
        """Wait for all processes: how it ended, and what it said."""
        self.process.wait(300)
        for rank in range(self.ranks):
            with suppress(FileNotFoundError):
                _wait_for_end(int((self.folder / f"pid-{rank}").read_text()))
        said = (self.folder / "output").read_text()
        logs = [path.read_text() for path in sorted(self.folder.glob("log-*"))]
        return self.process.returncode, said, logs


def _wait_for_end(pid):
    for _ in range(2000):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.005)
    raise TimeoutError(f"process {pid} does not end")


def result(folder, ranks):
    found = []
    for rank in range(ranks):
        with np.load(folder / f"result-{rank}.npz") as file:
            found += [file["value"].tobytes(), file["gradient"].tobytes()]
        (folder / f"result-{rank}.npz").unlink()
    return found


def killed_and_resumed(seed, kills=4, chosen=None):
    """One run: what came of it, and how often it was killed and went on."""
    rng = random.Random(seed)
    ranks, chosen = arguments(rng) if chosen is None else chosen
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code, said, _ = Started(folder, ranks, [*chosen, "--plain"]).end()
        assert code == 0, said
        span = max(float((folder / f"took-{rank}").read_text()) for rank in range(ranks))
        return resumed(folder, ranks, chosen, rng, span, kills, result(folder, ranks))


def resumed(folder, ranks, chosen, rng, span, kills, expected):
    counts, durable = Counter(), False
    while True:
        program = Started(folder, ranks, chosen)
        killed = counts["killed"] < kills
        if killed:
            program.until_it_begins()
            with suppress(subprocess.TimeoutExpired):
                program.process.wait(rng.uniform(0, 2.5) * span)
            if killed := program.process.poll() is None:
                one = rng.random() < 0.4
                program.kill([rng.randrange(ranks)] if one else range(ranks))
        code, said, logs = program.end()
        went_on = ["goes on from" in log for log in logs]
        if killed and code:
            counts["killed"] += 1
            counts["one rank killed"] += one
        elif code:
            return f"FAILED {ranks} {chosen}\n{said}", counts
        begun = len(logs) == ranks and (code == 0 or any(went_on))
        if durable and begun and not any(went_on):
            return f"BEGAN ANEW {ranks} {chosen}\n{said}", counts
        counts["went on"] += any(went_on)
        durable = durable or (len(logs) == ranks and all("a durable point" in log for log in logs))
        if code == 0:
            return ("right" if result(folder, ranks) == expected else f"WRONG {ranks} {chosen}"), counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=4, help="most kills of one run (%(default)s)")
    args = parser.parse_args()
    if why := harness.missing():
        sys.exit(why)
    outcomes, totals = Counter(), Counter()
    for number in range(args.runs):
        outcome, counts = killed_and_resumed(f"{args.seed}/{number}", args.kills)
        outcomes[outcome.partition(" ")[0]] += 1
        totals += counts
        if outcome != "right":
            print(f"{args.seed}/{number}", outcome, flush=True)
    print(dict(outcomes), dict(totals))
    return 0 if set(outcomes) == {"right"} else 1


if __name__ == "__main__":
    sys.exit(main())
