"""What differentiated calls have done, as results that may be kept: `RunSummary` and, for each loop, `LoopSummary`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from checkpointer import ranks
from checkpointer.counts import PHASES, Counts, Timeline
from checkpointer.errors import ArgumentError
from checkpointer.runs import Key, LoopRuns, Run
from checkpointer.schemes import Cost

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from checkpointer.inventory import Inventory, StateEntry


@dataclass(frozen=True)
class StateSummary:
    """What is in the snapshots of the first run of a loop, and what one costs.

    Attributes
    ----------
    entries : tuple of StateEntry
        Everything, the largest first.
    snapshots : int
        How many were taken.
    first : int
        Bytes that the first one copied.
    further : float or None
        Bytes that each of the others copied on average; None if there was no other.
    in_memory : bool
        Whether all were kept in memory. What another storage writes of what it is given is its own business.
    """

    entries: tuple[StateEntry, ...]
    snapshots: int
    first: int
    further: float | None
    in_memory: bool


@dataclass(frozen=True)
class LoopSummary:
    """What all runs of one marked loop have done.

    Attributes
    ----------
    place : str
        File and line of the loop.
    inside : str or None
        The place of the marked loop in whose steps it ran; its seconds are among those of that loop.
    scheme : str
        What it ran under; if that was chosen by `Auto`, what was chosen.
    runs : int
        How often it ran while it was differentiated. Steps of a loop around it that ran plainly ran it plainly, as parts of
        themselves, and are not counted here.
    cost : Cost
        Counts, as `checkpointer.schemes.simulate` gives them for a scheme; of several runs the sums, and the largest of what
        was held at once. What an earlier process did is not counted.
    memory : int
        The most bytes that snapshots in memory held at once, what they share counted once.
    written, read : int
        Bytes of the snapshots that were given to a storage outside of memory (which may hold a part of them already, and
        then writes less), and that were read from it.
    seconds : dict of str to float
        What the two sweeps took: ``"forward"`` (plain steps of the first sweep), ``"recomputing"`` (plain steps that were
        run again), ``"reversing"`` (steps under the tape, and the way back through them), ``"saving"``, ``"loading"``,
        ``"trial"`` (of the first step, by `Auto`) and ``"other"`` (the schedule, durable points).
    state : StateSummary or None
        What is in the snapshots; None unless that was asked for.
    """

    place: str
    inside: str | None
    scheme: str
    runs: int
    cost: Cost
    memory: int
    written: int
    read: int
    seconds: dict[str, float]
    timeline: Timeline | None = field(default=None, repr=False, compare=False)
    state: StateSummary | None = None

    @property
    def name(self) -> str:
        """Its place, and that of the loop around it."""
        return self.place if self.inside is None else f"{self.place} in {self.inside}"

    @property
    def recompute_factor(self) -> float:
        """How often a step was run on average: (advances + reversals) / steps."""
        return self.cost.recompute_factor

    def as_dict(self) -> dict[str, Any]:
        """Numbers, texts, lists and dicts, for JSON."""
        found = {
            name: value for name, value in vars(self).items() if name not in ("timeline", "cost", "state")
        }
        if self.state is not None:
            found["state"] = asdict(self.state)
        cost = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self.cost).items()
        }
        return {**found, "seconds": dict(self.seconds), **cost, "recompute_factor": self.recompute_factor}


@dataclass(frozen=True)
class RunSummary:
    """What a differentiated call has done, or several of them.

    It prints as a table, and as one in notebooks. It holds no data of the program.

    Attributes
    ----------
    function : str
        What was called; of several calls the first.
    calls : int
        How many calls these are.
    forward, reverse : float or None
        Seconds of the calls, and of their pullbacks. None for what has not ended.
    failure : str
        The name of the exception that ended a call; empty if none did.
    rank, ranks : int
        Which process of an MPI program this is, and how many there are: 0 and 1 without MPI.
    loops : tuple of LoopSummary
        The marked loops that were differentiated, in the order in which they began to run.
    """

    function: str
    calls: int
    forward: float | None
    reverse: float | None
    failure: str
    rank: int
    ranks: int
    loops: tuple[LoopSummary, ...]

    def as_dict(self) -> dict[str, Any]:
        """Numbers, texts, lists and dicts, for JSON.

        >>> import checkpointer
        >>> gradient = checkpointer.grad(lambda x: x**2)(3.0)
        >>> checkpointer.last_run().as_dict()["calls"]
        1
        """
        return {**vars(self), "loops": [loop.as_dict() for loop in self.loops]}

    def as_json(self) -> str:
        """The same as a text."""
        return json.dumps(self.as_dict(), indent=2)

    def report(self) -> Report:
        """What is in the snapshots of each loop, what a snapshot costs, and why each thing is in it.

        Returns
        -------
        Report
            It prints as a table for each loop; the numbers are in the attribute `state` of each of `loops`.

        Raises
        ------
        ArgumentError
            If the snapshots were not looked at.
        """
        if self.loops and all(loop.state is None for loop in self.loops):
            raise ArgumentError(
                "the snapshots of this call were not looked at, which takes time: differentiate in a block"
                " `with checkpointer.watching(report=True):`, or set the environment variable CHECKPOINTER_REPORT=1"
            )
        return Report(self.loops)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """A picture: what ran when in the loops, and what the time was spent on. Needs matplotlib.

        Parameters
        ----------
        path : path, optional
            Also write it to a file: .png, .svg, .pdf.

        Returns
        -------
        matplotlib.figure.Figure
            It belongs to no window; a notebook shows it.

        Raises
        ------
        ArgumentError
            If matplotlib is not installed.

        Notes
        -----
        What ran when is known of the thread's latest call only, of loops that are in no other marked loop, and of each of
        them its first run; of others the picture shows what the time was spent on.
        """
        try:
            from checkpointer.run_picture import draw
        except ModuleNotFoundError as error:
            raise ArgumentError(
                f'plot() needs matplotlib, which is not installed ({error}): pip install "checkpointer-ad[plot]"'
            ) from error
        return draw(self, path)

    def __str__(self) -> str:
        from checkpointer.summary_tables import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from checkpointer.summary_tables import as_html

        return as_html(self)


@dataclass(frozen=True)
class Report:
    """What is in the snapshots of some loops: prints as tables."""

    loops: tuple[LoopSummary, ...]

    def __str__(self) -> str:
        from checkpointer.summary_tables import report_as_text

        return report_as_text(self.loops)

    def _repr_html_(self) -> str:
        from checkpointer.summary_tables import report_as_html

        return report_as_html(self.loops)


def summary_of(runs: Sequence[Run]) -> RunSummary:
    """One summary of some calls, as they are now."""
    found: dict[Key, list[LoopRuns]] = {}
    for run in runs:
        for key, loop in run.loops.items():
            found.setdefault(key, []).append(loop)
    return RunSummary(
        function=runs[0].name if runs else "",
        calls=len(runs),
        forward=_sum([run.forward for run in runs]),
        reverse=_sum([run.reverse for run in runs]),
        failure=next((run.failure for run in runs if run.failure), ""),
        rank=runs[-1].rank if runs else ranks.rank(),
        ranks=runs[-1].ranks if runs else ranks.size(),
        loops=tuple(map(_loop_summary, found.values())),
    )


def _sum(seconds: list[float | None]) -> float | None:
    ended = [some for some in seconds if some is not None]
    return sum(ended) if ended else None


def _loop_summary(loops: list[LoopRuns]) -> LoopSummary:
    """Of the same loop in one call or several."""
    counts = Counts()
    schemes: dict[str, None] = {}
    for loop in loops:
        counts.add(loop.counts())
        schemes.update(dict.fromkeys(loop.schemes()))
    first, *others = schemes
    spent = sum(counts.seconds.values())
    return LoopSummary(
        place=loops[0].place,
        inside=loops[0].inside,
        scheme=first + (f" and {len(others)} more" if others else ""),
        runs=counts.runs,
        cost=counts.cost(),
        memory=counts.memory,
        written=counts.written,
        read=counts.read,
        seconds={**counts.seconds, PHASES[-1]: max(counts.total - spent, 0.0)},
        timeline=loops[-1].timeline,
        state=next((_state(loop.inventory) for loop in reversed(loops) if loop.inventory is not None), None),
    )


def _state(inventory: Inventory) -> StateSummary:
    further = inventory.snapshots - 1
    return StateSummary(
        entries=inventory.entries(),
        snapshots=inventory.snapshots,
        first=inventory.first,
        further=inventory.copied / further if further > 0 else None,
        in_memory=inventory.in_memory,
    )
