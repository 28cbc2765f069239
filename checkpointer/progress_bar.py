"""The progress of loops that are marked with ``progress=True``: what is counted, and when it is shown.

A loop that is differentiated shows one bar for its forward sweep and one for its reverse sweep, which counts the steps that
are run: those that are reversed, and those that are run again to get there. A thread of its own looks ten times in a second
how far the loop has come, so the loop itself only counts.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from checkpointer import ranks
from checkpointer.errors import CheckpointerError
from checkpointer.places import loop_at
from checkpointer.replay import replaying
from checkpointer.schemes import AutoSchedule, Mixed, Scheme, simulate

if TYPE_CHECKING:
    from checkpointer.loop import Loop

_PERIOD = 0.1
"""Seconds from one look to the next."""
_COUNTED = 200_000
"""Steps of the longest loop whose schedule is executed to count what is to be done."""


@dataclass(frozen=True)
class Moment:
    """How far a sweep has come.

    Attributes
    ----------
    done, total : int
        Steps that were run, and that are to be run; the total is None as long as nobody knows.
    words : str
        The same as a person says it.
    """

    done: int
    total: int | None
    words: str


class Bars:
    """The bars of a loop that is differentiated.

    Parameters
    ----------
    scheme : Scheme
        What the loop runs under; it tells how many steps are going to be run again.
    length : int or None
        How many steps it has, as far as that is known at its start.
    """

    def __init__(self, scheme: Scheme, length: int | None) -> None:
        self._scheme = scheme
        self._length = length

    def sweep(self, loop: Loop) -> AbstractContextManager[None]:
        """The loop's next sweep runs in the ``with`` block.

        Of a loop in a step of another one only the first run is shown, as if it were not differentiated: the rest is work
        of the other one.
        """
        if loop.steps is None:
            return self._forward(loop)
        return nullcontext() if loop.nested else self._reverse(loop)

    @contextmanager
    def _forward(self, loop: Loop) -> Iterator[None]:
        def now() -> Moment:
            return steps_done(loop.done, loop.steps if self._length is None else self._length)

        with shown(loop.work.place if loop.nested else f"{loop.work.place} forward", now):
            yield

    @contextmanager
    def _reverse(self, loop: Loop) -> Iterator[None]:
        work, steps = loop.work, loop.steps or 0
        before = work.again
        again = None if loop.points is not None else self._expected(loop)

        def now() -> Moment:
            back, recomputed = steps - work.left, work.again - before
            if again is None:  # the bar then says how far back it has come
                return Moment(back, steps, f"{back}/{steps} reversed, {recomputed} recomputed")
            words = f"{back}/{steps} reversed" + (f", {recomputed}/{again} recomputed" if again else "")
            return Moment(back + recomputed, steps + again, words)

        with shown(f"{work.place} reverse", now):
            yield

    def _expected(self, loop: Loop) -> int | None:
        """How many steps the reverse sweep is going to run again; None if that cannot be told quickly."""
        steps, length, scheme = loop.steps or 0, self._length, self._scheme
        schedule, offset = loop.schedule, 0
        if isinstance(schedule, AutoSchedule) and schedule.choice is not None:
            scheme = schedule.choice.scheme
            offset = int(isinstance(scheme, Mixed))  # which is told of one step less: the first has run then
        try:
            cost = scheme.closed_cost(steps - offset) if steps == length else None
            if cost is None and steps <= _COUNTED:
                told = (steps + 1 if length is None else length) - offset
                cost = simulate(scheme, told, length_known=length is not None, ends_after=steps - offset)
        except CheckpointerError:  # a scheme of the user's that does only what a loop needs
            return None
        return None if cost is None else cost.advances + offset - loop.work.first


def steps_done(done: int, total: int | None) -> Moment:
    """So many steps of a loop that runs forward."""
    return Moment(done, total, f"{done}/{total} steps" if total is not None else f"{done} steps")


class Counter:
    """Counts the steps of a loop that is not differentiated."""

    def __init__(self, total: int | None) -> None:
        self.done = 0
        self.total = total

    def over(self, items: Iterable[Any]) -> Iterator[Any]:
        """The items; each is done when the next one is asked for."""
        for item in items:
            yield item
            self.done += 1

    def each(self, step: Callable[[], Any]) -> Callable[[], Any]:
        """The step of a ``while`` loop, counted."""

        def counted() -> Any:
            signal = step()
            self.done += 1
            return signal

        return counted


@contextmanager
def counting(step: Callable[..., Any], items: object) -> Iterator[Counter]:
    """A marked loop runs in the ``with`` block, not differentiated, and its steps are counted by what this yields."""
    counter = Counter(len(items) if hasattr(items, "__len__") else None)
    with shown(loop_at(step), lambda: steps_done(counter.done, counter.total)):
        yield counter
        if counter.total is None:
            counter.total = counter.done


# --- one bar ---------------------------------------------------------------------------------------------------------

_one = threading.Lock()
"""Held while a bar is shown: there is one at a time, that of the outermost loop that wants one."""


@contextmanager
def shown(title: str, now: Callable[[], Moment]) -> Iterator[None]:
    """Show how far something has come that happens in the ``with`` block.

    Nothing is shown in steps that are run again, as what they print is not, where another bar is being shown, and on other
    ranks of an MPI program than the first.
    """
    if sys.stderr is None or replaying() or ranks.rank() or not _one.acquire(blocking=False):
        yield
        return
    try:
        with _ticking(title, now):
            yield
    finally:
        _one.release()


@contextmanager
def _ticking(title: str, now: Callable[[], Moment]) -> Iterator[None]:
    """Let a thread look at it now and then."""
    from checkpointer.displays import Unfailing

    display, over, finished = Unfailing(title), threading.Event(), False

    def look() -> None:
        while not over.wait(_PERIOD):
            display.show(now())

    thread = threading.Thread(target=look, name="checkpointer progress", daemon=True)
    try:
        display.begin(now())
        with suppress(RuntimeError):  # no more threads: the bar stands still
            thread.start()
        yield
        finished = True
    finally:
        try:
            over.set()
            if thread.ident is not None:
                thread.join()
        finally:
            display.end(now(), finished=finished)
