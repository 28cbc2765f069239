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
from checkpointer.state import Key, Leaf, State, Survey, replace_in
from checkpointer.tape import Tape, TapeNode

Adjoint = dict[Key, Any]
"""The adjoint of a state: by the key of a leaf, a number, or an array.

Every place that holds a number has an entry of its own. Arrays that share a base array have one entry, under the first
one's key: in the shape of the array if all of them are the same part of the base, and otherwise the adjoint of the whole
base, flat. A key that is missing stands for zero.
"""


class Group:
    """The leaves that share one base array, or one number alone."""

    __slots__ = ("key", "name", "node", "whole")

    def __init__(self, leaf: Leaf, node: TapeNode) -> None:
        self.key = leaf.key
        self.name = leaf.name
        self.node = node
        self.whole = False

    def deposit(self, adjoint: Any) -> None:
        """Add an entry of an `Adjoint` to the tape's adjoint."""
        memory, value = self.node.memory, self.node.value
        if isinstance(memory, NumberMemory):
            memory.add(value, adjoint)
            return
        target = memory.root if self.whole else value
        if self.whole and adjoint.size == target.size:
            adjoint = np.ndarray(target.shape, adjoint.dtype, adjoint, 0, target.strides)
        if adjoint.shape != target.shape:
            raise ReplayError(
                f"{self.name} has the shape {target.shape} after a recomputed step, but the loop went on from there with"
                f" {adjoint.shape}: the step does not do the same every time it is run (a clock, a file, hidden state?)"
            )
        memory.add(target, adjoint, owned=True)

    def collect(self) -> Any:
        """Take the entry of an `Adjoint` out of the tape's adjoint; None where it is zero."""
        memory, value = self.node.memory, self.node.value
        if isinstance(memory, NumberMemory):
            return memory.take(value)
        if memory.flat is None:
            return None
        if self.whole:
            flat, memory.flat = memory.flat, None
            return flat
        part = memory.adjoint(value)
        if value is memory.root:
            memory.flat = None
            return part
        taken = part.copy()
        part[...] = 0
        return taken


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
        elif isinstance(node.memory, Memory) and not _same_part(group.node.value, node.value):
            group.whole = True
    return [group for group in groups.values() if group.node.memory.varied]


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
        """The adjoint of the state before, given that of the state after. The arrays go back to their content before."""
        adjoint = dict(adjoint)
        for group in self.after:
            entry = adjoint.pop(group.key, None)
            if entry is not None:
                group.deposit(entry)
        for key in self._left:
            adjoint.pop(key, None)  # the stretch left a constant there, so nothing before it matters
        check_nothing_lost(adjoint)
        self.tape.reverse()
        for group in self.before:
            entry = group.collect()
            if entry is not None:
                adjoint[group.key] = entry
        return adjoint


def check_nothing_lost(adjoint: Adjoint) -> None:
    """Refuse that adjoints are left over which belong to no place of the state."""
    if adjoint:
        raise ReplayError(
            f"a recomputed step left a state of another form than the loop went on from ({len(adjoint)} of its numbers and"
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


@contextmanager
def wrapped(state: State, wrapper: Wrapper) -> Iterator[list[Leaf]]:
    """Put traced values into the live objects, and take them out at the end, also after an error."""
    before = state.survey()
    try:
        before.replace(wrapper)
        yield state.survey().leaves
    finally:
        for container in before.containers:  # first these: some of them the state may not reach any more
            replace_in(container, plain)
        state.survey().replace(plain)
