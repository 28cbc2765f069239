"""The logger ``checkpointer``: silent unless somebody listens, or the environment asks for it.

``CHECKPOINTER_LOG=info`` (or ``debug``, ``warning``) prints what is logged at this level and above on standard error, for
programs that one does not want to edit.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO

from checkpointer import ranks
from checkpointer.errors import ArgumentError

VARIABLE = "CHECKPOINTER_LOG"
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at the moment: while a progress bar is shown, lines appear above it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))

    def format(self, record: logging.LogRecord) -> str:
        """A line; it says on which rank, if there are several."""
        line = super().format(record)
        return f"[rank {ranks.rank()}] {line}" if ranks.world() is not None else line

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


def set_up(wanted: str) -> None:
    """Print what is logged at a level and above; if none is named, nothing unless the program says where it goes.

    Raises
    ------
    ArgumentError
        If there is no such level.
    """
    logger = logging.getLogger("checkpointer")
    logger.addHandler(logging.NullHandler())
    if not wanted:
        return
    level = _LEVELS.get(wanted.lower())
    if level is None:
        raise ArgumentError(f"{VARIABLE} must be one of {', '.join(_LEVELS)}, but is {wanted!r}")
    logger.addHandler(_StandardError())
    logger.setLevel(level)


set_up(os.environ.get(VARIABLE, ""))
