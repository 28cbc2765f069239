"""From a user's file to a code object that is differentiable and still speaks of the user's file and lines.

The rewriter writes text. Here that text is parsed and every node of it is sent back to where it came from, so that
tracebacks, debuggers, warnings and profilers never mention a line that the user did not write.

This module imports the rewriter, and with it libcst: import it where something is really transformed.
"""

from __future__ import annotations

import ast
import importlib.util
import warnings
from collections.abc import Sequence
from itertools import takewhile
from operator import eq
from types import CodeType

from checkpointer.errors import TransformError
from checkpointer.schemes.catalogue import SCHEMES
from checkpointer.stepping import readable, run_as_loops
from checkpointer.transforms import Rewritten, rewrite_source
from checkpointer.version import VERSION


def rewrite(source: str, filename: str, *, cell: bool = False, line_length: int | None = None) -> Rewritten:
    """The source as the rewriter emits it, with the schemes and the version of this installation.

    The line length is for what will be read.

    Raises
    ------
    TransformError
        If a marked loop cannot be rewritten.
    """
    return rewrite_source(source, filename, SCHEMES, version=VERSION, cell=cell, line_length=line_length)


def compile_file(data: bytes, filename: str) -> CodeType:
    """The code object of a file, rewritten; what Python's own ``compile`` makes of one in which nothing changed.

    Raises
    ------
    SyntaxError
        If the file is not Python, as Python itself raises it.
    TransformError
        If a marked loop cannot be rewritten.
    """
    tree = ast.parse(data, filename)  # also gives the warnings of the parser, once, with their places
    source = importlib.util.decode_source(data)
    try:
        rewritten = rewrite(source, filename)
    except TransformError:
        compile(tree, filename, "exec", dont_inherit=True)  # Python's own refusal is the better one
        raise
    if rewritten.loops or not _only_commented(rewritten.code, source):
        tree = users_tree(rewritten, source)
    return readable(compile(tree, filename, "exec", dont_inherit=True), rewritten.loops)


def _only_commented(emitted: str, source: str) -> bool:
    """Whether nothing was done to the source but to put comment lines in front of it."""
    head = emitted.removesuffix(source)
    return emitted.endswith(source) and all(line.startswith("#") or not line for line in head.split("\n"))


def users_tree(rewritten: Rewritten, source: str) -> ast.Module:
    """The syntax tree of the emitted code with the positions of the user's source."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # given for the user's source already, or not the user's affair
        tree = ast.parse(rewritten.code)
    positions = _Positions(rewritten.code, source, rewritten.source_lines)
    for node in ast.walk(tree):
        if isinstance(
            node, (ast.stmt, ast.expr, ast.excepthandler, ast.pattern, ast.arg, ast.keyword, ast.alias)
        ):
            positions.send_back(node)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for decorator in node.decorator_list:
                # one of the rewriter's stands where `def` stands
                if not positions.is_decorator(decorator.lineno):
                    decorator.lineno = decorator.end_lineno = node.lineno
                    decorator.col_offset = decorator.end_col_offset = -1
    run_as_loops(tree, rewritten.loops)
    return tree


def begin_at_def(tree: ast.Module, source: str) -> None:
    """Let functions that the rewriter inserted begin at the ``def`` of the user's function around them.

    IPython shows lines of a cell by counting from what ``inspect`` takes for the beginning of the code. That is the
    nearest ``def`` above before Python 3.13, where the step function of a loop would be shown with the wrong lines.
    """
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, _FUNCTIONS)]
    names = {node.name for node in functions}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name not in names:
            around = [
                user.lineno for user in functions if user.lineno <= node.lineno <= (user.end_lineno or 0)
            ]
            node.lineno = max(around, default=1)


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class _Positions:
    """Where what stands in the emitted code stands in the user's source.

    The rewriter tells the line. The column is found by comparison: an emitted line begins and ends like the user's,
    with another indentation and perhaps with something replaced in between. Where that does not help, the node
    keeps its line and has no columns, and a traceback then shows the line without carets.
    """

    def __init__(self, emitted: str, source: str, source_lines: Sequence[int]) -> None:
        self._emitted = emitted.encode().split(b"\n")
        self._source = source.encode().split(b"\n")
        self._source_lines = source_lines
        self._common: dict[int, tuple[int, int]] = {}

    def send_back(self, node: ast.AST) -> None:
        """Give a node of the emitted tree the position of what it was made from."""
        start = self._line(node.lineno)  # type: ignore[attr-defined]
        end = self._line(node.end_lineno)  # type: ignore[attr-defined]
        first = self._column(node.lineno, node.col_offset)  # type: ignore[attr-defined]
        last = self._column(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
        if first is None or last is None or (start, first) >= (end, last):
            end, first, last = start, -1, -1  # how CPython says that there are no columns
        node.lineno, node.end_lineno = start, end  # type: ignore[attr-defined]
        node.col_offset, node.end_col_offset = first, last  # type: ignore[attr-defined]

    def is_decorator(self, line: int) -> bool:
        """Whether a line of the user's holds a decorator."""
        return self._source[line - 1].lstrip().startswith(b"@")

    def _line(self, line: int) -> int:
        return self._source_lines[min(line, len(self._source_lines)) - 1]

    def _column(self, line: int, column: int) -> int | None:
        emitted = self._emitted[line - 1]
        source = self._source[self._line(line) - 1]
        if line not in self._common:
            self._common[line] = _common_ends(emitted.strip(), source.strip())
        begins, ends = self._common[line]
        indent = len(emitted) - len(emitted.lstrip())
        if column <= indent + begins:
            return column - indent + len(source) - len(source.lstrip())
        if column >= len(emitted.rstrip()) - ends:
            return column - len(emitted.rstrip()) + len(source.rstrip())
        return None


def _common_ends(one: bytes, other: bytes) -> tuple[int, int]:
    """How many bytes two lines have in common at their beginnings and at their ends."""
    begins = sum(1 for _ in takewhile(bool, map(eq, one, other)))
    ends = sum(1 for _ in takewhile(bool, map(eq, reversed(one), reversed(other))))
    return begins, ends
