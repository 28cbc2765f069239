"""A marked loop while it is differentiated: what the sweeps of a rewritten module call.

To the code around it the loop is one operation (`LoopOperation`). It runs forward on plain arrays, at NumPy's speed, and
takes the snapshots that its schedule asks for. On the way back, steps are recomputed from snapshots and traced one at a
time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from checkpointer.audit import Audit
from checkpointer.blocks import Known
from checkpointer.boxes import is_traced, is_varied, plain
from checkpointer.errors import ReplayError, TraceError
from checkpointer.failures import explained
from checkpointer.fingerprints import Fingerprints, without_leaves
from checkpointer.foresight import foreseen
from checkpointer.handles import Handles
from checkpointer.items import Items
from checkpointer.memory import Memory
from checkpointer.notes import note_step, note_way_back
from checkpointer.refusals import at_place, refuse
from checkpointer.replay import quiet_replay, replay
from checkpointer.reports import report_choice, report_end, report_undifferentiated
from checkpointer.schemes import Action, Schedule
from checkpointer.sessions import close_after_error
from checkpointer.signals import BREAK, EXHAUSTED, Ended, Return
from checkpointer.snapshots import Snapshot, capture
from checkpointer.state import Key, Leaf, State, Survey
from checkpointer.storage import Session
from checkpointer.stretch import Adjoint, Group, Stretch, Wrapper, check_nothing_lost, groups_of, wrapped
from checkpointer.tape import Tape, active, not_recording, recording
from checkpointer.taped import Taped
from checkpointer.tracebacks import full_tracebacks
from checkpointer.traffic import LoopLog, loaded, may_communicate
from checkpointer.trial import on_trial
from checkpointer.work import Work

if TYPE_CHECKING:
    from checkpointer.dumps import Dumper
    from checkpointer.progress_bar import Bars
    from checkpointer.resume import Points

ForwardSweep = Callable[["Loop"], None]
ReverseSweep = Callable[["Loop", Adjoint], Adjoint]


class Loop:
    """One run of a marked loop.

    Parameters
    ----------
    step : function
        One iteration: of one argument, the item, or of none for a ``while`` loop. It returns None to go on.
    items : Items
        What the loop iterates over.
    holder : list
        The place of the items, and of a value that the loop returns, in the state.

    Attributes
    ----------
    constants : dict
        Numbers at the loop's entry that no derivative flows through, by ``id``. A place of the state that still holds
        the very object of then holds a constant; so physical parameters are not differentiated in vain.
    steps : int or None
        How many steps the loop ran; None while the first sweep is under way.
    signal : object
        What the last step returned to end the loop, or None.
    handles : Handles
        The open files in the state.
    known : Known
        The blocks that the live arrays hold.
    nested : bool
        Whether the loop runs in a step of another one.
    dumper : Dumper or None
        Writes states and adjoints to a file.
    work : Work
        What the loop has done so far.
    done : int
        How many steps of the first sweep have run, in this process or in an earlier one.
    recorded : bool
        Whether the last step of the first sweep ran under a tape that was kept.
    points : Points or None
        The durable points, if the loop can be resumed by another process.
    bars : Bars or None
        What shows how far the loop has come, if it is to be shown.
    log : LoopLog or None
        What the loop does with other ranks, if it may have to do with any.
    """

    def __init__(
        self,
        step: Callable[..., Any],
        items: Items,
        schedule: Schedule,
        session: Session,
        state: State,
        holder: list[Any],
        *,
        work: Work,
        audit: bool = False,
        dumper: Dumper | None = None,
    ) -> None:
        self.step = step
        self.work = work
        self.items = items
        self.schedule = schedule
        self.session = session
        self.state = state
        self.holder = holder
        self.constants: dict[int, Any] = {}
        self.steps: int | None = None
        self.signal: Any = None
        self.handles = Handles()
        self._audit = Audit(state, step) if audit and session.exact else None
        self.dumper = dumper
        self.known = Known()
        self.nested = False
        self.points: Points | None = None
        self.bars: Bars | None = None
        self._kept: dict[int, Taped] = {}
        self.recorded = False
        self._exact_places = full_tracebacks()
        self.done = 0
        self._following: tuple[int, dict[Key, Any]] | None = None
        self.log: LoopLog | None = None

    # --- what the sweeps call ------------------------------------------------------------------------------------

    def forward_actions(self) -> Iterator[Action]:
        """The schedule's actions up to the end of the loop, which may come before the end of the schedule."""
        for action in self.schedule.forward() if self.points is None else self.points.forward():
            self.work.begin()
            yield action
            self.work.done(action)
            if self.steps is not None:
                return

    def reverse_actions(self) -> Iterator[Action]:
        """The schedule's actions from the last step back to the first."""
        for action in (
            foreseen(self.schedule.reverse(), self.session) if self.points is None else self.points.reverse()
        ):
            self.work.begin()
            yield action
            self.work.done(action)

    def advance(self, start: int, stop: int) -> None:
        """Run the steps from ``start`` to before ``stop`` on plain arrays."""
        if self.steps is not None:
            self.run_again(start, stop)
            return
        self.known.note_steps()
        if start == self.schedule.trial and self.items.has(start):
            self.schedule.measurement = on_trial(self, start)
            start += 1
        if self.steps is None:
            self.advance_first(start, stop)

    def save(self, step: int, slot: int, level: int) -> None:
        """Store the state before ``step`` on a level of the storage."""
        self.state.begin(step)
        with explained(self, "save", step):
            live = self.session.copies(level)
            snapshot = capture(self.state, self.known, step=step, live=live)
            if self.points is not None and self.session.wants_description(level):
                self.points.describe(snapshot)
            self.session.save(slot, snapshot if live else snapshot.loosened(), level)
        in_memory = self.session.in_memory(level)
        if in_memory:
            self.work.saved(slot, level, snapshot.blocks(), 0)
        else:
            self.work.saved(slot, level, None, snapshot.array_bytes)
        self.work.look(self, snapshot, in_memory)

    def restore(self, step: int, slot: int) -> None:
        """Make the live objects what they were before ``step``."""
        with explained(self, "load", step):
            snapshot = self.session.load(slot)
            assert isinstance(snapshot, Snapshot)
            snapshot.restore(self.known)
        self.work.loaded(slot, snapshot.stored_bytes)
        self.state.begin(step)
        if self.handles.any:
            self.handles.hide(self.state.survey())

    def discard(self, slot: int) -> None:
        """Forget a snapshot."""
        with explained(self, "discard", None):
            self.session.discard(slot)
        self.work.discarded(slot)

    def record(self, step: int, slot: int | None) -> None:
        """Run a step under the tape and keep the tape, in a slot unless it is the last step of the forward sweep."""
        if self.steps is not None:
            taped = self._trace_again(step)
        elif self.items.has(step):
            taped = self.run_first_taped(step)
            self.recorded = slot is None
            if slot is None:
                self.steps = step + 1
        else:
            self.steps = step
            return
        if slot is None:
            self._kept[step] = taped
        else:
            self._keep(step, taped)

    def record_again(self, step: int) -> None:
        """Run a step that has run before, in an earlier process perhaps, under the tape, and keep the tape."""
        self._keep(step, self._trace_again(step))

    def _keep(self, step: int, taped: Taped) -> None:
        """Keep a tape while other steps run."""
        taped.keep()
        self.work.kept(step)
        self.known.note_steps()
        self._kept[step] = taped

    def pullback(self, step: int, adjoint: Adjoint) -> Adjoint:
        """The adjoint of the state before ``step``, given that of the state after it."""
        taped = self._kept.pop(step, None) or self._trace_again(step)
        exact, following = self.session.exact, self._following
        if exact and self._audit is None and following is not None and following[0] == step + 1:
            taped.compare(step, following[1])
        self._following = step, without_leaves(taped.before)
        if taped.kept:
            if exact:
                taped.check_untouched(step)
            self.known.note_steps()
        if self.points is not None:
            adjoint = self.points.incoming(taped, adjoint)
        try:
            before = taped.stretch.pullback(adjoint)
        except BaseException as error:
            tape = taped.stretch.tape
            if isinstance(error, TraceError) and not error.filename:
                placed = at_place(error, tape.place(tape.reversing), self.step)
                note_way_back(placed, self.step, step, tape)
                raise placed from error.__cause__
            note_way_back(error, self.step, step, tape)
            raise
        if self.dumper is not None:
            self.dumper.note_adjoint(step, taped, before)
        if self.points is not None:
            self.points.outgoing(taped, before)
        self.work.reversed(step)
        return before

    # --- running steps ---------------------------------------------------------------------------------------------

    def run(self, number: int) -> Any:
        """Run one step; what it returns, if anything, becomes part of the state."""
        if self.log is None:
            signal = self.step() if self.items.endless else self.step(self.items[number])
        else:
            with active.traffic.step(self.log, number):
                signal = self.step() if self.items.endless else self.step(self.items[number])
        self.holder[1] = signal.value if isinstance(signal, Return) else None
        return signal

    def advance_first(self, start: int, stop: int) -> None:
        """In the first sweep: run steps plainly, as long as the loop goes on."""
        number = start
        try:
            with not_recording():
                for number in range(start, stop):
                    if not self.items.has(number):
                        self.steps = number
                        return
                    self._note(number)
                    self.signal = self.run(number)
                    self.done = number + 1
                    self.work.first += 1
                    if self.signal is not None:
                        self.steps = number + 1
                        return
                    if self.points is not None:
                        self.points.at_step(number + 1)
        except BaseException as error:
            note_step(error, self.step, number)
            raise

    def run_again(self, start: int, stop: int) -> None:
        """Run steps plainly that have run before, in this process or in an earlier one."""
        self.known.note_steps()
        with not_recording(), replay():
            number = start
            try:
                for number in range(start, stop):
                    self._check(number)
                    self._expect(number, self.run(number))
                    self.work.again += 1
                    if self.points is not None:
                        self.points.at_step(number + 1)
            except BaseException as error:
                note_step(error, self.step, number)
                raise
        self._check(stop)

    def begin_at(self, step: int) -> None:
        """The first sweep goes on from the state before this step, to which an earlier process has come."""
        self.done = step
        if self.log is not None:
            self.log.recorded = step

    def end_at(self, steps: int, signal: Any, *, recorded: bool) -> None:
        """The first sweep ended like this in an earlier process."""
        self.steps, self.signal, self.recorded, self.done = steps, signal, recorded, steps
        if self.log is not None:
            self.log.recorded = steps

    def run_first_taped(self, number: int) -> Taped:
        """In the first sweep: run a step under a new tape."""
        self._note(number)
        with self.state.guarded():
            taped = self.run_taped(number)
        self.done = number + 1
        self.known.note_steps()  # the tape will undo its writes, and does not tell of them
        self.signal = taped.signal
        if self.signal is not None:
            self.steps = number + 1
        return taped

    def run_through(self) -> None:
        """Run the whole loop on plain arrays, without a schedule."""
        self._audit = self.dumper = self.points = None  # nothing will be computed again
        self.advance_first(0, sys.maxsize)

    def ended(self) -> Ended:
        """How the loop ended, for the code after it."""
        if isinstance(self.signal, Return):
            return Ended(returned=True, value=self.holder[1])
        return Ended(exhausted=self.signal is not BREAK)

    def finish(self) -> None:
        """Tell the schedule how many steps there were."""
        if self.steps is None:
            self.steps = self.done
        self._note(self.steps)
        if self.dumper is not None:
            self.dumper.end(self.steps, self.signal, self.state)
        self.items.check_length()
        self.items.move_on(self.steps, exhausted=self.signal is None)
        for tail in self.state.tails.values():
            tail.end()
        self.schedule.finish(self.steps, recorded=self.recorded)
        self.work.finish(self.steps)
        if self.work.inventory is not None:
            self.work.inventory.end(self)

    def shown(self) -> AbstractContextManager[None]:
        """The ``with`` block is a sweep: show how far it has come, if that is wanted."""
        return nullcontext() if self.bars is None else self.bars.sweep(self)

    @property
    def audited(self) -> bool:
        """Whether the whole state is compared at every recomputed step; then all of it is walked."""
        return self._audit is not None

    def _note(self, number: int) -> None:
        """In the first sweep, a step is about to run: keep what the reverse sweep wants to know of the state before it."""
        for tail in self.state.tails.values():
            tail.note_length()
        if self._audit is not None:
            self._audit.note()
        if self.dumper is not None and self.steps is None:
            self.dumper.note(number, self.state)

    def _check(self, number: int) -> None:
        """In the reverse sweep: compare the state before a step with that of the first sweep, if the loop is audited."""
        if self._audit is not None:
            self._audit.check(number)

    def _expect(self, number: int, signal: Any) -> None:
        """A recomputed step must go on, or end the loop, as it did in the first sweep."""
        first = self.signal if self.steps is not None and number == self.steps - 1 else None
        if type(signal) is not type(first):
            raise ReplayError(
                f"step {number} of the loop took another way when it was recomputed (it"
                f" {'ended the loop' if signal is not None else 'went on'}): it depends on something that is not part of the"
                " loop's state, such as a clock, a file or a value kept by a library"
                + (
                    ""
                    if self.session.exact
                    else ", or the snapshots, which are kept with loss, need a smaller bound"
                )
            )

    def _trace_again(self, number: int) -> Taped:
        """In the reverse sweep: run a step under a new tape."""
        self._check(number)
        with replay():
            taped = self.run_taped(number)
        self._expect(number, taped.signal)
        self._check(number + 1)
        return taped

    def run_taped(self, number: int) -> Taped:
        """Run one step under a new tape."""
        tape = Tape(self.state.tails, self.known, exact=self._exact_places)
        wrapper = Wrapper(
            tape, lambda value: isinstance(value, np.ndarray) or id(value) not in self.constants
        )
        fingerprints = Fingerprints(self.known)
        self.state.begin(number)
        try:
            with recording(tape), wrapped(self.state, wrapper) as live:
                before = fingerprints.before(live.before.leaves)
                stretch = Stretch(tape, live.before.leaves)
                signal = self.run(number)
                left = live.survey().leaves
                stretch.end(left)
            tape.raise_what_was_swallowed()
        except BaseException as error:
            note_step(error, self.step, number, taped=True)
            raise
        self.known.note_writes(root for key, root in live.before.roots.items() if key not in wrapper.memories)
        return Taped(stretch, signal, before, lambda: fingerprints.after(left, wrapper.memories), left)


