"""What a loop that is differentiated has done so far: steps, snapshots, bytes and seconds.

The loop counts each step that it runs, where it runs it, and tells what becomes of snapshots and tapes; time is taken once
for each action of the schedule. Nothing here refers to the program's objects or arrays.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

from checkpointer.counts import Counts, Ledger, Timeline
from checkpointer.places import loop_at
from checkpointer.schemes import Action, Advance, Discard, Record, Restore, Reverse, Snapshot

if TYPE_CHECKING:
    from checkpointer.blocks import Block
    from checkpointer.inventory import Inventory
    from checkpointer.loop import Loop
    from checkpointer.runs import LoopRuns, Run
    from checkpointer.snapshots import Snapshot as StateSnapshot

_log = logging.getLogger("checkpointer")

_PHASE = {
    Record: "reversing",
    Reverse: "reversing",
    Snapshot: "saving",
    Discard: "saving",
    Restore: "loading",
}


class Work(Counts):
    """What one run of a loop has done so far.

    Parameters
    ----------
    run : Run or None
        The differentiated call that it is part of.
    step : function
        The loop's step; it is not kept.
    scheme : str
        What the loop runs under.

    Attributes
    ----------
    place, file : str
        Where the loop stands: the file's name and the line; and the whole name of the file.
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

    def __init__(self, run: Run | None, step: Callable[..., Any], scheme: str) -> None:
        super().__init__()
        self.runs = 1
        self.place = loop_at(step)
        self.file = step.__code__.co_filename
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
            spent = perf_counter() - start
            self._aside += spent
            self.seconds["trial"] += spent
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

    def look(self, loop: Loop, snapshot: StateSnapshot, in_memory: bool) -> None:
        """Let the inventory look at a snapshot, if there is one; the time that it takes is not the loop's."""
        if self.inventory is not None and not self.trying:
            start = perf_counter()
            self.inventory.note(loop, snapshot, in_memory)
            self._aside += perf_counter() - start

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
