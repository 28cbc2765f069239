"""The picture of a summary: what ran when in each loop, and what the time was spent on. Needs matplotlib."""

from __future__ import annotations

import os

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from checkpointer.counts import PHASES, Timeline
from checkpointer.schedule_lines import Trace
from checkpointer.schedule_picture import draw_lines, save
from checkpointer.summaries import LoopSummary, RunSummary

_COLOURS = dict(
    zip(
        PHASES,
        ("#000000", "#56B4E9", "#D55E00", "#009E73", "#F0E442", "#CC79A7", "#BBBBBB"),
        strict=True,
    )
)
"""Phase -> one that the colour-blind tell from the others: Okabe & Ito, "Color Universal Design" (2008)."""


def draw(run: RunSummary, path: str | os.PathLike[str] | None = None) -> Figure:
    """The picture of a run; also written to a file, if there is a path."""
    drawn = [loop for loop in run.loops if loop.timeline is not None and loop.cost.steps]
    heights = [*[4.0] * len(drawn), 1.2 + 0.35 * max(len(run.loops), 1)]
    figure = Figure(figsize=(8, sum(heights)), layout="constrained")
    axes = figure.subplots(len(heights), height_ratios=heights, squeeze=False)[:, 0]
    for loop, place in zip(drawn, axes, strict=False):
        _draw_schedule(loop, place)
    _draw_phases(run, axes[-1])
    if path is not None:
        save(figure, path)
    return figure


def _draw_schedule(loop: LoopSummary, axes: Axes) -> None:
    """Steps against the time at which they were executed; what the program did between the sweeps is left out."""
    assert loop.timeline is not None
    lines = Trace(loop.cost.steps)
    for action, begun, ended in loop.timeline.rows:
        lines.note(action, ended - begun)
    draw_lines(axes, lines, loop.cost.advances + 2 * loop.cost.reversals)
    axes.set_title(_title(loop, loop.timeline), fontsize="medium")
    axes.set_xlabel("seconds")


def _title(loop: LoopSummary, timeline: Timeline) -> str:
    title = f"{loop.place}: {loop.scheme}"
    if loop.runs > 1:
        title += f", the first of {loop.runs} runs"
    return title if timeline.whole else f"{title}, its beginning"


def _draw_phases(run: RunSummary, axes: Axes) -> None:
    """A row for each loop, the first at the top."""
    names = [loop.name for loop in run.loops]
    left = [0.0] * len(names)
    for phase in PHASES:
        widths = [loop.seconds[phase] for loop in run.loops]
        if any(widths):
            axes.barh(range(len(names)), widths, left=left, color=_COLOURS[phase], label=phase, height=0.6)
            left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("seconds")
    axes.invert_yaxis()
    if names:
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.45),
            ncols=len(PHASES),
            frameon=False,
            fontsize="small",
        )
