"""What stands in for the old items of a list that a loop was found only to append to (`checkpointer.tails`).

That nobody looks at those items was read off the code, and code can look where it names nothing. So while a step is
differentiated the items are not there: who meets this in their place is told, and no derivative is lost in silence.
"""

from __future__ import annotations

from typing import Any, NoReturn

from checkpointer.errors import ReplayError
from checkpointer.refusals import noted

_OPERATORS = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift divmod".split()
_METHODS = (
    "getattr setattr array array_ufunc__ array_function__ float int complex bool index len iter next call getitem setitem "
    "contains eq ne lt le gt ge hash neg pos abs invert round str repr format copy deepcopy reduce_ex enter"
).split()


class HiddenItem:
    """An item of the list ``name`` that a step of the loop must not read."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)


def refuse_reading(item: HiddenItem, *args: Any, **kwargs: Any) -> NoReturn:
    """Say that an item was read which the code does not name."""
    name = object.__getattribute__(item, "_name")
    raise noted(
        ReplayError(
            f"the loop was found to append to {name} and to read no more than its end, and an older item of it was read in a"
            f" way that does not name the list: read it under its own name where the loop does, as in {name}[k]"
        )
    )


for _name in (*_METHODS, *_OPERATORS, *(f"{side}{name}" for name in _OPERATORS for side in "ri")):
    setattr(HiddenItem, f"__{_name.removesuffix('__')}__", refuse_reading)
