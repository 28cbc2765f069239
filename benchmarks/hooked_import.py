"""What importing a module of 2000 lines costs under the import hook, beside the plain module.

    python benchmarks/hooked_import.py [--lines 2000] [--rounds 15]

Modules with no marked loop, with a few and with many are imported in fresh processes, in turns with and without the hook.
Both have NumPy, checkpointer and its drop-in modules loaded, and the hook installed, before the clock starts, and both take
their code from their cache: this is the second import, and all later ones. The first one, which transforms, is timed once.
The times are those of the processor, so that other programs on the machine disturb them little; the ratio is that of
the medians. The target is 1.2 times the plain import.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HEAD = '''\
"""A model of the upper ocean, part of a benchmark."""

import math

import numpy as np

from checkpointer import Revolve, checkpointed
'''
PART = '''

def limited{n}(values, least=-1.0e{e}, most=1.0e{e}):
    """The mean of values between two bounds; outside of them they count as the bound."""
    clipped = np.minimum(np.maximum(values, least), most)
    if clipped.ndim > 1:
        clipped = clipped.reshape(-1)
    # the weights of the trapezoidal rule
    weights = np.ones(clipped.size)
    weights[0] = weights[-1] = 0.5
    return np.sum(weights * clipped) / np.sum(weights)


class Grid{n}:
    """A grid of cells with a staggered velocity."""

    SPACING = {n} * 0.125

    def __init__(self, cells, length=1.0):
        self.cells = cells
        self.length = length
        self.centres = (np.arange(cells) + 0.5) * length / cells
        self.faces = np.linspace(0.0, length, cells + 1)

    def gradient(self, field):
        """Central differences, one-sided at the ends."""
        result = np.empty_like(field)
        result[1:-1] = (field[2:] - field[:-2]) / (2 * self.SPACING)
        result[0] = (field[1] - field[0]) / self.SPACING
        result[-1] = (field[-1] - field[-2]) / self.SPACING
        return result

    def divergence(self, flux):
        """Of a flux on the faces."""
        return (flux[1:] - flux[:-1]) / self.SPACING

    def __repr__(self):
        return f"Grid{n}(cells={{self.cells}}, length={{self.length}})"
'''
MARKED = '''

def simulate{n}(u, nu, steps, forcing=None):
    """Explicit Euler for the heat equation with a source, number {n}.

    Parameters
    ----------
    u : array
        The temperature, which is not changed.
    nu : float
        The diffusivity.
    steps : int
        How many steps.
    """
    u = u.copy()
    work = np.zeros_like(u)
    dx = 1.0 / (u.size - 1)
    dt = 0.25 * dx**2 / nu
    total = 0.0
    for step in checkpointed(range(steps), Revolve(snapshots={e})):
        # the fluxes between the cells
        work[1:-1] = u[2:] - 2 * u[1:-1] + u[:-2]
        if forcing is not None:
            work += forcing(step * dt, u)
        u[1:-1] += dt * nu * work[1:-1] / dx**2
        u[0], u[-1] = u[1], u[-2]
        total = total + np.sum(u**2) * dt
        if not np.isfinite(total):
            break
    return total + limited{n}(u)
'''
PROGRAM = """
import gc, importlib, math, sys, time
import numpy, checkpointer.math, checkpointer.numpy, checkpointer.runtime
from checkpointer import Revolve, checkpointed, install_import_hook
name = sys.argv[1]
if sys.argv[2] == "hooked":
    install_import_hook(name)
gc.collect()  # or a collection falls into the import of one and not of the other
start = time.process_time()
module = importlib.import_module(name)
print(time.process_time() - start)
assert (type(module.__loader__).__name__ == "TransformingLoader") == (sys.argv[2] == "hooked")
"""
WAYS = ("plain", "hooked")


def text(marked, lines):
    """A module of so many lines, with so many marked loops spread evenly over it."""
    parts = [HEAD]
    number, count = 0, HEAD.count("\n")
    while count < lines:
        due = marked and count >= lines * sum("checkpointed(range" in part for part in parts) / marked
        parts.append((PART + MARKED if due else PART).format(n=number, e=number % 9 + 1))
        number, count = number + 1, count + parts[-1].count("\n")
    return "".join(parts)


def seconds(folder, name, way):
    """The time that one import takes in a process of its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, way],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(finished.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=11, help="imports of each kind")
    asked = parser.parse_args()
    print("marked loops   lines   first import   plain, again   hooked, again   ratio")
    with tempfile.TemporaryDirectory() as folder:
        for marked in (0, 3, 12):
            name = f"model_{marked}"
            source = text(marked, asked.lines)
            Path(folder, f"{name}.py").write_text(source)
            first = {way: seconds(folder, name, way) for way in WAYS}["hooked"]
            seconds(folder, name, "hooked")  # reads a file once more that had just been written
            times = {way: [] for way in WAYS}
            for number in range(asked.rounds):
                for way in WAYS if number % 2 else reversed(WAYS):
                    times[way].append(seconds(folder, name, way))
            plain, hooked = (statistics.median(times[way]) for way in WAYS)
            print(
                f"{marked:12d}{source.count(chr(10)):8d}{first:13.2f} s{plain * 1e3:12.2f} ms"
                f"{hooked * 1e3:13.2f} ms{hooked / plain:8.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
