"""A plan: a budget, and the schemes that fit it."""

from __future__ import annotations

from dataclasses import dataclass

import click

from checkpointer.schemes import Scheme
from checkpointer.schemes.planning import Budget, Candidate, LeftOut, written
from checkpointer.schemes.sizes import show_size


@dataclass(frozen=True)
class Plan:
    """A budget, what a state and a tape take in it, and what there is to choose from.

    Attributes
    ----------
    budget : Budget
        In slots and times.
    state_size, tape_size, memory, disk : int or None
        In bytes; None where nobody said.
    seconds : bool
        Whether times are in seconds; else they are in plain steps.
    fitting, left_out : list
        The schemes, the quickest first.
    """

    budget: Budget
    state_size: int | None
    tape_size: int | None
    memory: int | None
    disk: int | None
    seconds: bool
    fitting: list[Candidate]
    left_out: list[LeftOut]

    @property
    def best(self) -> Candidate:
        """The quickest, of those that keep tapes only if it is known what a tape takes. There always is `Revolve`."""
        return next(one for one in self.fitting if not one.cost.tapes or self.tape_size is not None)

    def named(self, name: str) -> Scheme:
        """The quickest scheme of that name.

        Raises
        ------
        click.UsageError
            If none fits the budget.
        """
        for candidate in self.fitting:
            if type(candidate.scheme).__name__ == name:
                return candidate.scheme
        reasons = [out.reason for out in self.left_out if out.scheme.partition("(")[0] == name]
        because = f": it {reasons[0]}" if reasons else ""
        raise click.UsageError(
            f"--scheme: no {name} is in the plan{because}\n"
            f'Instead: give its arguments, such as "Revolve(snapshots=8)"'
        )

    def mixed_slots(self, snapshots: int) -> int | None:
        """How many states or tapes fit where so many states do; None where nobody said how large a tape is."""
        if self.state_size is None or self.tape_size is None:
            return None
        return snapshots * self.state_size // max(self.state_size, self.tape_size)

    def bytes_held(self, candidate: Candidate) -> tuple[int, int] | None:
        """The most bytes in memory and on disk; None where nobody said how large a state is."""
        if self.state_size is None:
            return None
        peaks = candidate.cost.peaks
        thing = max(self.state_size, self.tape_size or 0) if candidate.cost.tapes else self.state_size
        return peaks[0] * thing, sum(peaks[1:]) * self.state_size

    @property
    def binary(self) -> bool:
        """Whether the user counts bytes in units of 1024: not all that was given is a multiple of 1000."""
        given = [self.state_size, self.tape_size, self.memory, self.disk]
        return any(some % 1000 for some in given if some)

    def show_size(self, size: int) -> str:
        """A number of bytes in the units of the user's."""
        return show_size(size, binary=self.binary)

    def as_object(self) -> dict[str, object]:
        """What `--json` prints. Times are in ``time_unit``; what is unknown is null."""
        budget = self.budget
        return {
            "steps": budget.steps,
            "snapshots": budget.snapshots,
            "disk_snapshots": budget.disk_snapshots,
            "state_bytes": self.state_size,
            "tape_bytes": self.tape_size,
            "time_unit": "s" if self.seconds else "steps",
            "step_time": budget.step,
            "reverse_time": budget.reverse,
            "write_time": budget.write,
            "read_time": budget.read,
            "best": written(self.best.scheme),
            "schemes": [self._candidate_as_object(candidate) for candidate in self.fitting],
            "left_out": [{"scheme": out.scheme, "reason": out.reason} for out in self.left_out],
        }

    def _candidate_as_object(self, candidate: Candidate) -> dict[str, object]:
        cost = candidate.cost
        held = self.bytes_held(candidate) or (None, None)
        return {
            "scheme": written(candidate.scheme),
            "advances": cost.advances,
            "reversals": cost.reversals,
            "recompute_factor": candidate.recompute_factor,
            "memory_slots": cost.peaks[0],
            "disk_slots": sum(cost.peaks[1:]),
            "memory_bytes": held[0],
            "disk_bytes": held[1],
            "tapes": cost.tapes,
            "memory_writes": cost.writes[0],
            "memory_reads": cost.reads[0],
            "disk_writes": sum(cost.writes[1:]),
            "disk_reads": sum(cost.reads[1:]),
            "time": candidate.seconds,
        }