class LoopOperation:
    """The loop as an entry of the tape around it.

    ``entered`` are the keys of all leaves at the loop's entry, ``before`` those that a derivative flows through.
    """

    def __init__(
        self,
        tape: Tape,
        loop: Loop,
        reverse: ReverseSweep,
        entered: list[Key],
        before: list[Group],
        after: list[Group],
    ) -> None:
        self.at = tape.here()
        self.loop = loop
        self.sweep = reverse
        self.entered = entered
        self.before = before
        self.after = after

    def reverse(self) -> None:
        adjoint: Adjoint = {}
        for group in self.after:
            group.collect(adjoint)
        for tail in self.loop.state.tails.values():
            tail.put_back()
        points, dumper = self.loop.points, self.loop.dumper
        try:
            if dumper is not None:
                dumper.note_last_adjoint(self.after, adjoint)
            self.after = []  # its arrays are of no use any more
            with self.loop.shown(), quiet_replay, self.loop.state.guarded(), self.loop.work.clocked():
                if points is not None:
                    points.seeded(adjoint)
                adjoint = self.sweep(self.loop, adjoint)
                if points is not None:
                    adjoint = points.done(adjoint)
        except BaseException:
            close_after_error(self.loop.session)
            raise
        finally:
            self.loop.handles.show()
            if dumper is not None:
                dumper.close()
        self.loop.session.close()
        self.loop.work.end()
        report_end(self.loop)
        for group in self.before:
            group.deposit(adjoint)
        for key in self.entered:
            adjoint.pop(key, None)  # a constant stood there
        check_nothing_lost(adjoint)


