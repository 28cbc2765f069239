"""Switches in the environment: ``CHECKPOINTER_AUDIT=1`` and the like."""

from __future__ import annotations

import os


def is_on(variable: str) -> bool:
    """Whether a variable is set, and neither empty nor 0."""
    return os.environ.get(variable, "") not in ("", "0")
