"""Any schedule, executed against a model of the memory: whether it is valid, and what it costs."""

from __future__ import annotations

import math

from checkpointer.errors import ArgumentError, ScheduleError
from checkpointer.schemes.actions import Advance, Record
from checkpointer.schemes.arguments import integer
from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.cost import Cost
from checkpointer.schemes.machine import Machine, Slots


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


def predict(scheme: Scheme, steps: int) -> Cost:
    """What a loop of known length will cost: at once where the scheme has a closed form, else by `simulate`.

    >>> from checkpointer.schemes.revolve import Revolve
    >>> predict(Revolve(snapshots=100), 10**9).advances
    5898659124
    """
    cost = scheme.closed_cost(steps)
    return simulate(scheme, steps) if cost is None else cost


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
