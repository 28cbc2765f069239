"""Pictures of a schedule, and of cost against memory. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from checkpointer.cli.curves import curves
from checkpointer.cli.plans import Plan
from checkpointer.cli.traces import trace
from checkpointer.schedule_picture import draw_lines, in_thousands, save
from checkpointer.schemes import Scheme
from checkpointer.schemes.planning import Candidate, written

MOST = 100_000
"""Steps of the longest loop whose schedule is drawn."""
_STYLES = {
    "Revolve": ("#0072B2", "-", "o"),
    "Online": ("#56B4E9", "--", "x"),
    "Periodic": ("#E69F00", "-", "s"),
    "StoreAll": ("#000000", "", "*"),
    "Mixed": ("#CC79A7", "-", "d"),
    "TwoLevel": ("#009E73", "-", "^"),
    "Multistage": ("#D55E00", "-", "v"),
    "HRevolve": ("#000000", "-", "+"),
    "DiskRevolve": ("#0072B2", ":", "<"),
    "PeriodicDiskRevolve": ("#009E73", ":", ">"),
}


def picture(scheme: Scheme, steps: int, axes: Axes | None = None) -> Figure:
    """The classic picture of a schedule: time steps against the order in which they are executed.

    Steps that run rise, pulls back through a step fall. A bar is a snapshot, from when it is written to when it is
    discarded, or a tape that is kept.

    Parameters
    ----------
    scheme : Scheme
        Whose schedule is drawn.
    steps : int
        Steps of the loop, 1 or more; from 100 000 on, this takes a minute.
    axes : matplotlib.axes.Axes, optional
        Where to draw; a new figure unless given.

    Returns
    -------
    matplotlib.figure.Figure
        That of the axes. It can be saved, or shown in a notebook; it belongs to no window.

    >>> from checkpointer.schemes import Revolve
    >>> picture(Revolve(snapshots=3), 10).axes[0].get_title()
    'Revolve(snapshots=3), 10 steps'
    """
    if axes is None:
        axes = Figure(figsize=(8, 5), layout="constrained").subplots()
    lines = trace(scheme, steps)
    draw_lines(axes, lines, lines.executed)
    axes.set_title(f"{written(scheme)}, {in_thousands(steps)} step{'s' * (steps > 1)}")
    axes.set_xlabel("steps executed: plainly, under the tape, and pulled back through")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: in_thousands(value))
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


def trade_off(plan: Plan, axes: Axes) -> None:
    """What each scheme costs against the memory that it is given, and where the plan's budget is."""
    timed = plan.seconds or plan.budget.disk_snapshots > 0
    unit = plan.state_size or 1
    for name, curve in curves(plan).items():
        colour, line, marker = _STYLES.get(name, ("#888888", "-", "."))
        axes.plot(
            [snapshots * unit for snapshots, _ in curve],
            [_value(candidate, timed) for _, candidate in curve],
            color=colour,
            linestyle=line or "none",
            marker=marker,
            markersize=4,
            linewidth=1.2,
            label=name,
        )
    axes.axvline(plan.budget.snapshots * unit, color="#888888", linestyle="--", label="the budget", zorder=1)
    axes.plot(
        plan.budget.snapshots * unit,
        _value(plan.best, timed),
        color="#000000",
        marker="o",
        markersize=10,
        markerfacecolor="none",
        linestyle="none",
        label=f"the best: {type(plan.best.scheme).__name__}",
    )
    binary = plan.state_size is not None and plan.binary
    axes.set_xscale("log", base=2 if binary else 10)
    axes.set_yscale("log")
    _look_at_the_budget(axes, plan, timed)
    axes.set_xlabel("memory for snapshots" if plan.state_size else "snapshots that fit in memory")
    _logarithmic(
        axes.xaxis, (lambda value: plan.show_size(round(value))) if plan.state_size else in_thousands
    )
    kind = f"predicted time [{'s' if plan.seconds else 'plain steps'}]" if timed else "recompute factor"
    axes.set_ylabel(kind)
    _logarithmic(axes.yaxis, in_thousands)
    axes.set_title("cost against memory")
    axes.grid(which="both", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.legend(loc="upper right", framealpha=0.9)


def _value(candidate: Candidate, timed: bool) -> float:
    return candidate.seconds if timed else candidate.recompute_factor


def _look_at_the_budget(axes: Axes, plan: Plan, timed: bool) -> None:
    """Leave out what costs so much that the rest of the picture would be a flat line."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, min(high, max(30 * low, 5 * _value(plan.best, timed))))


def _logarithmic(axis: Axis, show: Callable[[float], str]) -> None:
    """Numbers as people write them, also between powers of ten if there are few of these."""
    low, high = axis.get_view_interval()
    wanted = "" if high > 50 * low else "25" if high > 10 * low else "23457" if high > 3 * low else "23456789"
    axis.set_major_formatter(lambda value, _: show(value))
    axis.set_minor_formatter(lambda value, _: show(value) if f"{value:e}"[0] in wanted else "")


def draw(path: Path, plan: Plan, scheme: Scheme | None) -> list[str]:
    """Write both pictures to a file, the schedule of the best scheme unless another is given.

    Returns what is not in it, and why.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    steps = plan.budget.steps
    shown = (scheme or plan.best.scheme) if steps <= MOST else None
    notes = (
        [] if shown else [f"schedules are drawn for up to {MOST} steps: only cost against memory is drawn"]
    )
    figure = Figure(figsize=(14, 5.5) if shown else (7, 5.5), layout="constrained", dpi=120)
    if shown:
        left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
        picture(shown, steps, left)
    else:
        right = figure.subplots()
    trade_off(plan, right)
    save(figure, path)
    return notes
