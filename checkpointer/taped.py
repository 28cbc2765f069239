"""One step of a loop that ran under the tape, until it is reversed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from checkpointer.errors import ReplayError
from checkpointer.fingerprints import Fingerprint, compare, of_arrays
from checkpointer.state import Key, Leaf
from checkpointer.stretch import Stretch

Prints = dict[Key, Fingerprint]


class Taped:
    """The tape of a step, and what the state held before and after it.

    Parameters
    ----------
    stretch : Stretch
    signal : object
        What the step returned to end the loop, or None.
    before : dict
        The fingerprints of the state before the step.
    after : function
        Takes those of the state after it, while the arrays still hold that.
    left : list of Leaf
        The leaves of the state after it.

    Attributes
    ----------
    kept : bool
        Other steps run before this one is reversed.
    """

    def __init__(
        self, stretch: Stretch, signal: Any, before: Prints, after: Callable[[], Prints], left: list[Leaf]
    ) -> None:
        self.stretch = stretch
        self.signal = signal
        self.before = before
        self.left = left
        self._take_after = after
        self._after: Prints | None = None

    @property
    def kept(self) -> bool:
        return self._after is not None

    def keep(self) -> None:
        """Other steps are going to run before this one is reversed."""
        self._after = self._take_after()

    def compare(self, step: int, followed: Mapping[Key, Any]) -> None:
        """Refuse a step that left something else than what the loop went on from (`without_leaves`).

        Raises
        ------
        ReplayError
            Naming the variable and the step.
        """
        compare(self._take_after() if self._after is None else self._after, followed, step)

    def check_untouched(self, step: int) -> None:
        """Refuse to reverse a kept tape unless the arrays hold what they held at its end: it undoes what it wrote.

        They do if every later step was reversed, last to first, from this state: the tapes undo their steps.

        Raises
        ------
        ReplayError
            Naming an array that holds something else.
        """
        assert self._after is not None
        for leaf, then, now in of_arrays(self._after):
            if then != now:
                raise ReplayError(
                    f"{leaf.name} does not hold what step {step} left there, although all later steps were reversed, so"
                    " the tape that was kept of the step cannot be used. A schedule may keep the tape of a step only if the"
                    " state after it is stored, or recorded from, at once"
                )
