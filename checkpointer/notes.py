"""What is noted on an exception that leaves a step of a marked loop: which step it was, of which loop, in which sweep.

An exception that the program catches inside the step leaves no trace. One that goes through nested loops gets a note from
each. Nothing is paid for this unless something is raised.
"""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from checkpointer import ranks
from checkpointer.errors import CheckpointerError
from checkpointer.places import Place, loop_at
from checkpointer.replay import replaying

if TYPE_CHECKING:
    from checkpointer.tape import Tape

_NO_ERRORS = (GeneratorExit, SystemExit)
_COUNTED: tuple[type, ...] = (range, list, tuple)
"""Whose iterators know how many items are left, and run no code of the user's."""


def note_step(error: BaseException, step: Callable[..., Any], number: int, *, taped: bool = False) -> None:
    """An exception leaves a step of a loop that is differentiated."""
    where = f"In step {number} of the loop at {loop_at(step)}"
    if replaying():
        when = "while it was computed again for the reverse sweep" + (
            ", under the tape, to be differentiated" if taped else ""
        )
    else:
        when = "in the forward sweep" + (", under the tape" if taped else "")
    _add(error, number, f"{where}, {when}{_on_rank()}")


def counted(items: Iterable[Any]) -> Iterable[Any]:
    """The items, as an iterator that can tell how far it has come, if theirs is one."""
    return iter(items) if type(items) in _COUNTED else items


def note_plain_step(
    error: BaseException, step: Callable[..., Any], items: Iterable[Any], left: Iterable[Any]
) -> None:
    """An exception leaves a step of a loop that is not differentiated; say which one if that is known (`counted`)."""
    if type(items) in _COUNTED:
        number = len(items) - operator.length_hint(left) - 1  # type: ignore[arg-type]
        _add(error, number, f"In step {number} of the loop at {loop_at(step)}{_on_rank()}")


def note_way_back(error: BaseException, step: Callable[..., Any], number: int, tape: Tape) -> None:
    """The reversal of a step failed."""
    where = f"On the way back through step {number} of the loop at {loop_at(step)}{_on_rank()}"
    _add(error, None, where + _from(tape.place(tape.reversing)))


def note_way_back_of_function(error: BaseException, function: Any, tape: Tape) -> None:
    """The reversal of what a differentiated function did around its loops failed; a loop has its own note."""
    place = tape.place(tape.reversing)
    if place is not None and not hasattr(tape.reversing, "loop"):
        name = getattr(function, "__qualname__", type(function).__name__)
        _add(error, None, f"On the way back through {name}{_on_rank()}" + _from(place))


def _on_rank() -> str:
    return "" if ranks.world() is None else f", on rank {ranks.rank()} of {ranks.size()}"


def _from(place: Place | None) -> str:
    if place is None:
        return ""
    text = place.text.strip()
    return f", from {os.path.basename(place.filename)}:{place.line}" + (f": {text}" if text else "")


def _add(error: BaseException, number: int | None, note: str) -> None:
    if isinstance(error, _NO_ERRORS):
        return
    if (
        isinstance(error, CheckpointerError)
        and number is not None
        and re.search(rf"step {number}\b", str(error))
    ):
        return  # its text says it
    add_note(error, note)


def add_note(error: BaseException, note: str) -> None:
    """Add a note that the exception does not have yet: some programs raise one object again and again.

    One that takes no notes, as it is frozen or has others in their place, goes without.
    """
    with suppress(Exception):
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
