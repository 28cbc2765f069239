"""The lines of a schedule on the axes of a picture. Needs matplotlib."""

from __future__ import annotations

import os
from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from checkpointer.schedule_lines import Line, Trace

_RASTERISED = 3_000
"""Lines of one kind from which on they become an image, also in an .svg."""

# Colours that the colour-blind tell apart: Okabe & Ito, "Color Universal Design" (2008).
_PLAIN, _TAPED, _REVERSED, _TAPE = "#000000", "#E69F00", "#D55E00", "#F0E442"
_LEVELS = ["#56B4E9", "#009E73", "#CC79A7"]
_LEVEL_NAMES = ["snapshot in memory", "snapshot on disk"]


def draw_lines(axes: Axes, lines: Trace, steps: float) -> None:
    """The lines, as thin as the number of steps in them asks for, and a legend in the corner that no schedule reaches."""
    width = min(max(40 / max(steps, 1) ** 0.5, 0.4), 1.6)
    bar = min(
        max(4 * width, 0.8), 5, max(150 / max(lines.held, 1), 0.2)
    )  # with gaps between them, if there is room
    kinds = [
        *(
            (_level_name(level), _LEVELS[min(level, len(_LEVELS) - 1)], bar, bars, 1.9 - 0.01 * level)
            for level, bars in sorted(
                lines.snapshots.items()
            )  # the faster, which stand for shorter, above the slower
        ),
        ("tape kept", _TAPE, bar, lines.tapes, 2.0),
        ("plain step", _PLAIN, width, lines.plain, 2.1),
        ("step under the tape", _TAPED, width, lines.taped, 2.2),
        ("pull back", _REVERSED, max(width, 1.2), lines.reversed, 2.3),  # seen at the front, however many
    ]
    handles = []
    for label, colour, thickness, some, order in kinds:
        if some:
            _add(axes, some, colour, thickness, order)
            handles.append(Line2D([], [], color=colour, linewidth=max(thickness, 1.5), label=label))
    axes.legend(handles=handles, loc="upper right", framealpha=0.9)
    axes.set_xlim(-0.01 * lines.executed, 1.01 * lines.executed)
    axes.set_ylim(-0.03 * lines.steps, 1.03 * lines.steps)
    axes.set_ylabel("time step")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(lambda value, _: in_thousands(value))


def _add(axes: Axes, lines: Sequence[Line], colour: str, width: float, order: float) -> None:
    axes.add_collection(
        LineCollection(
            lines,
            colors=colour,
            linewidths=width,
            zorder=order,
            capstyle="butt",
            rasterized=len(lines) > _RASTERISED,
        )
    )


def _level_name(level: int) -> str:
    return _LEVEL_NAMES[level] if level < len(_LEVEL_NAMES) else f"snapshot on level {level}"


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a picture to a file; the same picture is the same file, also as .svg."""
    is_svg = os.fspath(path).lower().endswith(".svg")
    with matplotlib.rc_context({"svg.hashsalt": "checkpointer"}):
        figure.savefig(path, metadata={"Date": None} if is_svg else None)


def in_thousands(value: float) -> str:
    """With thin spaces between thousands, or a power of ten."""
    if value >= 1e6:
        digits, power = f"{value:.2e}".split("e")
        digits = digits.rstrip("0").rstrip(".")
        return f"$10^{{{int(power)}}}$" if digits == "1" else f"${digits}\\cdot 10^{{{int(power)}}}$"
    return f"{value:,.7g}".replace(",", "\N{THIN SPACE}")
