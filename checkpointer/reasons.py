"""Why something is in the state of a loop: by which name, and in which function, the loop's code reaches it."""

from __future__ import annotations

import re
import types
from typing import TYPE_CHECKING

from checkpointer.containers import Cell, ClassAttributes, Global
from checkpointer.frames import Contents, values
from checkpointer.reach import names_in

if TYPE_CHECKING:
    from checkpointer.loop import Loop

_BODY = "the loop's body"
_MADE = "reached by a function that was made while the program ran"


class Reasons:
    """The reasons for all that a loop's state holds at one moment."""

    def __init__(self, loop: Loop, contents: Contents) -> None:
        self._step: types.FunctionType = loop.step  # type: ignore[assignment]
        made = [
            value
            for place in contents
            for _, value in values(*place)
            if isinstance(value, types.FunctionType)
        ]
        self._functions = [self._step, *(f for f in (*loop.state.functions(), *made) if f is not self._step)]
        self._of_name: dict[str, str] = {}
        for container, _ in contents:
            if isinstance(container, Cell):
                self._of_name.setdefault(container.name, self._of_cell(container))
            elif isinstance(container, Global):
                self._of_name.setdefault(container.name, self._of_global(container))
            elif isinstance(container, ClassAttributes):
                self._of_name.setdefault(container.name.removesuffix("."), "class that the loop's code uses")

    def of(self, name: str) -> str:
        """Why the thing of this name is in the state."""
        if name.startswith("arguments[0]"):
            return "the loop goes over it"
        if name.startswith("default of "):
            return f"{name.partition('[')[0]}()"
        if name.startswith("self of the function"):
            return "the object whose method is called"
        if name == "a random generator":
            return "random numbers are drawn by the loop's code"
        first, rest = _split(name)
        reason = self._of_name.get(first, _MADE)
        if not rest:
            return reason
        what = "attribute" if rest[-1].startswith(".") else "item"
        holder = name[: len(name) - len(rest[-1])]
        return (
            f"{what} of {holder} ({reason})" if holder == first else f"{what} of {holder} ({first}: {reason})"
        )

    def _of_cell(self, cell: Cell) -> str:
        for function in self._functions:
            for name, other in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
                if other is cell.owner:
                    verb = "rebound" if name in names_in(function.__code__).rebound else "used"
                    if function is self._step:
                        return f"{verb} by {_BODY}"
                    return f"closure of {self._called(function)}, {verb} there"
        return _MADE

    def _of_global(self, place: Global) -> str:
        using = [
            f
            for f in self._functions
            if f.__globals__ is place.owner and place.name in names_in(f.__code__).used
        ]
        storing = [f for f in using if place.name in names_in(f.__code__).stored]
        if not using:  # module.name, in another module
            return "global of a module that the loop's code uses"
        function = (storing or using)[0]
        return f"global, {'rebound' if storing else 'used'} by {self._called(function)}"

    def _called(self, function: types.FunctionType) -> str:
        return _BODY if function is self._step else f"{function.__qualname__}()"


def _split(name: str) -> tuple[str, list[str]]:
    """The variable that a name begins with, and what follows: attributes and items."""
    first = re.match(r"\w*", name)
    assert first is not None
    return first[0], re.findall(r"\.\w+|\[[^\]]*\]", name[first.end() :])
