"""Lists that a loop does nothing with but append to them and read their ends.

``energies.append(e)`` is how programs keep histories. A list with one item per step that is walked at every step would cost
time quadratic in the number of steps. If the code that the loop can reach says that nobody looks at the items but at a
fixed distance from the end, then the others need not be visited: nothing can read or change them, but through another
name, and then that name tells.

Which lists those are is read off the bytecode (`uses_in`), and errs on the side of walking everything. There are ways to an
item that no bytecode tells; so the items that are not visited are not there while steps are differentiated (`guard`).
"""

from __future__ import annotations

import copy
import dataclasses
import dis
import functools
import operator
import types
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from checkpointer.boxes import plain
from checkpointer.containers import Cell, Container, Dict, Global, List, Slots
from checkpointer.errors import ReplayError
from checkpointer.hidden import HiddenItem
from checkpointer.memory import root_of

_REFLECTION = frozenset(
    "vars locals globals dir eval exec getattr gc inspect copy deepcopy asdict astuple pickle attrgetter".split()
)
"""Names with which code may get at a variable or attribute without naming it."""
_REFLECTIVE_ATTRIBUTES = frozenset(
    "__dict__ __getattribute__ __getstate__ __reduce_ex__ asdict astuple attrgetter cell_contents deepcopy".split()
)
REFLECTIVE = (
    *(vars, locals, globals, dir, eval, exec, getattr, copy.copy, copy.deepcopy),
    *(dataclasses.asdict, dataclasses.astuple, operator.attrgetter),
)
"""The same as values, which code may have under other names."""
_NO_OPERATION = frozenset("CACHE PRECALL RESUME PUSH_NULL NOP EXTENDED_ARG COPY_FREE_VARS NOT_TAKEN".split())
_LOADS = ("LOAD_", "STORE_FAST_LOAD", "IMPORT_")
_GROWS = ("append", "extend")


# --- what code does with names -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Uses:
    """How code uses its variables and attributes.

    Attributes
    ----------
    ends : dict of str to int
        Names that are appended to, or read at their end, and how far from it.
    others : frozenset of str
        Names that are used in any other way.
    reflects : bool
        It may get at variables and attributes without naming them.
    """

    ends: dict[str, int]
    others: frozenset[str]
    reflects: bool

    def united(self, other: Uses) -> Uses:
        """The uses of both."""
        names = self.ends.keys() | other.ends.keys()
        ends = {name: max(self.ends.get(name, 0), other.ends.get(name, 0)) for name in names}
        return Uses(ends, self.others | other.others, self.reflects or other.reflects)

    def depth(self, name: str) -> int | None:
        """How far from its end a list of this name is read, or None if more may happen to it."""
        return None if name in self.others or self.reflects else self.ends.get(name)


NO_USES = Uses({}, frozenset(), reflects=False)
REFLECTION = Uses({}, frozenset(), reflects=True)


@functools.lru_cache(maxsize=4096)
def uses_in(code: types.CodeType) -> Uses:
    """What the code of a function, and of the functions inside it, does with names."""
    instructions = [item for item in dis.get_instructions(code) if item.opname not in _NO_OPERATION]
    ends: dict[str, int] = {}
    others: set[str] = set()
    reflects = False
    cells = {*code.co_cellvars, *code.co_freevars}
    for number, item in enumerate(instructions):
        reflects |= item.opname == "MATCH_CLASS"  # which reads attributes that the class names
        if not item.opname.startswith(_LOADS) or item.opname in ("LOAD_CONST", "LOAD_CLOSURE"):
            continue
        names = item.argval if isinstance(item.argval, tuple) else (item.argval,)
        if "FAST" in item.opname:  # the cell itself is loaded for a function that is made
            names = tuple(name for name in names if name not in cells)
        is_attribute = item.opname in ("LOAD_ATTR", "LOAD_METHOD")
        reflects |= not (_REFLECTIVE_ATTRIBUTES if is_attribute else _REFLECTION).isdisjoint(names)
        depth = _depth(instructions, number) if len(names) == 1 else None
        if depth is None:
            others.update(map(str, names))
        else:
            ends[names[0]] = max(depth, ends.get(names[0], 0))
    uses = Uses(ends, frozenset(others), reflects)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            uses = uses.united(uses_in(constant))
    return uses


