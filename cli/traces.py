"""A schedule as lines in a plane: the steps that are executed, one after the other, against the time step."""

from __future__ import annotations

from checkpointer.schedule_lines import Trace
from checkpointer.schemes import Record, Scheme


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
    recorded = False
    for action in schedule.forward():
        lines.note(action)
        recorded = isinstance(action, Record) and action.slot is None
    schedule.finish(steps, recorded)
    for action in schedule.reverse():
        lines.note(action)
    return lines
