"""x"""

from __future__ import annotations
from fractions import Fraction
from dataclasses import dataclass
from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.hierarchy import Hierarchy
from checkpointer.schemes.lagrange import Tier
from checkpointer.schemes.layered import OptimalSchedule
from checkpointer.schemes.parts import Part


@dataclass(frozen=True)
class Level:
    slots: int
    write: float = 0.0
    read: float = 0.0


@dataclass(frozen=True, init=False)
class HRevolve(Scheme):
    levels: tuple[Level, ...]

    def __init__(self, *levels: Level) -> None:
        object.__setattr__(self, "levels", levels)

    def schedule(self, steps):
        steps = self.known_length(steps)
        free = self.levels[0].write == 0 == self.levels[0].read
        tiers = [Tier(l.slots, Fraction(l.write), Fraction(l.read)) for l in self.levels[free:]]
        memory = self.levels[0].slots if free else 0
        h = Hierarchy(memory, tiers)
        part = Part.best(h, max(steps,1), len(tiers), h.slots(len(tiers)), False)
        return OptimalSchedule(steps, part, self.slots(steps), tuple(l.slots for l in self.levels[:-1]), 1 - free)

    def slots(self, steps):
        return sum(self.slots_by_level(steps))

    def slots_by_level(self, steps):
        return tuple(min(l.slots, max(steps-1,1), steps) for l in self.levels)
