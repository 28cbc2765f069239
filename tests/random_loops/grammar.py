"""Random NumPy time loops as source text: hypothesis strategies over a small typed grammar of Python (`tables`).

Every variable has a kind that never changes, and what is stored is damped, so that any statement fits wherever it is drawn
and values stay moderate. *Ordinary* programs hold what people write. *Wild* ones add games with aliases, views of views,
overlapping writes, exceptions, and state in odd places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tables
from hypothesis import strategies as st
from writer import Scope, Writer

HEAD = '''\
import copy
import math
import random
from collections import deque, namedtuple
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import numpy as np

from checkpointer import Online, Revolve, StoreAll, checkpointed

MIX = np.array([[0.5, -0.2, 0.1, 0.0], [0.3, 0.4, 0.0, -0.1], [0.0, 0.2, -0.5, 0.3], [0.1, 0.1, 0.2, 0.4]])


def weigh(thing):
    """One number in which everything counts with a weight of its own."""
    if thing is None:
        return 0.0
    if isinstance(thing, dict):
        return weigh(list(thing.values()))
    if isinstance(thing, (list, tuple, deque)):
        return sum((1 + 0.3 * k) * weigh(part) for k, part in enumerate(thing))
    if isinstance(thing, np.ndarray):
        parts = np.ravel(np.real(thing) + 0.7 * np.imag(thing))
        return np.sum(parts * np.cos(np.arange(parts.size)))
    return thing.real + 0.7 * thing.imag


Spot = namedtuple("Spot", "u s")


@dataclass(frozen=True)
class Frozen:
    u: np.ndarray
    s: float


'''

WEIGHED = (
    "vec",
    "num",
    "mat",
    "wave",
    "nums",
    "vecs",
    "map",
    "history",
    "turn",
    "grow",
    "maybe",
    "ring",
    "nest",
)


@dataclass(frozen=True)
class Program:
    """A module with a function ``f(x, scheme, storage)`` of six floats.

    ``wild`` says which class it belongs to, and ``endless`` that the length of a loop is not known before it ends.
    """

    source: str
    wild: bool
    endless: bool


@st.composite
def programs(draw: Any, *, wild: bool) -> Program:
    """Random programs, ordinary or wild ones."""
    return Author(draw, wild=wild).program()


class Author(Writer):
    """Writes statements, functions, classes, and in the end a program."""

    def __init__(self, draw: Any, *, wild: bool) -> None:
        super().__init__(draw, wild=wild)
        self.endless = False
        self.shared: dict[str, list[str]] = {}
        self.marks = 0
        self.module_calls: list[str] = []

    # --- statements ---------------------------------------------------------------------------------------------------

    def statements(self, most: int, depth: int) -> None:
        """Some statements; ``depth`` says how many blocks may stand in each other."""
        for _ in range(most):
            if self.pick([True, True, True, False, True]):
                self.statement(depth)

    def statement(self, depth: int) -> None:
        """One statement of any kind."""
        simple = [
            kind for kind in tables.UPDATES if self.has(kind) for _ in range(tables.WEIGHTS.get(kind, 1))
        ]
        choices: list[Any] = [*simple, *simple, self.new_name, self.local_function]
        choices += [self.odd] * (5 * self.wild) + [self.call] * (2 * bool(self.calls))
        if depth > 0:
            choices += [self.branch, self.branch, self.inner_loop, self.attempt]
            if self.scope.may_mark and self.marks < 4:
                choices.append(self.nested_marked_loop)
        if self.scope.ways:
            choices.append(self.leave)
        choice = self.pick(choices)
        if isinstance(choice, str):
            self.emit(self.one_of(tables.UPDATES[choice]))
        else:
            choice()

    def odd(self) -> None:
        """A statement with aliases, overlaps or hidden state in it."""
        self.emit(self.one_of(tables.WILD))

    def new_name(self) -> None:
        """A name that is bound here: an intermediate value, a view, an alias."""
        kind = self.pick(["num", "vec"])
        name = self.fresh(kind[0])
        form = "{n}" if kind == "num" else self.pick(["{v}", "{vec}", "{vec}[::-1]", "{vec}[:]"])
        self.emit(f"{name} = {self.filled(form)}")
        self.bind(kind, name)

    def local_function(self) -> None:
        """A function that is defined where it is called."""
        name = self.fresh("local")
        body = self.pick(["q = q * r", "q[0] += 0.1 * r[1]", "r = q + r"])
        self.emit(
            self.filled(f"def {name}(q, r={{v}}):", 1),
            f"    {body}",
            self.filled("    return 0.5 * q + 0.3 * r + {n}", 1),
            self.filled(f"{{vec}}[:] = {name}({{v}})"),
        )

    def call(self) -> None:
        """A call for the sake of what it changes, or one whose result, perhaps an alias, is kept."""
        self.emit(self.filled(self.pick(["", "{vec=} = "]) + self.pick(self.calls)))

    def leave(self) -> None:
        """``break``, ``continue`` or ``return`` under a condition."""
        self.emit(self.filled("if {b}:"), f"    {self.pick(self.scope.ways)}")

    # --- compound statements --------------------------------------------------------------------------------------------

    def branch(self) -> None:
        """``if`` and perhaps ``else``."""
        with self.block(self.filled(self.pick(["if {b}:", "if ({new} := {n}) > {c}:"]))):
            self.statements(2, 0)
        if self.chance(2):
            with self.block("else:"):
                self.statements(2, 0)

    def attempt(self) -> None:
        """``try`` and ``with``; wild programs catch exceptions that really happen."""
        kind = self.pick(["with", "finally"] + ["IndexError", "ValueError"] * self.wild)
        with self.block("try:" if kind != "with" else 'with np.errstate(all="ignore"):'):
            self.statements(2, 0)
            if kind == "IndexError":
                self.emit(self.filled("{vec}[7] = {n}"))
            elif kind == "ValueError":
                self.emit(self.filled("if {b}: raise ValueError({n})"))
        if kind == "IndexError":
            with self.block("except IndexError:"):
                self.statements(1, 0)
        elif kind == "ValueError":
            name = self.fresh("error")
            with self.block(f"except ValueError as {name}:"):
                self.emit(self.filled(f"{{vec}}[0] = {name}.args[0]"))
        elif kind == "finally":
            with self.block("finally:", opaque=True):
                self.statements(1, 0)

    def inner_loop(self) -> None:
        """A loop without a mark."""
        heads = {
            "for {j} in range(3):": "int",
            "for {j} in reversed(range(2)):": "int",
            "for {j} in {vec}:": "num",
            "for {j} in ({n}, {c}):": "num",
            "for {j} in {mat}:": "vec",
            "for {j} in list({vecs}):": "vec",
        }
        name = self.fresh("j")
        head = self.pick([head for head in heads if self.fits(head)])
        with self.block(self.filled(head.replace("{j}", name)), "break", "continue"):
            self.bind(heads[head], name)
            self.statements(2, 0)

    def nested_marked_loop(self) -> None:
        """A marked loop in the body of a loop or in a function."""
        self.marks += 1
        name = self.fresh("j")
        steps, scheme = (
            self.pick([2, 1, 3]),
            self.pick(["Revolve(1)", "StoreAll()", "Online(1)", "Revolve(2)"]),
        )
        with self.block(f"for {name} in checkpointed(range({steps}), {scheme}):", "break", "continue"):
            self.bind("int", name)
            self.statements(3, 0)

    # --- functions and classes ------------------------------------------------------------------------------------------

    def helper(self) -> None:
        """A function that may change its arguments and the module's globals, and returns one of several things."""
        name = self.fresh("helper")
        places = {kind: list(names) for kind, names in self.shared.items()}
        places["vec"] = ["u", "w", *places.get("vec", [])]
        places["num"] = ["s", *places.get("num", [])]
        signature, calls = self.pick(
            [
                ("u, w, s=0.3", ["({vec}, {v})", "({vec}, {v}, {n})", "({vec}, w={vec})", "(*[{vec}, {v}])"]),
                ("u, w, s=0.3, *rest, **options", ["({vec}, {vec})", "({vec}, {v}, {n}, {n}, extra={n})"]),
                ("u, w=None, *, s=0.2", ["({vec})", "({vec}, {v}, s={n})", '(**{"u": {vec}, "w": {v}})']),
            ]
        )
        scope = Scope(places, self.globals(), ways=["return u"], may_mark=True)
        with self.definition(f"def {name}({signature}):", scope, "global"):
            if "None" in signature:
                self.emit("w = u if w is None else w")
            self.statements(4, 1)
            self.emit(f"return {self.pick(['u', 'u[::-1]', 'w', self.expression('v', 1)])}")
        self.calls += [name + call for call in calls]

    def closure(self) -> None:
        """A function inside ``f`` that uses and rebinds the names around it."""
        name = self.fresh("kick")
        places = {kind: list(names) for kind, names in self.scope.places.items()}
        outer = {name for names in places.values() for name in names if name.isidentifier()}
        places["vec"].insert(0, "w")
        fixed = self.scope.fixed | self.globals()
        scope = Scope(places, outer, fixed=fixed, ways=["return w"], may_mark=True)
        with self.definition(f"def {name}(w):", scope, "nonlocal"):
            self.statements(3, 1)
            self.emit(f"return {self.pick(['w', 'a', self.expression('v', 1)])}")
        self.calls += [f"{name}({{v}})", f"{name}({{vec}})"]

    def remembering(self) -> None:
        """A function with a mutable default argument."""
        name = self.fresh("remember")
        if self.pick([True, False]):
            self.emit(
                f"def {name}(u, memo=[]):",
                "    memo.append(0.5 * u)",
                "    return memo[0] + memo[-1]",
                "",
                "",
            )
        else:
            self.emit(
                f"def {name}(u, store=np.zeros(4)):", "    store += 0.2 * u", "    return store", "", ""
            )
        self.calls.append(f"{name}({{v}})")

    def model(self, name: str, form: str) -> None:
        """A class with an array, a number and a list, and a method that changes them."""
        self.emit(*["@dataclass"] * (form == "dataclass"), f"class {name}:")
        self.indent += 1
        if form == "dataclass":
            self.emit("u: np.ndarray", "s: float", "h: list", "")
        else:
            self.emit(*_DATA[form], "", "def __init__(self, u, s, h):")
            self.emit(
                *(f"    self.{name} = {name}" for name in "ush"),
                *["    self.peer = self"] * (form == "class"),
                "",
            )
        self.emit("@property", "def energy(self):", "    return 0.2 * np.sum(self.u**2) + self.s", "")
        if form == "class":
            self.emit("@property", "def tilt(self):", "    return 0.5 * self.s", "", "@tilt.setter")
            self.emit("def tilt(self, value):", "    self.s = math.sin(value)", "    self.u[0] = value", "")
        scope = Scope(
            {"vec": ["self.u", "w"], "num": ["self.s"], "nums": ["self.h"]}, ways=["return w"], may_mark=True
        )
        with self.definition("def step(self, w):", scope, ""):
            self.statements(3, 1)
            self.emit(f"return {self.pick(['self.u', 'self.u[::-1]', 'w', 'np.sin(self.u)'])}")
        self.indent -= 1
        self.emit("", "")

    # --- the program ----------------------------------------------------------------------------------------------------

    def program(self) -> Program:
        """The whole module."""
        self.module_variables()
        models = [item for item in _FORMS.items() if self.chance(3 if self.wild else 5)]
        for name, form in models:
            self.model(name, form)
        while self.chance(2) and len(self.calls) < 9:
            self.helper()
            self.emit("", "")
        if self.wild:
            self.emit(
                "def buffers(u):", "    for k in range(3):", "        u += 0.1 * k", "        yield u", "", ""
            )
            if self.chance(3):
                self.remembering()
        places = {kind: list(names) for kind, names in self.shared.items()}
        self.module_calls = self.calls
        with self.definition(
            "def f(x, scheme, storage):", Scope(places, self.globals(), may_mark=True), "global"
        ):
            self.body(models)
        return Program(HEAD + "\n".join(self.lines) + "\n", self.wild, self.endless)

    def module_variables(self) -> None:
        """Globals that functions read, change and bind anew."""
        for one_in, kind, line in (
            (3, "vec", "WORK = np.zeros(4)"),
            (4, "num", "level = 0.4"),
            (5, "nums", "log = [0.1]"),
        ):
            if self.chance(one_in):
                self.emit(line)
                self.shared[kind] = [line.partition(" ")[0]]
        self.emit("", "")

    def globals(self) -> set[str]:
        """The names of the module's variables."""
        return {name for names in self.shared.values() for name in names}

    def body(self, models: list[tuple[str, str]]) -> None:
        """The function: variables, closures, one or two marked loops, and a number of everything."""
        self.calls = list(self.module_calls)
        if self.shared or self.wild or not self.chance(4):
            self.emit("x = x.copy()")
        self.variables(models)
        everything = ", ".join(name for kind in WEIGHED for name in self.scope.places.get(kind, []))
        result = f"return weigh([{everything}])"
        while self.chance(3) and len(self.calls) < 12:
            self.closure()
        self.marked_loop(result)
        if self.chance(3):
            self.statements(1, 1)
            self.marked_loop(result)
        self.statements(2, 1)
        self.emit(result)

    def variables(self, models: list[tuple[str, str]]) -> None:
        """The state of the loop."""
        self.bind("input", "x")
        for name, (kind, makers) in (tables.STATE | (tables.WILD_STATE if self.wild else {})).items():
            if name in tables.ALWAYS or self.chance(3):
                self.emit(f"{name} = {self.pick(makers)}")
                self.bind(kind, name)
                for inner, suffix in tables.PARTS.get(kind, []):
                    self.bind(inner, name + suffix)
                    self.scope.fixed |= {name + suffix} if kind in tables.IMMUTABLE else set()
        if self.chance(4):
            self.scope.places["legacy"] = ["np.random.rand", "random.random"]
        for name, form in models:
            place = name.lower()
            arguments = f"{self.pick(['a', 'np.sin(a)', 'b'])}, {self.pick(['s', '0.3'])}, [s]"
            self.emit(f"{place} = {name}({arguments})")
            for kind, suffix in (("vec", ".u"), ("num", ".s"), ("nums", ".h"), ("energetic", "")):
                self.bind(kind, place + suffix)
            if form == "class":
                self.bind("object", place)
                for kind, odd in (("num", f"{place}.tilt"), ("vec", "Model.shared"), ("num", "Model.total")):
                    self.bind(kind, odd)
            self.calls.append(f"{place}.step({{v}})")

    def marked_loop(self, result: str) -> None:
        """A marked loop of one of the forms that people write."""
        around = self.pick([""] * 5 + ["for {new} in range(2):", "if x.size == 6:", "try:"])
        form = self.pick(list(_LOOPS) + list(_WILD_LOOPS) * self.wild)
        if not self.fits(form):
            form = next(iter(_LOOPS))
        bound = (_LOOPS | _WILD_LOOPS)[form]
        self.endless |= "while" in form or any(
            word in form for word in ("buffers", "iter(", "map(", " for k")
        )
        name, steps = self.fresh("i"), self.pick([2, 3, 4, 1, 5, 0])
        if around:
            self.emit(self.filled(around))
            self.indent += 1
        if "while" in form:
            self.emit(f"{name} = 0")
            self.bind("int", name)
        line = self.filled(form.replace("{i}", name).replace("{steps}", str(steps)))
        with self.block(line, "break", "continue", result):
            if "while" in form:
                self.emit(f"{name} += 1", *[f"if {name} > {steps}: break"] * ("True" in form))
            for kind, place in bound:
                self.bind(kind, place.replace("{i}", name))
            self.statement(2)
            self.statements(5, 2)
        if self.chance(5):
            with self.block("else:", opaque=True):
                self.statements(1, 0)
        if around:
            self.indent -= 1
        if around == "try:":
            with self.block("finally:", opaque=True):
                self.statements(1, 0)


