"""From a seed to the text of an mpi4py program with marked loops, which runs on any number of ranks.

The program defines ``f(u, v, m, s, t, scheme)``: two vectors of twelve floats, four rows of six, two numbers, all of them
different on each rank, and it returns the same. It is made of *pieces*. Each of them is free of deadlock for itself, all
ranks come to the same pieces in the same order, and a message that is under way shares no variable with what stands in
between, nor can its receive take another piece's message: so the whole is free of deadlock, too, and its values do not
depend on which message arrives first.

A piece has its place in the program as its name, and its own random numbers: without it the others stay what they are.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

import collectives
import kinds
import messages
import objects
from local import local
from pen import Communicator, NoRoomError, Pen, Scope

FEATURES = {
    "blocking": messages.BLOCKING,
    "nonblocking": messages.NONBLOCKING,
    "wildcards": messages.WILDCARDS,
    "persistent": messages.PERSISTENT,
    "basic": collectives.BASIC,
    "collectives": collectives.COLLECTIVES,
    "lower": objects.LOWER,
    "complex": kinds.COMPLEX,
    "single": kinds.SINGLE,
}
"""What can be left out, with the pieces that belong to it."""

WEIGHTS = {
    "blocking": 5,
    "nonblocking": 6,
    "wildcards": 2,
    "persistent": 2,
    "basic": 3,
    "collectives": 5,
    "lower": 4,
    "complex": 3,
    "single": 3,
}
_NOT_IN_CALLS = ("persistent", "complex", "single")
SWITCHES = [*FEATURES, *"communicators made nested while helper branch operations".split()]

HEAD = """\
import math

import numpy as np
from mpi4py import MPI

from checkpointer import Online, Revolve, StoreAll, checkpointed

"""


@dataclass(frozen=True)
class Program:
    """The source as a user would write it, and a twin of it that computes with complex numbers.

    ``endless`` says that the length of a loop is not known before it ends; ``pieces`` names the parts that can be left out.
    """

    source: str
    twin: str
    endless: bool
    pieces: tuple[str, ...]

    @property
    def analytic(self) -> bool:
        """Whether the twin's imaginary parts are derivatives: not where the program itself has complex numbers."""
        return "1j" not in self.source

    @property
    def single(self) -> bool:
        """Whether it computes in single precision."""
        return "float32" in self.source


def write(
    seed: int | str, *, without: Collection[str] = (), skip: Collection[str] = (), small: bool = False
) -> Program:
    """The program of a seed, without some features, and without the pieces at some places.

    A small one has one loop of two steps and little besides.
    """
    return _Author(str(seed), frozenset(without), frozenset(skip), small=small).program()