class ContentRestored:
    """A stretch that ran without derivatives, as an entry of the tape around it: on the way back its writes are undone."""

    def __init__(self, changed: list[tuple[Any, Any]]) -> None:
        self.changed = changed

    def reverse(self) -> None:
        for root, content in self.changed:
            root[...] = content


def differentiate(loop: Loop, forward: ForwardSweep, reverse: ReverseSweep) -> Ended:
    """Run a loop inside a differentiated stretch and leave its operation on that stretch's tape."""
    tape = active.tape
    assert tape is not None
    loop.state.inherit(tape.tails)
    loop.known = tape.known.within()
    loop.nested = tape.of_step
    around = loop.state.survey()
    loop.items.check_independent(around)
    wrapper = Wrapper(tape, lambda value: True)
    wrapper.adopt(around)
    for memory in wrapper.memories.values():
        memory.written = 0, memory.root.nbytes  # wherever the loop may write
    if loaded():
        loop.log = LoopLog(loop.work.place, durable=loop.points is not None)
    varies = any(is_varied(leaf.value) for leaf in around.leaves)
    if not varies and not may_communicate(around, loop.state.functions()):
        report_undifferentiated(loop)
        return _undifferentiated(loop, tape, around, wrapper)
    loop.work.start()
    unwatched = [
        (root, root.copy())
        for root in around.roots.values()
        if id(root) not in wrapper.memories and root.dtype.kind in "fc"
    ]
    if not loop.audited and loop.points is None:
        loop.state.settle(around)
    loop.state.keep(_within(loop) if loop.state.tails else around)
    around = _all_traced(loop, tape, wrapper)
    entered = [leaf.key for leaf in around.leaves]
    entry = groups_of(around.leaves)
    varied = {id(plain(leaf.value)) for leaf in around.leaves if is_varied(leaf.value)}
    loop.constants = _numbers(around, varied)
    around.replace(plain)
    loop.handles.look_for(around)
    if not loop.session.exact:  # what the reverse sweep leaves is not quite what stood there before the loop
        tape.entries.append(ContentRestored(_copied(around)))
    try:
        with not_recording(), loop.shown(), loop.work.clocked():
            if loop.points is not None:
                loop.points.begin()
            forward(loop)
        loop.finish()
        if loop.points is not None:
            loop.points.finished()
        report_choice(loop)
        if loop.log is not None and loop.log.used:
            from checkpointer.mpi4py.agreement import agree_at_end  # the program has loaded mpi4py

            steps = loop.steps or 0
            agree_at_end(loop.log, steps, loop.work.scheme, last=loop.signal is EXHAUSTED)
    except BaseException as error:
        tape.swallowed = tape.swallowed or failed_inside(error)
        close_after_error(loop.session)
        if loop.dumper is not None:
            loop.dumper.close()
        raise
    _check_unwatched(unwatched)
    after = _rewrapped(loop, wrapper)
    tape.known.absorb(loop.known)
    sweep = reverse if loop.steps else _nothing_ran
    tape.entries.append(LoopOperation(tape, loop, sweep, entered, entry, after))
    return loop.ended()


