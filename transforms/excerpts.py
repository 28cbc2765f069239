"""Parts of a rewritten module, to be read: one function with the sweeps of its loops, one loop, one sweep."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from checkpointer.errors import ArgumentError, did_you_mean
from checkpointer.transforms.pipeline import LoopInfo, Rewritten
from checkpointer.transforms.positions import lines_of

SWEEPS = ("step", "forward", "reverse")
"""What a loop becomes: the function for one iteration, and the two that run the schedule."""


@dataclass(frozen=True)
class Excerpt:
    """Lines of a rewritten module."""

    code: str
    source_lines: tuple[int, ...]
    """For each of its lines the line of the user's file that it stems from; 0 for one that was put in between."""


@dataclass(frozen=True)
class Definition:
    """A function or class of the user's in a rewritten module."""

    name: str
    """With dots, as in the user's file: `Model.run`, and `outer.inner` for a function in a function."""
    first: int
    """Its lines in the emitted code, from its decorators and the reference above them."""
    last: int
    line: int
    """The line of its `def` or `class` in the user's file."""


def whole(rewritten: Rewritten) -> Excerpt:
    """All of a rewritten module."""
    return Excerpt(rewritten.code, rewritten.source_lines)


def excerpt(
    rewritten: Rewritten,
    definition: Definition | None = None,
    *,
    loop: int | None = None,
    sweep: str | None = None,
) -> Excerpt:
    """A part of a rewritten module.

    Parameters
    ----------
    rewritten : Rewritten
        The module.
    definition : Definition, optional
        One of its `definitions`: only this, and the sweeps of the loops in it.
    loop : int, optional
        The number of a loop, as in the header: only its step, the call that runs it, and its sweeps.
    sweep : {"step", "forward", "reverse"}, optional
        Only this of each loop.

    Raises
    ------
    ArgumentError
        If there is no such loop there, or no sweep of this name.
    """
    if sweep is not None and sweep not in SWEEPS:
        raise ArgumentError(f"sweep must be one of {', '.join(map(repr, SWEEPS))}, but is {sweep!r}")
    if definition is None and loop is None and sweep is None:
        return whole(rewritten)
    text = _Text(rewritten)
    loops = _chosen(text, definition, loop, needed=sweep is not None)
    pieces: list[tuple[int, int]] = []
    if loop is None and sweep is None and definition is not None:
        pieces.append((definition.first, definition.last))
        parts: Sequence[str] = ("forward", "reverse")
    elif sweep is not None:
        parts = (sweep,)
    else:
        pieces += [text.step_and_call(info) for info in loops]
        parts = ("forward", "reverse")
    pieces += [text.function(getattr(info, part)) for info in loops for part in parts]
    return text.joined(loops, pieces)


def definitions(rewritten: Rewritten) -> tuple[Definition, ...]:
    """The functions and classes of the user's in a rewritten module, in the order of the text."""
    text = _Text(rewritten)
    made = {name for info in rewritten.loops for name in (info.forward, info.reverse)}
    return tuple(
        Definition(name, *text.span(node), line=rewritten.source_lines[node.lineno - 1])
        for name, node in _named(text.tree.body, "", {info.step for info in rewritten.loops})
        if name not in made
    )


