"""The durable points of a loop: what lets a run that was killed go on from where it was.

A point says how many actions of which sweep were done, and before which step the state was; in the reverse sweep it holds
the adjoint. The snapshots beside it in the file need not be those that stood then: a snapshot is good for the state before
its step, and what stood and is not in the file (because it stood in memory, or was overwritten since) is computed again from
the nearest earlier one. The state at the loop's entry is always there, and after the forward sweep the state at the end of
the loop, which the code after it goes on from.

A loop makes a point when `DurableSession.every` seconds have passed since the last one, between two steps or two actions;
and always at the end of each sweep.

On several ranks each has a file, and all make their points together: at the same place of the same actions
(`checkpointer.point_clock`), all or none (`checkpointer.storage.run_set`). What one rank refuses, all refuse.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING

from checkpointer import adjoint_text
from checkpointer.descriptions import Entry, ReadFrame, described
from checkpointer.encoding import NotDescribedError
from checkpointer.errors import ReplayError, StorageError
from checkpointer.identity import difference, digest_of, identity
from checkpointer.memory import Array
from checkpointer.point_clock import PointClock
from checkpointer.progress import DONE, FORWARD, REVERSE, Progress
from checkpointer.rebuilding import Rebuilding
from checkpointer.schemes import Action, Advance, Discard, Record, Restore, Reverse
from checkpointer.signals import BREAK, EXHAUSTED, Return
from checkpointer.snapshots import Snapshot, capture
from checkpointer.stretch import Adjoint
from checkpointer.taped import Taped

if TYPE_CHECKING:
    from checkpointer.loop import Loop
    from checkpointer.storage.durable import DurableSession

_log = logging.getLogger("checkpointer")

ENTRY, MIDWAY, FINAL = -2, -3, -4
"""Keys of snapshots that no schedule has: at the entry, at a point between two snapshots of the schedule, at the end."""
_SIGNALS = {"break": BREAK, "exhausted": EXHAUSTED, "": None}


class Points:
    """The durable points of one run of a loop.

    Parameters
    ----------
    loop : Loop
    session : DurableSession
        Where they go. The loop's own session may keep some of its snapshots elsewhere.
    scheme : str
        How the loop's scheme prints.
    """

    def __init__(self, loop: Loop, session: DurableSession, scheme: str) -> None:
        self._loop = loop
        self._session = session
        self._scheme = scheme
        self._now = Progress()
        self._found: Progress | None = None
        self._adjoint: Adjoint | None = None
        self._resumed: Adjoint | None = None
        self._before: Snapshot | None = None
        self._rebuilding = Rebuilding(loop, session)
        self._ranks = session.ranks
        self._clock = PointClock(session.every, session.ranks)

    # --- where the loop begins -----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Look whether an earlier process has left a point of this loop, or begin.

        Raises
        ------
        StorageError
            If the file belongs to another run, or the state cannot be described to another process.
        """
        found = self._ranks.together(f"begin the loop at {self._loop.work.place}", self._look)
        self._ranks.together(
            "compare the points of all ranks", lambda: self._refuse_different([text for text, _ in found])
        )
        if self._found is not None:
            self._session.use_only(set.intersection(*(set(steps) for _, steps in found)))
            self._session.adopt(ENTRY, 0)
            _log.info("%s: goes on from %s, %s", self._loop.work.place, self._session.file.path, self._found)

    def _look(self) -> tuple[str, list[int]]:
        """Begin on this rank: how far it has come, and the steps of which it has snapshots."""
        loop, file = self._loop, self._session.file
        snapshot = capture(loop.state, loop.known, step=0, live=True)
        self._entry = Entry(snapshot)
        self.describe(snapshot)
        steps = loop.items.length
        me = identity(loop.step, loop.state, self._scheme, steps, snapshot, self._entry)
        others = file.others()
        if others and not file.knows(me):
            raise StorageError(
                f"{file.path} belongs to another run: {difference(others[0], me)}. Start the program as it was started then,"
                " remove the file to start anew, or give this run a path of its own"
            )
        point = self._session.begin(me, lambda text: ReadFrame(text, self._entry))
        if point is None:
            self._session.save(ENTRY, snapshot)
            return "", []
        self._found, self._now = Progress.read(point.text), Progress.read(point.text)
        if loop.audited:
            raise StorageError(
                f"{file.path} holds a run that has begun, and an audit compares with what it saw from the first step on:"
                " leave audit=True away to go on, or remove the file to start anew"
            )
        if self._found.adjoint:
            self._adjoint = self._resumed = adjoint_text.from_text(
                self._found.adjoint, point.arrays, self._entry
            )
        if self._found.sweep == DONE:
            self._before = capture(loop.state, loop.known, step=0)
        if loop.log is not None:
            loop.log.go_on(
                self._found.position if self._found.steps is None else self._found.steps, self._found.outcomes
            )
        return self._found.where(), self._session.found_steps()

    def _refuse_different(self, found: list[str]) -> None:
        for rank, text in enumerate(found):
            if text != found[0]:
                raise StorageError(
                    f"the files in {self._session.file.folder} hold different points of this loop: that of rank 0 of"
                    f" {len(found)}: {found[0] or 'none'}; that of rank {rank}: {text or 'none'}. Some were put there from a"
                    " copy, or an earlier call in this process failed on some ranks only: start the program again, with"
                    " copies that were made at the same time, or remove the folder to start anew"
                )

    def nothing_to_do(self) -> None:
        """Nothing that is differentiated goes into the loop, so that it makes no points: this must hold on all ranks."""
        self._ranks.together(f"run the loop at {self._loop.work.place} without derivatives", lambda: None)

    def describe(self, snapshot: Snapshot) -> None:
        """Give a snapshot the description by which another process can make it again."""
        try:
            snapshot.description = described(snapshot, self._entry)
        except NotDescribedError as error:
            raise StorageError(
                f"{error.name or 'the state'} holds {error.what}, which was made in the loop; a later process could not make"
                " it again, so this run could not be resumed. Make it before the loop, or leave resume=True away"
            ) from None

    # --- the forward sweep ---------------------------------------------------------------------------------------

    def forward(self) -> Iterator[Action]:
        """The actions of the forward sweep that are left to be done."""
        loop, found = self._loop, self._found
        actions = loop.schedule.forward()
        if found is not None:
            over = found.sweep != FORWARD
            self._skip(actions, found.forward if over else found.actions)
            if over:
                self._end_again(found)
                return
            for number in range(found.position):
                loop.items.has(number)
            self._rebuilding.run(found.position)
            loop.begin_at(found.position)
            actions = _from(found.position, actions)
        for action in actions:
            self._now.forward = self._now.actions + 1
            yield action
            if loop.steps is None:
                self._done(action)

    def _skip(self, actions: Iterator[Action], count: int) -> None:
        """Pass over the actions that were done. The choice of a scheme that measured is the one that it was."""
        schedule = self._loop.schedule
        for _ in range(count):
            action = next(actions, None)
            if action is None:
                raise StorageError(
                    f"{self._session.file.path} belongs to another run: its schedule had more actions than this one has"
                )
            self._rebuilding.standing.note(action)
            if isinstance(action, Advance) and action.start == schedule.trial:
                schedule.measurement = self._now.measurement()

    def _end_again(self, found: Progress) -> None:
        """Let the loop be as it was at the end of its forward sweep."""
        loop, steps = self._loop, found.steps
        assert steps is not None
        for number in range(steps + (not found.signal)):
            loop.items.has(number)
        self._rebuilding.put(steps, self._session.found(steps))
        self._session.adopt(FINAL, steps)
        signal = Return(loop.holder[1]) if found.signal == "return" else _SIGNALS[found.signal]
        loop.end_at(steps, signal, recorded=found.recorded)

    def finished(self) -> None:
        """The forward sweep is over, and the state is the one after the loop."""
        if self._found is not None and self._found.sweep != FORWARD:
            return
        loop, now = self._loop, self._now
        assert loop.steps is not None
        names = {id(BREAK): "break", id(EXHAUSTED): "exhausted"}
        now.signal = "return" if isinstance(loop.signal, Return) else names.get(id(loop.signal), "")
        now.sweep, now.actions = REVERSE, 0
        now.steps, now.recorded = loop.steps, loop.recorded
        now.position = loop.steps - loop.recorded
        steps = loop.steps
        self._make(lambda: self._keep(FINAL, steps))

    # --- the reverse sweep ---------------------------------------------------------------------------------------

    def seeded(self, adjoint: Adjoint) -> None:
        """The reverse sweep begins, from this adjoint of the state after the loop."""
        place = self._loop.work.place
        self._ranks.together(f"reverse the loop at {place}", lambda: self._check_seed(adjoint))
        self._clock.look_again()

    def _check_seed(self, adjoint: Adjoint) -> None:
        seed = digest_of(*adjoint_text.to_text(adjoint, self._entry))
        if self._now.seed not in ("", seed):
            raise StorageError(
                f"{self._session.file.path} belongs to another run: what is computed from the state after the loop is not"
                " what it was. Start the program as it was started then, or remove the file to start anew"
            )
        self._now.seed = seed

    def reverse(self) -> Iterator[Action]:
        """The actions of the reverse sweep that are left to be done."""
        found = self._found
        if (
            self._before is not None
        ):  # as the sweep would leave it: what came before the loop is reversed from it
            self._rebuilding.put(0, self._before)
            self._before = None
            return
        actions = self._loop.schedule.reverse()
        if found is not None and found.sweep == REVERSE:
            self._skip(actions, found.actions)
            first = _up_to_state(actions)
            lost = bool(first) and isinstance(first[-1], Restore)
            self._rebuilding.run(None if lost else found.position)
            actions = _from(found.position, chain(first, actions))
        for action in actions:
            yield action
            self._done(action)

    def incoming(self, taped: Taped, adjoint: Adjoint) -> Adjoint:
        """The adjoint that a step is reversed from: that of the point, if the loop goes on from one."""
        if self._resumed is None:
            return adjoint
        resumed, self._resumed = self._resumed, None
        names = {leaf.key: leaf.name for leaf in taped.left}
        for key, name in zip(resumed, self._now.names, strict=True):
            if names.get(key) != name:
                raise ReplayError(
                    f"{self._session.file.path} holds an adjoint of {name}, which is not in its place in the state any more:"
                    " the step does not do the same every time it is run. Remove the file to start anew"
                )
        return resumed

    def outgoing(self, taped: Taped, adjoint: Adjoint) -> None:
        """A step was reversed, and this is the adjoint of the state before it."""
        self._adjoint = adjoint
        self._now.names = [taped.before[key][0].name for key in adjoint]

    def done(self, adjoint: Adjoint) -> Adjoint:
        """The adjoint of the state at the loop's entry, which is also kept for a later process."""
        if self._resumed is not None:
            adjoint, self._resumed = self._resumed, None
        if self._now.sweep != DONE:
            self._now.sweep = DONE
            self._adjoint = adjoint
            self._session.discard(ENTRY)
            self._forget_midway()
            self._make()
        self._session.finish()
        return adjoint

    # --- points --------------------------------------------------------------------------------------------------

    def at_step(self, number: int) -> None:
        """The state is the one before this step, in the middle of an `Advance`."""
        if self._clock.due(lambda: f"{self._now.where()}, at step {number}"):
            if not self._rebuilding.under_way:
                self._now.position = number
            self._make(lambda: self._keep_midway(number))

    def _done(self, action: Action) -> None:
        """An action was executed."""
        now, lost = self._now, False
        now.actions += 1
        match action:
            case Advance(_, stop):
                now.position = stop
            case Restore(step, _):
                now.position = step
            case Record(step, _):
                now.position = step + 1
            case Reverse(step):
                now.position, lost = step, True
        if self._clock.due(now.where):
            self._make(lambda: None if lost else self._keep_midway(now.position))

    def _make(self, save: Callable[[], None] = lambda: None) -> None:
        """Make a durable point; ``save`` stores what of the state is to be in it."""
        now, session = self._now, self._session
        measured = self._loop.schedule.measurement
        now.measured = None if measured is None else asdict(measured)
        if (log := self._loop.log) is not None:
            now.outcomes = log.outcomes()
            if log.used and self._loop.steps is None and not self._rebuilding.under_way:
                from checkpointer.mpi4py.agreement import agree_at_end  # the program has loaded mpi4py

                agree_at_end(
                    log, now.position, self._scheme, last=False
                )  # at the point, no message is on its way

        def make() -> tuple[str, list[Array]]:
            arrays: list[Array] = []
            save()
            if self._adjoint is not None:
                now.adjoint, arrays = adjoint_text.to_text(self._adjoint, self._entry)
            return now.text(), arrays

        with self._clock.making():
            session.commit(f"loop at {self._loop.work.place}, {now.where()}", make)
        _log.debug("%s: a durable point in %s, %s", self._loop.work.place, session.file.path, now)

    def _keep_midway(self, step: int) -> None:
        """Store the state, which is the one before this step, unless it is there."""
        if not self._session.has(step):
            self._forget_midway()
            self._keep(MIDWAY, step)

    def _keep(self, key: int, step: int) -> None:
        snapshot = capture(self._loop.state, self._loop.known, step=step, live=True)
        self.describe(snapshot)
        self._session.save(key, snapshot)

    def _forget_midway(self) -> None:
        if MIDWAY in self._session:
            self._session.discard(MIDWAY)


def _from(position: int, actions: Iterator[Action]) -> Iterator[Action]:
    """The actions from a point on, which may be in the middle of the first."""
    for action in actions:
        if isinstance(action, Advance) and action.start < position:
            action = Advance(position, action.stop)
        yield action
        break
    yield from actions


def _up_to_state(actions: Iterator[Action]) -> list[Action]:
    """The next actions, up to the first that has to do with the state."""
    found = []
    for action in actions:
        found.append(action)
        if not isinstance(action, Discard):
            break
    return found
