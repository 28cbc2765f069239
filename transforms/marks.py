"""Find the marked loops: `checkpointed(...)` around what a loop runs over, or a comment above it.

A gathering pass. Every use of the mark that marks no loop is refused here, and so is every mark that cannot be
read. Refusals are reported one by one; whoever listens decides whether to go on.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from checkpointer.errors import did_you_mean
from checkpointer.transforms import codes
from checkpointer.transforms.scopes import Loop, Scopes
from checkpointer.transforms.source import Report, Source

COMMENT = re.compile(r"#\s*checkpointer\s*:\s*(?P<arguments>.*?)\s*$")
OPTIONS = ("audit", "dump", "progress", "storage")
"""The keyword arguments of a mark besides the scheme."""
BESIDE = ("BackgroundStorage", "Dump", "HDF5Storage", "Level", "MemoryStorage", "TieredStorage")
"""What a comment may name besides schemes without importing it."""
_SHOWN = "`for ... in checkpointed(ITERABLE, SCHEME):` or `while checkpointed(CONDITION, SCHEME):`"


@dataclass(frozen=True)
class Comment:
    """A mark in a comment."""

    line: int
    column: int
    arguments: str


@dataclass(frozen=True, eq=False)
class Mark:
    """A marked loop and what its mark says."""

    loop: Loop
    subject: ast.expr
    """What the loop iterates over, or its condition; without the mark."""
    scheme_at: int | None
    """Where among the mark's arguments, counted in the order of the text, the scheme stands."""
    options_at: tuple[int, ...]
    """Where the further keyword arguments stand."""
    scheme: str
    """The scheme in the user's words."""
    comment: Comment | None
    scheme_names: frozenset[str]
    """Names that occur in the mark but are evaluated outside of the step, where `Scopes` may not see it."""
    beside: frozenset[ast.AST]
    """The nodes of the mark besides the subject; in a `while` they stand in the loop, but in no step."""
    imports: frozenset[str]
    """Schemes that a comment names and the file does not import."""


def find_marks(
    source: Source, scopes: Scopes, scheme_names: Collection[str], report: Report
) -> tuple[Mark, ...]:
    """All marked loops in the order of the text; one whose mark is refused counts as marked."""
    loops = sorted(scopes.home, key=lambda loop: loop.lineno)
    calls = {loop: call for loop in loops if (call := _mark_call(loop, scopes)) is not None}
    _refuse_misplaced(source, scopes, {call.func for call in calls.values()}, report)
    comments = dict(_comments_above(source, loops, report))
    marks = []
    for loop in loops:
        above = comments.get(loop, [])
        if len(above) + (loop in calls) > 1:
            _refuse_second_mark(source, above[-1], report)
        if above:
            marks.append(_read_comment(source, scopes, loop, above[0], scheme_names, report))
        elif loop in calls:
            marks.append(_read_call(source, loop, calls[loop], report))
    return tuple(marks)


def _mark_call(loop: Loop, scopes: Scopes) -> ast.Call | None:
    """The call that marks the loop, if there is one."""
    outer = loop.test if isinstance(loop, ast.While) else loop.iter
    return outer if isinstance(outer, ast.Call) and is_mark(outer.func, scopes) else None


def is_mark(node: ast.expr, scopes: Scopes) -> bool:
    """Whether an expression is the function `checkpointed`, whatever it is called here."""
    return any(
        meaning.partition(".")[0] == "checkpointer" and meaning.endswith(".checkpointed")
        for meaning in scopes.meanings(node)
    )


def _refuse_misplaced(source: Source, scopes: Scopes, in_place: Collection[ast.expr], report: Report) -> None:
    for node in ast.walk(source.tree):
        loads = isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load)
        if loads and isinstance(node, ast.expr) and node not in in_place and is_mark(node, scopes):
            report(
                source.refusal(
                    codes.MISPLACED_MARK,
                    node,
                    f"`{ast.unparse(node)}` marks no loop here: a mark is the whole iterable of a `for` statement"
                    " or the whole condition of a `while` statement",
                    f"write {_SHOWN}",
                )
            )


def _comments(source: Source) -> Iterator[Comment]:
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and (found := COMMENT.match(token.string)):
            yield Comment(token.start[0], token.start[1], found["arguments"])


def _comments_above(
    source: Source, loops: list[Loop], report: Report
) -> Iterator[tuple[Loop, list[Comment]]]:
    """The mark comments of each loop; one that stands above no loop is refused."""
    by_line = {loop.lineno: loop for loop in loops}
    found: dict[Loop, list[Comment]] = {}
    for comment in _comments(source):
        line = comment.line
        while line < len(source.lines) and source.lines[line].lstrip().startswith("#"):
            line += 1
        loop = by_line.get(line + 1)
        alone = source.lines[comment.line - 1][: comment.column].strip() == ""
        if loop is None or not alone or source.column(loop) != comment.column:
            report(
                source.refusal_at(
                    codes.MISPLACED_COMMENT,
                    comment.line,
                    comment.column,
                    "this comment marks no loop: there is no `for` or `while` directly below it",
                    "put it on the line above the loop, at the loop's indentation",
                )
            )
            continue
        found.setdefault(loop, []).append(comment)
    yield from found.items()


def _refuse_second_mark(source: Source, comment: Comment, report: Report) -> None:
    report(
        source.refusal_at(
            codes.MARKED_TWICE,
            comment.line,
            comment.column,
            "this loop is marked twice",
            "keep one mark: either `checkpointed(...)` or one comment above the loop",
        )
    )


