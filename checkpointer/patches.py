"""Changes to the process that stand as long as somebody needs them, in whatever thread."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Patch:
    """A change that stands while at least one thread is in a ``with`` block of it.

    Parameters
    ----------
    make, undo : function
        Called when the first comes in, and when the last has left.
    renewed : bool
        Whether to make it again for everybody who comes in: somebody else may have changed the same since. To make what
        stands already must do nothing.

    Attributes
    ----------
    lock : RLock
        Held while the change is made or undone.
    users : int
        How many are in a block.
    """

    def __init__(self, make: Callable[[], None], undo: Callable[[], None], *, renewed: bool = False) -> None:
        self._make = make
        self._undo = undo
        self._renewed = renewed
        self.lock = threading.RLock()
        self.users = 0

    def __enter__(self) -> None:
        with self.lock:
            self.users += 1
            if self._renewed or self.users == 1:
                self._make()

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.users -= 1
            if not self.users:
                self._undo()

    def renew(self) -> None:
        """Make it again, if it stands."""
        with self.lock:
            if self.users:
                self._make()
