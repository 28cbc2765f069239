"""How well Auto predicts the time of the Burgers example.

    OMP_NUM_THREADS=1 python benchmarks/auto_prediction.py [--n POINTS] [--steps STEPS]

For several budgets of memory and disk: what Auto chooses, the predicted and the measured time of the two sweeps, without the
trial of the first step, and their ratio; then the time of the trial.
"""

import argparse
import logging
import re
import sys
from pathlib import Path

import checkpointer
from checkpointer import Auto, grad, trial

BUDGETS = [
    ("40 MB", None),
    ("80 MB", None),
    ("80 MB", "1 GB"),
    ("160 MB", None),
    ("1 GB", None),
    ("8 GB", None),
]


class Lines(logging.Handler):
    """Keeps what is logged of choices and of what they took."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if re.search(": chose | steps took ", line := record.getMessage()):
            self.lines.append(line)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=256)
    parser.add_argument("--steps", type=int, default=150)
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
    with checkpointer.install_import_hook("burgers"):
        import burgers
    said = Lines()
    logger = logging.getLogger("checkpointer")
    logger.setLevel(logging.DEBUG)  # the same choice again is said quietly
    logger.addHandler(said)
    velocities = burgers.initial_velocities(arguments.n)
    for memory, disk in BUDGETS:
        trial.forget()
        said.lines.clear()
        try:
            grad(burgers.energy)(velocities, arguments.steps, Auto(memory, disk=disk))
        except checkpointer.ArgumentError as refusal:
            print(f"{memory:>7} {disk or '':>7}  {refusal}")
            continue
        chosen = re.search(r"chose (.*) for", said.lines[0])[1]
        print(
            f"{memory:>7} {disk or '':>7}  {chosen:60} {re.search('steps (.*?);', said.lines[1])[1]}",
            flush=True,
        )


if __name__ == "__main__":
    main()
