"""A schedule as lines in a plane: the steps that are executed, one after the other, against the time step."""

from __future__ import annotations

from dataclasses import dataclass, field

from checkpointer.schemes import (
    Advance,
    Discard,
    Record,
    Restore,
    Reverse,
    Scheme,
    Snapshot,
)

Line = tuple[tuple[float, float], tuple[float, float]]
"""Two points (executed steps, time step)."""


@dataclass
class Trace:
    """The lines of one schedule.

    Every step that runs, plainly or under the tape, and every pull back through one, is one unit of execution.

    Attributes
    ----------
    steps, executed, held : int
        The extent of the plane, and the most bars one above another.
    plain, taped, reversed : list of Line
        Steps that ran plainly or under the tape, rising, and pulls back through steps, falling.
    snapshots : dict of int to list of Line
        Level -> from where each snapshot was written to where it was discarded.
    tapes : list of Line
        From where each kept tape was recorded to where it was used up.
    """

    steps: int
    executed: int = 0
    held: int = 0
    plain: list[Line] = field(default_factory=list)
    taped: list[Line] = field(default_factory=list)
    reversed: list[Line] = field(default_factory=list)
    snapshots: dict[int, list[Line]] = field(default_factory=dict)
    tapes: list[Line] = field(default_factory=list)

    def move(self, lines: list[Line], start: int, stop: int) -> None:
        """Draw a line from one time step to another, in as many units of execution."""
        units = abs(stop - start)
        lines.append(((self.executed, start), (self.executed + units, stop)))
        self.executed += units


def trace(scheme: Scheme, steps: int) -> Trace:
    """The lines of the two sweeps of a loop of ``steps`` steps, told at its start.

    >>> from checkpointer.schemes import Revolve
    >>> lines = trace(Revolve(snapshots=3), 10)
    >>> lines.executed  # 15 advances, 10 steps under the tape and 10 pulls back
    35
    >>> lines.snapshots[0][-1]
    ((0, 0), (33, 0))
    """
    lines = Trace(steps)
    schedule = scheme.schedule(steps)
    held: dict[int, tuple[int, int, int]] = {}  # slot -> (since, step, level)
    kept: dict[int, int] = {}  # step -> since
    recorded = False
    for action in schedule.forward():
        _draw(action, lines, held, kept)
        lines.held = max(lines.held, len(held) + len(kept))
        recorded = isinstance(action, Record) and action.slot is None
    schedule.finish(steps, recorded)
    for action in schedule.reverse():
        _draw(action, lines, held, kept)
        lines.held = max(lines.held, len(held) + len(kept))
    return lines


def _draw(action: object, lines: Trace, held: dict[int, tuple[int, int, int]], kept: dict[int, int]) -> None:
    match action:
        case Advance(start, stop):
            lines.move(lines.plain, start, stop)
        case Snapshot(step, slot, level):
            held[slot] = lines.executed, step, level
        case Discard(slot):
            since, step, level = held.pop(slot)
            lines.snapshots.setdefault(level, []).append(((since, step), (lines.executed, step)))
        case Record(step):
            lines.move(lines.taped, step, step + 1)
            kept[step] = lines.executed
        case Reverse(step):
            if step not in kept:
                lines.move(lines.taped, step, step + 1)
            elif (since := kept.pop(step)) < lines.executed:
                lines.tapes.append(((since, step + 0.5), (lines.executed, step + 0.5)))
            lines.move(lines.reversed, step + 1, step)
        case Restore():
            pass
