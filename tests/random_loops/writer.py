"""The pen that random programs are written with: it chooses, fills in, and knows what is bound."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import tables
from hypothesis import strategies as st

_upto = cache(lambda most: st.integers(0, most))
_BLANK = re.compile(r"\{([a-z]+)(=?)(\d?)\}")


@cache
def blanks(template: str) -> list[tuple[str, str]]:
    """The kinds that a template asks for, with "=" where a variable is bound anew."""
    return [(match[1], match[2]) for match in _BLANK.finditer(template)]


@dataclass
class Scope:
    """What one function can use.

    ``places`` are the variables by their kinds; ``outer`` those that need a declaration to be bound anew, ``rebound`` those
    to which that happened, and ``fixed`` those that cannot be bound anew. ``ways`` are the statements that leave the
    innermost loop or the function at this point; ``may_mark`` tells whether loops may be marked in it.
    """

    places: dict[str, list[str]] = field(default_factory=dict)
    outer: set[str] = field(default_factory=set)
    rebound: set[str] = field(default_factory=set)
    fixed: set[str] = field(default_factory=set)
    ways: list[str] = field(default_factory=list)
    may_mark: bool = False


class Writer:
    """Lines of source, and the choices that led to them."""

    def __init__(self, draw: Callable[..., Any], *, wild: bool) -> None:
        self.draw = draw
        self.wild = wild
        self.lines: list[str] = []
        self.indent = 0
        self.scope = Scope()
        self.numbers = 0
        self.calls: list[str] = []
        self.expressions = {
            "n": (tables.NUMBER_LEAVES, tables.NUMBERS),
            "v": (tables.VECTOR_LEAVES, tables.VECTORS + tables.WILD_VECTORS * wild),
            "y": (tables.MATRICES, []),
            "q": (tables.WAVES, []),
            "b": (tables.CONDITIONS, []),
        }

    # --- choices ------------------------------------------------------------------------------------------------------

    def pick(self, options: Any) -> Any:
        """One of them; hypothesis shrinks towards the first."""
        return options[self.draw(_upto(len(options) - 1))]

    def chance(self, one_in: int) -> bool:
        """True once in so many times; hypothesis shrinks towards False."""
        return bool(self.draw(_upto(one_in - 1)) == one_in - 1)

    # --- lines --------------------------------------------------------------------------------------------------------

    def emit(self, *lines: str) -> None:
        """Write lines at the present depth."""
        self.lines += [("    " * self.indent + line).rstrip() for line in lines]

    def fresh(self, stem: str) -> str:
        """A name that occurs nowhere else."""
        self.numbers += 1
        return f"{stem}{self.numbers}"

    @contextmanager
    def block(self, head: str, *ways: str, opaque: bool = False) -> Iterator[None]:
        """A block, after which its own names may be unbound.

        A loop's body is left by the given ways, too, and an opaque block not at all.
        """
        self.emit(head)
        self.indent += 1
        places, left = {kind: list(names) for kind, names in self.scope.places.items()}, self.scope.ways
        if ways or opaque:
            self.scope.ways = [*ways, *(way for way in left if way.startswith("return") and not opaque)]
        start = len(self.lines)
        yield
        if len(self.lines) == start:
            self.emit("pass")
        self.scope.places, self.scope.ways = places, left
        self.indent -= 1

    @contextmanager
    def definition(self, head: str, scope: Scope, declare: str) -> Iterator[None]:
        """A function; what it binds outside of itself is declared ``global`` or ``nonlocal`` in its first line."""
        self.emit(head)
        self.indent += 1
        around, self.scope = self.scope, scope
        calls, self.calls = self.calls, []  # no recursion
        start = len(self.lines)
        yield
        if scope.rebound:
            self.lines.insert(start, "    " * self.indent + f"{declare} {', '.join(sorted(scope.rebound))}")
        self.scope, self.calls = around, calls
        self.indent -= 1

    # --- variables ----------------------------------------------------------------------------------------------------

    def bind(self, kind: str, place: str) -> None:
        """From here on there is this variable."""
        self.scope.places.setdefault(kind, []).append(place)

    def has(self, kind: str, rebind: str = "") -> bool:
        """Whether there is a variable of the kind."""
        return any(not (rebind and place in self.scope.fixed) for place in self.scope.places.get(kind, []))

    def variable(self, kind: str, rebind: str = "") -> str:
        """A variable of the kind."""
        options = [p for p in self.scope.places[kind] if not (rebind and p in self.scope.fixed)]
        place: str = self.pick(options)
        if rebind and place in self.scope.outer:
            self.scope.rebound.add(place)
        return place

    # --- templates ----------------------------------------------------------------------------------------------------

    def fits(self, template: str) -> bool:
        """Whether there is something for each blank."""
        return all(
            kind in self.expressions or kind in _OTHERS or self.has(kind, rebind)
            for kind, rebind in blanks(template)
        )

    def one_of(self, templates: list[str], depth: int = 2) -> str:
        """One of the templates that fit, filled in."""
        return self.filled(self.pick([template for template in templates if self.fits(template)]), depth)

    def filled(self, template: str, depth: int = 2) -> str:
        """The template with every blank filled in; equal numbers stand for equal fillings."""
        same: dict[str, str] = {}

        def fill(match: re.Match[str]) -> str:
            kind, rebind, number = match.groups()
            key = kind + number
            if not number or key not in same:
                same[key] = self._filling(kind, rebind, depth)
            return same[key]

        return _BLANK.sub(fill, template)

    def _filling(self, kind: str, rebind: str, depth: int) -> str:
        if kind in self.expressions:
            return self.expression(kind, depth - 1)
        if kind == "new":
            return self.fresh("q")
        if kind == "c":
            return str(self.pick(tables.CONSTANTS))
        if kind == "j":
            return str(self.pick(["0", "1", "2"]))
        names = self.scope.places.get("int", [])
        if kind == "k":
            return str(self.pick(["0", "1", "-1", "2", *(f"{name} % 4" for name in names)]))
        if kind == "r":
            return str(self.pick(["0", *(f"{name} % 8" for name in names)]))
        return self.variable(kind, rebind)

    def expression(self, kind: str, depth: int = 2) -> str:
        """An expression of the kind, with so many levels in it."""
        leaves, inner = self.expressions[kind]
        templates = leaves + inner if depth > 0 else leaves
        return self.one_of(templates + self.calls * (kind == "v" and depth > 0), depth)


_OTHERS = frozenset(("c", "j", "k", "r", "new"))
