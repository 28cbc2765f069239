"""Refusals at run time: the error, with the place in the user's file."""

from __future__ import annotations

import linecache
import sys
from types import FrameType

from checkpointer.active import active
from checkpointer.errors import TraceError


def user_frame() -> FrameType | None:
    """The innermost frame that is the user's: in no file of checkpointer, autograd, NumPy or SciPy."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_foreign(frame):
        frame = frame.f_back
    return frame


def _is_foreign(frame: FrameType) -> bool:
    package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return package in {"autograd", "checkpointer", "contextlib", "numpy", "scipy"}


def refuse(code: str, what: str, instead: str) -> TraceError:
    """A `TraceError` that names the line of the user's program that is running."""
    error = _located(code, what, instead)
    if active.tape is not None and active.tape.swallowed is None:
        active.tape.swallowed = error  # the program may catch it and go on
    return error


def _located(code: str, what: str, instead: str) -> TraceError:
    frame = user_frame()
    if frame is None:
        return TraceError(code, what, instead)
    filename, line = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(filename, line, frame.f_globals).rstrip("\n")
    column = len(text) - len(text.lstrip())
    positions = list(frame.f_code.co_positions())
    index = frame.f_lasti // 2
    if index < len(positions) and positions[index][2] is not None and positions[index][0] == line:
        column = positions[index][2] or column
    return TraceError(code, what, instead, filename=filename, line=line, column=column, text=text)
