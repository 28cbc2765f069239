"""What is counted of loops that are differentiated: steps, snapshots, bytes, and the times of actions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from checkpointer.schemes import Action, Cost

if TYPE_CHECKING:
    from checkpointer.blocks import Block

PHASES = ("forward", "recomputing", "reversing", "saving", "loading", "trial", "other")
"""What the time of a loop's two sweeps is spent on.

Plain steps of the first sweep; plain steps that are run again; steps under the tape, and the way back through them;
snapshots taken, and let go of; snapshots restored; the trial of the first step (`Auto`); and the rest: the schedule itself,
and durable points.
"""
_MOST = 20_000
"""Actions of which the times are kept, in about 3 MB."""


class Timeline:
    """When the actions of one run of a loop were executed: of all of them, if they are not too many.

    Attributes
    ----------
    rows : list of (Action, float, float)
        Each action, and the seconds at which it began and ended.
    whole : bool
        Whether these are all.
    """

    def __init__(self) -> None:
        self.rows: list[tuple[Action, float, float]] = []
        self.whole = True

    def note(self, action: Action, begun: float, ended: float) -> None:
        """An action was executed."""
        if len(self.rows) < _MOST:
            self.rows.append((action, begun, ended))
        else:
            self.whole = False


class Ledger:
    """The bytes of the contents that snapshots hold in memory: what several of them share counts once."""

    def __init__(self) -> None:
        self.held = 0
        self.peak = 0
        self._blocks: dict[int, list[tuple[int, int]]] = {}
        self._users: dict[int, int] = {}

    def add(self, slot: int, blocks: Iterable[Block]) -> None:
        """A snapshot with these blocks stands in a slot, and keeps them alive: until then their ids are their own."""
        noted = self._blocks[slot] = [(id(block), block.data.nbytes) for block in blocks]
        for key, size in noted:
            users = self._users[key] = self._users.get(key, 0) + 1
            if users == 1:
                self.held += size
        self.peak = max(self.peak, self.held)

    def drop(self, slot: int) -> None:
        """It is gone."""
        for key, size in self._blocks.pop(slot, ()):
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key]
                self.held -= size


class Counts:
    """What one run of a loop has done, or several runs of the same loop.

    Attributes
    ----------
    runs, steps : int
        How often the loop ran, and the steps of all its runs.
    first, again : int
        Plain steps of the first sweep, and plain steps that were run again.
    reversals : int
        Steps that were pulled back through.
    tapes, discards : int
        Tapes that were kept in slots, and snapshots that were forgotten.
    writes, reads, peaks : list of int
        By level: snapshots written and read, and the most that stood at once, kept tapes being on level 0.
    peak : int
        The most snapshots and kept tapes at once.
    memory : int
        The most bytes that snapshots in memory held at once.
    written, read : int
        Bytes of snapshots that were given to a storage outside of memory, and read from it.
    seconds : dict of str to float
        By phase, without ``"other"``.
    total : float
        Seconds of the two sweeps.
    """

    def __init__(self) -> None:
        self.runs = 0
        self.steps = 0
        self.first = 0
        self.again = 0
        self.reversals = 0
        self.tapes = 0
        self.discards = 0
        self.writes = [0]
        self.reads = [0]
        self.peaks = [0]
        self.peak = 0
        self.memory = 0
        self.written = 0
        self.read = 0
        self.seconds = dict.fromkeys(PHASES[:-1], 0.0)
        self.total = 0.0

    def add(self, other: Counts) -> None:
        """Another run of the same loop."""
        for name in (
            *("runs", "steps", "first", "again", "reversals", "tapes", "discards"),
            *("written", "read", "total"),
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("peak", "memory"):
            setattr(self, name, max(getattr(self, name), getattr(other, name)))
        for phase, seconds in other.seconds.items():
            self.seconds[phase] += seconds
        for level, (writes, reads, peak) in enumerate(
            zip(other.writes, other.reads, other.peaks, strict=True)
        ):
            self.reach(level)
            self.writes[level] += writes
            self.reads[level] += reads
            self.peaks[level] = max(self.peaks[level], peak)

    def reach(self, level: int) -> None:
        """There is such a level."""
        while len(self.writes) <= level:
            for counts in (self.writes, self.reads, self.peaks):
                counts.append(0)

    def cost(self) -> Cost:
        """The counts, as a schedule's cost is given."""
        return Cost(
            steps=self.steps,
            advances=self.first + self.again,
            reversals=self.reversals,
            snapshots=sum(self.writes),
            restores=sum(self.reads),
            discards=self.discards,
            tapes=self.tapes,
            peak=self.peak,
            writes=tuple(self.writes),
            reads=tuple(self.reads),
            peaks=tuple(self.peaks),
        )
