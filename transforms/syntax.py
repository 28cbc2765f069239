"""Small makers of libcst nodes that the changing passes share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import libcst as cst


@dataclass(frozen=True)
class Layout:
    """How the user's file is laid out."""

    width: int | None
    """The length of a line up to which a formatter leaves it alone; None if nobody will read what is emitted."""
    indent: str
    """One level of indentation."""

    def fits(self, line: Any, depth: int) -> bool:
        """Whether a statement of one line, or the first line of another, is short enough at this depth."""
        if self.width is None:
            return True
        code = cst.Module([]).code_for_node(line.with_changes(leading_lines=[]))
        return depth * len(self.indent.expandtabs(4)) + len(code.partition("\n")[0]) <= self.width


def blank() -> cst.EmptyLine:
    """A blank line; a new one each time, since a tree holds each node once."""
    return cst.EmptyLine(indent=False)


def statement(text: str) -> Any:
    """One statement from its text; with whatever type libcst gives it."""
    return cst.parse_statement(text)


def as_block(body: cst.BaseSuite) -> cst.IndentedBlock:
    """The body of a compound statement on lines of its own."""
    if isinstance(body, cst.IndentedBlock):
        return body
    suite = cst.ensure_type(body, cst.SimpleStatementSuite)
    line = cst.SimpleStatementLine(suite.body, trailing_whitespace=suite.trailing_whitespace)
    return cst.IndentedBlock([line])


def parenthesized(node: cst.BaseExpression, *kinds: type[cst.BaseExpression]) -> cst.BaseExpression:
    """The expression, in parentheses if it is of such a kind and has none."""
    if isinstance(node, kinds) and not node.lpar:
        return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return node


def call_on_lines(function: str, arguments: Sequence[cst.Arg], indent: str) -> cst.Call:
    """A call with each argument on its own line."""
    ends = [*[indent] * (len(arguments) - 1), ""]
    return cst.Call(
        func=cst.Name(function),
        whitespace_before_args=line_break(indent),
        args=[
            argument.with_changes(comma=cst.Comma(whitespace_after=line_break(end)))
            for argument, end in zip(arguments, ends, strict=True)
        ],
    )


def line_break(indent: str) -> cst.ParenthesizedWhitespace:
    """The end of a line within parentheses, and how far the next one is indented."""
    return cst.ParenthesizedWhitespace(indent=True, last_line=cst.SimpleWhitespace(indent))


def parameters_on_lines(function: cst.FunctionDef, indent: str) -> cst.FunctionDef:
    """A definition, which has only plain parameters, with each of them on its own line."""
    given = function.params.params
    ends = [*[indent] * (len(given) - 1), ""]
    params = [
        parameter.with_changes(comma=cst.Comma(whitespace_after=line_break(end)))
        for parameter, end in zip(given, ends, strict=True)
    ]
    return function.with_changes(params=cst.Parameters(params), whitespace_before_params=line_break(indent))


def comments_in(node: cst.CSTNode) -> list[cst.Comment]:
    """All comments in a subtree, in order."""
    found = [node] if isinstance(node, cst.Comment) else []
    return found + [comment for child in node.children for comment in comments_in(child)]


def without_leading_blanks(lines: Iterable[cst.EmptyLine]) -> list[cst.EmptyLine]:
    """Blank lines removed up to the first comment."""
    result = list(lines)
    while result and result[0].comment is None:
        del result[0]
    return result


def with_gap(lines: Sequence[cst.EmptyLine], count: int) -> list[cst.EmptyLine]:
    """Comments and blank lines, with at least so many blank ones where the last comments begin."""
    blanks = [place for place, line in enumerate(lines) if line.comment is None]
    if not blanks:
        return list(lines)
    last = blanks[-1]
    there = next((n for n in range(last + 1) if lines[last - n].comment is not None), last + 1)
    return [*lines[: last + 1], *(blank() for _ in range(count - there)), *lines[last + 1 :]]


def with_blank_lines(node: Any, count: int) -> Any:
    """The statement with at least so many blank lines in front of it."""
    lines: list[cst.EmptyLine] = list(node.leading_lines)
    there = len(lines) - len(without_leading_blanks(lines))
    return node.with_changes(leading_lines=[blank() for _ in range(count - there)] + lines)


def unchecked(rule: str) -> cst.TrailingWhitespace:
    """The end of a line that ruff would complain of, though it is as it has to be."""
    comment = cst.Comment(f"# noqa: {rule}")
    return cst.TrailingWhitespace(whitespace=cst.SimpleWhitespace("  "), comment=comment)


def is_import(node: cst.CSTNode) -> bool:
    """Whether a line holds imports and nothing else."""
    return (
        isinstance(node, cst.SimpleStatementLine)
        and bool(node.body)
        and all(isinstance(small, (cst.Import, cst.ImportFrom)) for small in node.body)
    )


def is_definition(node: cst.CSTNode) -> bool:
    """Whether a statement defines a function or a class."""
    return isinstance(node, (cst.FunctionDef, cst.ClassDef))


def dotted(node: cst.BaseExpression) -> str:
    """The text of a dotted name."""
    if isinstance(node, cst.Attribute):
        return f"{dotted(node.value)}.{node.attr.value}"
    return cst.ensure_type(node, cst.Name).value


def listed(aliases: Iterable[cst.ImportAlias]) -> list[cst.ImportAlias]:
    """The aliases with fresh commas between them and none behind."""
    return [alias.with_changes(comma=cst.MaybeSentinel.DEFAULT) for alias in aliases]


def exploded(node: cst.ImportFrom, names: Sequence[cst.ImportAlias], indent: str) -> cst.ImportFrom:
    """The import of these names, each on its own line."""
    ends = [*[indent] * (len(names) - 1), ""]
    return node.with_changes(
        lpar=cst.LeftParen(whitespace_after=line_break(indent)),
        rpar=cst.RightParen(),
        names=[
            alias.with_changes(comma=cst.Comma(whitespace_after=line_break(end)))
            for alias, end in zip(names, ends, strict=True)
        ],
    )
