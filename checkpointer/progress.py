"""How far a loop has come: what a durable point says, and what stands in the slots of a schedule then."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from checkpointer.schemes import Action, Discard, Measurement, Record, Reverse, Snapshot

FORWARD, REVERSE, DONE = "forward", "reverse", "done"


@dataclass
class Progress:
    """How far a loop has come.

    Attributes
    ----------
    sweep : str
        ``FORWARD``, ``REVERSE``, or ``DONE``.
    actions : int
        How many of the sweep's actions are done.
    position : int
        The step before which the live state is.
    forward : int
        How many actions of the forward sweep were begun.
    steps, signal, recorded
        How the forward sweep ended, as in `checkpointer.loop.Loop`.
    measured : dict or None
        The fields of the `Measurement` that the schedule chose by.
    seed : str
        A digest of the adjoint that the reverse sweep began with.
    adjoint : str
        The adjoint before the step that was reversed last, as `checkpointer.adjoint_text` writes it.
    names : list
        The names of the variables that the adjoint's entries belong to, in their order.
    outcomes : dict
        What came out of operations between ranks that might come out otherwise, as in `checkpointer.traffic.LoopLog`.
    """

    sweep: str = FORWARD
    actions: int = 0
    position: int = 0
    forward: int = 0
    steps: int | None = None
    signal: str = ""
    recorded: bool = False
    measured: dict[str, Any] | None = None
    seed: str = ""
    adjoint: str = ""
    names: list[str] = field(default_factory=list)
    outcomes: dict[str, list[Any]] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.sweep == DONE:
            return "which holds its gradient"
        return f"{self.sweep} sweep, before step {self.position}" + (
            f" of {self.steps}" if self.steps else ""
        )

    def where(self) -> str:
        """The place in the schedule's actions: what is the same on all ranks that run a loop together."""
        ended = (
            f", of {self.steps} steps{f', {self.signal}' * bool(self.signal)}"
            if self.steps is not None
            else ""
        )
        return f"{self.sweep} sweep, after {self.actions} actions, before step {self.position}{ended}"

    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @staticmethod
    def read(text: str) -> Progress:
        """From JSON."""
        return Progress(**json.loads(text))

    def measurement(self) -> Measurement | None:
        """What the schedule chose by."""
        if self.measured is None:
            return None
        lists = {name: tuple(value) for name, value in self.measured.items() if isinstance(value, list)}
        return Measurement(**{**self.measured, **lists})


class Standing:
    """What stands in the slots after some actions.

    Attributes
    ----------
    snapshots : dict
        The step and level of the snapshot in each slot.
    tapes : dict
        The step of the tape in each slot.
    """

    def __init__(self) -> None:
        self.snapshots: dict[int, tuple[int, int]] = {}
        self.tapes: dict[int, int] = {}

    def note(self, action: Action) -> None:
        """One more action."""
        match action:
            case Snapshot(step, slot, level):
                self.snapshots[slot] = step, level
            case Discard(slot):
                self.snapshots.pop(slot, None)
            case Record(step, slot) if slot is not None:
                self.tapes[slot] = step
            case Reverse(step):
                self.tapes = {slot: taped for slot, taped in self.tapes.items() if taped != step}
