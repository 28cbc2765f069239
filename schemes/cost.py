"""What a schedule costs: counts, and the time that they take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """What a schedule's two sweeps cost.

    Attributes
    ----------
    steps : int
        Steps that the loop ran, and that were reversed.
    advances : int
        Steps that ran plainly, those of the first sweep included.
    reversals : int
        Steps that ran under the tape and were pulled back through: the recorded one and all others.
    snapshots, restores, discards : int
        Snapshots written, read and forgotten, on all levels.
    tapes : int
        Tapes that were kept in slots.
    peak : int
        The most snapshots and kept tapes held at once, on all levels together.
    writes, reads, peaks : tuple of int
        Snapshots written and read on each level, and the most held there at once; kept tapes count as held on level 0.
    """

    steps: int
    advances: int
    reversals: int
    snapshots: int
    restores: int
    discards: int
    tapes: int
    peak: int
    writes: tuple[int, ...]
    reads: tuple[int, ...]
    peaks: tuple[int, ...]

    @classmethod
    def foreseen(
        cls,
        steps: int,
        *,
        advances: int,
        writes: Sequence[int],
        reads: Sequence[int],
        peaks: Sequence[int],
        peak: int,
        tapes: int = 0,
    ) -> Cost:
        """The cost of a valid schedule: it reverses every step once, and discards every snapshot."""
        written = sum(writes)
        return cls(
            steps=steps,
            advances=advances,
            reversals=steps,
            snapshots=written,
            restores=sum(reads),
            discards=written,
            tapes=tapes,
            peak=peak,
            writes=tuple(writes),
            reads=tuple(reads),
            peaks=tuple(peaks),
        )

    @property
    def recompute_factor(self) -> float:
        """How often a step is run on average: (advances + reversals) / steps."""
        return (self.advances + self.reversals) / max(self.steps, 1)

    def seconds(
        self, *, step: float, reverse: float, write: Sequence[float] = (), read: Sequence[float] = ()
    ) -> float:
        """The predicted time of both sweeps.

        Parameters
        ----------
        step : float
            Seconds for one plain step.
        reverse : float
            Seconds for one step under the tape and the way back through it.
        write, read : sequence of float
            Seconds for one snapshot written, and read, on each level. Levels that are not given cost nothing.
        """
        computing = self.advances * step + self.reversals * reverse
        return computing + _priced(self.writes, write) + _priced(self.reads, read)


def _priced(counts: Sequence[int], prices: Sequence[float]) -> float:
    return sum(count * price for count, price in zip(counts, prices, strict=False))
