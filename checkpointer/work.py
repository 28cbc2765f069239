"""What a loop that is differentiated has done so far: steps, snapshots, bytes and seconds.

The loop counts each step that it runs, where it runs it, and tells what becomes of snapshots and tapes; time is taken once
for each action of the schedule. Nothing here refers to the program's objects or arrays.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

from checkpointer.schemes import Action, Advance, Cost, Discard, Record, Restore, Reverse, Snapshot

if TYPE_CHECKING:
    from checkpointer.blocks import Block
    from checkpointer.inventory import Inventory
    from checkpointer.runs import LoopRuns, Run

_log = logging.getLogger("checkpointer")

PHASES = ("forward", "recomputing", "reversing", "saving", "loading", "trial", "other")
"""What the time of a loop's two sweeps is spent on.

Plain steps of the first sweep; plain steps that are run again; steps under the tape, and the way back through them;
snapshots taken, and let go of; snapshots restored; the trial of the first step (`Auto`); and the rest: the schedule itself,
and durable points.
"""
_PHASE = {
    Record: "reversing",
    Reverse: "reversing",
    Snapshot: "saving",
    Discard: "saving",
    Restore: "loading",
}
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


class Work(Counts):
    """What one run of a loop has done so far.

    Parameters
    ----------
    run : Run or None
        The differentiated call that it is part of.
    place, scheme : str
        Where the loop stands, and what it runs under.

    Attributes
    ----------
    reversing : bool
        Whether the first sweep is over.
    left : int
        How many steps are left to be reversed then.
    trying : bool
        Whether the first step is on trial: what happens then is none of the schedule's work.
    timeline : Timeline or None
        The times of all actions, if somebody may want to draw them.
    inventory : Inventory or None
        What is in the snapshots, if somebody asked for a report.
    """

    def __init__(self, run: Run | None, place: str, scheme: str) -> None:
        super().__init__()
        self.runs = 1
        self.place = place
        self.scheme = scheme
        self.reversing = False
        self.left = 0
        self.trying = False
        self.timeline: Timeline | None = None
        self.inventory: Inventory | None = None
        self._home: LoopRuns | None = None
        self._run = run
        self._ledger = Ledger()
        self._level_of: dict[int, int] = {}
        self._standing = [0]
        self._kept: set[int] = set()
        self._begun = 0.0
        self._aside = 0.0
        self._plain = 0
        self._logged = _log.isEnabledFor(logging.DEBUG)

    # --- sweeps and their actions ------------------------------------------------------------------------------------

    def start(self) -> None:
        """The loop is about to be differentiated."""
        if self._run is not None:
            self._home = self._run.home(self)

    @contextmanager
    def clocked(self) -> Iterator[None]:
        """The ``with`` block is one of the two sweeps."""
        start = perf_counter()
        if self._run is not None:
            self._run.around.append(self)
        try:
            yield
        finally:
            self.total += perf_counter() - start
            if self._run is not None:
                self._run.around.pop()

    def begin(self) -> None:
        """An action is about to be executed."""
        self._plain = self.first + self.again
        self._begun = perf_counter()

    def done(self, action: Action) -> None:
        """It was executed."""
        now = perf_counter()
        if isinstance(action, Advance):
            phase = "recomputing" if self.reversing else "forward"
            ran = self.first + self.again - self._plain
            if (
                self.timeline is not None and ran != action.stop - action.start
            ):  # the loop ended in the middle
                action = Advance(action.start, action.start + ran)
        else:
            phase = _PHASE[type(action)]
        self.seconds[phase] += now - self._begun - self._aside
        self._aside = 0.0
        if self.timeline is not None:
            self.timeline.note(action, self._begun, now)
        if self._logged:
            _log.debug("%s: %s took %.3g ms", self.place, action, 1e3 * (now - self._begun))

    @contextmanager
    def on_trial(self) -> Iterator[None]:
        """A step of the first sweep runs in the ``with`` block, and other things happen there to measure what it costs."""
        start = perf_counter()
        self.trying = True
        if self._run is not None:
            self._run.paused += 1
        try:
            yield
            self.first += 1
        finally:
            self.trying = False
            self._aside = perf_counter() - start
            self.seconds["trial"] += self._aside
            if self._run is not None:
                self._run.paused -= 1

    def finish(self, steps: int) -> None:
        """The first sweep is over."""
        self.steps = self.left = steps
        self.reversing = True

    def end(self) -> None:
        """The loop was reversed."""
        if self._home is not None:
            self._home.end(self)

    # --- snapshots and tapes -----------------------------------------------------------------------------------------

    def saved(self, slot: int, level: int, blocks: Iterable[Block] | None, size: int) -> None:
        """A snapshot was taken: in memory, of these blocks, or of so many bytes in another storage."""
        if self.trying:
            return
        self.reach(level)
        self.writes[level] += 1
        self._level_of[slot] = level
        self._stand(level, 1)
        if blocks is None:
            self.written += size
        else:
            self._ledger.add(slot, blocks)
            self.memory = max(self.memory, self._ledger.peak)

    def loaded(self, slot: int, size: int) -> None:
        """A snapshot was restored, for which so many bytes were read from a storage outside of memory."""
        if not self.trying:
            level = self._level_of.get(slot, 0)
            self.reach(level)
            self.reads[level] += 1
            self.read += size

    def discarded(self, slot: int) -> None:
        """A snapshot was forgotten."""
        if self.trying:
            return
        self.discards += 1
        self._ledger.drop(slot)
        level = self._level_of.pop(slot, None)
        if level is not None:  # one that an earlier process took was never counted
            self._stand(level, -1)

    def kept(self, step: int) -> None:
        """The tape of a step stands in a slot."""
        self.tapes += 1
        self._kept.add(step)
        self._stand(0, 1)

    def reversed(self, step: int) -> None:
        """A step was pulled back through."""
        self.reversals += 1
        self.left = step
        if step in self._kept:
            self._kept.remove(step)
            self._stand(0, -1)

    def _stand(self, level: int, change: int) -> None:
        standing = self._standing
        while len(standing) <= level:
            standing.append(0)
        standing[level] += change
        if change > 0:
            self.peaks[level] = max(self.peaks[level], standing[level])
            self.peak = max(self.peak, sum(standing))
