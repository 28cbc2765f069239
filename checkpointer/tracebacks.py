"""Tracebacks that lead from the user's call to the user's line, without what stands between.

Every way in and out of checkpointer cuts its own frames, and autograd's, out of the traceback of an exception that passes.
An error of checkpointer itself keeps them; so do all with ``CHECKPOINTER_FULL_TRACEBACK=1`` in the environment.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, TypeVar

from checkpointer.boxes import is_traced
from checkpointer.errors import CheckpointerError
from checkpointer.notes import add_note
from checkpointer.places import loop_at, package_of
from checkpointer.switches import is_on

F = TypeVar("F", bound=Callable[..., Any])

_MACHINERY = frozenset(("autograd", "checkpointer"))
_BETWEEN = frozenset(("contextlib", "warnings"))
"""What is machinery where it is called by machinery."""
_FORWARD = frozenset(("differentiate",))
_REVERSE = frozenset(("LoopOperation.reverse",))
_OF_A_BUG = (AssertionError, ImportError, KeyError, MemoryError, NameError, RecursionError)
"""What NumPy does not raise where the program gives it wrong values."""
_LEFT_OUT = (
    "(frames of checkpointer behind the last line are left out: CHECKPOINTER_FULL_TRACEBACK=1 shows them)"
)
_NEEDS_NO_FRAMES = (ArithmeticError, CheckpointerError, KeyboardInterrupt, Warning)


def full_tracebacks() -> bool:
    """Whether the user wants to see all frames."""
    return is_on("CHECKPOINTER_FULL_TRACEBACK")


def trim(error: BaseException) -> None:
    """Take the machinery's frames out of the tracebacks of an exception, of those behind it and of those in it.

    To be called where the exception leaves checkpointer, in an ``except`` clause that ends with a bare ``raise``: that one
    does not add the frame again.
    """
    if full_tracebacks():
        return
    pending, seen = [error], set[int]()
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        pending += [other for other in (one.__cause__, one.__context__) if other is not None]
        if isinstance(one, BaseExceptionGroup):
            pending += one.exceptions
        with suppress(Exception):  # what fails here would take the place of the program's own exception
            _trim(one)


def trimming(function: F) -> F:
    """The function, which trims the exceptions that leave it; where a call may cost a little more."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            trim(error)
            raise

    return call  # type: ignore[return-value]


def _trim(error: BaseException) -> None:
    entries = list(_entries(error.__traceback__))
    frames = [entry.tb_frame for entry in entries]
    ours = _which_are_ours(frames)
    if not any(ours) or _is_bug(error, ours, frames[-1]):
        return
    if ours[-1] and not all(ours) and not isinstance(error, _NEEDS_NO_FRAMES):
        add_note(error, _LEFT_OUT)
    kept: TracebackType | None = None
    for place in reversed(range(len(entries))):
        if place > 0 and _calls(_REVERSE, frames[place - 1]):
            kept = _at_its_loop(kept, entries[place])
        elif not ours[place]:
            kept = TracebackType(kept, frames[place], entries[place].tb_lasti, entries[place].tb_lineno)
    BaseException.with_traceback(error, kept)  # an assignment fails where the exception is frozen


def _at_its_loop(following: TracebackType | None, entry: TracebackType) -> TracebackType:
    """The entry of a reverse sweep, which runs on no line of the user's, with the line of the loop."""
    frame = entry.tb_frame
    if entry.tb_lineno != frame.f_code.co_firstlineno:  # in a file that checkpointer wrote
        return TracebackType(following, frame, entry.tb_lasti, entry.tb_lineno)
    line = int(loop_at(frame.f_locals["loop"].step).rpartition(":")[2])
    stand_in = _frame_at(line, frame)
    return TracebackType(following, stand_in, stand_in.f_lasti, line)


def _frame_at(line: int, frame: FrameType) -> FrameType:
    """A frame of the same name in the same module that stands at another line."""
    tree = ast.parse("here()", mode="eval")
    for node in ast.walk(tree.body):
        if isinstance(node, ast.expr):
            node.lineno = node.end_lineno = line
            node.col_offset = node.end_col_offset = -1
    code = compile(tree, frame.f_code.co_filename, "eval").replace(co_name=frame.f_code.co_name)
    made: FrameType = eval(code, frame.f_globals, {"here": lambda: sys._getframe(1)})
    return made


def _entries(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _which_are_ours(frames: list[FrameType]) -> list[bool]:
    """Which frames, from the outermost in, are machinery: ours, and what only ours call."""
    found: list[bool] = []
    for place, frame in enumerate(frames):
        package = package_of(frame)
        around = frames[place - 1] if place and found[-1] else None
        called = around is not None and (package in _BETWEEN or _calls(_FORWARD | _REVERSE, around))
        found.append(package in _MACHINERY or called)
    return found


def _calls(sweeps: frozenset[str], frame: FrameType) -> bool:
    """Whether a frame is the one that calls sweeps of rewritten modules, which stand in the user's file."""
    return frame.f_code.co_qualname in sweeps and frame.f_globals.get("__name__") == "checkpointer.loop"


def _is_bug(error: BaseException, ours: list[bool], innermost: FrameType) -> bool:
    """Whether an error is one of checkpointer itself, and not the program's, raised by us on behalf of its line."""
    if not ours[-1] or package_of(innermost) == "autograd":
        return False
    if isinstance(error, CheckpointerError | KeyboardInterrupt):
        return False
    if isinstance(error, AttributeError):
        return not is_traced(error.obj)
    return all(ours) or isinstance(error, _OF_A_BUG)
