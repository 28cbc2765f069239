"""What random programs are written with: it chooses, knows which variables may be used, and which messages are under way."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

LENGTH = 12
"""The entries of a vector; ``m`` and ``n`` have four rows of six."""


class NoRoomError(Exception):
    """There is no free variable for what is to be written here."""


@dataclass(frozen=True)
class Communicator:
    """The names of a communicator, and of a rank and its neighbours in it."""

    name: str
    rank: str
    size: str
    left: str  # on a ring
    right: str
    lower: str  # on a line, MPI.PROC_NULL at its ends
    upper: str

    @classmethod
    def named(cls, name: str) -> Communicator:
        """The usual expressions."""
        rank, size = f"{name}.rank", f"{name}.size"
        return cls(
            name,
            rank,
            size,
            left=f"({rank} - 1) % {size}",
            right=f"({rank} + 1) % {size}",
            lower=f"{rank} - 1 if {rank} > 0 else MPI.PROC_NULL",
            upper=f"{rank} + 1 if {rank} < {size} - 1 else MPI.PROC_NULL",
        )


@dataclass
class Scope:
    """What a piece of a program can use: the names of vectors, matrices, numbers and communicators.

    ``fixed`` may not be bound anew, ``sending`` not be written, ``receiving`` neither read nor written: messages are under
    way. ``alone`` is false where a message may be under way that no posted receive waits for.
    """

    vectors: list[str]
    matrices: list[str]
    numbers: list[str]
    communicators: list[Communicator]
    fixed: frozenset[str] = frozenset()
    sending: frozenset[str] = frozenset()
    receiving: frozenset[str] = frozenset()
    alone: bool = True
    index: str = "0"
    indices: list[str] = field(default_factory=list)


class Pen:
    """Lines of source, and the choices that led to them."""

    def __init__(self, seed: str, scope: Scope) -> None:
        self.chance = random.Random(seed)
        self.scope = scope
        self.lines: list[str] = []
        self.setup: list[str] = []  # before the first loop
        self.closing: list[str] = []  # before the function returns
        self.indent = 0
        self.names = 0
        self.tags = 100
        self.operations = ["SUM"]
        self.known: set[str] = set()

    # --- choices ---

    def pick(self, options: Iterable[Any]) -> Any:
        """One of them."""
        return self.chance.choice(list(options))

    def odds(self, share: float) -> bool:
        """True in this share of the cases."""
        return self.chance.random() < share

    def shuffled(self, things: Iterable[Any]) -> list[Any]:
        """In a random order."""
        things = list(things)
        self.chance.shuffle(things)
        return things

    # --- lines ---

    def emit(self, *lines: str) -> None:
        """Write lines at the present depth; a line may hold several."""
        for text in lines:
            self.lines += [("    " * self.indent + line).rstrip() for line in text.splitlines() or [""]]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """What is written within stands below the head."""
        self.emit(head)
        self.indent += 1
        start = len(self.lines)
        yield
        if len(self.lines) == start:
            self.emit("pass")
        self.indent -= 1

    def fresh(self, stem: str) -> str:
        """A name that occurs nowhere else."""
        self.names += 1
        return f"{stem}{self.names}"

    def tag(self) -> int:
        """A tag that no other message has."""
        self.tags += 1
        return self.tags

    def tagged(self) -> str:
        """A tag to send and receive with, or none, which receives any: not where an earlier message may be waiting."""
        return "" if self.scope.alone and self.odds(0.5) else str(self.tag())

    # --- variables ---

    @contextmanager
    def within(self, **changes: Any) -> Iterator[None]:
        """Another scope for a while."""
        scope = self.scope
        self.scope = replace(scope, **changes)
        yield
        self.scope = scope

    @contextmanager
    def under_way(
        self, sending: Iterable[str] = (), receiving: Iterable[str] = (), *, posted: bool = True
    ) -> Iterator[None]:
        """Messages from and to these variables are under way; ``posted`` says that all receives are."""
        scope = self.scope
        with self.within(
            sending=scope.sending | set(sending),
            receiving=scope.receiving | set(receiving),
            alone=scope.alone and posted,
        ):
            yield

    def readable(self, kind: str = "vectors", but: Iterable[str] = ()) -> str:
        """A variable that may be read."""
        return self._some(kind, self.scope.receiving | set(but))

    def writable(self, kind: str = "vectors", but: Iterable[str] = ()) -> str:
        """A variable that may be written."""
        return self._some(kind, self.scope.receiving | self.scope.sending | set(but))

    def bindable(self, kind: str = "vectors", but: Iterable[str] = ()) -> str:
        """A variable that may be bound anew."""
        return self.writable(kind, self.scope.fixed | set(but))

    def _some(self, kind: str, taken: Iterable[str]) -> str:
        options = [name for name in getattr(self.scope, kind) if name not in taken]
        if not options:
            raise NoRoomError
        return str(self.pick(options))

    def number(self) -> str:
        """A number that may be read and bound anew."""
        return str(self.pick(self.scope.numbers))

    def communicator(self) -> Communicator:
        """One of those that there are, usually the first."""
        first, *others = self.scope.communicators
        chosen: Communicator = self.pick(others) if others and self.odds(0.6) else first
        return chosen

    def when_alone(self) -> None:
        """What follows takes any message: none may be under way that waits for its receive."""
        if not self.scope.alone:
            raise NoRoomError

    # --- buffers ---

    def outgoing(self, count: int, but: Iterable[str] = (), *, whole: bool = True) -> tuple[str, str]:
        """A buffer of so many floats to send, and the variable that it is a part of (or "").

        With ``whole=False`` it is an array, and not a list of an array, a count and a datatype.
        """
        kind = self.pick(["part"] * 6 + ["value", "value", "constant"])
        if kind == "constant":
            return f"np.full({count}, {self.pick([0.3, -0.7, 1.1])})", ""
        if kind == "value":
            source = self._part(self.readable(), count)
            return self.pick(
                [
                    f"np.sin({source})",
                    f"0.5 * {source}",
                    f"{source}.copy()",
                    f"{source}[::-1].copy()",
                ]
            ), ""
        return self._buffer(count, self.readable, but, whole=whole)

    def incoming(self, count: int, but: Iterable[str] = (), *, whole: bool = True) -> tuple[str, str]:
        """A buffer of so many floats to receive into, and the variable that it is a part of."""
        return self._buffer(count, self.writable, but, whole=whole)

    def _buffer(
        self, count: int, choose: Callable[..., str], but: Iterable[str], *, whole: bool
    ) -> tuple[str, str]:
        if count in (6, 12) and self.odds(0.4):
            matrix = choose("matrices", but)
            rows = count // 6
            first = self.chance.randrange(5 - rows)
            if matrix == "n":  # in Fortran's order
                columns = count // 4
                if count == 12:
                    return f"n[:, {first}:{first + columns}]", matrix
                return f"n.T.reshape(-1)[{first}:{first + count}]", matrix
            return (f"{matrix}[{first}]" if rows == 1 else f"{matrix}[{first}:{first + 2}]"), matrix
        name = choose("vectors", but)
        form = self.pick(["part"] * 5 + ["typed", "counted", "placed", "reshaped"]) if whole else "part"
        first = self.chance.randrange(LENGTH + 1 - count)
        if form == "typed":
            return f"[{self._part(name, count)}, MPI.DOUBLE]", name
        if form == "counted":
            return f"[{name}[{first}:], {count}, MPI.DOUBLE]", name
        if form == "placed":
            return f"[{name}, ({count}, {first}), MPI.DOUBLE]", name
        if form == "reshaped" and count in (3, 6):
            rows = LENGTH // count
            return f"{name}.reshape({rows}, {count})[{self.chance.randrange(rows)}]", name
        return self._part(name, count), name

    def _part(self, name: str, count: int) -> str:
        if count == LENGTH:
            return name
        first = self.chance.randrange(LENGTH + 1 - count)
        return f"{name}[{first}:{first + count}]"

    def part(self, name: str, count: int) -> str:
        """So many consecutive entries of a vector."""
        return self._part(name, count)

    def count(self) -> int:
        """How many floats a message has."""
        return int(self.pick([1, 2, 3, 4, 6, 6, 12]))
