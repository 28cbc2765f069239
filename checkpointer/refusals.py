"""Refusals at run time: the error, with the place in the user's file."""

from __future__ import annotations

import functools
import inspect
import linecache
import os
import re
import sys
import sysconfig
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, TypeVar

from checkpointer.active import active
from checkpointer.errors import CheckpointerError, TraceError
from checkpointer.places import line_of

_OURS = frozenset(("autograd", "checkpointer", "contextlib", "numpy", "scipy"))
_TRACED = re.compile(
    r"Traced(Array|Number)|Object of type float(64)? is not JSON serializable|only supported on ndarray objects"
)


_NO_INTEGER = "indices must be integers"
"""What Python says of any float, traced or not."""

Refusal = TypeVar("Refusal", bound=CheckpointerError)
Place = tuple[FrameType, int, int]
"""A frame, its line, and the instruction in it."""


def refuse(code: str, what: str, instead: str) -> TraceError:
    """A `TraceError` that names the line of the user's program that is running."""
    return noted(_located(code, what, instead, _users(list(_places(sys._getframe(1))))))


def noted(error: Refusal) -> Refusal:
    """An error that is about to be raised where the program may catch it and go on: the tape will raise it again."""
    if active.tape is not None and active.tape.swallowed is None:
        active.tape.swallowed = error
    return error


def refusal_behind(error: Exception, swallowed: Exception | None) -> Exception | None:
    """The refusal that an exception in a differentiated stretch stands for; None if it is the program's own.

    Compiled code that is given a traced value says in words of its own that it cannot take it.
    """
    if isinstance(error, CheckpointerError):
        return None
    if swallowed is not None and getattr(swallowed, "code", "") != "CKP213":
        return swallowed  # some code turned it into an error of its own
    if not _TRACED.search(str(error)) or _NO_INTEGER in str(error):
        return None
    words = str(error).replace("TracedArray", "ndarray").replace("TracedNumber", "number")
    return _located(
        "CKP223",
        "a value that is being differentiated was given to code that takes plain values only; without differentiation it"
        f" would work ({type(error).__name__}: {words})",
        "call a NumPy function that has a derivative rule; or give the code one with autograd.extend.primitive and defvjp:"
        ' there, values are plain. A text is made of a number with f"{x}"',
        _users(list(_places_of(error.__traceback__))),
    )


def at_function(error: TraceError, function: Callable[..., Any], where: str = "") -> TraceError:
    """An error of the way back, where no line of the user's runs, with the place of the function that it is about."""
    function = inspect.unwrap(function)
    if error.filename or not hasattr(function, "__code__"):
        return error
    filename, line = function.__code__.co_filename, line_of(function)
    text = linecache.getline(filename, line).rstrip("\n")
    column = len(text) - len(text.lstrip())
    what = error.what + where
    return TraceError(error.code, what, error.instead, filename=filename, line=line, column=column, text=text)


def _places(frame: FrameType | None) -> Iterator[Place]:
    """The frames of the running program, innermost first."""
    while frame is not None:
        yield frame, frame.f_lineno, frame.f_lasti
        frame = frame.f_back


def _places_of(traceback: TracebackType | None) -> Iterator[Place]:
    """The frames that an exception went through, innermost first."""
    places = []
    while traceback is not None:
        places.append((traceback.tb_frame, traceback.tb_lineno, traceback.tb_lasti))
        traceback = traceback.tb_next
    return reversed(places)


def _users(places: list[Place]) -> Place | None:
    """The innermost place in the user's code; in that of an installed package where there is none."""
    ours = [place for place in places if not _is_ours(place[0])]
    return next(
        (place for place in ours if not _is_installed(place[0].f_code.co_filename)), next(iter(ours), None)
    )


def _is_ours(frame: FrameType) -> bool:
    package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return package in _OURS


@functools.lru_cache(maxsize=1024)
def _is_installed(filename: str) -> bool:
    """Whether a file came with Python or was installed."""
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return filename.startswith("<frozen") or any(filename.startswith(folder + os.sep) for folder in folders)


def _located(code: str, what: str, instead: str, place: Place | None) -> TraceError:
    if place is None:
        return TraceError(code, what, instead)
    frame, line, instruction = place
    filename = frame.f_code.co_filename
    text = linecache.getline(filename, line, frame.f_globals).rstrip("\n")
    column = len(text) - len(text.lstrip())
    positions = list(frame.f_code.co_positions())
    index = instruction // 2
    if index < len(positions) and positions[index][2] is not None and positions[index][0] == line:
        column = len(text.encode()[: positions[index][2]].decode(errors="ignore")) or column
    return TraceError(code, what, instead, filename=filename, line=line, column=column, text=text)