class _Author:
    def __init__(self, seed: str, without: frozenset[str], skip: frozenset[str], *, small: bool) -> None:
        self.small = small
        self.seed = seed
        self.without = without
        self.skip = skip
        self.choices = random.Random(seed)
        self.endless = False
        self.pieces: list[str] = []
        self.pen = Pen(seed, Scope(["u", "v", "w"], ["m", "n"], ["s", "t"], []))
        self.pen.operations = (
            ["SUM"] if "operations" in without else ["SUM", "SUM", "SUM", "MAX", "MIN", "PROD"]
        )
        self.pen.known = set() if "collectives" in without else {"Allgather"}
        self.features = [
            name for name in FEATURES if name not in without and name not in ("complex", "single")
        ]
        kind = self.choices.choices(["", "complex", "single"], [76, 12, 12])[0]
        if kind and kind not in without:
            self.features.append(kind)

    def odds(self, share: float) -> bool:
        return self.choices.random() < share

    def allowed(self, switch: str, share: float) -> bool:
        return self.odds(share) and switch not in self.without

    # --- pieces ---

    def piece(self, place: str, depth: int) -> None:
        """One piece, or none where there is no room for the one that is chosen."""
        if place in self.skip:
            return
        pen = self.pen
        chance, pen.chance = pen.chance, random.Random(f"{self.seed} at {place}")
        lines, setup, closing = len(pen.lines), len(pen.setup), len(pen.closing)
        indent, scope, pieces = pen.indent, pen.scope, len(self.pieces)
        self.pieces.append(place)
        try:
            self.chosen(place, depth)(place, depth)
        except NoRoomError:
            del pen.lines[lines:], pen.setup[setup:], pen.closing[closing:], self.pieces[pieces:]
            pen.indent, pen.scope = indent, scope
        pen.chance = chance

    def chosen(self, place: str, depth: int) -> Callable[[str, int], None]:
        """What kind of piece stands here."""
        if self.pen.odds(0.25):
            return self.local
        if depth > 0 and self.pen.odds(0.2):
            options = [self.inner_loop]
            options += [self.nested_marked_loop] * ("nested" not in self.without)
            options += [self.branch] * ("branch" not in self.without)
            options += [self.call] * ("helper" not in self.without)
            return self.pen.pick(options)
        return self.communication

    def body(self, place: str, count: int, depth: int) -> None:
        """Some pieces one after the other."""
        for number in range(count):
            self.piece(f"{place}.{number}" if place else str(number), depth)

    def local(self, place: str, depth: int) -> None:
        """Something without messages."""
        local(self.pen)

    def communication(self, place: str, depth: int) -> None:
        """A message, or a collective call; others may stand inside of it."""
        pen = self.pen
        names = [name for name in self.features if "call" not in place or name not in _NOT_IN_CALLS]
        feature = pen.chance.choices(names, [WEIGHTS[name] for name in names])[0]
        for number, _ in enumerate(pen.pick(FEATURES[feature])(pen)):
            self.body(f"{place}.{number}", pen.pick([0, 1, 1, 2]), 0)

    def inner_loop(self, place: str, depth: int) -> None:
        """A loop without a mark."""
        name = self.pen.fresh("k")
        with self.pen.block(f"for {name} in range(2):"), self.pen.within(index=name):
            self.body(place, 2, depth - 1)

    def nested_marked_loop(self, place: str, depth: int) -> None:
        """A marked loop in a marked loop."""
        name, scheme = (
            self.pen.fresh("j"),
            self.pen.pick(["Revolve(1)", "StoreAll()", "Online(1)", "Revolve(2)"]),
        )
        head = f"for {name} in checkpointed(range({self.pen.pick([2, 3])}), {scheme}):"
        with self.pen.block(head), self.pen.within(index=name):
            self.body(place, 2, depth - 1)

    def branch(self, place: str, depth: int) -> None:
        """All ranks go the same way, which depends on a sum over them."""
        pen = self.pen
        total, x = pen.fresh("total"), pen.readable()
        pen.emit(f"{total} = np.zeros(1)", f"comm.Allreduce(np.array([{x}[5]]), {total})")
        with pen.block(f"if <<{total}[0]>> > 0.1:"):
            self.body(f"{place}.if", 2, depth - 1)
        if pen.odds(0.6):
            with pen.block("else:"):
                self.body(f"{place}.else", 1, depth - 1)

    def call(self, place: str, depth: int) -> None:
        """A call of a function of the module, which communicates."""
        x, m = self.pen.writable(), self.pen.writable("matrices", ["n"])
        y, s = self.pen.readable(but=[x]), self.pen.number()
        name = self.pen.fresh("exchange")
        around, self.pen.lines = self.pen.lines, []
        indent, self.pen.indent = self.pen.indent, 0
        inner = Scope(["a", "b", "c"], ["m"], ["s"], [Communicator.named("comm")], alone=self.pen.scope.alone)
        with self.pen.block(f"def {name}(a, b, m, s, comm):"), self.pen.within(**vars(inner)):
            self.pen.emit("rank, size = comm.rank, comm.size", "b, c = b.copy(), np.zeros(12)")
            self.body(f"{place}.call", 2, 0)
            self.pen.emit(f"return 0.9 * s + 0.1 * np.sin({self.pen.pick('abc')}[2])")
        self.helpers += [*self.pen.lines, "", ""]
        self.pen.lines, self.pen.indent = around, indent
        c = self.pen.communicator()
        self.pen.emit(f"{s} = {name}({x}, {y}, {m}, {s}, {c.name})")

    # --- the program ---

    def program(self) -> Program:
        """The whole module."""
        self.helpers: list[str] = []
        module, local_lines = self.communicators()
        self.loops()
        return self.assembled(module, local_lines)

    def communicators(self) -> tuple[list[str], list[str]]:
        """The lines that make the communicators, in the module and in the function."""
        makers = {
            "ring": ("comm.Create_cart([comm.size], periods=[True])", 0.3),
            "chain": ("comm.Create_cart([comm.size])", 0.2),
            "grid": ("comm.Create_cart(MPI.Compute_dims(comm.size, 2), periods=[True, False])", 0.2),
            "half": ("comm.Split(comm.rank % 2, comm.rank)", 0.25),
            "back": ("comm.Split(0, -comm.rank)", 0.15),
            "twin": ("comm.Dup()", 0.15),
        }
        module, inside, closing = [], [], []
        known = [_world()]
        for name, (maker, share) in makers.items():
            if not self.allowed("communicators", share):
                continue
            made = self.allowed("made", 0.3)
            (inside if made else module).append(f"{name} = {maker}")
            if made:
                closing.append(f"{name}.Free()")
            known.append(_neighbours(name, inside))
        self.free = closing
        self.pen.scope.communicators = known
        return module, inside

    def loops(self) -> None:
        """What stands before, in, between and after the marked loops."""
        pen = self.pen
        pen.indent = 1
        self.before: list[str] = []
        self.body("before", 0 if self.small else self.choices.choice([0, 1, 2]), 1)
        self.before, pen.lines = pen.lines, []
        self.marked_loop("loop")
        self.body("between", self.choices.choice([0, 1] if self.small else [0, 0, 1, 2]), 1)
        if self.odds(0.25) and not self.small:
            self.marked_loop("second")
            self.body("after", self.choices.choice([0, 1]), 1)

    def marked_loop(self, place: str) -> None:
        """A ``for`` loop, or a ``while`` loop that ends when a sum over the ranks is small."""
        pen, count = self.pen, 2 if self.small else self.choices.choice([1, 2, 2, 3, 4])
        if self.allowed("while", 0.25):
            self.endless = True
            x = self.choices.choice(["u", "v"])
            pen.emit("count, error = 0, 1.0")
            with (
                pen.block("while checkpointed(error > 0.05 and count < 5, scheme):"),
                pen.within(index="count"),
            ):
                pen.emit(f"before = {x}.copy()", f"{x} *= 0.7")
                self.body(place, count, 1)
                pen.emit(*self.condition(x), "count += 1")
            return
        items = ["range(3)", "range(4)", "range(2, 9, 2)", "np.linspace(0.1, 0.4, 4)"]
        items = "range(2)" if self.small else self.choices.choice(items)
        index = "i" if "range" in items else "int(10 * i)"
        with pen.block(f"for i in checkpointed({items}, scheme):"), pen.within(index=index):
            self.body(place, count, 1 if self.small else 2)

    def condition(self, x: str) -> list[str]:
        """How the ranks agree that they are done."""
        change = f"np.sum(({x} - before) ** 2)"
        ways = [
            [
                "total = np.zeros(1)",
                f"comm.Allreduce(np.array([{change}]), total)",
                "error = <<total[0]>> / size",
            ],
            [
                "total = np.zeros(1)",
                f"comm.Allreduce(np.array([{change}]), total, op=MPI.MAX)",
                "error = <<total[0]>>",
            ],
        ]
        if "lower" not in self.without:
            ways += [
                [f"error = <<comm.allreduce({change})>> / size"],
                [f"error = <<comm.allreduce(float({change}), op=MPI.MAX)>>"],
            ]
        lines: list[str] = self.choices.choice(ways)
        return lines

    def assembled(self, module: list[str], inside: list[str]) -> Program:
        """The text: first without, then with complex numbers."""
        pen = self.pen
        start = [
            "u, v, m, w, n = u.copy(), v.copy(), m.copy(), np.zeros(12), np.asfortranarray(0.5 * m)",
            "rank, size = comm.rank, comm.size",
            "left, right = (rank - 1) % size, (rank + 1) % size",
            "lower = rank - 1 if rank > 0 else MPI.PROC_NULL",
            "upper = rank + 1 if rank < size - 1 else MPI.PROC_NULL",
            *(["z = u[:6] + 1j * v[6:]"] * ("complex" in self.features)),
            *(["g = u[:8].astype(np.float32)"] * ("single" in self.features)),
            *inside,
            *pen.setup,
        ]
        end = [
            "u = u + 0.3 * np.sin(w)",
            "m = m + 0.5 * n",
            *(["v[:6] += 0.5 * z.real - 0.3 * z.imag"] * ("complex" in self.features)),
            *(["v[4:] += 0.5 * g"] * ("single" in self.features)),
            *pen.closing,
            *self.free,
            "return u, v, m, s, t",
        ]
        lines = ["comm = MPI.COMM_WORLD", *module, "", "", *self.helpers, "def f(u, v, m, s, t, scheme):"]
        lines += ["    " + line for line in start]
        lines += [*self.before, *pen.lines, *("    " + line for line in end)]
        return program_of("\n".join(lines) + "\n", self.endless, tuple(self.pieces))


