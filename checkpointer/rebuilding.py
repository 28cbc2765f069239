"""Making again what stood when an earlier process was killed: snapshots, tapes, and the state.

Snapshots in the file serve wherever they stood. What is not there (because it stood in memory, or was overwritten since) is
computed again from the nearest earlier one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpointer.errors import StorageError
from checkpointer.progress import Standing
from checkpointer.snapshots import Snapshot

if TYPE_CHECKING:
    from checkpointer.loop import Loop
    from checkpointer.storage.durable import DurableSession


class Rebuilding:
    """Of one run of a loop.

    Attributes
    ----------
    standing : Standing
        What the actions so far have left standing.
    under_way : bool
        Whether steps are run only to make again what there was.
    """

    def __init__(self, loop: Loop, session: DurableSession) -> None:
        self._loop = loop
        self._session = session
        self.standing = Standing()
        self.under_way = False

    def run(self, position: int | None) -> None:
        """Let everything stand that stood, and the state be the one before the step ``position``, if that matters."""
        loop = self._loop
        wanted = [
            (step, 0, slot, level)
            for slot, (step, level) in self.standing.snapshots.items()
            if not loop.session.adopt(slot, step, level)
        ]
        wanted += [(step, 1, slot, 0) for slot, step in self.standing.tapes.items()]
        at: int | None = None
        self.under_way = True
        for step, taped, slot, level in sorted(wanted):
            at = self._reach(step, at)
            if taped:
                loop.record_again(step)
                at = step + 1
            else:
                loop.save(step, slot, level)
        if position is not None:
            self._reach(position, at)
        self.under_way = False
        self._session.settle()

    def _reach(self, step: int, at: int | None) -> int:
        """Make the state the one before a step, from the state before step ``at`` or a snapshot that is nearer."""
        base = self._session.nearest(step)
        if at is None or at > step or (base is not None and base > at):
            if base is None:
                raise StorageError(
                    f"{self._session.file.path} is damaged: there is no snapshot of the state before step {step} or an"
                    " earlier one. Remove the file to start anew, or bring back a good copy"
                )
            self.put(base, self._session.found(base))
            at = base
        self._loop.run_again(at, step)
        return step

    def put(self, step: int, snapshot: object) -> None:
        """Make the live objects what they were before a step."""
        loop = self._loop
        assert isinstance(snapshot, Snapshot)
        snapshot.restore(loop.known)
        loop.known.note_steps()
        loop.state.begin(step)
        if loop.steps is not None and loop.handles.any:
            loop.handles.hide(loop.state.survey())
