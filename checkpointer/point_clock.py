"""When a loop makes its next durable point: on several ranks, at the same place on all of them.

All ranks pass the same places, steps and actions, in the same order. A look at the clocks of all costs a message to each, so
it is not taken at every place: the ranks count places, and agree at each look how many to pass before the next, such that
there are about twenty looks from one point to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from checkpointer.storage.ranks import Ranks

_SHARE = 20
"""Points are at least so many times further apart than one takes to make."""
_LOOKS = 20
"""Looks at the clocks from one point to the next."""


class PointClock:
    """The clock of one run of a loop.

    Parameters
    ----------
    every : float
        Seconds from one point to the next; 0 makes one at each place.
    ranks : Ranks
        Those that make their points together.
    """

    def __init__(self, every: float, ranks: Ranks) -> None:
        self._every = every
        self._ranks = ranks
        self._pause = every
        self._last = perf_counter()
        self.look_again()

    def look_again(self) -> None:
        """Nothing is known of how long it takes to the next place: look there."""
        self._places = self._passed = 1
        self._looked = perf_counter()

    def due(self, where: Callable[[], str]) -> bool:
        """Whether to make a point here; all ranks call it at the same places, and get the same answer.

        ``where`` says what the place is, for messages.

        Raises
        ------
        StorageError
            If another rank is somewhere else.
        """
        if not self._every:
            return True
        if self._ranks.size == 1:
            return perf_counter() - self._last >= self._pause
        self._passed -= 1
        return self._passed <= 0 and self._agreed(where())

    def _agreed(self, where: str) -> bool:
        """The answer of all ranks, which is yes when all clocks say so.

        The next look is at most twice as many places away as the last one was.
        """
        now = perf_counter()
        places = self._places * self._every / _LOOKS / max(now - self._looked, 1e-9)
        mine = now - self._last >= self._pause, min(max(int(places), 1), 2 * self._places)
        answers = self._ranks.together(f"look at the clock, {where}", lambda: mine)
        self._looked = perf_counter()
        self._places = self._passed = min(places for _, places in answers)
        return all(due for due, _ in answers)

    @contextmanager
    def making(self) -> Iterator[None]:
        """A point is made in the ``with`` block."""
        start = perf_counter()
        yield
        self._last = self._looked = perf_counter()
        self._pause = max(self._every, _SHARE * (self._last - start)) if self._every else 0.0
