"""What the parts of a hierarchical schedule are worth at a price per step: piecewise linear functions, exactly.

`checkpointer.schemes.hierarchy` explains the words block, depth and chain, and what this is good for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import NamedTuple

from checkpointer.schemes.binomial import beta


class Tier(NamedTuple):
    """A level of storage above the free memory: its slots, 1 or more; what a write and a read cost, in plain steps."""

    slots: int
    write: Fraction
    read: Fraction


@dataclass
class Values:
    """The tables of one tier, by index of the grid; and what a write and a read cost in their unit."""

    tree: list[int]
    chain: list[int]
    write: int
    read: int


class Worth:
    """The most that a part of a schedule can earn if every step that it reverses earns a price.

    The functions of the price have their kinks at the integers, and at the same few fractions beyond each integer. A
    table of the values there, on a grid, says all; tables grow as they are asked for. Values are integers: multiples
    of ``1 / scale`` plain steps.

    Parameters
    ----------
    memory : int
        Slots of the free memory, 0 or more.
    tiers : sequence of Tier
        The levels above it, the fastest first.

    Attributes
    ----------
    scale : int
        So many units of the tables make a plain step.
    period : int
        So many points of the grid lie in an interval [i, i + 1), the first of them at i.
    values : list of Values
        The tables of the memory and of the tiers, as far as they are filled.

    >>> worth = Worth(2, [Tier(slots=3, write=Fraction(2), read=Fraction(2))])
    >>> [worth.price(index) for index in range(4)]
    [Fraction(0, 1), Fraction(1, 3), Fraction(1, 1), Fraction(4, 3)]
    """

    def __init__(self, memory: int, tiers: Sequence[Tier]) -> None:
        self._memory = memory
        self._tiers: list[Tier] = []
        self._fractions = [Fraction(0)]
        self._rebuild()
        for level, tier in enumerate(tiers):
            self._add_kink(partial(self.tree, level), tier.read)
            self._tiers.append(tier)
            self._rebuild()
            self._add_kink(partial(self.chain, level + 1), tier.write)
            self._rebuild()

    def price(self, index: int) -> Fraction:
        """The price at a point of the grid."""
        whole, part = divmod(index, self.period)
        return whole + self._fractions[part]

    def scaled_price(self, index: int) -> int:
        """The price at a point of the grid, in the unit of the tables."""
        whole, part = divmod(index, self.period)
        return whole * self.scale + self._scaled[part]

    def trees(self, level: int, index: int) -> list[int]:
        """The table of `tree`, filled at least up to the index."""
        self.tree(level, index)
        return self.values[level].tree

    def chains(self, level: int, index: int) -> list[int]:
        """The table of `chain`, filled at least up to the index."""
        self.chain(level, index)
        return self.values[level].chain

    def tree(self, level: int, index: int) -> int:
        """Of the best part of any length that has all slots of the levels 0, ..., level."""
        table = self.values[level].tree
        while len(table) <= index:
            table.append(self._memory_tree(len(table)) if level == 0 else self._tier_tree(level, len(table)))
        return table[index]

    def chain(self, level: int, index: int) -> int:
        """Of all blocks that a chain of the level adds at greater depths, without its write."""
        values = self.values[level]
        while len(values.chain) <= index:
            before = len(values.chain) - self.period
            if before < 0:
                values.chain.append(0)
            else:
                block = self.tree(level - 1, before) - values.read
                values.chain.append(values.chain[before] + max(block, 0))
        return values.chain[index]

    def _memory_tree(self, index: int) -> int:
        """The conjugate of `advances`: beta(c + 1, p - 1) at an integer price p, and linear in between."""
        whole, part = divmod(index, self.period)
        return self.scale * beta(self._memory + 1, whole - 1) + self._scaled[part] * beta(self._memory, whole)

    def _tier_tree(self, level: int, index: int) -> int:
        """A block without the level, and every chain of it that is worth its write."""
        slots = self._tiers[level - 1].slots
        values = self.values[level]
        total, depth = self.tree(level - 1, index), 0
        while index >= 0 and (gain := self.chain(level, index) - values.write) > 0:
            total += gain * new_chains(slots, depth)
            if slots == 1:
                break  # its only chain starts at depth 0
            index -= self.period
            depth += 1
        return total

    def _add_kink(self, table: Callable[[int], int], cost: Fraction) -> None:
        """Let the grid contain the last price at which the table is not above a cost."""
        target = cost * self.scale
        index = 0
        while table(index + 1) <= target:
            index += 1
        left, right = self.price(index), self.price(index + 1)
        kink = left + (right - left) * (target - table(index)) / (table(index + 1) - table(index))
        self._fractions = sorted({*self._fractions, kink % 1})

    def _rebuild(self) -> None:
        """Empty tables, for a grid or a list of tiers that has changed."""
        self.period = len(self._fractions)
        costs = [cost for tier in self._tiers for cost in (tier.write, tier.read)]
        self.scale = math.lcm(*(f.denominator for f in self._fractions)) * math.lcm(
            *(c.denominator for c in costs)
        )
        self._scaled = [int(fraction * self.scale) for fraction in self._fractions]
        self.values = [Values([], [], 0, 0)]
        for tier in self._tiers:
            self.values.append(Values([], [], int(tier.write * self.scale), int(tier.read * self.scale)))


def chains_up_to(slots: int, depth: int) -> int:
    """How many chains a tree with so many slots can have that start at depths 0, ..., depth.

    >>> [chains_up_to(3, depth) for depth in range(-1, 4)]
    [0, 3, 6, 10, 15]
    """
    return math.comb(slots + depth, depth + 1) if depth >= 0 and slots > 0 else 0


def new_chains(slots: int, depth: int) -> int:
    """How many chains a tree with so many slots can have that start at a depth."""
    return chains_up_to(slots, depth) - chains_up_to(slots, depth - 1)
