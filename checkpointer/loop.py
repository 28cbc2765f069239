"""A marked loop while it is differentiated: what the sweeps of a rewritten module call.

To the code around it the loop is one operation (`LoopOperation`). It runs forward on plain arrays, at NumPy's speed, and
takes the snapshots that its schedule asks for. On the way back, steps are recomputed from snapshots and traced one at a
time.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from checkpointer.boxes import is_traced, is_varied, plain
from checkpointer.errors import ReplayError
from checkpointer.fingerprints import Fingerprint, compare, fingerprint
from checkpointer.items import Items
from checkpointer.memory import Memory
from checkpointer.refusals import refuse
from checkpointer.schemes import Action, Schedule
from checkpointer.signals import BREAK, Ended, Return
from checkpointer.snapshots import Snapshot, capture
from checkpointer.state import Key, Leaf, State, Survey
from checkpointer.storage import Session
from checkpointer.stretch import Adjoint, Group, Stretch, Wrapper, check_nothing_lost, groups_of, wrapped
from checkpointer.tape import Tape, active, not_recording, recording

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
    """

    def __init__(
        self,
        step: Callable[..., Any],
        items: Items,
        schedule: Schedule,
        session: Session,
        state: State,
        holder: list[Any],
    ) -> None:
        self.step = step
        self.items = items
        self.schedule = schedule
        self.session = session
        self.state = state
        self.holder = holder
        self.constants: dict[int, Any] = {}
        self.steps: int | None = None
        self.signal: Any = None
        self._taken: list[weakref.ref[Snapshot]] = []
        self._recorded: tuple[int, Stretch] | None = None
        self._done = 0
        self._following: tuple[int, dict[Key, Fingerprint]] | None = None

    # --- what the sweeps call ------------------------------------------------------------------------------------

    def forward_actions(self) -> Iterator[Action]:
        """The schedule's actions up to the end of the loop, which may come before the end of the schedule."""
        for action in self.schedule.forward():
            yield action
            if self.steps is not None:
                return

    def reverse_actions(self) -> Iterator[Action]:
        """The schedule's actions from the last step back to the first."""
        return self.schedule.reverse()

    def advance(self, start: int, stop: int) -> None:
        """Run the steps from ``start`` to before ``stop`` on plain arrays."""
        if self.steps is None:
            with not_recording():
                self._first_sweep(start, stop)
            return
        with not_recording():
            for number in range(start, stop):
                self._expect(number, self._run(number))

    def save(self, step: int, slot: int) -> None:
        """Store the state before ``step``."""
        while self._taken and self._taken[-1]() is None:
            self._taken.pop()  # discarded: it must not live on for the sake of sharing
        snapshot = capture(self.state, self._taken[-1]() if self._taken else None)
        self._taken.append(weakref.ref(snapshot))
        self.session.save(slot, snapshot)

    def restore(self, step: int, slot: int) -> None:
        """Make the live objects what they were before ``step``."""
        snapshot = self.session.load(slot)
        assert isinstance(snapshot, Snapshot)
        snapshot.restore()

    def discard(self, slot: int) -> None:
        """Forget a snapshot."""
        self.session.discard(slot)

    def record(self, step: int) -> None:
        """Run the last step under the tape and keep the tape for the reverse sweep."""
        if not self.items.has(step):
            self.steps = step
            return
        stretch, self.signal = self._trace(step)
        self._recorded = step, stretch
        self.steps = self._done = step + 1

    def pullback(self, step: int, adjoint: Adjoint) -> Adjoint:
        """The adjoint of the state before ``step``, given that of the state after it."""
        if self._recorded is not None and self._recorded[0] == step:
            stretch = self._recorded[1]
            self._recorded = None
        else:
            stretch, signal = self._trace(step)
            self._expect(step, signal)
        return stretch.pullback(adjoint)

    # --- running steps ---------------------------------------------------------------------------------------------

    def _run(self, number: int) -> Any:
        """Run one step; what it returns, if anything, becomes part of the state."""
        signal = self.step() if self.items.endless else self.step(self.items[number])
        self.holder[1] = signal.value if isinstance(signal, Return) else None
        return signal

    def _first_sweep(self, start: int, stop: int) -> None:
        for number in range(start, stop):
            if not self.items.has(number):
                self.steps = number
                return
            self._done = number + 1
            self.signal = self._run(number)
            if self.signal is not None:
                self.steps = number + 1
                return

    def run_through(self) -> None:
        """Run the whole loop on plain arrays, without a schedule."""
        with not_recording():
            self._first_sweep(0, sys.maxsize)

    def ended(self) -> Ended:
        """How the loop ended, for the code after it."""
        if isinstance(self.signal, Return):
            return Ended(returned=True, value=self.holder[1])
        return Ended(exhausted=self.signal is not BREAK)

    def finish(self) -> None:
        """Tell the schedule how many steps there were."""
        if self.steps is None:
            self.steps = self._done
        self.items.check_length()
        self.items.move_on(self.steps)
        self.schedule.finish(self.steps, recorded=self._recorded is not None)

    def _expect(self, number: int, signal: Any) -> None:
        """A recomputed step must go on, or end the loop, as it did in the first sweep."""
        first = self.signal if self.steps is not None and number == self.steps - 1 else None
        if type(signal) is not type(first):
            raise ReplayError(
                f"step {number} of the loop took another way when it was recomputed (it"
                f" {'ended the loop' if signal is not None else 'went on'}): it depends on something that is not part of the"
                " loop's state, such as a clock, a file or a value kept by a library"
            )

    def _trace(self, number: int) -> tuple[Stretch, Any]:
        """Run one step under a new tape."""
        tape = Tape()
        wrapper = Wrapper(
            tape, lambda value: isinstance(value, np.ndarray) or id(value) not in self.constants
        )
        with recording(tape), wrapped(self.state, wrapper) as leaves:
            before = fingerprint(leaves)
            stretch = Stretch(tape, leaves)
            signal = self._run(number)
            left = self.state.survey().leaves
            stretch.end(left)
        tape.raise_what_was_swallowed()
        if self._following is not None and self._following[0] == number + 1:
            compare(fingerprint(left), self._following[1], number)
        self._following = number, before
        return stretch, signal


