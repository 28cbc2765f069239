"""One differentiated stretch of the program: a step of a loop, or a whole function.

Traced values are put into the places of the live objects, the stretch runs, and they are taken out again, whatever
happens. What remains is a `Stretch`: the tape, and the nodes of the state before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from checkpointer.boxes import box, is_traced, plain
from checkpointer.errors import ReplayError
from checkpointer.generators import GENERATORS, WatchedGenerator
from checkpointer.memory import Array, Memory, NumberMemory, overlaps_itself
from checkpointer.state import Key, Leaf, State, Survey, is_leaf, replace_in
from checkpointer.tape import Tape, TapeNode

Adjoint = dict[Key, Any]
"""The adjoint of a state: by the key of a leaf, a number, an array of the leaf's shape, or a `Base`.

Every place that holds a number has an entry of its own. Arrays that share a base array have one entry together, under
the key of one of them. A key that is missing stands for zero.
"""


class Base:
    """The adjoint of a whole base array.

    Attributes
    ----------
    flat : 1-D ndarray
        In the order of the base's memory.
    array : ndarray
        The same in the shape of the base.
    alone : bool
        The leaf is the base array itself; otherwise it is one of several views of it.
    """

    __slots__ = ("alone", "array", "flat")

    def __init__(self, flat: Array, root: Array, *, alone: bool) -> None:
        self.flat = flat
        self.array = np.ndarray(root.shape, root.dtype, flat, 0, root.strides)
        self.alone = alone


class Group:
    """The leaves that share one base array, or one number alone.

    Attributes
    ----------
    members : list of (Key, TapeNode)
        The first one's key is the one under which `collect` puts the adjoint.
    whole : bool
        They are different parts of the base.
    """

    __slots__ = ("members", "name", "whole")

    def __init__(self, leaf: Leaf, node: TapeNode) -> None:
        self.members = [(leaf.key, node)]
        self.name = leaf.name
        self.whole = False

    @property
    def varied(self) -> bool:
        """Whether a derivative flows through it."""
        return bool(self.members[0][1].memory.varied)

    def deposit(self, adjoint: Adjoint) -> None:
        """Add the entries of all members to the tape's adjoint, and remove them."""
        for key, node in self.members:
            entry = adjoint.pop(key, None)
            if entry is not None:
                self._deposit(node, entry)

    def _deposit(self, node: TapeNode, entry: Any) -> None:
        memory, value = node.memory, node.value
        if isinstance(memory, NumberMemory):
            memory.add(value, entry)
            return
        if isinstance(entry, Base):
            target = value if entry.alone else memory.root
            if target is memory.root and memory.take_over(entry.flat, entry.array):
                return
            entry = entry.array if entry.array.size != target.size else entry.array.reshape(target.shape)
        else:
            target = value
        if entry.shape != target.shape:
            raise ReplayError(
                f"{self.name} has the shape {target.shape} after a recomputed step, but the loop went on from there with"
                f" {entry.shape}: the step does not do the same every time it is run (a clock, a file, hidden state?)"
            )
        memory.add(target, entry, owned=True)

    def collect(self, adjoint: Adjoint) -> None:
        """Take the group's part out of the tape's adjoint, and put it into ``adjoint`` unless it is zero."""
        key, node = self.members[0]
        memory, value = node.memory, node.value
        if isinstance(memory, NumberMemory):
            entry = memory.take(value)
        elif memory.flat is None:
            return
        elif self.whole or value is memory.root:
            entry = Base(memory.flat, memory.root, alone=not self.whole)
            memory.flat = None
        else:
            part = memory.adjoint(value)
            entry = part.copy()
            part[...] = 0
        if entry is not None:
            adjoint[key] = entry


def groups_of(leaves: list[Leaf]) -> list[Group]:
    """The traced and varied leaves by the memory that they share."""
    groups: dict[Any, Group] = {}
    for leaf in leaves:
        if not is_traced(leaf.value):
            continue
        node: TapeNode = leaf.value._node
        # a number may stand in several places, each of which goes its own way when the program goes on
        owner = leaf.key if isinstance(node.memory, NumberMemory) else id(node.memory)
        group = groups.get(owner)
        if group is None:
            groups[owner] = group = Group(leaf, node)
            group.whole = isinstance(node.memory, Memory) and overlaps_itself(node.value)
        else:
            group.members.append((leaf.key, node))
            group.whole = group.whole or not _same_part(group.members[0][1].value, node.value)
    return [group for group in groups.values() if group.varied]


