"""What rewriting costs the examples, where nothing is differentiated and in one big gradient.

    python benchmarks/examples_overhead.py time
    python benchmarks/examples_overhead.py big

``time`` runs the original and the rewritten programs side by side, not differentiated (goal: at most 1.05
times the original's time, and the same bits). ``big`` takes the gradient of Burgers, 512 x 512 points, 1000
steps, Revolve(10), in a process of its own: its peak memory above that of importing the package (goal: 250
MiB), and the gradient against central differences of the original in three random directions (goal: 1e-7
relative). Without an argument both are done. The exit code is 1 if a goal is missed.
"""

import argparse
import importlib
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import checkpointer
from checkpointer import Revolve, StoreAll

EXAMPLES = Path(__file__).parents[1] / "examples"

TIME_GOAL = 1.05
MEMORY_GOAL = 250
ACCURACY_GOAL = 1e-7


def load(name, *, rewritten):
    """A fresh module of that example."""
    sys.path.insert(0, str(EXAMPLES))
    sys.modules.pop(name, None)
    try:
        if rewritten:
            with checkpointer.install_import_hook(name):
                return importlib.import_module(name)
        return importlib.import_module(name)
    finally:
        sys.modules.pop(name, None)
        sys.path.remove(str(EXAMPLES))


def heat(module):
    """Twenty times the example's run, which takes about a millisecond."""
    start = module.initial_temperatures()
    for _ in range(20):
        end = module.simulate(start, 500, Revolve(4)).Tnext
    return end


def heat_scalar(module):
    start = module.initial_temperatures()
    for _ in range(4):
        end = module.simulate(start, 500, Revolve(4), module.advance_scalar).Tnext
    return end


def box_model(module):
    state = module.initial_state()
    return module.simulate(state, state, 10_000, Revolve(500)).out_now


def burgers(module):
    return np.concatenate(module.simulate(module.initial_velocities(128), 200, Revolve(10)))


def burgers_32(module):
    """So small that the calls of NumPy cost more than the arithmetic."""
    return np.concatenate(module.simulate(module.initial_velocities(32), 1000, Revolve(10)))


RUNS = [
    ("heat", heat),
    ("heat", heat_scalar),
    ("box_model", box_model),
    ("burgers", burgers),
    ("burgers", burgers_32),
]


def measure_time(rounds):
    """Both programs in turn, many times. The ratio is the median over neighbouring pairs."""
    passed = True
    headings = ("original", "rewritten", "ratio", "of minima", "same bits")
    print(f"{'not differentiated':<20}{''.join(f'{heading:>12}' for heading in headings)}")
    for name, run in RUNS:
        programs = [load(name, rewritten=False), load(name, rewritten=True)]
        results = [run(program) for program in programs]  # warms both up
        same = results[0].tobytes() == results[1].tobytes()
        seconds = ([], [])
        for turn in range(rounds):
            for which in (0, 1) if turn % 2 else (1, 0):
                start = time.perf_counter()
                run(programs[which])
                seconds[which].append(time.perf_counter() - start)
        ratio = statistics.median(new / old for old, new in zip(*seconds, strict=True))
        least = min(seconds[1]) / min(seconds[0])
        old, new = (statistics.median(each) * 1e3 for each in seconds)
        print(
            f"{run.__name__:<20}{old:>9.1f} ms{new:>9.1f} ms{ratio:>12.3f}{least:>12.3f}{same!s:>12}",
            flush=True,
        )
        passed = passed and same and ratio <= TIME_GOAL
    return passed


PEAK = """
def peak():
    try:
        with open("/proc/self/status") as status:  # ru_maxrss would count the parent's memory before the exec
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    except OSError:
        import resource, sys
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
"""

IMPORT_ONLY = PEAK + "import checkpointer\nprint(peak())\n"

GRADIENT = (
    PEAK
    + """
import sys, time
import checkpointer
imported = peak()
examples, n, steps, snapshots, filename = sys.argv[1:]
sys.path.insert(0, examples)
with checkpointer.install_import_hook("burgers"):
    import burgers
rewritten = peak()
import numpy as np
velocities = burgers.initial_velocities(int(n))
start = time.perf_counter()
value, (d_u, d_v) = checkpointer.value_and_grad(burgers.energy)(
    velocities, int(steps), checkpointer.Revolve(int(snapshots))
)
print(imported, rewritten, peak(), time.perf_counter() - start)
np.savez(filename, value=value, d_u=d_u, d_v=d_v)
"""
)


def in_new_process(code, *arguments):
    finished = subprocess.run([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, check=True)
    return [float(number) for number in finished.stdout.split()]


def measure_big(n, steps, snapshots):
    """Memory and time in a process of its own; then central differences of the original program."""
    with tempfile.TemporaryDirectory() as folder:
        filename = str(Path(folder) / "gradient.npz")
        (package,) = in_new_process(IMPORT_ONLY)
        _, loaded, peak, seconds = in_new_process(
            GRADIENT, str(EXAMPLES), str(n), str(steps), str(snapshots), filename
        )
        with np.load(filename) as saved:
            value, d_u, d_v = saved["value"], saved["d_u"], saved["d_v"]
    above = peak - package
    print(f"\nburgers {n} x {n}, {steps} steps, Revolve({snapshots})")
    print(f"gradient computed in        {seconds:.1f} s")
    print(f"memory: package imported    {package:.1f} MiB")
    print(f"        example rewritten   {loaded:.1f} MiB")
    print(f"        peak                {peak:.1f} MiB")
    print(f"        above the package   {above:.1f} MiB", flush=True)
    passed = above <= MEMORY_GOAL

    burgers = load("burgers", rewritten=False)
    u, v = burgers.initial_velocities(n)
    start = time.perf_counter()
    same = burgers.energy((u, v), steps, StoreAll()) == value
    plain = time.perf_counter() - start
    print(
        f"original, value only        {plain:.1f} s, the gradient takes {seconds / plain:.1f} times as long"
    )
    print(f"value bit-equal             {same}")
    print(f"norm of the gradient        {np.sqrt(np.sum(d_u**2) + np.sum(d_v**2))}", flush=True)
    passed = passed and same

    # At 1e-5 the truncation and the rounding of a central difference are both below 1e-9 here.
    h = 1e-5
    rng = np.random.default_rng(11)
    for _ in range(3):
        a, b = rng.normal(size=(2, n, n))
        ahead = burgers.energy((u + h * a, v + h * b), steps, StoreAll())
        behind = burgers.energy((u - h * a, v - h * b), steps, StoreAll())
        difference = (ahead - behind) / (2 * h)
        product = np.sum(d_u * a) + np.sum(d_v * b)
        error = abs(product / difference - 1)
        print(
            f"central difference          {difference:.15e}, gradient {product:.15e}, relative {error:.1e}",
            flush=True,
        )
        passed = passed and error <= ACCURACY_GOAL
    return passed


def main():
    parser = argparse.ArgumentParser(description="What rewriting costs the examples.")
    parser.add_argument("what", nargs="?", choices=["all", "time", "big"], default="all")
    parser.add_argument("--rounds", type=int, default=31, help="timings of each program (%(default)s)")
    parser.add_argument("--n", type=int, default=512)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--snapshots", type=int, default=10)
    args = parser.parse_args()

    passed = True
    if args.what in ("all", "time"):
        passed = measure_time(args.rounds) and passed
    if args.what in ("all", "big"):
        passed = measure_big(args.n, args.steps, args.snapshots) and passed
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