def _read_call(source: Source, loop: Loop, call: ast.Call, report: Report) -> Mark:
    problem = argument_problem(call)
    if problem:
        report(source.refusal(codes.MARK_ARGUMENTS, call, problem, f"write {_SHOWN}"))
        return _unread(loop)
    scheme = _scheme(call)
    # in a `for` these are evaluated before the loop, and are seen there; in a `while` they seem to be in it
    names = _names_in(_beside_subject(call)) if isinstance(loop, ast.While) else frozenset()
    return Mark(
        loop=loop,
        subject=call.args[0],
        scheme_at=_scheme_at(call),
        options_at=_options_at(call),
        scheme=source.segment(scheme) if scheme else "",
        comment=None,
        scheme_names=names,
        beside=frozenset(part for node in [call.func, *_beside_subject(call)] for part in ast.walk(node)),
        imports=frozenset(),
    )


def _unread(loop: Loop) -> Mark:
    """A mark that was refused, for the checks of the loop's body."""
    return Mark(
        loop=loop,
        subject=loop.test if isinstance(loop, ast.While) else loop.iter,
        scheme_at=None,
        options_at=(),
        scheme="",
        comment=None,
        scheme_names=frozenset(),
        beside=frozenset(),
        imports=frozenset(),
    )


def _read_comment(
    source: Source, scopes: Scopes, loop: Loop, comment: Comment, known: Collection[str], report: Report
) -> Mark:
    def refuse(code: str, what: str, instead: str) -> Mark:
        report(source.refusal_at(code, comment.line, comment.column, what, instead))
        return _unread(loop)

    call = _parse_comment(comment)
    problem = "it is no list of arguments" if call is None else argument_problem(call)
    if call is None or problem:
        return refuse(
            codes.MARK_ARGUMENTS,
            f"this mark cannot be read: {problem}",
            "write the arguments of the mark, such as `# checkpointer: Revolve(snapshots=8)`",
        )
    scheme = _scheme(call)
    imports: set[str] = set()
    callee = scheme.func if isinstance(scheme, ast.Call) else scheme
    root = callee
    while isinstance(root, ast.Attribute):
        root = root.value
    unknown = isinstance(root, ast.Name) and (root is not callee or root.id not in known) and not scopes.stars
    if unknown and isinstance(root, ast.Name) and scopes.resolve(root.id, scopes.home[loop]) is None:
        return refuse(
            codes.UNKNOWN_SCHEME,
            f"unknown scheme `{ast.unparse(callee or root)}`{did_you_mean(root.id, known)}",
            "name one of " + ", ".join(sorted(known)) + ", or import the scheme in this file",
        )
    names = _names_in(_beside_subject(call))
    for name in names.intersection((*known, *BESIDE)):
        if scopes.resolve(name, scopes.home[loop]) is None:
            imports.add(name)
    return Mark(
        loop=loop,
        subject=loop.test if isinstance(loop, ast.While) else loop.iter,
        scheme_at=_scheme_at(call),
        options_at=_options_at(call),
        scheme=ast.get_source_segment(f"_(_, {comment.arguments})", scheme) or "" if scheme else "",
        comment=comment,
        scheme_names=names,
        beside=frozenset(),
        imports=frozenset(imports),
    )


def _parse_comment(comment: Comment) -> ast.Call | None:
    try:
        parsed = ast.parse(f"_(_, {comment.arguments})", mode="eval").body
    except SyntaxError:
        return None
    whole = isinstance(parsed, ast.Call) and isinstance(parsed.func, ast.Name)
    return parsed if isinstance(parsed, ast.Call) and whole else None


def argument_problem(call: ast.Call) -> str:
    """Why the arguments of a mark cannot be read; empty if they can."""
    keywords = [keyword.arg for keyword in call.keywords]
    if None in keywords or any(isinstance(argument, ast.Starred) for argument in call.args):
        return "its arguments are hidden in `*` or `**`"
    if not call.args:
        return "its first argument, what the loop runs over, is missing"
    if len(call.args) > 2 or (len(call.args) == 2 and "scheme" in keywords):
        return "besides what the loop runs over it takes one scheme; the rest are keyword arguments"
    unknown = [name for name in keywords if name not in ("scheme", *OPTIONS)]
    if unknown:
        return f"it has no argument `{unknown[0]}`{did_you_mean(str(unknown[0]), OPTIONS)}"
    return ""


def _scheme_at(call: ast.Call) -> int | None:
    if len(call.args) == 2:
        return 1
    places = [place for place, keyword in enumerate(call.keywords, start=1) if keyword.arg == "scheme"]
    return places[0] if places else None


def _scheme(call: ast.Call) -> ast.expr | None:
    place = _scheme_at(call)
    return None if place is None else [*call.args, *(keyword.value for keyword in call.keywords)][place]


def _options_at(call: ast.Call) -> tuple[int, ...]:
    places = enumerate(call.keywords, start=len(call.args))
    return tuple(place for place, keyword in places if keyword.arg != "scheme")


def _beside_subject(call: ast.Call) -> list[ast.expr]:
    return [*call.args[1:], *(keyword.value for keyword in call.keywords)]


def _names_in(nodes: list[ast.expr]) -> frozenset[str]:
    return frozenset(part.id for node in nodes for part in ast.walk(node) if isinstance(part, ast.Name))
