"""The variables of a loop's state by the names that the program calls them, with their values and adjoints.

The state is a list of leaves with keys. A file for people to look at wants names, and one name for one thing at all steps.
So a name that several variables have belongs to that of the loop's own function, or to none; a list of numbers is one
variable; and lists and dicts that grow are none, since each step would bring more names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from checkpointer.boxes import plain
from checkpointer.containers import Cell, Container, Deque, Dict, Global, List
from checkpointer.memory import Array, flipped, offset_in
from checkpointer.state import Key, Leaf, in_tuples
from checkpointer.stretch import Adjoint, Base, Group
from checkpointer.tails import Tail
from checkpointer.tape import TapeNode


class Variable:
    """What the program calls by one name: an array, a number, or a list of nothing but numbers.

    Attributes
    ----------
    leaves : list of Leaf
    rank : int
        How near its place is to the loop: 0 for the loop's own variables, 1 for its module's, 2 for others.
    """

    __slots__ = ("is_list", "leaves", "rank")

    def __init__(self, leaf: Leaf, rank: int, *, is_list: bool) -> None:
        self.leaves = [leaf]
        self.rank = rank
        self.is_list = is_list

    @property
    def keys(self) -> tuple[Key, ...]:
        """Of its leaves."""
        return tuple(leaf.key for leaf in self.leaves)

    @property
    def value(self) -> Array:
        """The values as they are now; an array itself, not a copy."""
        values = [plain(leaf.value) for leaf in self.leaves]
        return np.asarray(values if self.is_list else values[0])

    def is_same(self, other: Variable) -> bool:
        """Whether both are one object."""
        return plain(self.leaves[0].value) is plain(other.leaves[0].value) and not self.is_list


class Names:
    """The names of one loop's variables.

    Parameters
    ----------
    step : function
        The loop's step.
    holder : list
        The place of the loop's items in the state, which have no names.

    Attributes
    ----------
    growing : list of str
        Lists and dicts whose length has changed.
    """

    def __init__(self, step: Callable[..., Any], holder: list[Any]) -> None:
        self.growing: list[str] = []
        self._step = step
        self._holder = holder
        self._lengths: dict[str, list[int]] = {}

    def found(self, leaves: Sequence[Leaf]) -> tuple[dict[str, Variable], set[str]]:
        """The variables by their names, and the names that several have."""
        found: dict[str, Variable] = {}
        shared = set()
        for name, variable in self.all(leaves):
            known = found.get(name)
            if known is None or variable.rank < known.rank:
                found[name] = variable
                shared.discard(name)
            elif variable.rank == known.rank and not variable.is_same(known):
                shared.add(name)
        for name in shared:
            del found[name]
        return found, shared

    def all(self, leaves: Sequence[Leaf]) -> Iterator[tuple[str, Variable]]:
        """Every array, number and list of numbers that has a name, with its name."""
        lists: dict[int, Variable] = {}
        for leaf in leaves:
            container = leaf.container
            if leaf.key[0] in ("kept", "tail") or self._is_held(container):
                continue
            if any(leaf.name.startswith(f"{name}[") for name in self.growing):
                continue
            rank = self._rank(container)
            if isinstance(container, List | Deque) and _is_number(leaf):
                known = lists.get(id(container))
                if known is None and leaf.place == 0:
                    known = lists[id(container)] = Variable(leaf, rank, is_list=True)
                    yield container.name, known
                    continue
                if known is not None and leaf.place == len(known.leaves):
                    known.leaves.append(leaf)
                    continue
            yield leaf.name + in_tuples(leaf.key), Variable(leaf, rank, is_list=False)

    def look_at_lengths(self, containers: Iterable[Container]) -> list[str]:
        """Find out which lists and dicts have another length than they had; those that are new among `growing`."""
        lengths: dict[str, list[int]] = {}
        grown = []
        for container in containers:
            name = container.name
            if isinstance(container, Tail):
                grown.append(name)
            elif isinstance(container, List | Deque | Dict) and not name.endswith("."):
                lengths.setdefault(name, []).append(len(container.pairs()))
        for name, now in lengths.items():
            if self._lengths.setdefault(name, now) != now and name != "arguments":
                grown.append(name)
        new = [name for name in grown if name not in self.growing]
        self.growing += new
        return new

    def _rank(self, container: Container) -> int:
        if isinstance(container, Cell):
            return 0 if any(container.owner is cell for cell in self._step.__closure__ or ()) else 2
        if isinstance(container, Global):
            return 1 if container.owner is self._step.__globals__ else 2
        return 2

    def _is_held(self, container: Container) -> bool:
        """Whether a place belongs to the loop's items, or to the value that it returns."""
        items = self._holder[0] or ()
        owner = container.owner
        held = owner is self._holder or owner is items or any(owner is item for item in items)
        return held or container.name.startswith("arguments[0][")


def adjoints(groups: Iterable[Group], adjoint: Adjoint) -> Iterator[tuple[Key, Any]]:
    """For each leaf of the groups its part of the adjoint of a state, None for zero; nothing is copied.

    A complex one follows the convention of the gradient functions: dJ/d(real part) - i dJ/d(imaginary part).
    """
    for group in groups:
        entry = adjoint.get(group.members[0][0])
        for key, node in group.members:
            yield key, None if entry is None else flipped(_part(entry, node))


def _part(entry: Any, node: TapeNode) -> Any:
    """The part of a group's entry that belongs to one of its members."""
    value = node.value
    if not isinstance(entry, Base):
        return entry  # a number, or all members are the same part of their base
    if value.size == 0:
        return None
    offset = offset_in(node.memory.root, value)
    return np.ndarray(value.shape, value.dtype, entry.flat, offset, value.strides)


def _is_number(leaf: Leaf) -> bool:
    """Whether it is a number that stands in its place by itself, not in a tuple."""
    return len(leaf.key) == 3 and not isinstance(plain(leaf.value), np.ndarray)


def root_name(name: str) -> str:
    """The variable in a name such as ``model.parts['u'][0]``."""
    return name.partition(".")[0].partition("[")[0]
