"""Parts of an optimal schedule on a hierarchy of storage, split where they are to be split, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from checkpointer.schemes.binomial import beta, first_part
from checkpointer.schemes.depths import Depths, room_for_chains
from checkpointer.schemes.hierarchy import Counts, Hierarchy
from checkpointer.schemes.lagrange import chains_up_to


class Part(NamedTuple):
    """Steps that are reversed from the state before the first of them, which is the current one.

    Attributes
    ----------
    hierarchy : Hierarchy
        The storage.
    length : int
        How many steps, 1 or more.
    level : int
        The slowest tier that is used; 0 is the memory.
    slots : int
        Its slots that are empty or hold the part's first state.
    counts : tuple of Counts
        The chains and the reads of the tiers, from ``level`` down to 1.
    slope : int
        No step costs more; none costs less that is not used.
    """

    hierarchy: Hierarchy
    length: int
    level: int
    slots: int
    counts: tuple[Counts, ...]
    slope: int

    @staticmethod
    def best(hierarchy: Hierarchy, length: int, level: int, slots: int, stored: bool) -> Part:
        """The part of least cost, with a level's slots and all slots of the faster ones."""
        shape = hierarchy.best(length, level, slots, stored)
        return Part(hierarchy, length, level, slots, shape.counts, shape.slope)

    def fresh(self) -> Part:
        """The same part where its first state is stored nowhere: if it is to be stored, then on the part's level."""
        part = self
        while part.level and part.counts[0].reads == 0:
            part = part.faster()
        return part

    def is_last_read(self) -> bool:
        """Whether the state that stands on the level is not read again after this time."""
        return self.counts[0].reads == 0 if self.level else self.length == 1

    def faster(self) -> Part:
        """The same part without its level, which has nothing to do in it."""
        level = self.level - 1
        return self._replace(level=level, slots=self.hierarchy.slots(level), counts=self.counts[1:])

    def resized(self, length: int) -> Part:
        """The best part of another length, where the first state is stored on the level."""
        return Part.best(self.hierarchy, length, self.level, self.slots, stored=True)

    def split(self) -> tuple[Part, Part]:
        """The later steps, and the earlier ones, which the next read of the state that stands on the level is for."""
        if self.level == 0:
            return self._split_in_memory()
        return _Split(self).parts()

    def _split_in_memory(self) -> tuple[Part, Part]:
        """Binomially: the later steps have one slot less."""
        slots = min(self.slots, self.length - 1)
        early = first_part(self.length, slots) if slots > 1 else self.length - 1
        late = Part(self.hierarchy, self.length - early, 0, self.slots - 1, (), 0)
        return late, Part(self.hierarchy, early, 0, self.slots, (), 0)


class _Split:
    """Chains and blocks of a part, shared out among its later and its earlier steps, all at the part's depths.

    The later steps begin with the block at depth 0, the earlier ones with the block at depth 1 that the first read of
    the part's own chain adds. Both keep to the smallest depths, because the whole does.
    """

    def __init__(self, part: Part) -> None:
        self._part = part
        self._late = _Share([1], lambda depth: chains_up_to(part.slots - 1, depth))
        self._early = _Share([0], lambda depth: max(chains_up_to(part.slots, depth - 1), int(depth >= 0)))
        own = 1  # chain, and the block of its first read: the earlier steps'
        for level, counts in zip(range(part.level, 0, -1), part.counts, strict=True):
            late, early = self._chains(counts.chains, own)
            late_reads, early_reads = self._reads(counts.reads, late, early, own)
            self._late.counts.append(Counts(late, late_reads))
            self._early.counts.append(Counts(early, early_reads - own))
            self._late.make_room(part.hierarchy.slots(level - 1))
            self._early.make_room(part.hierarchy.slots(level - 1))
            own = 0

    def parts(self) -> tuple[Part, Part]:
        """The later and the earlier steps: what is left over by those that cost less goes to the deepest blocks."""
        part, slope = self._part, self._part.slope
        hierarchy = part.hierarchy
        late = hierarchy.capacity(Depths(iter(self._late.blocks)), slope - 1)
        left = part.length - late - hierarchy.capacity(Depths(iter(self._early.blocks)), slope - 1)
        for depth in range(len(self._late.blocks) - 1, -1, -1):
            more = beta(hierarchy.memory, slope - depth) - beta(hierarchy.memory, slope - 1 - depth)
            here = min(left, more * self._late.blocks[depth])
            late += here
            left -= min(left, here + more * self._early.blocks[depth])
        return (
            part._replace(length=late, slots=part.slots - 1, counts=tuple(self._late.counts)),
            part._replace(length=part.length - late, counts=tuple(self._early.counts), slope=slope - 1),
        )

    def _chains(self, chains: int, own: int) -> tuple[int, int]:
        """How many chains the later and the earlier steps have: at the depth where not all start, rather the later."""
        depth = 0
        while self._late.room(depth) + self._early.room(depth) < chains:
            depth += 1
        full = self._late.room(depth - 1)
        left = chains - full - self._early.room(depth - 1) - (own if depth == 0 else 0)
        late = full + min(left, self._late.room(depth) - full)
        return late, chains - late

    def _reads(self, reads: int, late: int, early: int, own: int) -> tuple[int, int]:
        """Add the blocks of the reads; how many are the later steps', and how many the earlier ones'."""
        left, late_reads, depth = reads, 0, 1
        while left > 0:
            late_here = min(late, self._late.room(depth - 1))
            here = min(left, late_here + min(early, self._early.room(depth - 1)))
            late_here = min(late_here, here - (own if depth == 1 else 0))
            self._late.add(depth, late_here)
            self._early.add(depth, here - late_here)
            left, late_reads, depth = left - here, late_reads + late_here, depth + 1
        self._late.add(depth - 1, 0)
        self._early.add(depth - 1, 0)
        return late_reads, reads - late_reads


class _Share:
    """What one of two parts gets: blocks by depth, counts; and how many chains of the level in hand have room."""

    def __init__(self, blocks: list[int], room: Callable[[int], int]) -> None:
        self.blocks = blocks
        self.room = room
        self.counts: list[Counts] = []

    def add(self, depth: int, number: int) -> None:
        """Add blocks at a depth."""
        self.blocks.extend([0] * (depth + 1 - len(self.blocks)))
        self.blocks[depth] += number

    def make_room(self, slots: int) -> None:
        """Let chains of the next faster level start at each block."""
        blocks = Depths(iter(tuple(self.blocks)))
        self.room = lambda depth: room_for_chains(blocks, slots, depth)
