"""Places in the user's program: the frames that are theirs, and the lines of their files."""

from __future__ import annotations

import functools
import linecache
import os
import re
import site
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType, TracebackType
from typing import Any, NamedTuple

_OURS = frozenset(("autograd", "checkpointer", "contextlib", "numpy", "scipy"))

_SAID = re.compile(r"One iteration of (?P<place>.+:(?P<line>\d+))\.")
"""The docstring that the rewriter gives to a step."""

DEBUGGERS = frozenset(("IPython.core.debugger", "bdb", "cmd", "pdb"))
_DEBUGGING_PACKAGES = frozenset(("_pydevd_bundle", "debugpy", "pudb", "pydevd"))


class Place(NamedTuple):
    """An instruction of the program.

    Attributes
    ----------
    code : CodeType
    instruction : int
        Its offset in the code, as a frame's ``f_lasti`` tells it.
    names : dict
        The globals of the module, which know how its source is loaded.
    """

    code: CodeType
    instruction: int
    names: dict[str, Any]

    @property
    def filename(self) -> str:
        return self.code.co_filename

    @property
    def line(self) -> int:
        return self._position()[0] or self.code.co_firstlineno

    @property
    def text(self) -> str:
        """The line as it stands in the file, or an empty string where the file cannot be read."""
        return linecache.getline(self.filename, self.line, self.names).rstrip("\n")

    @property
    def column(self) -> int:
        """Where the expression begins in the line, from 0."""
        text = self.text
        first = self._position()[2]
        indent = len(text) - len(text.lstrip())
        return indent if first is None else len(text.encode()[:first].decode(errors="ignore")) or indent

    def _position(self) -> tuple[int | None, int | None, int | None, int | None]:
        positions = list(self.code.co_positions())
        index = self.instruction // 2
        return positions[index] if 0 <= index < len(positions) else (None, None, None, None)


def place_in(frame: FrameType) -> Place:
    """Where a frame is now."""
    return Place(frame.f_code, frame.f_lasti, frame.f_globals)


def places_of(traceback: TracebackType | None) -> list[Place]:
    """Where an exception came from, innermost first, without frames that are ours."""
    places = []
    while traceback is not None:
        frame = traceback.tb_frame
        if not is_ours(frame):
            places.append(Place(frame.f_code, traceback.tb_lasti, frame.f_globals))
        traceback = traceback.tb_next
    return places[::-1]


def loop_at(step: Callable[..., Any]) -> str:
    """The file and line of a marked loop, given its step; in a file that checkpointer wrote, those of its source.

    A cell of a notebook is called as IPython calls it.
    """
    code = step.__code__
    said = _SAID.fullmatch(step.__doc__ or "")  # nothing with `python -OO`
    line = said["line"] if said else code.co_firstlineno
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    cell = None if shell is None else shell.compile.format_code_name(code.co_filename)
    if cell is not None:
        return f"{' '.join(cell)}:{line}"
    return said["place"] if said else f"{os.path.basename(code.co_filename)}:{line}"


def users_frames(frame: FrameType | None, until: FrameType | None = None) -> Iterator[FrameType]:
    """The frames from one outwards, to before another one, without those that are ours; innermost first."""
    while frame is not None and frame is not until:
        if not is_ours(frame):
            yield frame
        frame = frame.f_back


def in_debugger(frame: FrameType | None, until: FrameType | None = None) -> bool:
    """Whether a debugger's own code runs in a frame, or between it and another one further out."""
    while frame is not None and frame is not until:
        name = str(frame.f_globals.get("__name__", ""))
        if name in DEBUGGERS or package_of(frame) in _DEBUGGING_PACKAGES:
            return True
        frame = frame.f_back
    return False


def users(places: list[Place]) -> Place | None:
    """The innermost place in the user's code; in that of an installed package where there is none."""
    return next((place for place in places if not is_installed(place.filename)), next(iter(places), None))


def package_of(frame: FrameType) -> str:
    """The package of the code that runs in a frame: the first word of its module's name."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def is_ours(frame: FrameType) -> bool:
    """Whether a frame belongs to checkpointer, or to what stands between it and the user's code."""
    return package_of(frame) in _OURS


@functools.lru_cache(maxsize=1024)
def is_installed(filename: str) -> bool:
    """Whether a file came with Python or was installed."""
    return filename.startswith(("<frozen", *_installed()))


@functools.cache
def _installed() -> tuple[str, ...]:
    """The folders of Python's library and of packages; `sysconfig` would open files, of which there may be too many."""
    folders = {os.path.dirname(os.__file__), *site.getsitepackages()}
    return tuple(folder + os.sep for folder in folders)
