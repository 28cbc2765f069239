"""The fence: what may not stand in a marked loop. Everything that is refused for its syntax is refused here.

Accepted is all of Python's syntax but for what the checks below name. The body becomes a function that is
called again and again, so it can neither suspend itself nor look at its namespace as if it were the user's function.
What stands inside a nested function, lambda or class is that function's own affair.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from checkpointer.errors import TransformError
from checkpointer.transforms import codes
from checkpointer.transforms.marks import Mark, find_marks
from checkpointer.transforms.scopes import Scopes
from checkpointer.transforms.source import Report, Source

_ENOUGH = {"locals": 1, "vars": 1, "dir": 1, "eval": 2, "exec": 2}
"""Builtins that look at the namespace they are called in, unless they are given so many arguments."""


def accepted(source: Source, scopes: Scopes, scheme_names: Collection[str]) -> tuple[Mark, ...]:
    """The marks of a file in which all can be rewritten.

    Raises
    ------
    TransformError
        The first refusal, if there is one.
    """
    marks = find_marks(source, scopes, scheme_names, _raise)
    check(source, scopes, marks, _raise)
    return marks


def _raise(refusal: TransformError) -> None:
    raise refusal


def check(source: Source, scopes: Scopes, marks: Sequence[Mark], report: Report) -> None:
    """Report what stands in marked loops and cannot be rewritten."""
    for mark in marks:
        _check_place(source, scopes, mark, report)
        for node in own_level(mark):
            _check_suspension(source, node, report)
            _check_namespace(source, scopes, node, report)


def own_level(mark: Mark, skipped: Callable[[ast.AST], bool] = lambda node: False) -> Iterator[ast.AST]:
    """What one iteration executes itself: body, target, a `while` condition."""
    loop = mark.loop
    first: ast.AST = mark.subject if isinstance(loop, ast.While) else loop.target
    return executed([first, *loop.body], skipped)


def executed(
    nodes: Iterable[ast.AST], skipped: Callable[[ast.AST], bool] = lambda node: False
) -> Iterator[ast.AST]:
    """These nodes and what stands in them; not in the bodies of nested functions, nor in what is to be skipped."""
    pending = list(nodes)
    while pending:
        node = pending.pop(0)
        if skipped(node):
            continue
        yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            pending[:0] = [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif isinstance(node, ast.Lambda):
            pending[:0] = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif isinstance(node, ast.ClassDef):
            pending[:0] = [*node.decorator_list, *node.bases, *node.keywords]
        else:
            pending[:0] = ast.iter_child_nodes(node)


def _check_place(source: Source, scopes: Scopes, mark: Mark, report: Report) -> None:
    if isinstance(mark.loop, ast.AsyncFor):
        report(
            source.refusal(
                codes.AWAIT,
                mark.loop,
                "an `async for` loop cannot be marked: its iterations are not its own to repeat",
                "collect what the loop needs first, then run a plain `for` loop over the list",
            )
        )
    if scopes.home[mark.loop].kind == "class":
        report(
            source.refusal(
                codes.CLASS_BODY,
                mark.loop,
                "a marked loop directly in a class body: the names it binds are attributes of a class that does"
                " not exist yet, and no function can bind them",
                "put the loop into a function and call it in the class body",
            )
        )


def _check_suspension(source: Source, node: ast.AST, report: Report) -> None:
    if isinstance(node, (ast.Yield, ast.YieldFrom)):
        report(
            source.refusal(
                codes.YIELD,
                node,
                "`yield` in a marked loop hands control to code outside of it in the middle of a step; the step"
                " cannot be repeated without that code",
                "append the values to a list and return it, or move the `yield` behind the loop",
            )
        )
        return
    if isinstance(node, ast.Await):
        found = "`await`"
    elif isinstance(node, ast.AsyncFor) or (isinstance(node, ast.comprehension) and node.is_async):
        found = "`async for`"
    elif isinstance(node, ast.AsyncWith):
        found = "`async with`"
    else:
        return
    report(
        source.refusal(
            codes.AWAIT,
            node.target if isinstance(node, ast.comprehension) else node,
            f"{found} in a marked loop lets other tasks run in the middle of a step; the step cannot be repeated"
            " without them",
            "await what the loop needs before it, and keep the loop itself free of `await`",
        )
    )


def _check_namespace(source: Source, scopes: Scopes, node: ast.AST, report: Report) -> None:
    if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
        report(
            source.refusal(
                codes.STAR_IMPORT,
                node,
                "`import *` in a marked loop: Python allows it at the top level of a module only, and the body of"
                " a marked loop becomes a function",
                "move the import in front of the loop",
            )
        )
    if not isinstance(node, ast.Call) or not scopes.is_builtin(node.func, *_ENOUGH):
        return
    name = ast.unparse(node.func)
    if len(node.args) + len(node.keywords) < _ENOUGH[name]:
        way_out = f"give `{name}` its namespace" if name in ("eval", "exec") else "keep them in a dict"
        report(
            source.refusal(
                codes.NAMESPACE,
                node,
                f"`{name}` in a marked loop would see the names of one step, not those of the code around it",
                f"name the variables that you need, or {way_out}",
            )
        )
