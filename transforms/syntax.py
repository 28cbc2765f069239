"""Small makers of libcst nodes that the changing passes share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import libcst as cst


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


def call_on_lines(function: str, arguments: Sequence[cst.Arg]) -> cst.Call:
    """A call with each argument on its own line."""

    def line_break(indent: str) -> cst.ParenthesizedWhitespace:
        return cst.ParenthesizedWhitespace(indent=True, last_line=cst.SimpleWhitespace(indent))

    ends = ["    "] * (len(arguments) - 1) + [""]
    return cst.Call(
        func=cst.Name(function),
        whitespace_before_args=line_break("    "),
        args=[
            argument.with_changes(comma=cst.Comma(whitespace_after=line_break(end)))
            for argument, end in zip(arguments, ends, strict=True)
        ],
    )


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


def with_blank_lines(node: Any, count: int) -> Any:
    """The statement with at least so many blank lines in front of it."""
    lines: list[cst.EmptyLine] = list(node.leading_lines)
    there = len(lines) - len(without_leading_blanks(lines))
    return node.with_changes(leading_lines=[blank() for _ in range(count - there)] + lines)
