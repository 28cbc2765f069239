"""Warnings that NumPy gives in code of ours say the user's line, as they would in the plain program.

While a step is traced, and while it is reversed, NumPy is called by checkpointer, and ``warnings`` would name files of
checkpointer or autograd. Such a warning is issued again for the line of the user's that the operation stands in, with the
filters and the registry of the user's module, so that it is shown as often as there.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

from checkpointer.patches import Patch
from checkpointer.places import Place, is_ours, place_in
from checkpointer.tape import Tape


def _place() -> None:
    if not hasattr(warnings.showwarning, "places"):
        warnings.showwarning = _placing(warnings.showwarning)


def _unplace() -> None:
    warnings.showwarning = getattr(warnings.showwarning, "places", warnings.showwarning)


placed_warnings = Patch(_place, _unplace, renewed=True)
"""Give warnings the user's places, during a call that is differentiated or its pullback."""


def _placing(show: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(show)
    def placed(message: Any, category: Any, filename: str, lineno: int, *rest: Any) -> None:
        origin = _origin(sys._getframe(1), filename)
        place = None if origin is None else _users_place(origin)
        if origin is None or place is None:
            show(message, category, filename, lineno, *rest)
        else:
            _issue_again(origin, place, message, category)

    placed.places = show  # type: ignore[attr-defined]
    return placed


def _origin(frame: FrameType | None, filename: str) -> FrameType | None:
    """The frame that a warning names."""
    while frame is not None and (frame.f_code.co_filename != filename or frame.f_globals is vars(warnings)):
        frame = frame.f_back
    return frame


def _users_place(frame: FrameType | None) -> Place | None:
    """Where the user's program has to do with a frame of ours: what is called there, or is being reversed."""
    if frame is not None and not is_ours(frame):
        return None
    while frame is not None:
        if not is_ours(frame):
            return place_in(frame)
        if frame.f_code is Tape.reverse.__code__:
            return frame.f_locals["self"].place(frame.f_locals["entry"])  # type: ignore[no-any-return]
        frame = frame.f_back
    return None


def _issue_again(origin: FrameType, place: Place, message: Any, category: Any) -> None:
    """Let the filters decide anew, for the user's line; forget that it was given for ours."""
    origin.f_globals.get("__warningregistry__", {}).clear()
    warnings.onceregistry.pop((str(message), category), None)  # type: ignore[attr-defined]
    warnings.warn_explicit(
        message,
        category,
        place.filename,
        place.line,
        module=place.names.get("__name__"),
        registry=place.names.setdefault("__warningregistry__", {}),
    )
