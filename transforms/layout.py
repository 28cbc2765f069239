"""Put the rewritten module together: header comment, runtime import, sweeps beside their loops."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import libcst as cst

from checkpointer.transforms.import_order import ImportOrder
from checkpointer.transforms.outline import Outline, Plan, Runtime, is_mark_comment
from checkpointer.transforms.positions import Origins
from checkpointer.transforms.sweeps import sweeps
from checkpointer.transforms.syntax import blank, is_definition, is_import, statement, with_blank_lines

_ENCODING = re.compile(r"#.*?coding[:=][ \t]*[-\w.]+")


def outline_module(
    module: cst.Module, plans: Sequence[Plan], outline: Outline, runtime: Runtime, origins: Origins
) -> cst.Module:
    """Rewrite the loops statement by statement, and place the sweeps of each."""
    body: list[cst.CSTNode] = []
    distant = False  # whether the next statement follows a sweep and needs two blank lines
    for top in module.body:
        here = [plan for plan in plans if plan.line in origins.lines(top)]
        made = [sweep for plan in here for sweep in sweeps(plan, runtime, outline.layout, origins)]
        late = _runs_later(top)
        new = list(_rewritten(top, outline)) if plans else [top]
        if made and not late:
            body += made
        if new and (distant or (made and not late)):
            new[0] = with_blank_lines(new[0], 2)
        body += new
        if made and late:
            body += made
        distant = bool(made) and late
    return module.with_changes(body=body)


def _runs_later(top: cst.CSTNode) -> bool:
    """Whether the loops in a top-level statement cannot run before the statement is over.

    A function runs when it is called: by a decorator, or by a call in the body of its class, that is too early.
    """
    if isinstance(top, cst.ClassDef):
        return not top.decorators and not any(_calls(part) for part in top.body.body)
    return isinstance(top, cst.FunctionDef) and not top.decorators


def _calls(node: cst.CSTNode) -> bool:
    """Whether executing a class body calls anything; the bodies of functions do not count."""
    if isinstance(node, cst.FunctionDef):
        return any(_calls(decorator) for decorator in node.decorators)
    return isinstance(node, cst.Call) or any(_calls(child) for child in node.children)


def _rewritten(top: cst.CSTNode, outline: Outline) -> Iterator[cst.CSTNode]:
    new = top.visit(outline)
    if isinstance(new, cst.FlattenSentinel):
        yield from new
    elif isinstance(new, cst.CSTNode):
        yield new


def add_imports(module: cst.Module, lines: Sequence[str], order: ImportOrder, origins: Origins) -> cst.Module:
    """Import what the emitted code needs among the user's leading imports, and put all that changed in order."""
    body = list(module.body)
    start = 1 if body and _is_docstring(body[0]) else 0
    end = start
    while end < len(body) and is_import(body[end]):
        end += 1
    added = [origins.put(statement(line), 1) for line in lines]
    order.made.update(small for line in added for small in line.body)
    leading: list[Any] = body[start:end]
    if added:
        leading = order.run_in_order(leading, 0, added)
        if start == end and start > 0:
            leading[0] = with_blank_lines(leading[0], 1)
        if end < len(body):
            body[end] = with_blank_lines(body[end], 2 if is_definition(body[end]) else 1)
    elif leading:
        leading = order.arranged(leading, 0)
    return module.with_changes(body=[*body[:start], *leading, *order.arranged(body[end:], 0)])


def _is_docstring(node: cst.CSTNode) -> bool:
    if not isinstance(node, cst.SimpleStatementLine) or not isinstance(node.body[0], cst.Expr):
        return False
    value = node.body[0].value
    return isinstance(value, (cst.SimpleString, cst.ConcatenatedString))


def add_header(module: cst.Module, lines: Sequence[str], origins: Origins) -> cst.Module:
    """Put the header comment on top, behind a shebang and an encoding line only."""
    # a mark stands here if its loop begins the file
    header = [line for line in module.header if not is_mark_comment(line)]
    first = 0
    if header and header[0].comment and header[0].comment.value.startswith("#!"):
        first = 1
    if len(header) > first and (comment := header[first].comment) and _ENCODING.match(comment.value):
        first += 1
    made = [origins.put(cst.EmptyLine(comment=cst.Comment(line)), 1) for line in lines]
    rest = header[first:]
    separator = [blank()] if rest and rest[0].comment is not None else []
    return module.with_changes(header=[*header[:first], *made, *separator, *rest], has_trailing_newline=True)
