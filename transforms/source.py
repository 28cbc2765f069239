"""One file of the user's, read once: its text, its meaning (ast) and its layout (libcst).

The two trees share the work. What a program means (scopes, bindings, control flow) is read from `ast`, the
running Python's own view of it; what is written is made from `libcst`, which keeps every comment and blank. A
place in one is found in the other by its line and column.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import libcst as cst

from checkpointer.errors import TransformError
from checkpointer.transforms import codes

Report: TypeAlias = Callable[[TransformError], None]
"""Who hears of a refusal: the rewriter raises the first, `checkpointer lint` collects all."""

HEADER = re.compile(r"# Adjoint of .*, written by checkpointer \S+\. Change ")


@dataclass(frozen=True)
class Source:
    """The user's file in both views."""

    text: str
    filename: str
    lines: tuple[str, ...]
    tree: ast.Module
    module: cst.Module

    def column(self, node: ast.AST) -> int:
        """The column of a node in characters; ast counts bytes."""
        return characters(self.lines, node)

    def segment(self, node: ast.expr) -> str:
        """The text of an expression on one line, as the user wrote it where that was one line."""
        if node.lineno != node.end_lineno:
            return ast.unparse(node)
        # what `ast.get_source_segment` would find by dividing the whole file into lines, each time
        return self.lines[node.lineno - 1].encode()[node.col_offset : node.end_col_offset].decode()

    def refusal(self, code: str, node: ast.AST, what: str, instead: str) -> TransformError:
        """The error for a construct; it points at the construct's first character."""
        line: int = getattr(node, "lineno", 1)
        return self.refusal_at(code, line, self.column(node), what, instead)

    def refusal_at(self, code: str, line: int, column: int, what: str, instead: str) -> TransformError:
        """The error for a place in the file that is no construct of its own, such as a comment."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        return TransformError(
            code, what, instead, filename=self.filename, line=line, column=column, text=text
        )


def characters(lines: tuple[str, ...], node: ast.AST) -> int:
    """The column of an ast node, counted in characters."""
    line: int = getattr(node, "lineno", 1)
    offset: int = getattr(node, "col_offset", 0)
    text = lines[line - 1] if line <= len(lines) else ""
    return len(text.encode()[:offset].decode(errors="ignore"))


def loop_header(file: Source, loop: ast.For | ast.AsyncFor | ast.While, subject: ast.expr) -> str:
    """The header of a loop without its mark: `for step in range(steps)`."""
    if isinstance(loop, ast.While):
        return f"while {file.segment(subject)}"
    return f"for {file.segment(loop.target)} in {file.segment(subject)}"


def read_source(text: str, filename: str, flags: int = 0) -> Source:
    """Parse a file, or refuse it with the place of the syntax error; the flags are those of ``compile``."""
    lines = tuple(re.split(r"\r\n|\r|\n", text))
    _refuse_own_output(filename, lines)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are given when the emitted code is compiled
            tree = ast.parse(text, filename)
            # finds what the grammar alone admits: `return` outside a function, `nonlocal` without a binding
            compile(tree, filename, "exec", flags, dont_inherit=True)
    except SyntaxError as error:
        raise _syntax_error(filename, lines, error) from None
    except ValueError as error:
        raise _syntax_error(filename, lines, SyntaxError(str(error))) from None
    try:
        module = cst.parse_module(text)
    except cst.ParserSyntaxError as error:
        raise TransformError(
            codes.SYNTAX,
            "this Python accepts the file, but libcst, which keeps its layout, cannot read it",
            "write the construct at this place in an older form, or update libcst",
            filename=filename,
            line=error.raw_line,
            column=error.raw_column,
            text=lines[error.raw_line - 1] if error.raw_line <= len(lines) else "",
        ) from None
    return Source(text, filename, lines, tree, module)


def _syntax_error(filename: str, lines: tuple[str, ...], error: SyntaxError) -> TransformError:
    line = error.lineno or 1
    return TransformError(
        codes.SYNTAX,
        f"syntax error: {error.msg}",
        "correct the file; Python itself cannot run it",
        filename=filename,
        line=line,
        column=max((error.offset or 1) - 1, 0),
        text=lines[line - 1] if line <= len(lines) else "",
    )


def header_at(lines: Iterable[str]) -> int | None:
    """The number of the line, from 1, that says that checkpointer wrote a file; None if it did not."""
    first = enumerate(islice(lines, 3), start=1)  # a shebang and an encoding may stand before it
    return next((number for number, line in first if HEADER.match(line)), None)


def _refuse_own_output(filename: str, lines: tuple[str, ...]) -> None:
    if (number := header_at(lines)) is not None:
        raise TransformError(
            codes.REWRITTEN_ALREADY,
            "this file was written by checkpointer; its loops are rewritten already",
            "rewrite the file that the first line names, not this one",
            filename=filename,
            line=number,
            text=lines[number - 1],
        )