_FORMS = {"Model": "class", "Record": "dataclass", "Packed": "slots"}
_DATA = {"class": ["total = 0.25", "shared = np.zeros(4)"], "slots": ['__slots__ = ("h", "s", "u")']}

_LOOPS = {
    "for {i} in checkpointed(range({steps}), scheme, storage=storage):": [("int", "{i}")],
    "for {i} in checkpointed(range({steps} + 1), scheme, storage=storage):": [("int", "{i}")],
    "for {i} in checkpointed(range(5, 1, -1), scheme, storage=storage):": [("int", "{i}")],
    "for {i} in checkpointed(reversed(range({steps})), scheme, storage=storage):": [("int", "{i}")],
    "for {i} in checkpointed(range(1, 8, 2), scheme, storage=storage):": [("int", "{i}")],
    "for {i}, {i}c in checkpointed(enumerate([0.1, 0.3, 0.2]), scheme, storage=storage):": [
        ("int", "{i}"),
        ("num", "{i}c"),
    ],
    "for {i}, {i}c, {i}e in checkpointed(zip(range(5), {vec}, (0.2, -0.1, 0.3)), scheme, storage=storage):": [
        ("int", "{i}"),
        ("num", "{i}c"),
        ("num", "{i}e"),
    ],
    "for {i} in checkpointed({mat}, scheme, storage=storage):": [("vec", "{i}")],
    "for {i} in checkpointed([{vec}, {v}, {vec}], scheme, storage=storage):": [("vec", "{i}")],
    "for {i} in checkpointed({vec}, scheme, storage=storage):": [("num", "{i}")],
    'for {i}k, {i} in checkpointed({"p": 0.2, "q": {n}}.items(), scheme, storage=storage):': [("num", "{i}")],
    "for {i}, *{i}m in checkpointed([(0.2, {n}, 0.3), {v}, [{n}, {n}]], scheme, storage=storage):": [
        ("num", "{i}"),
        ("nums", "{i}m"),
    ],
    "for {i} in checkpointed({vecs}, scheme, storage=storage):": [("vec", "{i}")],
    "for {i} in checkpointed(reversed({vecs}), scheme, storage=storage):": [("vec", "{i}")],
    "for {i} in checkpointed((0.1 * k for k in range(4)), scheme, storage=storage):": [("num", "{i}")],
    "for {i} in checkpointed(map(math.sin, [0.1, 0.4, 0.2]), scheme, storage=storage):": [("num", "{i}")],
    "for {i} in checkpointed(iter([0.3, 0.1]), scheme, storage=storage):": [("num", "{i}")],
    "while checkpointed({i} < {steps}, scheme, storage=storage):": [],
    "while checkpointed({i} < {steps} and {n} < 0.9, scheme, storage=storage):": [],
    "while checkpointed(({b}) and {i} < {steps}, scheme, storage=storage):": [],
    "while checkpointed(({i}r := {n}) < 0.9 and {i} < {steps}, scheme, storage=storage):": [("num", "{i}r")],
    "while checkpointed(True, scheme, storage=storage):": [],
}
"""The heads of marked loops, and what they bind."""

_WILD_LOOPS = {
    "for {i} in checkpointed([{vec1}, {vec1}[::-1], {vec}], scheme, storage=storage):": [("vec", "{i}")],
    "for {num=} in checkpointed([0.1, 0.4, 0.2], scheme, storage=storage):": [],
    "for {num=} in checkpointed({vec}, scheme, storage=storage):": [],
    "for {vec}[0] in checkpointed({vec}, scheme, storage=storage):": [],
    "for {i} in checkpointed(buffers(np.zeros(4)), scheme, storage=storage):": [("vec", "{i}")],
    "for {i} in checkpointed(buffers({vec}), scheme, storage=storage):": [("vec", "{i}")],
}