def _within(loop: Loop) -> Survey:
    """The state at the loop's entry as its steps see it."""
    loop.state.begin(0)
    try:
        return loop.state.survey()
    finally:
        loop.state.look_from_outside()


def _check_unwatched(unwatched: list[tuple[Any, Any]]) -> None:
    """Refuse that a loop wrote into an array of which there may be names that the tape does not know."""
    for root, content in unwatched:
        if root.tobytes() != content.tobytes():
            raise refuse(
                "CKP209",
                f"the loop writes into an array of shape {root.shape} that was made inside the differentiated function by"
                " something that the tape does not watch, such as a library",
                "copy it when it is made: u = np.array(library.make(n))",
            )


def _copied(around: Survey) -> list[tuple[Any, Any]]:
    """The arrays of a state that can be written to, with copies of them."""
    return [(root, root.copy()) for root in around.roots.values() if root.flags.writeable]


def _nothing_ran(loop: Loop, adjoint: Adjoint) -> Adjoint:
    """The reverse sweep of a loop without iterations."""
    return adjoint


def _all_traced(loop: Loop, tape: Tape, wrapper: Wrapper) -> Survey:
    """The state at the loop's entry with every array traced, so that each one's memory is known."""
    wrapper.varied = lambda value: False
    loop.state.survey().replace(wrapper)
    wrapper.varied = lambda value: True
    return loop.state.survey()


