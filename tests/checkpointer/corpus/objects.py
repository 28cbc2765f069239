"""State in objects, containers, closures and globals."""

import copy
from collections import defaultdict, deque
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from checkpointer import checkpointed


class Model:
    """A field and its clock."""

    rate = 2.0

    def __init__(self, field):
        self.field = field
        self.time = 0.0

    def tendency(self, x):
        return self.rate * np.sin(x)

    def step(self, dt):
        self.field = self.field + dt * self.tendency(self.field)
        self.time += dt

    @property
    def energy(self):
        return np.sum(self.field**2)

    @energy.setter
    def energy(self, value):
        self.field *= np.sqrt(value / np.sum(self.field**2))

    @classmethod
    def scale(cls, factor):
        cls.rate = cls.rate * factor


class Damped(Model):
    """Overrides a method and runs the loop itself."""

    def tendency(self, x):
        return super().tendency(x) - 0.1 * x**2

    def run(self, scheme):
        for _ in checkpointed(range(4), scheme):
            super().step(0.1)
            self.__damp()
            self.energy = self.energy * 0.9
            self._half = 0.5 * self.field
        return self.energy + self._half.sum()

    def __damp(self):
        self.field[0] *= 0.9


def inherited_methods(u, scheme):
    """Inheritance, super(), a property with a setter and a private method."""
    return Damped(u.copy()).run(scheme)


def class_attribute(u, scheme):
    """A class attribute changes with the state."""
    Model.rate = 2.0
    model = Model(u.copy())
    for _ in checkpointed(range(4), scheme):
        model.step(0.1)
        Model.scale(0.9 + 0.1 * model.field[0])
    return model.energy * Model.rate


class Oscillator:
    """Attributes in slots, one of them private."""

    __slots__ = ("__stiffness", "v", "x")

    def __init__(self, x):
        self.x = x
        self.v = 0 * x
        self.__stiffness = 1.0

    def step(self):
        self.v -= 0.1 * self.x * self.__stiffness
        self.x += 0.1 * self.v
        self.__stiffness = self.__stiffness * 0.9 + 0.1 * self.x[0]


def slots(u, scheme):
    """An object with slots."""
    oscillator = Oscillator(u.copy())
    for _ in checkpointed(range(4), scheme):
        oscillator.step()
    return np.sum(oscillator.x * oscillator.v)


class Point(NamedTuple):
    """Immutable."""

    x: np.ndarray
    t: float


@dataclass(frozen=True)
class Frozen:
    """Immutable too."""

    x: np.ndarray
    t: float = 0.0


def immutable_records(u, scheme):
    """A named tuple and a frozen dataclass that are replaced every step."""
    point, frozen = Point(u, 0.0), Frozen(u)
    for _ in checkpointed(range(4), scheme):
        point = point._replace(x=point.x + 0.1 * np.sin(point.x) * point.t, t=point.t + 0.1 * point.x[0])
        frozen = replace(frozen, x=frozen.x + 0.1 * point.x * frozen.t, t=frozen.t + 0.1 * frozen.x[1])
    return np.sum(point.x) * point.t + np.sum(frozen.x) * frozen.t


class Node:
    """Something with a value and a neighbour."""

    def __init__(self, x):
        self.x = x
        self.next = None


def circular_references(u, scheme):
    """Objects that refer to each other."""
    a, b = Node(u[:5].copy()), Node(u[5:].copy())
    a.next, b.next = b, a
    for _ in checkpointed(range(4), scheme):
        a.x = a.x + 0.1 * a.next.x**2
        b.x += 0.1 * b.next.x
        a.next.next.x[0] *= 1.1
    return np.sum(a.x * b.x)


def shared_fields(u, scheme):
    """One dict of fields that two objects share."""
    fields = {"u": u.copy(), "v": u**2}
    a, b = Node(fields), Node(fields)
    for _ in checkpointed(range(4), scheme):
        a.x["u"] = a.x["u"] + 0.1 * b.x["v"]
        b.x["v"][1:] += 0.1 * a.x["u"][:-1]
    return np.sum(fields["u"] * fields["v"])