def _same_part(a: Array, b: Array) -> bool:
    if a is b:
        return True
    same_form = a.shape == b.shape and a.strides == b.strides and a.dtype == b.dtype
    return same_form and a.__array_interface__["data"][0] == b.__array_interface__["data"][0]


class Stretch:
    """What was recorded of one stretch.

    Attributes
    ----------
    tape : Tape
    before, after : list of Group
        The state's nodes at the two ends.
    """

    def __init__(self, tape: Tape, before: list[Leaf]) -> None:
        self.tape = tape
        self.before = groups_of(before)
        self.after: list[Group] = []
        self._left: list[Key] = []

    def end(self, leaves: list[Leaf]) -> None:
        """Note the state at the end of the stretch."""
        self.after = groups_of(leaves)
        self._left = [leaf.key for leaf in leaves]

    def pullback(self, adjoint: Adjoint) -> Adjoint:
        """The adjoint of the state before, given that of the state after. The arrays go back to their content before.

        What is given is used up: who keeps it does not keep its arrays in memory.
        """
        for group in self.after:
            group.deposit(adjoint)
        for key in self._left:
            adjoint.pop(key, None)  # the stretch left a constant there, so nothing before it matters
        check_nothing_lost(adjoint)
        self.tape.reverse()
        for group in self.before:
            group.collect(adjoint)
        return adjoint


def check_nothing_lost(adjoint: Adjoint) -> None:
    """Refuse that adjoints are left over which belong to no place of the state; those of tails wait until they are seen."""
    lost = [key for key in adjoint if key[0] != "tail"]
    if lost:
        raise ReplayError(
            f"a recomputed step left a state of another form than the loop went on from ({len(lost)} of its numbers and"
            " arrays have no place there): the step does not do the same every time it is run, or keeps values where"
            " checkpointer cannot follow them"
        )


class Wrapper:
    """Makes traced values of leaves, one for one: aliases stay aliases."""

    def __init__(self, tape: Tape, varied: Callable[[Any], bool]) -> None:
        self.tape = tape
        self.varied = varied
        self.memories: dict[int, Memory] = {}
        self._arrays: dict[int, Any] = {}
        self._alive: list[Any] = []

    def __call__(self, value: Any) -> Any:
        if is_traced(value):
            return value
        if type(value) in GENERATORS:
            return WatchedGenerator(value)
        if not is_leaf(value):
            return value
        if not isinstance(value, np.ndarray):
            return box(self.tape, value, NumberMemory()) if self.varied(value) else value
        known = self._arrays.get(id(value))
        if known is None:
            memory = Memory(value, varied=self.varied(value))
            memory = self.memories.setdefault(id(memory.root), memory)
            known = self._arrays[id(value)] = box(self.tape, value, memory)
            self._alive.append(value)
        return known

    def adopt(self, survey: Survey) -> None:
        """Take over the memories of arrays that are traced already."""
        for leaf in survey.leaves:
            if is_traced(leaf.value) and isinstance(memory := leaf.value._node.memory, Memory):
                self.memories.setdefault(id(memory.root), memory)


class Wrapped:
    """The state while traced values stand in it.

    Attributes
    ----------
    before : Survey
        What was found at the beginning, with the traced values.
    left : Survey or None
        What the latest `survey` found.
    """

    def __init__(self, state: State, before: Survey) -> None:
        self._state = state
        self.before = before
        self.left: Survey | None = None

    def survey(self) -> Survey:
        """Walk the state as the stretch left it; nothing may change it afterwards."""
        self.left = self._state.survey()
        return self.left

    def unwrap(self) -> None:
        """Take the traced values out, also of places that the state does not reach any more."""
        left = self.left or self._state.survey()
        reached = {container.identity for container in left.containers}
        for container in self.before.containers:
            if container.identity not in reached:
                replace_in(container, plain)
        left.replace(plain)


@contextmanager
def wrapped(state: State, wrapper: Wrapper) -> Iterator[Wrapped]:
    """Put traced values into the live objects, and take them out at the end, also after an error."""
    stretch = Wrapped(state, state.survey())
    try:
        stretch.before.replace(wrapper)
        yield stretch
    except BaseException:
        stretch.left = None  # whatever was found before may not be all
        raise
    finally:
        stretch.unwrap()
