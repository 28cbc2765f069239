"""How time and memory grow with the number of steps of a program that stores its history.

    python benchmarks/histories.py [STEPS ...]

For each way to keep the history of Lorenz' three variables: the time of value and gradient, by how much it grows when
the number of steps doubles, and the largest amount of memory that the process has used. Each run is a process of its own.
"""

import resource
import subprocess
import sys
import time

import numpy as np

import checkpointer
from checkpointer import Revolve, checkpointed

SNAPSHOTS = 100
WAYS = ("array", "list", "dict of lists", "object", "forcing")


@checkpointer.transform
def tendency(u):
    """The right-hand side of Lorenz' equations (1963)."""
    x, y, z = u
    return np.array([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])


@checkpointer.transform
def array(start, steps):
    u = np.zeros((steps + 1, 3))
    u[0] = start
    for n in checkpointed(range(steps), Revolve(SNAPSHOTS)):
        u[n + 1] = u[n] + 1e-4 * tendency(u[n])
    return np.mean(u[:, 0] ** 2)


@checkpointer.transform
def list_(start, steps):
    u = start
    history = [u]
    for _ in checkpointed(range(steps), Revolve(SNAPSHOTS)):
        u = u + 1e-4 * tendency(u)
        history.append(u)
    return np.mean(np.array(history)[:, 0] ** 2)


@checkpointer.transform
def dict_of_lists(start, steps):
    u, t = start, 0.0
    log = {"t": [], "u": []}
    for _ in checkpointed(range(steps), Revolve(SNAPSHOTS)):
        u = u + 1e-4 * tendency(u)
        t += 1e-4
        log["t"].append(t)
        log["u"].append(u.copy())
    return np.mean(np.array(log["u"])[:, 0] ** 2)


class Model:
    """A solver that keeps its own history."""

    def __init__(self, u):
        self.u = u
        self.history = []

    def step(self):
        """One explicit Euler step."""
        self.u = self.u + 1e-4 * tendency(self.u)
        self.history.append(self.u)


@checkpointer.transform
def object_(start, steps):
    model = Model(start)
    for _ in checkpointed(range(steps), Revolve(SNAPSHOTS)):
        model.step()
    return np.mean(np.array(model.history)[:, 0] ** 2)


@checkpointer.transform
def forcing(start, steps):
    u = start
    forces = 1e-3 * np.outer(np.cos(np.arange(steps)), start)
    for n, force in checkpointed(enumerate(forces), Revolve(SNAPSHOTS)):
        u = u + 1e-4 * tendency(u) + force / (n + 1)
    return np.mean(u**2)


PROGRAMS = dict(zip(WAYS, (array, list_, dict_of_lists, object_, forcing), strict=True))


def one_run(way, steps):
    """Print the seconds and the MiB of one gradient."""
    start = time.process_time()
    checkpointer.value_and_grad(PROGRAMS[way])(np.array([1.0, 1.0, 1.0]), steps)
    print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main(steps):
    """Print the table."""
    print(f"{'history':14} {'steps':>7} {'CPU s':>8} {'us/step':>8} {'growth':>7} {'MiB':>6}")
    for way in WAYS:
        before = None
        for n in steps:
            run = subprocess.run(
                [sys.executable, __file__, "--one", way, str(n)], check=True, capture_output=True, text=True
            )
            seconds, memory = map(float, run.stdout.split())
            growth = f"{seconds / before:7.2f}" if before else " " * 7
            print(
                f"{way:14} {n:7} {seconds:8.2f} {seconds / n * 1e6:8.0f} {growth} {memory:6.0f}", flush=True
            )
            before = seconds


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one_run(sys.argv[2], int(sys.argv[3]))
    else:
        main([int(n) for n in sys.argv[1:]] or [10_000, 20_000, 40_000, 80_000])
