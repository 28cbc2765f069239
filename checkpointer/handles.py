"""The open files that a loop's state holds, while its steps are replayed.

A file cannot be silenced from outside, and may be closed by the time of the reverse sweep. So stand-ins (`Quiet`) are put
into the places that hold files, their bound methods and csv writers, and taken out when the sweep is over. Files in memory
are none of this: their content is part of the state (`checkpointer.containers`).
"""

from __future__ import annotations

import copy
import csv
import functools
import io
import types
from typing import Any

from checkpointer.containers import Container, MemoryFile
from checkpointer.replay import Quiet, deaf_file, original_of, renew
from checkpointer.state import Survey, replace_in

_CsvWriter: Any = type(csv.writer(io.StringIO()))
_BOUND = (types.BuiltinMethodType, types.MethodType)


class Handles:
    """What the state of one loop holds of open files.

    Attributes
    ----------
    any : bool
        Whether there are any; without them, nothing here costs anything.
    """

    def __init__(self) -> None:
        self.any = False
        self._quiet: dict[int, Quiet] = {}
        self._places: dict[tuple[Any, ...], Container] = {}

    def look_for(self, survey: Survey) -> None:
        """Note whether the state as it is now holds open files."""
        self.any = self.any or any(
            _holds_file(value) for container in survey.containers for _, value in container.pairs()
        )

    def hide(self, survey: Survey) -> None:
        """Put stand-ins into all places that hold open files."""
        for container in survey.containers:
            if any(_holds_file(value) for _, value in container.pairs()):
                self._places[container.identity] = container
                replace_in(container, self._stand_in)

    def show(self) -> None:
        """Take the stand-ins out again."""
        for container in self._places.values():
            replace_in(container, self._taken_out)

    def _stand_in(self, value: Any) -> Any:
        if type(value) is Quiet:
            renew(value)
            return value
        if not _is_file(value):
            return value
        if id(value) not in self._quiet:
            self._quiet[id(value)] = Quiet(value, lambda: _silent(value))
        return self._quiet[id(value)]

    def _taken_out(self, value: Any) -> Any:
        original = original_of(value)
        return original if self._quiet.get(id(original)) is value else value


def _holds_file(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(map(_holds_file, value))
    return type(value) is Quiet or _is_file(value)


def _is_file(value: Any) -> bool:
    """Whether a value is a file that is written to, a csv writer, or a method of one."""
    if isinstance(value, _BOUND):
        value = value.__self__
    return _writes(type(value))  # type: ignore[arg-type]  # types can be hashed


@functools.lru_cache(maxsize=1024)
def _writes(cls: Any) -> bool:
    if issubclass(cls, io.IOBase):
        return not issubclass(cls, MemoryFile.KINDS)
    return cls is _CsvWriter or cls is csv.DictWriter or cls.__name__ == "_TemporaryFileWrapper"


def _silent(value: Any) -> Any:
    """What does the same as a file, a csv writer or a method of one, and writes nothing."""
    if isinstance(value, _BOUND):
        return getattr(_silent(value.__self__), value.__name__)
    if type(value) is _CsvWriter:
        return csv.writer(deaf_file(None), dialect=value.dialect)
    if type(value) is csv.DictWriter:
        silent = copy.copy(value)
        silent.writer = csv.writer(deaf_file(None), dialect=value.writer.dialect)
        return silent
    return deaf_file(value)
