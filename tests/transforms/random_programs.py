"""Random programs: loops in loops, all that binds, all that leaves; they end, and record what they see."""

from __future__ import annotations

import random

NAMES = "abcdef"


class _Writer:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.loops = 0
        self.pools: list[str] = []
        """Names that occur in one loop only, of the loops around."""

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def name(self) -> str:
        if self.pools and self.random.random() < 0.6:
            return self.random.choice(self.pools)
        return self.random.choice(NAMES)

    def expression(self) -> str:
        kinds = [
            lambda: str(self.random.randrange(5)),
            lambda: self.name(),
            lambda: f"{self.name()} + {self.random.randrange(3)}",
            lambda: f"({self.name()} := {self.random.randrange(4)})",
            lambda: f"({self.name()} and ({self.name()} := {self.random.randrange(4)}) or 1)",
            lambda: f"({self.name()} if {self.name()} else {self.name()})",
            lambda: f"sum([{(n := self.name())} + {self.name()} for {n} in range(2)])",
            lambda: f"sum({self.name()} for _ in range(2))",
            lambda: f"len({{1: {self.name()}, ({self.name()} := 2): {self.name()}}})",
            lambda: f"len([({self.name()} := _) for _ in range(2) if {self.name()} or 1])",
            lambda: f"({self.name()} < 2 < ({self.name()} := 3))",
            lambda: f"max([({self.name()} := _) for _ in range(2)])",
        ]
        return self.random.choice(kinds)()

    def block(self, depth: int, left: int, *, loop: bool) -> None:
        for _ in range(self.random.randint(1, 3)):
            self.statement(depth, left, loop=loop)

    def statement(self, depth: int, left: int, *, loop: bool) -> None:
        simple = [self.assign] * 4 + [self.record] * 4 + [self.augment, self.annotate, self.close]
        compound = [self.branch] * 2 + [self.attempt, self.for_loop, self.while_loop] * 2 + [self.context]
        choice = self.random.choice(simple + (compound if left else []))
        choice(depth, left, loop)
        if self.random.random() < 0.05:
            self.delete(depth, left, loop)
        if loop and self.random.random() < 0.2:
            self.line(depth, f"if {self.condition()}:")
            self.line(depth + 1, self.random.choice(["break", "continue", "continue", "return 'early'"]))

    def condition(self) -> str:
        return f"tick() % {self.random.randint(2, 5)} == 0"

    def assign(self, depth: int, left: int, loop: bool) -> None:
        target = self.random.choice([self.name(), f"{self.name()} = {self.name()}"])
        self.line(depth, f"{target} = {self.expression()}")

    def augment(self, depth: int, left: int, loop: bool) -> None:
        self.line(depth, f"{self.name()} += 1")

    def annotate(self, depth: int, left: int, loop: bool) -> None:
        self.line(depth, f"{self.name()}: int" + self.random.choice(["", " = 3"]))

    def delete(self, depth: int, left: int, loop: bool) -> None:
        self.line(depth, f"del {self.name()}")

    def record(self, depth: int, left: int, loop: bool) -> None:
        self.line(depth, f"log.append(({self.name()}, {self.name()}))")

    def close(self, depth: int, left: int, loop: bool) -> None:
        self.line(depth, f"log.append((lambda: {self.name()})())")
        self.line(depth, f"late.append(lambda: {self.name()})")

    def branch(self, depth: int, left: int, loop: bool) -> None:
        self.line(depth, f"if {self.condition()}:")
        self.block(depth + 1, left - 1, loop=loop)
        if self.random.random() < 0.5:
            self.line(depth, "else:")
            self.block(depth + 1, left - 1, loop=loop)

    def attempt(self, depth: int, left: int, loop: bool) -> None:
        self.line(depth, "try:")
        self.block(depth + 1, left - 1, loop=loop)
        kind = self.random.randrange(3)
        if kind < 2:
            self.line(depth, f"except NameError as {self.name()}:")
            self.line(depth + 1, "log.append('unbound')")
            self.block(depth + 1, left - 1, loop=loop)
            if self.random.random() < 0.3:
                self.line(depth, "else:")
                self.block(depth + 1, left - 1, loop=loop)
        if kind > 0:
            self.line(depth, "finally:")
            self.line(depth + 1, "log.append('finally')")
            self.block(depth + 1, left - 1, loop=False)

    def context(self, depth: int, left: int, loop: bool) -> None:
        self.line(depth, f"with suppress(NameError) as {self.name()}:")
        self.block(depth + 1, left - 1, loop=loop)

    def for_loop(self, depth: int, left: int, loop: bool) -> None:
        subject = f"range({self.random.randrange(4)})"
        target = self.random.choice([self.name(), self.name(), f"{self.name()}, {self.name()}"])
        if "," in target:
            subject = f"enumerate({subject})"
        if self.random.random() < 0.6:
            subject = f"checkpointed({subject}, Revolve())"
            self.loops += 1
        self.line(depth, f"for {target} in {subject}:")
        self.rest(depth, left, loop)

    def while_loop(self, depth: int, left: int, loop: bool) -> None:
        condition = self.random.choice(["tick() % 4", f"({self.name()} := tick() % 3)"])
        if self.random.random() < 0.6:
            condition = f"checkpointed({condition}, Revolve())"
            self.loops += 1
        self.line(depth, f"while {condition}:")
        self.rest(depth, left, loop)

    def rest(self, depth: int, left: int, loop: bool) -> None:
        self.pools.append(f"own{len(self.lines)}")
        if self.random.random() < 0.7:
            self.line(depth + 1, f"{self.pools[-1]} = {self.name()}")
        self.block(depth + 1, left - 1, loop=True)
        self.pools.pop()
        if self.random.random() < 0.3:
            self.line(depth, "else:")
            self.block(depth + 1, left - 1, loop=loop)


_HEAD = """
from contextlib import suppress
log, late, ticks = [], [], 0
class Enough(Exception): pass
def tick():
    global ticks
    ticks += 1
    if ticks > 300:
        raise Enough
    return ticks
def seen(item):
    # a cell that is read from another function raises NameError, where a local raises its subclass
    return "error" if isinstance(item, BaseException) else "callable" if callable(item) else item
def run(a, b, c=1):
"""

_TAIL = """
try:
    ended = run(1, 2)
except (NameError, TypeError, Enough) as error:
    ended = type(error) if not isinstance(error, NameError) else "unbound"
for f in late[:50]:
    try:
        log.append(f())
    except NameError:
        log.append("unbound")
result = seen(ended), [[seen(x) for x in e] if isinstance(e, tuple) else seen(e) for e in log]
"""


def random_program(seed: int) -> str:
    """A program with at least one marked loop."""
    writer = _Writer(seed)
    while not writer.loops:
        writer.lines = []
        writer.block(1, 3, loop=False)
        writer.for_loop(1, 3, False)
    share = writer.random.choice([0.4, 1])
    bound_somewhere = [f"    {name} = 0" for name in NAMES if writer.random.random() < share]
    return _HEAD + "\n".join(bound_somewhere + writer.lines) + "\n    return 'end'\n" + _TAIL