def find(rewritten: Rewritten, name: str) -> Definition:
    """The function or class of this dotted name; the last one if there are several.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    known = {found.name: found for found in definitions(rewritten)}
    if name not in known:
        listed = f"; it defines {', '.join(known)}" if known else ""
        hint = did_you_mean(name, known) or listed
        raise ArgumentError(f"there is no function or class `{name}` in {rewritten.filename}{hint}")
    return known[name]


def holds(rewritten: Rewritten, definition: Definition) -> bool:
    """Whether there is a marked loop in a function or class."""
    return bool(_inside(_Text(rewritten), definition))


def _inside(text: _Text, definition: Definition) -> list[LoopInfo]:
    lines = range(definition.first, definition.last + 1)
    return [info for info in text.rewritten.loops if text.functions[info.step].lineno in lines]


def loops_in(
    rewritten: Rewritten, definition: Definition | None, *, loop: int | None = None
) -> tuple[int, ...]:
    """The numbers of the loops in a function or class, or in all of the module; or only this one, if it is there.

    Raises
    ------
    ArgumentError
        If it is not, or if there is none.
    """
    chosen = _chosen(_Text(rewritten), definition, loop, needed=True)
    return tuple(info.number for info in chosen)


def _chosen(
    text: _Text, definition: Definition | None, number: int | None, *, needed: bool
) -> list[LoopInfo]:
    """The loops that are to be shown."""
    where, loops = text.rewritten.filename, list(text.rewritten.loops)
    if definition is not None:
        where = f"`{definition.name}`"
        loops = _inside(text, definition)
    if number is None:
        if needed and not loops:
            raise ArgumentError(f"there is no marked loop in {where}")
        return loops
    chosen = [info for info in loops if info.number == number]
    if not chosen:
        there = ", ".join(str(info.number) for info in loops) or "none"
        raise ArgumentError(
            f"there is no loop {number} in {where}: the numbers of its marked loops are {there}"
        )
    return chosen


class _Text:
    """The emitted code by lines and by functions."""

    def __init__(self, rewritten: Rewritten) -> None:
        self.rewritten = rewritten
        self.lines = lines_of(rewritten.code)
        self.tree = ast.parse(rewritten.code)
        self.functions = {
            node.name: node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)
        }

    def function(self, name: str) -> tuple[int, int]:
        """The first and the last line of a function that the rewriter made."""
        return self.span(self.functions[name])

    def span(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> tuple[int, int]:
        """The first and the last line of a definition, with the comments above it and at the end of its body."""
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        while first > 1 and self.lines[first - 2].startswith(" " * node.col_offset + "#"):
            first -= 1
        last = reached = node.end_lineno or node.lineno
        while reached < len(self.lines):
            line = self.lines[reached]
            if line.strip() and not line.startswith(" " * (node.col_offset + 1)):
                break
            reached += 1
            if line.strip().startswith("#"):
                last = reached
            elif line.strip():
                break
        return first, last

    def step_and_call(self, info: LoopInfo) -> tuple[int, int]:
        """From the beginning of a step to the end of the call that runs it."""
        first, _ = self.function(info.step)
        calls = (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))
        for call in calls:
            if any(isinstance(given, ast.Name) and given.id == info.step for given in call.args[:1]):
                return first, call.end_lineno or call.lineno
        raise LookupError(info.step)

    def joined(self, loops: Iterable[LoopInfo], pieces: Iterable[tuple[int, int]]) -> Excerpt:
        """The pieces, two blank lines apart, below the header's lines about these loops."""
        headers = tuple(f"# loop {info.number}  " for info in loops)
        head = [n for n, line in enumerate(self.lines, start=1) if headers and line.startswith(headers)]
        code, numbers = [], []
        if headers:
            shown = head[: len(headers)]
            code.append("\n".join(self.lines[n - 1] for n in shown))
            numbers.append([0] * len(shown))
        for first, last in pieces:
            code.append(textwrap.dedent("\n".join(self.lines[first - 1 : last])))
            numbers.append(list(self.rewritten.source_lines[first - 1 : last]))
        between = [number for part in numbers for number in (0, 0, *part)][2:]
        return Excerpt("\n\n\n".join(code) + "\n", tuple(between))


def _named(
    body: Iterable[ast.AST], around: str, steps: set[str]
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    """Every definition with its name in the user's file, where there are no steps."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if node.name in steps:
                yield from _named(node.body, around, steps)
                continue
            yield around + node.name, node
            yield from _named(node.body, f"{around}{node.name}.", steps)
        elif not isinstance(node, ast.expr):
            yield from _named(ast.iter_child_nodes(node), around, steps)
