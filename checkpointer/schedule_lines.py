"""Lines that are drawn of a schedule: what was executed, one after the other, against the time step."""

from __future__ import annotations

from dataclasses import dataclass, field

from checkpointer.schemes import Action, Advance, Discard, Record, Restore, Reverse, Snapshot

Line = tuple[tuple[float, float], tuple[float, float]]
"""Two points: what was executed, and the time step."""


@dataclass
class Trace:
    """The lines of one schedule.

    Attributes
    ----------
    steps : int
        The extent of the plane in one direction.
    executed : float
        That in the other: what was executed so far, in units of steps or in seconds.
    held : int
        The most bars one above another.
    plain, taped, reversed : list of Line
        Steps that ran plainly or under the tape, rising, and pulls back through steps, falling.
    snapshots : dict of int to list of Line
        Level -> from where each snapshot was written to where it was discarded.
    tapes : list of Line
        From where each kept tape was recorded to where it was used up.
    """

    steps: int
    executed: float = 0
    held: int = 0
    plain: list[Line] = field(default_factory=list)
    taped: list[Line] = field(default_factory=list)
    reversed: list[Line] = field(default_factory=list)
    snapshots: dict[int, list[Line]] = field(default_factory=dict)
    tapes: list[Line] = field(default_factory=list)

    _held: dict[int, tuple[float, int, int]] = field(default_factory=dict)
    """Slot -> since when, step, level."""
    _kept: dict[int, float] = field(default_factory=dict)
    """Step of a tape -> since when."""

    def note(self, action: Action, seconds: float | None = None) -> None:
        """Draw what one action does.

        Every step that runs, plainly or under the tape, and every pull back through one, is one unit of execution; or, if
        the seconds are known that the action took, everything takes as long as it took, and a step under the tape and the
        pull back through it are one line.
        """
        match action:
            case Advance(start, stop):
                self._move(self.plain, start, stop, seconds)
            case Snapshot(step, slot, level):
                self._wait(seconds)
                self._held[slot] = self.executed, step, level
            case Discard(slot):
                self._wait(seconds)
                if slot in self._held:
                    since, step, level = self._held.pop(slot)
                    self.snapshots.setdefault(level, []).append(((since, step), (self.executed, step)))
            case Record(step):
                self._move(self.taped, step, step + 1, seconds)
                self._kept[step] = self.executed
            case Reverse(step):
                kept = self._kept.pop(step, None)
                if kept is not None and kept < self.executed:
                    self.tapes.append(((kept, step + 0.5), (self.executed, step + 0.5)))
                elif kept is None and seconds is None:
                    self._move(self.taped, step, step + 1, None)
                self._move(self.reversed, step + 1, step, seconds)
            case Restore():
                self._wait(seconds)
        self.held = max(self.held, len(self._held) + len(self._kept))

    def _move(self, lines: list[Line], start: int, stop: int, seconds: float | None) -> None:
        """Draw a line from one time step to another."""
        units = abs(stop - start) if seconds is None else seconds
        lines.append(((self.executed, start), (self.executed + units, stop)))
        self.executed += units

    def _wait(self, seconds: float | None) -> None:
        self.executed += seconds or 0