def swapped_attributes(u, scheme):
    """Two attributes change roles."""
    node = Node(u.copy())
    node.next = np.zeros_like(u)
    for _ in checkpointed(range(5), scheme):
        node.next[1:-1] = node.x[1:-1] + 0.1 * (node.x[2:] - node.x[:-2]) ** 2
        node.x, node.next = node.next, node.x
    return np.sum(node.x**2) + np.sum(node.next)


def rotated_levels(u, scheme):
    """A list of three time levels that is rotated in place."""
    levels = [u.copy(), u**2, u * 0.5]
    for _ in checkpointed(range(5), scheme):
        levels[2][:] = 2 * levels[0] - 0.9 * levels[1] + 0.01 * levels[0] ** 2
        levels.insert(0, levels.pop())
    return np.sum(levels[0] * levels[1])


def delay_line(u, scheme):
    """A deque with a maximal length, and a defaultdict of accumulators."""
    line = deque([u, u * 0.5], maxlen=3)
    sums = defaultdict(float)
    for i in checkpointed(range(6), scheme):
        line.append(line[-1] + 0.1 * np.sin(line[0]))
        sums[i % 2] += line[-1][i] ** 2
    return np.sum(line[-1]) + np.sum(line[0]) + sums[0] * sums[1]


def copies_of_objects(u, scheme):
    """Deep copies of an object are kept, and read later."""
    node = Node(u.copy())
    history = []
    for _ in checkpointed(range(4), scheme):
        node.x = node.x * 1.1
        history.append(copy.deepcopy(node))
        history.append(Node(copy.copy(node.x)))
        node.x[0] = history[0].x[1]
    return sum(np.sum(item.x) for item in history)


def nonlocal_clock(u, scheme):
    """A closure that counts and keeps the time."""
    time, count = 0.0, 0

    def tick(x):
        nonlocal time, count
        count += 1
        time += 0.1 * x[0] * count
        return time

    for _ in checkpointed(range(5), scheme):
        u = u + 0.1 * tick(u) * u
    return np.sum(u) * time


CLOCK = 0.0
FIELD = np.zeros(3)


def module_globals(u, scheme):
    """Globals that a helper function rebinds and updates."""
    global CLOCK
    CLOCK = 0.0
    FIELD[:] = 1
    for _ in checkpointed(range(4), scheme):
        CLOCK += 0.1 * u[0]
        advance_globals(u)
    return CLOCK * u.sum() + FIELD.sum()


def advance_globals(u):
    """Changes a global number, a global array and its argument."""
    global CLOCK
    CLOCK = CLOCK * 1.1
    FIELD[:] = np.sin(FIELD) + 0.1 * u[:3]
    u *= CLOCK + 1


class Counter:
    """A callable object that remembers."""

    def __init__(self):
        self.calls = 0
        self.last = None

    def __call__(self, x):
        self.calls += 1
        self.last = x * self.calls
        return np.sin(self.last)


def callable_object(u, scheme):
    """A callable object with a counter and a memory."""
    function = Counter()
    for _ in checkpointed(range(4), scheme):
        u = u + 0.1 * function(u)
    return np.sum(u) + function.last.sum()


def mixed_tuples(u, scheme):
    """Tuples that hold numbers beside names, integers, flags, objects and nothing at all."""
    best = (u[0] * 1.0, "first", None, True)
    counts = {0: 0, 1: 0}
    queue = [(u[0] * 1.0, 0, counts), (u[1] * 1.0, 1, counts)]
    for i in checkpointed(range(6), scheme):
        value, number, seen = queue.pop(0)
        seen[number] += 1
        size, name, before, new = best
        if before is None and name == "first" and new is True:
            value = value * 1.1
        best = (size * value, f"{name}{number}"[-3:], i if i % 2 else None, i == 4)
        queue.append((value + 0.1 * size, number, seen))
    return best[0] + queue[0][0] * counts[0] + queue[1][0] ** 2