def _numbers(survey: Survey, varied: set[int]) -> dict[int, Any]:
    """The numbers of the state that no derivative flows through, kept alive under their ids."""
    found = {}
    for leaf in survey.leaves:
        if (
            not isinstance(leaf.value, np.ndarray)
            and not is_traced(leaf.value)
            and id(leaf.value) not in varied
        ):
            found[id(leaf.value)] = leaf.value
    return found


def _rewrapped(loop: Loop, wrapper: Wrapper) -> list[Group]:
    """Give the state after the loop back to the tape around it."""

    def wrap(value: Any) -> Any:
        return value if id(value) in loop.constants else wrapper(value)

    survey = loop.state.survey()
    loop.handles.look_for(survey)
    survey.replace(wrap)
    leaves: list[Leaf] = loop.state.survey().leaves
    for leaf in leaves:
        if is_traced(leaf.value) and isinstance(memory := leaf.value._node.memory, Memory):
            memory.varied = memory.root.dtype.kind in "fc"
    return groups_of(leaves)


def _undifferentiated(loop: Loop, tape: Tape, around: Survey, wrapper: Wrapper) -> Ended:
    """Nothing that is differentiated goes into the loop: run it as it stands, and note what it overwrote."""
    before = {key: root.copy() for key, root in around.roots.items()}
    around.replace(plain)
    loop.session.close()
    if loop.dumper is not None:
        loop.dumper.without_adjoint()
    said = active.traffic.events
    try:
        loop.run_through()
        if active.traffic.events != said:
            raise refuse(
                "CKP226",
                "a marked loop on constants communicates with other ranks, by a communicator that is not among its"
                " variables, and the other ranks may differentiate it",
                "let the loop's body use a variable that holds the communicator",
            )
    finally:
        wrapper.varied = lambda value: False
        loop.state.survey().replace(wrapper)
    changed = [
        (root, before[key]) for key, root in around.roots.items() if root.tobytes() != before[key].tobytes()
    ]
    tape.entries.append(ContentRestored(changed))
    return loop.ended()


def failed_inside(error: BaseException) -> Exception:
    """The refusal of a differentiated stretch that caught the exception of a marked loop and went on."""
    return refuse(
        "CKP213",
        f"a marked loop raised {type(error).__name__} while it was differentiated, and the code around it went on",
        "catch the exception inside the loop's body, or outside the function that is differentiated",
    )