def _depth(instructions: list[dis.Instruction], number: int) -> int | None:
    """How far from its end the list is read that has just been loaded; None if something else is done with it."""
    after = instructions[number + 1 : number + 5]
    if len(after) > 1 and _is_item(after, str):  # a list in a dict: log["t"]
        after = after[2:]
    if after and after[0].opname in ("LOAD_ATTR", "LOAD_METHOD") and after[0].argval in _GROWS:
        return 0
    if len(after) > 1 and _is_item(after, int) and after[0].argval < 0:
        return -int(after[0].argval)
    return None


def _is_item(after: list[dis.Instruction], kind: type) -> bool:
    """Whether these instructions read an item by a constant of this type."""
    constant, subscript = after[:2]
    reads = subscript.opname == "BINARY_SUBSCR" or (
        subscript.opname == "BINARY_OP" and subscript.argrepr == "[]"
    )
    return reads and constant.opname == "LOAD_CONST" and type(constant.argval) is kind


# --- the lists themselves ----------------------------------------------------------------------------------------


class Tail(Container):
    """A list of which only the items near the end are visited, and those that another name holds too.

    Seen from outside of the loop, before `begin` and after `end`, it is a list like any other; or, if the loop runs in a
    step of another one to which it is a tail too, the tail that it is there.

    Attributes
    ----------
    variable : str
        The name under which the code uses it.
    depth : int
        How many items at the end the loop may read.

    Parameters
    ----------
    owner : list
    name : str
        What the user would call it.
    variable, depth
        As above.
    outer : Tail, optional
        The same list in the loop around.
    """

    def __init__(
        self, owner: list[Any], name: str, variable: str, depth: int, outer: Tail | None = None
    ) -> None:
        self.owner = owner
        self.name = name
        self.variable = variable
        self.depth = depth
        self._lengths = array("q")  # before each step of the first sweep
        self._final: list[Any] = []  # the items at the end of the loop
        self._outer = outer
        self._within = False
        self._visible: list[int] | None = None
        self._begun = 0
        self._items: list[Any] = []  # those whose base arrays are known, whether they are hidden or not
        self._roots: list[tuple[int, ...]] = []
        self._places: dict[int, list[int]] = {}
        self._whole = False
        self._guarded = False
        self._hidden = HiddenItem(name)
        self._looked = 0  # before here, all items are hidden but the shown
        self._shown: list[int] = []

    def note_length(self) -> None:
        """A step of the first sweep is about to run."""
        self._lengths.append(len(self.owner))

    def begin(self, step: int) -> None:
        """The state is now the one before ``step``: what is visible has to be found out."""
        self._within = True
        self._visible = None
        self._begun = self._lengths[step - 1] if 0 < step <= len(self._lengths) else len(self.owner)

    def look(self, roots: Iterable[int]) -> None:
        """Find out what is visible, unless it was since `begin`: these base arrays can be reached without the list.

        Besides the items that can be read, those are visible that the step before appended: they are compared with what
        it appended when it was recomputed.
        """
        if not self._within or self._visible is not None:
            return
        self._note_items()
        length = len(self.owner)
        first = max(0, min(self._begun, length - self.depth))
        held = {place for root in roots if root in self._places for place in self._places[root]}
        self._visible = sorted(held.union(range(first, length)))
        self._begun = length
        if self._guarded:
            self._hide_others()

    def show_all(self) -> None:
        """Let every item be visible from now on: code came to light that may read it."""
        if self._visible is not None and not self._whole:
            raise ReplayError(
                f"{self.name} was taken for a list that the loop only appends to, and code that does more came to light"
                " in the middle of a step: import the module that it stands in before the loop"
            )
        self._whole = True
        self._uncover(range(self._looked))

    def guard(self) -> None:
        """From now on, keep what is not visible out of the list."""
        self._guarded = True

    def reveal(self) -> None:
        """Put every item back into the list."""
        self._guarded = False
        self._uncover(range(self._looked))
        self._looked, self._shown = 0, []

    def _hide_others(self) -> None:
        if self._whole:
            self._uncover(range(self._looked))
            self._looked, self._shown = 0, []
            return
        visible = set(self._visible or ())
        for place in (*self._shown, *range(self._looked, len(self.owner))):
            if place not in visible:
                self.owner[place] = self._hidden
        self._uncover(visible)
        self._looked, self._shown = len(self.owner), list(visible)

    def _uncover(self, places: Iterable[int]) -> None:
        for place in places:
            if self.owner[place] is self._hidden:
                self.owner[place] = self._items[place]

    def end(self) -> None:
        """The first sweep is over."""
        self._final = list(self.owner)
        self.look_from_outside()

    def look_from_outside(self) -> None:
        """Let be visible what the code around the loop sees, until the next `begin`."""
        self._within = False
        self._visible = None
        self._forget_items(0)  # from there they may look otherwise: traced

    def put_back(self) -> None:
        """Give the list the items that it had at the end of the loop, whatever the program has done with it since."""
        for place, item in enumerate(self._final):
            if type(item) is HiddenItem:  # by the loop around, which knows what it hides now
                self._final[place] = self.owner[place]
        self.refill(self._final)

    def refill(self, items: list[Any]) -> None:
        """Give the list these items."""
        self.owner[:] = items
        self._forget_items(0)
        self._looked, self._shown = 0, []

    def _note_items(self) -> None:
        """Learn where the base arrays of new items are."""
        for place in range(len(self._roots), len(self.owner)):
            self._items.append(self.owner[place])
            roots = _roots_in(self.owner[place])
            self._whole = self._whole or roots is None
            self._roots.append(roots or ())
            for root in roots or ():
                self._places.setdefault(root, []).append(place)

    def _forget_items(self, length: int) -> None:
        while len(self._roots) > length:
            self._items.pop()
            for root in self._roots.pop():
                places = self._places[root]
                places.pop()
                if not places:
                    del self._places[root]

    def pairs(self) -> list[tuple[Any, Any]]:
        owner = self.owner
        if not self._within and self._outer is not None:
            return self._outer.pairs()
        if self._whole or self._visible is None:
            return list(enumerate(owner))
        return [(place, owner[place]) for place in (*self._visible, *range(self._begun, len(owner)))]

    def put(self, key: Any, value: Any) -> None:
        self.owner[key] = value

    def content(self) -> Any:
        return len(self.owner)

    def restore(self, content: Any) -> None:
        if len(self.owner) < content:
            raise ReplayError(f"{self.name} is shorter than it was when the loop came to this step")
        del self.owner[content:]
        self._forget_items(content)
        self._looked = min(self._looked, content)
        ends = range(max(0, content - self.depth), self._looked)
        self._uncover(ends)
        self._shown = [*(place for place in self._shown if place < ends.start), *ends]


