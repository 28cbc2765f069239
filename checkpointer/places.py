"""Where a marked loop stands, told by its step function."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

_SAID = re.compile(r"One iteration of (?P<place>.*:(?P<line>\d+))\.")
"""The docstring that the rewriter gives to a step."""


def place_of(step: Callable[..., Any]) -> str:
    """The file and line of a loop: ``heat.py:7``, ``Cell In[3]:7``."""
    said = _SAID.fullmatch(step.__doc__ or "")
    return said["place"] if said else f"{os.path.basename(step.__code__.co_filename)}:{line_of(step)}"


def line_of(function: Callable[..., Any]) -> int:
    """The line of the loop that a step belongs to, or of any other function.

    That is not always where the code of a step begins: see `compiled.begin_at_def`.
    """
    said = _SAID.fullmatch(function.__doc__ or "")  # nothing with `python -OO`
    line: int = function.__code__.co_firstlineno
    return int(said["line"]) if said else line
