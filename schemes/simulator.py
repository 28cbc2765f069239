"""Any schedule, executed against a model of the memory: whether it is valid, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from checkpointer.errors import ArgumentError, ScheduleError
from checkpointer.schemes.actions import Advance, Record
from checkpointer.schemes.arguments import integer
from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.machine import Machine, Slots


@dataclass(frozen=True)
class Cost:
    """What a schedule's two sweeps cost.

    Attributes
    ----------
    steps : int
        Steps that the loop ran, and that were reversed.
    advances : int
        Steps that ran plainly, those of the first sweep included.
    reversals : int
        Steps that ran under the tape and were pulled back through: the recorded one and all others.
    snapshots, restores, discards : int
        Snapshots written, read and forgotten, on all levels.
    tapes : int
        Tapes that were kept in slots.
    peak : int
        The most snapshots and kept tapes held at once, on all levels together.
    writes, reads, peaks : tuple of int
        Snapshots written and read on each level, and the most held there at once; kept tapes count as held on level 0.
    """

    steps: int
    advances: int
    reversals: int
    snapshots: int
    restores: int
    discards: int
    tapes: int
    peak: int
    writes: tuple[int, ...]
    reads: tuple[int, ...]
    peaks: tuple[int, ...]

    def seconds(
        self, *, step: float, reverse: float, write: Sequence[float] = (), read: Sequence[float] = ()
    ) -> float:
        """The predicted time of both sweeps.

        Parameters
        ----------
        step : float
            Seconds for one plain step.
        reverse : float
            Seconds for one step under the tape and the way back through it.
        write, read : sequence of float
            Seconds for one snapshot written, and read, on each level. Levels that are not given cost nothing.
        """
        computing = self.advances * step + self.reversals * reverse
        return computing + _priced(self.writes, write) + _priced(self.reads, read)


def _priced(counts: Sequence[int], prices: Sequence[float]) -> float:
    return sum(count * price for count, price in zip(counts, prices, strict=False))


def simulate(
    plan: Scheme | Schedule, steps: int, *, length_known: bool = True, ends_after: int | None = None
) -> Cost:
    """Run both sweeps of a schedule, without a loop, and count.

    Parameters
    ----------
    plan : Scheme or Schedule
        A scheme, yours or ours, or a fresh schedule made for ``steps`` (or for None, if the length is not
        known).
    steps : int
        How many steps there are to run.
    length_known : bool
        Whether a scheme is told the number of steps. If not, the loop ends when a step is asked for that is
        not there.
    ends_after : int, optional
        The loop is left, as if by a ``break``, as soon as this many steps have run.

    Raises
    ------
    ArgumentError
        If an argument is not as described.
    ScheduleError
        If the schedule is not valid: the message names the first action that cannot be executed, and why.
        The current state must be the one that an action starts from (it is lost after each Reverse); what
        is restored must have been stored there; a slot must be empty when it is written, and no more may be
        held than the scheme's `slots` says; every step that ran must be reversed once, from the last to the
        first; and no snapshot and no tape may be left at the end.

    >>> from checkpointer.schemes.revolve import Revolve
    >>> cost = simulate(Revolve(snapshots=3), 10)
    >>> cost.advances, cost.reversals, cost.writes, cost.reads, cost.peaks
    (15, 10, (6,), (9,), (3,))
    >>> cost.seconds(step=1.0, reverse=4.0, write=[0.25], read=[0.25])
    58.75
    """
    steps = integer(steps, "steps", "simulate", 0)
    ran = steps if ends_after is None else integer(ends_after, "ends_after", "simulate", 0)
    if ran > steps:
        raise ArgumentError(f"simulate: ends_after must be at most steps, which is {steps}, but is {ran}")
    if isinstance(plan, Schedule):
        schedule, memory = plan, Slots(plan.slots)
    else:
        asked = steps if length_known else ran + 1
        schedule = plan.schedule(steps if length_known else None)
        memory = Slots(plan.slots(asked), plan.slots_by_level(asked))
    machine = Machine(steps, memory)
    recorded = _run_forward(machine, schedule, ran, broken=ends_after is not None)
    schedule.finish(ran, recorded)
    machine.to_reverse = ran
    for action in schedule.reverse():
        machine.execute(action)
    machine.check_end()
    return _cost(machine, ran)


def _run_forward(machine: Machine, schedule: Schedule, ran: int, broken: bool) -> bool:
    """Execute the forward sweep of a loop that ends after ``ran`` steps. True if the last was recorded."""
    exhausted = True
    furthest = math.inf if schedule.steps is None else machine.steps
    for action in schedule.forward():
        match action:
            case Advance(start, stop) if start <= ran < stop <= furthest:  # the loop ends in the middle of it
                if ran > start:
                    machine.execute(Advance(start, ran))
                exhausted = False
                break
            case Record(step, _) if step == ran:
                exhausted = False
                break
            case _:
                machine.execute(action)
        if broken and machine.current == ran > 0:
            exhausted = False
            break
    if machine.current != ran or (exhausted and schedule.steps is None):
        raise ScheduleError(
            f"the forward sweep stops before step {machine.current}, although the loop goes on"
        )
    return machine.tape is not None


def _cost(machine: Machine, ran: int) -> Cost:
    """What the machine counted."""
    levels = max(len(machine.writes), len(machine.reads), len(machine.memory.peaks))

    def by_level(counts: list[int]) -> tuple[int, ...]:
        return (*counts, *[0] * (levels - len(counts)))

    return Cost(
        steps=ran,
        advances=machine.advances,
        reversals=machine.reversals,
        snapshots=sum(machine.writes),
        restores=sum(machine.reads),
        discards=machine.discards,
        tapes=machine.tapes,
        peak=machine.memory.peak,
        writes=by_level(machine.writes),
        reads=by_level(machine.reads),
        peaks=by_level(machine.memory.peaks),
    )
