"""The cost model of `Auto`: of all schemes that fit into the budgets, the one that takes the least time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from checkpointer.errors import ArgumentError
from checkpointer.schemes.base import Scheme
from checkpointer.schemes.cost import Cost
from checkpointer.schemes.measurement import Measurement
from checkpointer.schemes.mixed import Mixed
from checkpointer.schemes.online import Online
from checkpointer.schemes.planning import Budget, Candidate, considered
from checkpointer.schemes.sizes import show_size


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes
    ----------
    scheme : Scheme
    memory, disk : int
        The most bytes that its snapshots, kept tapes and one reversed step take.
    seconds : float or None
        The predicted time of both sweeps; None if the number of steps is not known.
    cost : Cost or None
        The counts that this comes from.
    """

    scheme: Scheme
    memory: int
    disk: int = 0
    seconds: float | None = None
    cost: Cost | None = None


def choose(measured: Measurement, steps: int | None, memory: int, disk: int) -> Choice:
    """The scheme of the least predicted time whose snapshots fit.

    Parameters
    ----------
    measured : Measurement
        What the loop costs.
    steps : int or None
        The number of steps, 2 or more, or None if nobody knows it.
    memory, disk : int
        Bytes for the snapshots, for kept tapes, and for the reversal of one step.

    Raises
    ------
    ArgumentError
        If not even one snapshot fits.
    """
    snapshots = _fitting(measured, memory, measured.snapshot_bytes)
    on_disk = disk // max(measured.disk_bytes, 1)
    if snapshots < 1:
        raise ArgumentError(
            f"Auto: {show_size(memory)} of memory cannot hold a snapshot of {show_size(measured.first_bytes)} beside the"
            f" {show_size(measured.working_bytes)} that it takes to reverse one step"
        )
    if steps is None:
        return _unknown(measured, snapshots, on_disk)
    budget = _budget(measured, steps, memory, snapshots, on_disk)
    return min(_choices(measured, budget), key=lambda choice: (choice.seconds, choice.memory, choice.disk))


def _fitting(measured: Measurement, memory: int, each: int) -> int:
    """How many snapshots, the first and others of so many bytes each, fit beside the reversal of one step."""
    room = memory - measured.working_bytes - measured.first_bytes
    return 0 if room < 0 else 1 + room // max(each, 1)


def _budget(measured: Measurement, steps: int, memory: int, snapshots: int, on_disk: int) -> Budget:
    return Budget(
        steps=steps,
        snapshots=snapshots,
        disk_snapshots=on_disk,
        # beside the initial state, which has been stored already
        mixed_slots=_fitting(measured, memory, max(measured.snapshot_bytes, measured.tape_bytes)) - 1,
        step=max(measured.step, 1e-9),
        write=measured.write[-1],
        read=measured.read[-1],
    )


def _choices(measured: Measurement, budget: Budget) -> Iterator[Choice]:
    """What fits into the budget, at the measured prices."""
    kinds = {"Revolve": budget, "Mixed": budget}
    if 1 < budget.snapshots < budget.steps - 1:
        # the initial state has been stored in memory, whatever the scheme would do with it
        beside = replace(budget, snapshots=budget.snapshots - 1)
        kinds |= {"Multistage": beside, "HRevolve": beside}
    for name, within in kinds.items():
        candidate = considered(name, within)
        if isinstance(candidate, Candidate):
            yield _priced(measured, candidate)


def _priced(measured: Measurement, candidate: Candidate) -> Choice:
    cost = candidate.cost
    seconds = cost.seconds(
        step=measured.step, reverse=measured.reverse, write=measured.write, read=measured.read
    )
    seconds += cost.tapes * measured.keep
    return Choice(candidate.scheme, *_bytes(measured, candidate.scheme, cost.peaks), seconds, cost)


def _unknown(measured: Measurement, snapshots: int, on_disk: int) -> Choice:
    scheme = Online(snapshots, disk_snapshots=on_disk)
    return Choice(scheme, *_bytes(measured, scheme, (snapshots, on_disk)))


def _bytes(measured: Measurement, scheme: Scheme, peaks: tuple[int, ...]) -> tuple[int, int]:
    each = measured.snapshot_bytes
    if isinstance(scheme, Mixed):
        each = max(each, measured.tape_bytes)
    memory = measured.working_bytes + measured.first_bytes + max(peaks[0] - 1, 0) * each
    return memory, sum(peaks[1:]) * measured.disk_bytes
