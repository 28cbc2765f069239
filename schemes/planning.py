"""Which scheme for a loop: each kind with as many snapshots as a budget holds, and what it costs.

A kind is one small function from a `Budget` to a scheme that uses it well, or to the reason why there is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from checkpointer.schemes.base import Scheme
from checkpointer.schemes.binomial import advances, repetitions
from checkpointer.schemes.cost import Cost
from checkpointer.schemes.disk_revolve import DiskRevolve
from checkpointer.schemes.hrevolve import HRevolve, Level
from checkpointer.schemes.mixed import Mixed
from checkpointer.schemes.multistage import Multistage
from checkpointer.schemes.online import Online
from checkpointer.schemes.periodic import Periodic
from checkpointer.schemes.periodic_disk_revolve import PeriodicDiskRevolve
from checkpointer.schemes.revolve import Revolve
from checkpointer.schemes.simulator import predict
from checkpointer.schemes.store_all import StoreAll
from checkpointer.schemes.two_level import TwoLevel

COUNTED = 10_000
"""The longest loop for which a scheme that has no closed form goes through its actions to tell what they cost (0.3 s)."""
_PLACED = {"Online"}
"""The kinds of which that is true."""
_STACKED = 20_000
"""The most slots whose traffic the closed forms count one by one (0.3 s)."""


@dataclass(frozen=True)
class Budget:
    """What a loop may use, and what its parts take.

    Attributes
    ----------
    steps : int
        Steps of the loop, 1 or more.
    snapshots, disk_snapshots : int
        States that fit in memory, 1 or more, and on disk, 0 or more.
    mixed_slots : int, optional
        Things that fit in memory if each may be a state or the tape of a step; as many as ``snapshots`` unless given.
    step, reverse, write, read : float
        The time of a plain step, of a step under the tape and the way back through it, and of one state written to disk
        and read from it; all in the same unit. Memory is written and read in no time.
    """

    steps: int
    snapshots: int
    disk_snapshots: int = 0
    mixed_slots: int | None = None
    step: float = 1.0
    reverse: float = 4.0
    write: float = 1.0
    read: float = 1.0

    def seconds(self, cost: Cost) -> float:
        """The predicted time, in the budget's unit."""
        levels = len(cost.peaks)
        return cost.seconds(
            step=self.step,
            reverse=self.reverse,
            write=(0.0, *[self.write] * levels),
            read=(0.0, *[self.read] * levels),
        )


@dataclass(frozen=True)
class Candidate:
    """A scheme that fits the budget, what it costs and how long that takes."""

    scheme: Scheme
    cost: Cost
    seconds: float

    @property
    def recompute_factor(self) -> float:
        """How often a step is run on average."""
        return self.cost.recompute_factor


@dataclass(frozen=True)
class LeftOut:
    """A scheme, as one writes it or by its name only, that does not fit the budget, or whose cost is not told quickly."""

    scheme: str
    reason: str


def candidates(budget: Budget, *, counted: int = COUNTED) -> tuple[list[Candidate], list[LeftOut]]:
    """Every kind of scheme within a budget, the quickest first, and what was left out.

    Of two that take the same time, the one that holds less comes first.

    Parameters
    ----------
    budget : Budget
        What there is.
    counted : int
        The longest loop for which a scheme that has no closed form is considered.

    >>> fitting, left_out = candidates(Budget(steps=1000, snapshots=10))
    >>> fitting[0].scheme, fitting[0].cost.advances
    (Mixed(slots=10), 2921)
    >>> next(why for why in left_out if why.scheme == "StoreAll()").reason
    'holds 999 in memory, where 10 fit'
    """
    fitting, left_out = [], []
    for name in KINDS:
        match considered(name, budget, counted=counted):
            case Candidate() as candidate:
                fitting.append(candidate)
            case LeftOut() as reason:
                left_out.append(reason)
    fitting.sort(key=lambda candidate: (candidate.seconds, candidate.cost.peak))
    return fitting, left_out


def considered(name: str, budget: Budget, *, counted: int = COUNTED) -> Candidate | LeftOut:
    """One kind of scheme within a budget, by its name."""
    scheme = KINDS[name](budget)
    if isinstance(scheme, str):
        return LeftOut(name, scheme)
    if name in _PLACED and budget.steps > counted:
        why = f"has no closed form: its snapshots are placed one by one, for up to {counted} steps only"
        return LeftOut(written(scheme), why)
    cost = predict(scheme, budget.steps)
    excess = _excess(cost, budget)
    return LeftOut(written(scheme), excess) if excess else Candidate(scheme, cost, budget.seconds(cost))


def written(scheme: Scheme) -> str:
    """A scheme as one writes it in Python, without what need not be said.

    >>> from checkpointer.schemes import HRevolve, Level
    >>> written(HRevolve(Level(3), Level(10, write=2, read=2)))
    'HRevolve(Level(slots=3), Level(slots=10, write=2.0, read=2.0))'
    """
    return repr(scheme).replace(", write=0.0, read=0.0)", ")")


def _excess(cost: Cost, budget: Budget) -> str:
    """In words, how a scheme does not fit; empty if it does."""
    room = _slots(budget) if cost.tapes else budget.snapshots
    on_disk = sum(cost.peaks[1:])
    if cost.peaks[0] > room:
        return f"holds {cost.peaks[0]} in memory, where {room} fit"
    if on_disk > budget.disk_snapshots:
        return f"holds {on_disk} on disk, where {budget.disk_snapshots} fit"
    return ""


