"""What a step function says when its loop is to end, and what a loop says when it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


class _Signal:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


class _Break(_Signal):
    pass


class _Exhausted(_Signal):
    pass


CONTINUE: Final = None
"""Go on with the next iteration."""
BREAK: Final = _Break("BREAK")
"""The loop was left by ``break``."""
EXHAUSTED: Final = _Exhausted("EXHAUSTED")
"""The condition of a ``while`` loop does not hold any more."""


class Return:
    """The loop was left by ``return value``."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass(frozen=True, slots=True)
class Ended:
    """How a loop ended.

    Attributes
    ----------
    exhausted : bool
        It ran to its end, so that an ``else`` clause runs.
    returned : bool
        A ``return`` in its body left it, with ``value``.
    """

    exhausted: bool = False
    returned: bool = False
    value: Any = None
