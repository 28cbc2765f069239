"""Optimal checkpointing on any number of levels of storage, each with its slots and its costs."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from checkpointer.errors import ArgumentError
from checkpointer.schemes.arguments import integer, price
from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.cost import Cost
from checkpointer.schemes.hierarchy import Hierarchy
from checkpointer.schemes.lagrange import Tier
from checkpointer.schemes.layered import OptimalSchedule
from checkpointer.schemes.layered_cost import optimal_cost
from checkpointer.schemes.parts import Part


@dataclass(frozen=True)
class Level:
    """A level of storage for `HRevolve`.

    Parameters
    ----------
    slots : int
        States that it holds at once, 1 or more.
    write, read : float
        What it costs to store a state there and to restore one, in units of the time of one plain step: 2.5 for a write
        that takes as long as two steps and a half. Any finite number, 0 or more.

    Raises
    ------
    ArgumentError
        If an argument is not as described.

    >>> Level(10, write=2, read=0.5)
    Level(slots=10, write=2.0, read=0.5)
    """

    slots: int
    write: float | Fraction = 0.0
    read: float | Fraction = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "slots", integer(self.slots, "slots", "Level", 1))
        object.__setattr__(self, "write", price(self.write, "write", "Level"))
        object.__setattr__(self, "read", price(self.read, "read", "Level"))

    @property
    def tier(self) -> Tier:
        """The level with its costs as they are, without rounding."""
        return Tier(self.slots, Fraction(self.write), Fraction(self.read))


@dataclass(frozen=True, init=False, repr=False)
class HRevolve(Scheme):
    """Place snapshots on several levels of storage so that steps, writes and reads together take the least time.

    The choice for loops of known length where memory is short and the other storage is limited or slow. No other
    schedule that stays within the slots costs less by the sum of plain steps, writes and reads, priced. How long a
    step and its reversal under the tape take does not matter. Levels are not made use of where that would not pay.

    Planning takes milliseconds, whatever the length: there is no table over the steps.

    Parameters
    ----------
    *levels : Level
        The levels of storage, level 0, the memory, first. A slower level should come after a faster one: the state of
        a step that stands on a level is written to a faster one again where that pays, and never the other way round.

    Raises
    ------
    ArgumentError
        If there is no level, or an argument is no `Level`.

    Source: Herrmann & Pallez, "H-Revolve: a framework for adjoint computation on synchronous hierarchical platforms",
    ACM Trans. Math. Softw. 46 (2020) 12, whose recurrence is solved by `checkpointer.schemes.hierarchy`.

    >>> from checkpointer.schemes.simulator import simulate
    >>> cost = simulate(HRevolve(Level(5), Level(5, write=2, read=2)), 100)
    >>> cost.advances, cost.writes, cost.reads
    (237, (70, 5), (94, 5))
    """

    levels: tuple[Level, ...]

    def __init__(self, *levels: Level) -> None:
        for level in levels:
            if not isinstance(level, Level):
                raise ArgumentError(
                    f"HRevolve: each level must be a Level(slots, write, read), but one is {level!r}"
                )
        if not levels:
            raise ArgumentError("HRevolve: there must be one Level or more, such as HRevolve(Level(8))")
        object.__setattr__(self, "levels", levels)

    def __repr__(self) -> str:
        return f"HRevolve({', '.join(map(repr, self.levels))})"

    def schedule(self, steps: int | None) -> Schedule:
        """A new schedule for a loop of ``steps`` steps; None is refused."""
        steps = self.known_length(steps)
        sizes = tuple(level.slots for level in self.levels[:-1])
        return OptimalSchedule(steps, self._part(steps), self.slots(steps), sizes, self._lowest)

    def slots(self, steps: int) -> int:
        """The most snapshots that are ever held at once, on all levels, by a loop of ``steps`` steps."""
        return sum(self.slots_by_level(steps))

    def slots_by_level(self, steps: int) -> tuple[int, ...]:
        """The most that are ever held at once on each level; fewer are where using them all would not pay."""
        return tuple(min(level.slots, max(steps - 1, 1), steps) for level in self.levels)

    def closed_cost(self, steps: int) -> Cost:
        """What a loop of ``steps`` steps costs. A billion are as quick as a thousand, or nearly so."""
        steps = self.known_length(steps)
        return optimal_cost(steps, self._part(steps), self._lowest)

    @property
    def _lowest(self) -> int:
        """0 if level 0 costs nothing, so that `Hierarchy` knows it as the free memory; else 1, for its first tier."""
        return 0 if self.levels[0].write == 0 == self.levels[0].read else 1

    def _part(self, steps: int) -> Part:
        hierarchy = _hierarchy(self.levels, self._lowest)
        if steps < 2:  # the state before the only step stands on level 0
            return Part.best(hierarchy, 1, self._lowest, self.levels[0].slots, stored=True)
        return Part.best(hierarchy, steps, hierarchy.levels, self.levels[-1].slots, stored=False)


@lru_cache(maxsize=32)
def _hierarchy(levels: tuple[Level, ...], lowest: int) -> Hierarchy:
    """The storage; kept, because its tables serve any number of steps."""
    if lowest == 0:
        return Hierarchy(levels[0].slots, [level.tier for level in levels[1:]])
    return Hierarchy(0, [level.tier for level in levels])
