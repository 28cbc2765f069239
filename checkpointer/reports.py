"""What a loop under `Auto` says of its choice: one line in the log, and one more when it is done.

The logger is ``checkpointer``, the level INFO. A loop that runs again, and chooses again what it chose before, says so at
the level DEBUG.
"""

from __future__ import annotations

import logging
import os
from types import CodeType
from typing import TYPE_CHECKING

from checkpointer.schemes import AutoSchedule
from checkpointer.schemes.sizes import show_size

if TYPE_CHECKING:
    from checkpointer.loop import Loop
    from checkpointer.schemes import Choice, Measurement

_log = logging.getLogger("checkpointer")
_said: dict[CodeType, tuple[object, ...]] = {}
"""What was said last of each loop: the kind of scheme, the budget, and whether the length was known."""


def report_choice(loop: Loop) -> None:
    """Say which scheme was chosen for a loop, and why; to be called at the end of the forward sweep."""
    schedule = loop.schedule
    if not isinstance(schedule, AutoSchedule) or schedule.choice is None:
        return
    assert schedule.measurement is not None
    _log.log(
        _level(loop, schedule),
        "%s: %s",
        place_of(loop),
        _sentence(schedule.choice, schedule.measurement),
    )


def report_cost(loop: Loop) -> None:
    """Say how long the two sweeps took, beside what was predicted."""
    schedule = loop.schedule
    if not isinstance(schedule, AutoSchedule) or schedule.choice is None:
        return
    choice, seconds = schedule.choice, loop.seconds - loop.trial_seconds
    said = [f"{loop.steps} steps took {_time(seconds)}"]
    if choice.seconds is not None:
        said.append(f"predicted {_time(choice.seconds)} ({choice.seconds / seconds:.0%})")
    if loop.trial_seconds:
        said.append(f"the trial of the first one {_time(loop.trial_seconds)}")
    level = logging.DEBUG if loop.reported_quietly else logging.INFO
    _log.log(level, "%s: %s", place_of(loop), ", ".join(said))


def _level(loop: Loop, schedule: AutoSchedule) -> int:
    assert schedule.choice is not None
    code, saying = (
        loop.step.__code__,
        (type(schedule.choice.scheme), schedule.scheme, schedule.choice.cost is None),
    )
    loop.reported_quietly = _said.get(code) == saying
    _said[code] = saying
    return logging.DEBUG if loop.reported_quietly else logging.INFO


def place_of(loop: Loop) -> str:
    """The file and line of a loop."""
    code = loop.step.__code__
    return f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}"


def _sentence(choice: Choice, measured: Measurement) -> str:
    why = (
        f"a snapshot takes {show_size(measured.snapshot_bytes)}, a tape {show_size(measured.tape_bytes)},"
        f" a step {_time(measured.step)}, its reversal {_time(measured.reverse)}"
    )
    most = f"at most {show_size(choice.memory)} of memory" + (
        f" and {show_size(choice.disk)} of disk" if choice.disk else ""
    )
    if choice.cost is None or choice.seconds is None:
        return f"chose {choice.scheme!r} for a loop of unknown length, {most}: {why}"
    return (
        f"chose {choice.scheme!r} for {choice.cost.steps} steps, {most},"
        f" each step run {choice.cost.recompute_factor:.2f} times on average,"
        f" predicted {_time(choice.seconds)}: {why}"
    )


def _time(seconds: float) -> str:
    units = {"s": 1.0, "ms": 1e3, "µs": 1e6}
    unit = next((unit for unit, factor in units.items() if seconds * factor >= 1), "µs")
    return f"{seconds * units[unit]:.3g} {unit}"
