"""How far above the optimum for a known length online checkpointing is, for every number of steps.

    python benchmarks/online_curve.py [--longest STEPS] [--plot FILE]

Advances of ``Online`` and of the dynamic algorithm of Wang, Moin & Iaccarino, SIAM J. Sci. Comput. 31 (2009) 2549-2567,
over those of ``Revolve``, which knows the length. Either records the last step, and reverses optimally between the
snapshots that stand at the end. FILE may be an svg or a png.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

from checkpointer.schemes import advances
from checkpointer.schemes.placement import places

SNAPSHOTS = (2, 4, 10, 20)


def ours(c: int) -> Iterator[list[int]]:
    """The steps before which snapshots stand when the last of 2, 3, 4, ... steps is recorded: that state is not stored."""
    standing: dict[int, int] = {}
    placed = places(c)
    step, slot = next(placed)
    latest = 0
    while True:
        while step <= latest:
            standing[slot] = step
            step, slot = next(placed)
        yield sorted(standing.values())
        latest += 1


def dynamic(c: int) -> Iterator[list[int]]:
    """The same for the dynamic algorithm, which stores every state for a while.

    The first snapshot has an infinite level. The state before the next step takes the place of the latest snapshot that
    is dispensable, that is, older than one of a higher level; if there is none, of the most recent one, and gets its
    level, raised by one.
    """
    steps: list[int] = [0]
    levels: list[float] = [math.inf]
    latest = 0
    while True:
        yield steps
        latest += 1
        level = 0.0
        if len(steps) == c:
            dispensable = [k for k in range(1, c) if levels[k] < max(levels[k + 1 :], default=0)]
            if not dispensable:
                level = levels[-1] + 1
            index = dispensable[-1] if dispensable else c - 1
            del steps[index], levels[index]
        steps.append(latest)
        levels.append(level)


def curve(method: Iterator[list[int]], c: int, longest: int) -> list[float]:
    """Advances over the fewest possible, for 2, 3, ... steps."""
    ratios = []
    for n, standing in zip(range(2, longest + 1), method, strict=False):
        ends = [*standing[1:], n - 1]
        stretches = (
            advances(end - start, c - j) for j, (start, end) in enumerate(zip(standing, ends, strict=True))
        )
        ratios.append((n - 1 + sum(stretches)) / advances(n, c))
    return ratios


def summary(ratios: list[float]) -> str:
    worst = max(ratios)
    return (
        f"{100 * worst - 100:5.1f} {ratios.index(worst) + 2:8} {100 * sum(ratios) / len(ratios) - 100:6.2f}"
    )


def draw(curves: dict[int, tuple[list[float], list[float]]], file: Path) -> None:
    """One panel for each number of snapshots."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(
        len(curves), 1, sharex=True, figsize=(8, 2.2 * len(curves)), layout="constrained"
    )
    for panel, (c, (mine, theirs)) in zip(panels, curves.items(), strict=True):
        steps = range(2, len(mine) + 2)
        panel.plot(
            steps, [100 * (ratio - 1) for ratio in theirs], color="0.6", lw=1, label="Wang et al., dynamic"
        )
        panel.plot(steps, [100 * (ratio - 1) for ratio in mine], color="tab:blue", lw=1.2, label="Online")
        panel.axvline((c + 1) * (c + 2) // 2, color="0.8", ls=":", lw=1)
        panel.set_title(f"{c} snapshots", loc="left", fontsize="medium")
        panel.set_ylabel("above optimum / %")
        panel.set_ylim(bottom=0)
        panel.margins(x=0)
    panels[0].legend(loc="upper right")
    panels[-1].set_xlabel("steps (dotted: Online is optimal up to here)")
    figure.savefig(file, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--longest", type=int, default=600, help="number of steps up to which to go")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="svg or png")
    arguments = parser.parse_args()
    curves = {}
    print("advances above the optimum for a known length, in per cent, over 2 to", arguments.longest, "steps")
    print("           Online                     dynamic")
    print("snapshots  worst  (steps)   mean      worst  (steps)   mean")
    for c in SNAPSHOTS:
        curves[c] = curve(ours(c), c, arguments.longest), curve(dynamic(c), c, arguments.longest)
        print(f"{c:9}  {'    '.join(summary(ratios) for ratios in curves[c])}")
    if arguments.plot:
        draw(curves, arguments.plot)


if __name__ == "__main__":
    main()
