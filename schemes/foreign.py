"""Schedules of the package checkpoint_schedules, as schemes of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from checkpointer.errors import ArgumentError, ScheduleError
from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.cost import Cost
from checkpointer.schemes.simulator import simulate
from checkpointer.schemes.translation import Translation


@dataclass(frozen=True)
class FromCheckpointSchedules(Scheme):
    """Run the schedule objects of the package ``checkpoint_schedules``.

    Its RAM is our level 0, its disk level 1. The adjoint data of a step is the step's tape; a tape that other steps
    run before is kept in a slot, always in memory, also where that package would put it on disk. What it stores is
    forgotten as soon as all later steps are reversed. Only the first of the reversals that it allows is run.

    A loop that ends before the planned length is reversed binomially from what stands, with as many slots as the whole
    schedule would have held, unless the schedule is one of theirs that can be told the length at the end.

    Parameters
    ----------
    make : function
        Takes the number of steps and returns a fresh schedule. Called for every run of a loop, and once more to count
        what the schedule holds. Not called for a loop without steps.
    online : bool
        Whether ``make(None)`` returns a schedule that works for a loop of unknown length.

    Raises
    ------
    ArgumentError
        If make is no function, or returns something else than a fresh schedule for that number of steps.
    ScheduleError
        While it runs, if a schedule does what cannot be translated: `NoneCheckpointSchedule`, which reverses nothing;
        a step that is to be reversed without adjoint data; a tape that other steps are run after before the state after
        it is stored or taped; a transfer in the forward sweep.

    Source: Dolci, Maddison, Ham, Pallez & Herrmann, "checkpoint_schedules: schedules for incremental checkpointing of
    adjoint simulations", J. Open Source Softw. 9 (2024) 6148, and the package's documentation.

    >>> from checkpoint_schedules import MultistageCheckpointSchedule, SingleMemoryStorageSchedule
    >>> scheme = FromCheckpointSchedules(lambda n: MultistageCheckpointSchedule(n, 1, 2))
    >>> for action in scheme.schedule(10).forward():
    ...     print(action)
    Snapshot(step=0, slot=0, level=1)
    Advance(start=0, stop=4)
    Snapshot(step=4, slot=1, level=1)
    Advance(start=4, stop=7)
    Snapshot(step=7, slot=2)
    Advance(start=7, stop=9)
    Record(step=9)
    >>> for_while_loops = FromCheckpointSchedules(lambda n: SingleMemoryStorageSchedule(), online=True)
    """

    make: Callable[[int | None], Any]
    online: bool = False
    _costs: dict[int, Cost] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not callable(self.make):
            raise ArgumentError(
                "FromCheckpointSchedules: make must be a function that takes the number of steps and returns a fresh "
                f"schedule, such as lambda n: checkpoint_schedules.Revolve(n, 5), but is {self.make!r}"
            )

    def schedule(self, steps: int | None) -> Schedule:
        """A new schedule for a loop of ``steps`` steps; or, if the scheme is online, of an unknown number."""
        steps = self.possible_length(steps) if self.online else self.known_length(steps)
        return Translation(self, None if steps == 0 else self._fresh(steps), steps)

    def slots(self, steps: int) -> int:
        """The most snapshots and kept tapes that are ever held at once: counted in a run of the schedule, once."""
        return self._cost(steps).peak

    def slots_by_level(self, steps: int) -> tuple[int, ...]:
        """The most that are ever held at once in memory, and on disk: counted in a run of the schedule, once."""
        return self._cost(steps).peaks

    def closed_cost(self, steps: int) -> Cost:
        """What a loop of ``steps`` steps costs: counted in a run of the schedule, once."""
        return self._cost(self.known_length(steps))

    def _cost(self, steps: int) -> Cost:
        if steps not in self._costs:
            self._costs[steps] = simulate(self.schedule(steps), steps)
        return self._costs[steps]

    def _fresh(self, steps: int | None) -> Any:
        """A schedule of theirs that nobody has used yet."""
        source = self.make(steps)
        if not all(hasattr(source, name) for name in ("__next__", "finalize", "max_n", "n", "r")):
            raise ArgumentError(
                f"FromCheckpointSchedules: make({steps}) must return a schedule of the package checkpoint_schedules, "
                f"but returned {source!r}"
            )
        kind = type(source).__name__
        if kind == "NoneCheckpointSchedule":
            raise ScheduleError(
                "a NoneCheckpointSchedule reverses nothing, so no gradient can be computed with it. Use another schedule"
            )
        if source.n or source.r:
            raise ArgumentError(
                f"FromCheckpointSchedules: make({steps}) returned a {kind} that is in use already. A schedule runs once: "
                "let make return a new one at every call"
            )
        if source.max_n not in (None, steps):
            raise ArgumentError(
                f"FromCheckpointSchedules: make({steps}) returned a {kind} for {source.max_n} steps"
            )
        return source