def _roots_in(item: Any) -> tuple[int, ...] | None:
    """The ids of the base arrays in an item; None if it holds anything but arrays and what is immutable."""
    item = plain(item)
    if type(item) is HiddenItem:
        return ()
    if type(item) is np.ndarray:
        return (id(root_of(item)),) if item.dtype != object else None
    if type(item) is tuple:
        parts = [_roots_in(part) for part in item]
        return None if None in parts else tuple(root for part in parts for root in part or ())
    return () if isinstance(item, int | float | complex | str | bytes | np.generic | None) else None


def inherited(outer: Mapping[int, Tail], uses: Uses) -> dict[int, Tail]:
    """The tails of the loop around as tails of a loop in one of its steps, whose code is part of the other's."""
    return {
        key: Tail(tail.owner, tail.name, tail.variable, uses.ends.get(tail.variable, 0), tail)
        for key, tail in outer.items()
    }


def tails_of(containers: list[Container], uses: Uses) -> dict[int, Tail]:
    """The lists in these containers that are only appended to and read at their ends, by their ``id``."""
    if not uses.ends:
        return {}
    holders: dict[int, list[tuple[Container, Any]]] = {}
    for container in containers:
        for key, value in container.pairs():
            for held in _lists_and_dicts(value):
                holders.setdefault(id(held), []).append((container, key))
    found = {}
    for container in containers:
        if type(container) is List and type(container.owner) is list:
            variable = _only_name(container.owner, holders, inside=True)
            depth = uses.depth(variable)
            if depth is not None and all(_roots_in(item) is not None for item in container.owner):
                found[id(container.owner)] = Tail(container.owner, container.name, variable, depth)
    return found


def _lists_and_dicts(value: Any) -> Iterator[Any]:
    if isinstance(value, list | dict):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _lists_and_dicts(item)
    elif isinstance(value, types.BuiltinMethodType | types.MethodWrapperType):
        yield value.__self__


def _only_name(value: Any, holders: dict[int, list[tuple[Container, Any]]], *, inside: bool) -> str:
    """The name of the one variable or attribute that holds the list, or the dict that the list is in; else nothing."""
    places = holders.get(id(value), [])
    if len(places) != 1:
        return ""
    container, key = places[0]
    if isinstance(container, Cell | Global):
        return container.name
    if isinstance(container, Slots) or (type(container) is Dict and container.name.endswith(".")):
        return str(key)
    if type(container) is Dict and type(container.owner) is dict and inside:
        return _only_name(container.owner, holders, inside=False)
    return ""
