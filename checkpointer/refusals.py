"""Refusals at run time: the error, with the place in the user's file."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from checkpointer.active import active
from checkpointer.errors import CheckpointerError, TraceError
from checkpointer.places import Place, in_debugger, place_in, places_of, users, users_frames

_TRACED = re.compile(
    r"Traced(Array|Number)|Object of type float(64)? is not JSON serializable|only supported on ndarray objects"
)


_NO_INTEGER = "indices must be integers"
"""What Python says of any float, traced or not."""

Refusal = TypeVar("Refusal", bound=CheckpointerError)
Refused = TypeVar("Refused", bound=Exception)


def refuse(code: str, what: str, instead: str) -> TraceError:
    """A `TraceError` that names the line of the user's program that is running."""
    return noted(
        _located(code, what, instead, users([place_in(frame) for frame in users_frames(sys._getframe(1))]))
    )


def noted(error: Refusal) -> Refusal:
    """An error that is about to be raised where the program may catch it and go on: the tape will raise it again.

    What somebody types into a debugger is no part of the program.
    """
    tape = active.tape
    if tape is not None and tape.swallowed is None and not in_debugger(sys._getframe(1), tape.around):
        tape.swallowed = error
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
        users(places_of(error.__traceback__)),
    )


def raised_by_users(error: BaseException) -> bool:
    """Whether an exception came out of code that is not ours."""
    return bool(places_of(error.__traceback__))


def at_place(error: TraceError, place: Place | None, function: Callable[..., Any]) -> TraceError:
    """An error of the way back, where no line of the user's runs, with a place: that of the function at least."""
    if place is None:
        code = getattr(inspect.unwrap(function), "__code__", None)
        if code is None:
            return error
        place = Place(code, -1, function.__globals__)
    return with_notes_of(error, _located(error.code, error.what, error.instead, place))


def with_notes_of(error: BaseException, refusal: Refused) -> Refused:
    """A refusal that takes the place of another exception, with the notes of that one."""
    for note in getattr(error, "__notes__", ()):
        refusal.add_note(note)
    return refusal


def _located(code: str, what: str, instead: str, place: Place | None) -> TraceError:
    if place is None:
        return TraceError(code, what, instead)
    return TraceError(
        code,
        what,
        instead,
        filename=place.filename,
        line=place.line,
        column=place.column,
        text=place.text,
    )
