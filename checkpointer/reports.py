"""What a loop that is differentiated says of itself in the log: what `Auto` chose for it, and what it took.

The logger is ``checkpointer``. At the level INFO there is a line for each loop that was reversed, one when a scheme was
chosen (a loop that runs again, and chooses again what it chose before, says so at the level DEBUG), and one when a run goes
on that another process began; at DEBUG also one for each action of the schedule, for each durable point, and for each run of
a loop inside another one.
"""

from __future__ import annotations

import logging
from types import CodeType
from typing import TYPE_CHECKING

from checkpointer import logs as _logs  # noqa: F401  sets the logger up
from checkpointer.schemes import AutoSchedule
from checkpointer.schemes.sizes import show_size

if TYPE_CHECKING:
    from checkpointer.loop import Loop
    from checkpointer.schemes import Choice, Measurement, Scheme

_log = logging.getLogger("checkpointer")
_said: dict[CodeType, tuple[object, ...]] = {}
"""What was said last of each loop: the kind of scheme, the budget, and whether the length was known."""


def report_choice(loop: Loop) -> None:
    """Say which scheme was chosen for a loop, and why; to be called at the end of the forward sweep."""
    schedule = loop.schedule
    if not isinstance(schedule, AutoSchedule) or schedule.choice is None:
        return
    assert schedule.measurement is not None
    loop.work.scheme = f"{schedule.choice.scheme!r} by Auto"
    level = _level(loop, schedule)
    if _log.isEnabledFor(level):
        _log.log(level, "%s: %s", loop.work.place, _sentence(schedule.choice, schedule.measurement))


def report_undifferentiated(loop: Loop) -> None:
    """Say that no derivative flows through a loop, so that it takes no snapshots."""
    _log.debug("%s: runs as it stands, as nothing that is differentiated goes into it", loop.work.place)


def report_end(loop: Loop) -> None:
    """Say what the two sweeps of a loop took, beside what was predicted, if anything was."""
    level = logging.DEBUG if loop.nested else logging.INFO
    if not _log.isEnabledFor(level):
        return
    work, schedule, cost = loop.work, loop.schedule, loop.work.cost()
    seconds = work.total - work.seconds["trial"]
    said = [f"{cost.steps} steps took {show_time(seconds)}"]
    if (
        isinstance(schedule, AutoSchedule)
        and schedule.choice is not None
        and schedule.choice.seconds is not None
    ):
        predicted = schedule.choice.seconds
        said.append(f"predicted {show_time(predicted)} ({predicted / seconds:.0%})")
    if work.seconds["trial"]:
        said.append(f"the trial of the first one {show_time(work.seconds['trial'])}")
    _log.log(
        level,
        "%s: %s; %d plain steps and %d reversed (each run %.2f times on average) under %s, at most %d held",
        work.place,
        ", ".join(said),
        cost.advances,
        cost.reversals,
        cost.recompute_factor,
        work.scheme,
        cost.peak,
    )


def _level(loop: Loop, schedule: AutoSchedule) -> int:
    assert schedule.choice is not None
    code, saying = (
        loop.step.__code__,
        (type(schedule.choice.scheme), schedule.scheme, schedule.choice.cost is None),
    )
    same = _said.get(code) == saying
    _said[code] = saying
    return logging.DEBUG if same else logging.INFO


def _sentence(choice: Choice, measured: Measurement) -> str:
    why = (
        f"a snapshot takes {show_size(measured.snapshot_bytes)}, a tape {show_size(measured.tape_bytes)},"
        f" a step {show_time(measured.step)}, its reversal {show_time(measured.reverse)}"
    )
    most = f"at most {show_size(choice.memory)} of memory" + (
        f" and {show_size(choice.disk)} of disk" if choice.disk else ""
    )
    if choice.cost is None or choice.seconds is None:
        return f"chose {choice.scheme!r} for a loop of unknown length, {most}: {why}"
    return (
        f"chose {choice.scheme!r} for {choice.cost.steps} steps, {most},"
        f" each step run {choice.cost.recompute_factor:.2f} times on average,"
        f" predicted {show_time(choice.seconds)}: {why}"
    )


def show_time(seconds: float) -> str:
    """Three digits and a unit.

    >>> show_time(0.01234), show_time(75.3)
    ('12.3 ms', '75.3 s')
    """
    units = {"s": 1.0, "ms": 1e3, "µs": 1e6}
    unit = next((unit for unit, factor in units.items() if seconds * factor >= 1), "µs")
    return f"{seconds * units[unit]:.3g} {unit}"


def scheme_text(scheme: Scheme) -> str:
    """How a scheme prints; of a class that does not say, its name."""
    kind = type(scheme)
    return f"{kind.__module__}.{kind.__qualname__}" if kind.__repr__ is object.__repr__ else repr(scheme)