class LoopOperation:
    """The loop as an entry of the tape around it.

    ``entered`` are the keys of all leaves at the loop's entry, ``before`` those that a derivative flows through.
    """

    def __init__(
        self, loop: Loop, reverse: ReverseSweep, entered: list[Key], before: list[Group], after: list[Group]
    ) -> None:
        self.loop = loop
        self.sweep = reverse
        self.entered = entered
        self.before = before
        self.after = after

    def reverse(self) -> None:
        adjoint: Adjoint = {}
        for group in self.after:
            entry = group.collect()
            if entry is not None:
                adjoint[group.key] = entry
        try:
            adjoint = self.sweep(self.loop, adjoint)
        finally:
            self.loop.session.close()
        for group in self.before:
            entry = adjoint.pop(group.key, None)
            if entry is not None:
                group.deposit(entry)
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
    around = loop.state.survey()
    loop.items.check_independent(around)
    wrapper = Wrapper(tape, lambda value: True)
    wrapper.adopt(around)
    if not any(is_varied(leaf.value) for leaf in around.leaves):
        return _undifferentiated(loop, tape, around, wrapper)
    unwatched = [
        (root, root.copy())
        for root in around.roots.values()
        if id(root) not in wrapper.memories and root.dtype.kind in "fc"
    ]
    loop.state.keep(around)
    around = _all_traced(loop, tape, wrapper)
    entered = [leaf.key for leaf in around.leaves]
    entry = groups_of(around.leaves)
    varied = {id(plain(leaf.value)) for leaf in around.leaves if is_varied(leaf.value)}
    loop.constants = _numbers(around, varied)
    around.replace(plain)
    try:
        with not_recording():
            forward(loop)
        loop.finish()
    except BaseException as error:
        tape.swallowed = tape.swallowed or failed_inside(error)
        loop.session.close()
        raise
    _check_unwatched(unwatched)
    after = _rewrapped(loop, wrapper)
    sweep = reverse if loop.steps else _nothing_ran
    tape.entries.append(LoopOperation(loop, sweep, entered, entry, after))
    return loop.ended()


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

    loop.state.survey().replace(wrap)
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
    try:
        loop.run_through()
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
