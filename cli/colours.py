"""Whether what is printed is coloured: what the environment says, else whether somebody looks."""

from __future__ import annotations

import os
from typing import IO, Any

from checkpointer.switches import is_on

VARIABLES = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "CLICOLOR")
"""What is looked at, besides ``TERM``."""


def wanted() -> bool | None:
    """What the environment says; None if colours are for terminals, and for nothing else.

    In this order: ``NO_COLOR`` (https://no-color.org) forbids them, ``FORCE_COLOR`` and ``CLICOLOR_FORCE`` demand them also
    in a pipe, ``CLICOLOR=0`` and ``TERM=dumb`` forbid them. Empty variables say nothing.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if is_on("FORCE_COLOR") or is_on("CLICOLOR_FORCE"):
        return True
    if os.environ.get("CLICOLOR") == "0" or os.environ.get("TERM") == "dumb":
        return False
    return None


def coloured(stream: IO[Any]) -> bool:
    """Whether to write colours to a stream."""
    said = wanted()
    return stream.isatty() if said is None else said
