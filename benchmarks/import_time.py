"""What it costs to import checkpointer, beside importing autograd's NumPy, which every program that differentiates needs.

    python benchmarks/import_time.py --repeat 15

Every import runs in a fresh interpreter, the kinds in turn, so that whatever else the machine does falls on all of
them. A ratio is that of the medians of wall times, from the start of the interpreter to its end. The goal is 1.5 for
the first two rows; the exit code is 1 if one of them misses it. "first gradient" also differentiates a function: that
loads the derivative rules.

An editable install adds an import hook of setuptools to each start, which an ordinary one does not have; the first line
says which of the two was measured.
"""

import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import time

GOAL = 1.5
BASE = "import autograd.numpy"
LINE = "from checkpointer import Revolve, checkpointed, value_and_grad"
KINDS = {
    "nothing": "pass",
    "numpy": "import numpy",
    "autograd.numpy": BASE,
    "checkpointer": "import checkpointer",
    "a program's imports": f"import numpy as np; {LINE}",
    "checkpointer.numpy": "import checkpointer.numpy",
    "a rewritten module's": "import checkpointer.runtime, checkpointer.numpy",
    "first gradient": f"import numpy as np; {LINE}; value_and_grad(np.sum)(np.ones(3))",
}
WITH_GOAL = ("checkpointer", "a program's imports")


def seconds(program):
    """Wall time of a fresh interpreter that runs the program and may keep its bytecode."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    # -P: what is installed, not what lies in the working folder
    subprocess.run([sys.executable, "-P", "-c", program], env=environment, check=True)
    return time.perf_counter() - start


def installation():
    """How the checkpointer that is measured was installed."""
    origin = importlib.metadata.distribution("checkpointer-ad").read_text("direct_url.json") or "{}"
    return "editable" if json.loads(origin).get("dir_info", {}).get("editable") else "ordinary"


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=7, metavar="N", help="times each import is run [7]")
    repeat = parser.parse_args().repeat
    for program in KINDS.values():
        seconds(program)  # writes the bytecode, and brings the files into memory
    times = {kind: [] for kind in KINDS}
    for _ in range(repeat):
        for kind, program in KINDS.items():
            times[kind].append(seconds(program))
    medians = {kind: statistics.median(measured) for kind, measured in times.items()}
    base = medians["autograd.numpy"]
    print(f"{installation()} install, Python {sys.version.split()[0]}, medians of {repeat}")
    print(f"{'':20} {'seconds':>8} {'ratio':>6}")
    for kind, median in medians.items():
        goal = f"   (goal: {GOAL})" if kind in WITH_GOAL else ""
        print(f"{kind:20} {median:8.3f} {median / base:6.2f}{goal}")
    return int(any(medians[kind] / base > GOAL for kind in WITH_GOAL))


if __name__ == "__main__":
    sys.exit(main())
