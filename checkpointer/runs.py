"""What the differentiated calls of a thread have done: `last_run`, and `watching` for several of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, overload

from checkpointer import ranks
from checkpointer.active import active
from checkpointer.counts import Counts, Timeline
from checkpointer.switches import is_on

if TYPE_CHECKING:
    from checkpointer.inventory import Inventory
    from checkpointer.summaries import RunSummary
    from checkpointer.traffic import Traffic
    from checkpointer.work import Work


Key = tuple[Any, ...]
"""File and place of a loop, and those of the loop around it."""


class LoopRuns:
    """All runs of one marked loop in one call.

    Attributes
    ----------
    place : str
        Where it stands.
    inside : str or None
        The place of the loop in whose steps it runs.
    timeline : Timeline or None
        That of its first run.
    inventory : Inventory or None
        What is in the snapshots of its first run, if somebody asked for a report.
    """

    def __init__(self, place: str, inside: str | None) -> None:
        self.place = place
        self.inside = inside
        self.timeline: Timeline | None = None
        self.inventory: Inventory | None = None
        self._over = Counts()
        self._open: list[Work] = []
        self._schemes: dict[str, None] = {}

    def begin(self, work: Work) -> None:
        """It runs."""
        self._open.append(work)

    def end(self, work: Work) -> None:
        """One of its runs is over."""
        self._open.remove(work)
        self._over.add(work)
        self._schemes[work.scheme] = None

    def counts(self) -> Counts:
        """What all its runs have done by now, also those that are under way."""
        found = Counts()
        for some in (self._over, *self._open):
            found.add(some)
        return found

    def schemes(self) -> list[str]:
        """What its runs ran under, each once."""
        return list({**self._schemes, **{work.scheme: None for work in self._open}})


class Run:
    """One differentiated call, as it goes on.

    Parameters
    ----------
    name : str
        What was called.
    report : bool
        Whether to gather what is in the snapshots.

    Attributes
    ----------
    loops : dict
        The marked loops that it ran and differentiated, in the order in which they began.
    around : list of Work
        The loops of which a sweep is under way, the outermost first.
    paused : int
        Whether a loop's step is on trial: what runs in it then does not count.
    forward, reverse : float or None
        Seconds of the call and of its pullback; None unless it has ended.
    failure : str
        The exception that ended it, by its name.
    rank, ranks : int
        Which process of an MPI program this is, and how many there are.
    traffic : Traffic or None
        The messages that it exchanged with other ranks.
    """

    def __init__(self, name: str, *, report: bool) -> None:
        self.name = name
        self.report = report
        self.loops: dict[Key, LoopRuns] = {}
        self.around: list[Work] = []
        self.paused = 0
        self.forward: float | None = None
        self.reverse: float | None = None
        self.failure = ""
        self.rank, self.ranks = ranks.rank(), ranks.size()
        self.traffic: Traffic | None = None

    @contextmanager
    def under_way(self, sweep: str) -> Iterator[None]:
        """The call, ``"forward"``, or its pullback, ``"reverse"``, runs in the ``with`` block."""
        outer, active.run = active.run, self
        _here.last = self
        start = perf_counter()
        try:
            yield
        except BaseException as error:
            self.failure = type(error).__name__
            raise
        finally:
            setattr(self, sweep, perf_counter() - start)
            active.run = outer

    def home(self, work: Work) -> LoopRuns | None:
        """Where the work of a loop that begins to be differentiated belongs, if it counts."""
        if self.paused:
            return None
        around = self.around[-1] if self.around else None
        key = work.file, work.place, around and around.file, around and around.place
        known = self.loops.get(key)
        if known is None:
            known = self.loops[key] = LoopRuns(work.place, None if around is None else around.place)
            if around is None:
                work.timeline = known.timeline = Timeline()
            if self.report:
                from checkpointer.inventory import Inventory

                work.inventory = known.inventory = Inventory()
        known.begin(work)
        return known


def begin(name: str) -> Run:
    """A call is about to be differentiated in this thread."""
    watchers = [*_everywhere, *_here.watchers]
    report = is_on("CHECKPOINTER_REPORT") or any(watcher.report for watcher in watchers)
    run = Run(name, report=report)
    if _here.last is not None:  # times of single actions are kept for the latest call only
        for loop in _here.last.loops.values():
            loop.timeline = None
    for watcher in watchers:
        watcher.runs.append(run)
    return run


class Runs(Sequence["RunSummary"]):
    """The summaries of several differentiated calls, in their order, and what they did together (`total`)."""

    def __init__(self, runs: list[Run]) -> None:
        self._runs = runs

    def __len__(self) -> int:
        return len(self._runs)

    @overload
    def __getitem__(self, number: int) -> RunSummary: ...

    @overload
    def __getitem__(self, number: slice) -> list[RunSummary]: ...

    def __getitem__(self, number: int | slice) -> RunSummary | list[RunSummary]:
        from checkpointer.summaries import summary_of

        if isinstance(number, slice):
            return [summary_of([run]) for run in self._runs[number]]
        return summary_of([self._runs[number]])

    def total(self) -> RunSummary:
        """All of them as one: counts and seconds are added, and of what was held at once the most is taken."""
        from checkpointer.summaries import summary_of

        return summary_of(self._runs)

    def __str__(self) -> str:
        return str(self.total())

    def _repr_html_(self) -> str:
        return self.total()._repr_html_()


def last_run() -> RunSummary | None:
    """What the latest differentiated call of this thread has done.

    Returns
    -------
    RunSummary or None
        Of the latest call of a gradient function (`value_and_grad`, `grad`, `vjp` and its pullback, or ``autograd.grad`` of
        a function with marked loops) as it is now: also of one that has not been pulled back yet, or that failed. None if
        this thread has not differentiated anything.

    Examples
    --------
    >>> import checkpointer
    >>> checkpointer.grad(lambda x: x**2)(3.0)
    6.0
    >>> checkpointer.last_run().loops  # no loop was marked
    ()
    """
    from checkpointer.summaries import summary_of

    return None if _here.last is None else summary_of([_here.last])


@contextmanager
def watching(*, report: bool = False, all_threads: bool = False) -> Iterator[Runs]:
    """Gather what all differentiated calls of this thread do in the ``with`` block.

    Parameters
    ----------
    report : bool
        Whether to look at the snapshots as well, for `RunSummary.report`: each one takes another walk of the state, and a
        pass over its arrays. The environment variable ``CHECKPOINTER_REPORT=1`` does it for all calls.
    all_threads : bool
        Whether to gather the calls of other threads as well.

    Yields
    ------
    Runs
        A sequence of `RunSummary`, one for each call so far. It prints as what they did together, which is ``total()``.

    Examples
    --------
    >>> import checkpointer
    >>> with checkpointer.watching() as runs:
    ...     for x in (1.0, 2.0):
    ...         gradient = checkpointer.grad(lambda x: x**2)(x)
    >>> len(runs)
    2
    """
    watcher = Watcher(report)
    where = _everywhere if all_threads else _here.watchers
    where.append(watcher)
    try:
        yield Runs(watcher.runs)
    finally:
        where.remove(watcher)


class Watcher:
    """The calls that somebody watches, and whether their snapshots are looked at."""

    def __init__(self, report: bool) -> None:
        self.runs: list[Run] = []
        self.report = report


class _Here(threading.local):
    def __init__(self) -> None:
        self.last: Run | None = None
        self.watchers: list[Watcher] = []


_here = _Here()
_everywhere: list[Watcher] = []