def program_of(text: str, endless: bool = False, pieces: tuple[str, ...] = ()) -> Program:
    """The program with this text below the imports; what decides something stands in ``<<`` and ``>>``."""
    text = HEAD + text
    return Program(re.sub("<<(.*?)>>", _plain, text), _twin(text), endless, pieces)


def _world() -> Communicator:
    return Communicator("comm", "rank", "size", "left", "right", "lower", "upper")


def _neighbours(name: str, lines: list[str]) -> Communicator:
    """The names of a communicator; Cartesian ones say themselves who the neighbours are."""
    usual = Communicator.named(name)
    if name in ("ring", "chain", "grid"):
        axis = {"grid": 1}.get(name, 0)
        lines.append(f"{name}_left, {name}_right = {name}.Shift({axis}, 1)")
        ends = (f"{name}_left", f"{name}_right")
        line = (usual.lower, usual.upper) if name == "ring" else ends
        return Communicator(name, usual.rank, usual.size, *ends, *line)
    return usual


def _plain(match: re.Match[str]) -> str:
    return match[1]


def _twin(text: str) -> str:
    """The program with complex numbers in the place of floats; decisions are made by the real parts."""
    text = re.sub("<<(.*?)>>", r"np.real(\1)", text)
    text = re.sub(r"\bnp\.(zeros|empty|ones|full)\(", r"twins.\1(", text)
    text = re.sub(r"\bMPI\.(MAX|MIN)\b", r"twins.\1", text)
    text = re.sub(r"\bmath\.", "cmath.", text).replace("import math", "import cmath")
    text = re.sub(r"\bfloat\(", "complex(", text)
    text = re.sub(r"\bMPI\.(DOUBLE|FLOAT)\b", "MPI.C_DOUBLE_COMPLEX", text)
    return text.replace("np.float32", "np.complex128")