def _slots(budget: Budget) -> int:
    return budget.snapshots if budget.mixed_slots is None else budget.mixed_slots


def _useful(budget: Budget) -> int:
    """The snapshots in memory that can be used at all."""
    return min(budget.snapshots, max(budget.steps - 1, 1))


def _store_all(budget: Budget) -> Scheme | str:
    return StoreAll()


def _revolve(budget: Budget) -> Scheme | str:
    return Revolve(snapshots=_useful(budget))


def _online(budget: Budget) -> Scheme | str:
    """Memory is filled first."""
    snapshots = _useful(budget)
    on_disk = min(budget.disk_snapshots, max(budget.steps - 1, 1) - snapshots)
    return Online(snapshots=snapshots, disk_snapshots=on_disk)


def _mixed(budget: Budget) -> Scheme | str:
    slots = min(_slots(budget), max(budget.steps - 1, 1))
    return Mixed(slots=slots) if slots else "no tape fits in memory"


def _periodic(budget: Budget) -> Scheme | str:
    """The shortest period whose starts and states fit: the more is held, the less is run again."""
    steps, room = budget.steps, budget.snapshots
    # With periods of p steps, ceil(steps / p) + max(p - 3, 0) are held. The smaller root, and some to each side of it,
    # since the formula has corners and its smallest value may be the only one that fits.
    half = (room + 3) / 2
    root = half - math.sqrt(max(half**2 - steps, 0.0))
    for period in range(max(math.floor(root) - 2, 1), math.ceil(root) + 6):
        scheme = Periodic(snapshots=-(-steps // period))
        if scheme.slots(steps) <= room:
            return scheme
    least = Periodic(snapshots=math.isqrt(steps) + 1).slots(steps)
    return f"holds {least} in memory at the least, where {room} fit"


def _two_level(budget: Budget) -> Scheme | str:
    """The period that takes the least time, as `advances` and the disk's costs predict it."""
    if not budget.disk_snapshots:
        return _NO_DISK
    steps, most = budget.steps, min(budget.snapshots, _STACKED)

    def time(period: int) -> float:
        full = (steps - 1) // period
        last = steps - full * period  # the first sweep goes through it as Revolve's does
        again = full * advances(period, most + 1) + advances(last, most + 1) - last
        reads = full * _reads(period, most + 1) + _reads(last, most + 1)
        return again * budget.step + (full + 1) * budget.write + reads * budget.read

    shortest = -(-steps // budget.disk_snapshots)
    periods = {shortest, steps}
    while shortest < steps:
        periods |= {shortest, -(-steps // (-(-steps // shortest)))}  # the latter leaves no short last period
        shortest += max(shortest // 4, 1)
    period = min(sorted(periods), key=time)
    return TwoLevel(period=period, snapshots=min(most, max(period - 2, 0)))


def _reads(length: int, slots: int) -> int:
    """About how often the state that a period starts from is read."""
    return max(repetitions(length, min(slots, max(length - 1, 1))), 1)


def _multistage(budget: Budget) -> Scheme | str:
    """Memory is filled first."""
    snapshots = _useful(budget)
    on_disk = min(budget.disk_snapshots, max(budget.steps - 1, 1) - snapshots)
    if not budget.disk_snapshots:
        return _NO_DISK
    if snapshots + on_disk > _STACKED:
        return f"has {snapshots + on_disk} slots, and their traffic is counted for up to {_STACKED} only"
    return Multistage(snapshots=snapshots, disk_snapshots=on_disk)


def _disk_revolve(budget: Budget) -> Scheme | str:
    return DiskRevolve(_useful(budget), **_prices(budget)) if budget.disk_snapshots else _NO_DISK


def _periodic_disk_revolve(budget: Budget) -> Scheme | str:
    return PeriodicDiskRevolve(_useful(budget), **_prices(budget)) if budget.disk_snapshots else _NO_DISK


def _h_revolve(budget: Budget) -> Scheme | str:
    if not budget.disk_snapshots:
        return _NO_DISK
    if not budget.write + budget.read:
        return "is no better than Multistage where the disk takes no time"
    on_disk = min(budget.disk_snapshots, max(budget.steps - 1, 1))
    return HRevolve(Level(_useful(budget)), Level(on_disk, **_prices(budget)))


_NO_DISK = "no room on disk was given"


def _prices(budget: Budget) -> dict[str, float]:
    """Of the disk, in plain steps, with three digits: they are to be read."""
    return {
        name: float(f"{seconds / budget.step:.3g}")
        for name, seconds in (("write", budget.write), ("read", budget.read))
    }


KINDS: dict[str, Callable[[Budget], Scheme | str]] = {
    "Revolve": _revolve,
    "Mixed": _mixed,
    "Online": _online,
    "Periodic": _periodic,
    "TwoLevel": _two_level,
    "Multistage": _multistage,
    "HRevolve": _h_revolve,
    "DiskRevolve": _disk_revolve,
    "PeriodicDiskRevolve": _periodic_disk_revolve,
    "StoreAll": _store_all,
}
"""Name -> the kind's function, those that are preferred where the time is the same first."""
