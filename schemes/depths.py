"""How many chains start, and how many blocks lie, at each depth: always at the smallest depths that there are.

`checkpointer.schemes.hierarchy` explains the words. Depths can be many where few are looked at, so that the numbers are
computed when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from checkpointer.schemes.lagrange import chains_up_to


class Depths:
    """Numbers for the depths 0, 1, ...; zeros from where the iterator ends.

    >>> Depths(iter([1, 3, 2])).upto(1)
    [1, 3]
    """

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers
        self._known: list[int] = []
        self._ended = False

    def upto(self, depth: int) -> list[int]:
        """The numbers at the depths 0, ..., depth; fewer, where only zeros follow."""
        self._look(depth)
        return self._known[: depth + 1]

    def at(self, depth: int) -> int:
        """The number at a depth."""
        self._look(depth)
        return self._known[depth] if depth < len(self._known) else 0

    def end_before(self, depth: int) -> bool:
        """Whether only zeros are left from a depth on."""
        self._look(depth)
        return len(self._known) <= depth

    def _look(self, depth: int) -> None:
        while len(self._known) <= depth and not self._ended:
            number = next(self._numbers, None)
            if number is None:
                self._ended = True
            else:
                self._known.append(number)


def room_for_chains(blocks: Depths, slots: int, depth: int) -> int:
    """How many chains can start at the depths 0, ..., depth, where each block may become a tree with so many slots."""
    return sum(number * chains_up_to(slots, depth - at) for at, number in enumerate(blocks.upto(depth)))


def chain_starts(blocks: Depths, slots: int, chains: int) -> Iterator[int]:
    """How many of the chains start at each depth.

    >>> list(chain_starts(Depths(iter([1])), slots=3, chains=8))
    [3, 3, 2]
    """
    room = 0
    for depth in count():
        before, room = room, room_for_chains(blocks, slots, depth)
        if chains <= before or (room == before and blocks.end_before(depth)):
            return  # all have started, or no more can
        yield min(chains, room) - before


def added_blocks(starts: Depths, reads: int) -> Iterator[int]:
    """How many of the blocks that the reads add lie at each depth.

    >>> list(added_blocks(Depths(iter([3, 2])), reads=10))
    [0, 3, 5, 2]
    """
    yield 0
    chains = 0
    for depth in count(1):
        chains += starts.at(depth - 1)
        here = min(chains, reads)
        if here == 0:
            return
        yield here
        reads -= here


def summed(one: Depths, other: Depths) -> Iterator[int]:
    """The sums at each depth.

    >>> list(summed(Depths(iter([1, 3])), Depths(iter([0, 1, 5]))))
    [1, 4, 5]
    """
    for depth in count():
        if one.end_before(depth) and other.end_before(depth):
            return
        yield one.at(depth) + other.at(depth)
