"""What debuggers, coverage and profilers see of a marked loop that was transformed on load: a loop.

This module imports the rewriter, and with it libcst.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from itertools import pairwise
from types import CodeType
from typing import TypeVar

from checkpointer.code_objects import remade
from checkpointer.transforms import LoopInfo

_Node = TypeVar("_Node", bound=ast.AST)


def run_as_loops(tree: ast.Module, loops: Collection[LoopInfo]) -> None:
    """Let the lines of loops, whose nodes have the positions of the user's file, be passed in the order of a loop.

    A step begins and ends at the loop's header, as an iteration does, and the header decides about an ``else`` clause. The
    sweeps are none of the user's lines: they stand where the top-level statement around the loop begins, which ran before.
    """
    line_of_step = {loop.step: loop.line for loop in loops}
    line_of_sweep = {name: loop.line for loop in loops for name in (loop.forward, loop.reverse)}
    around = {line: line for line in line_of_step.values()}
    sweeps = []
    for top in tree.body:
        if isinstance(top, ast.FunctionDef) and top.name in line_of_sweep:
            sweeps.append(top)
        for node in ast.walk(top):
            if isinstance(node, ast.FunctionDef) and node.name in line_of_step:
                line = line_of_step[node.name]
                around[line] = top.lineno
                _begin_and_end_at(line, node)
            for line, decision in _decisions(node, around):
                for part in (decision, *ast.walk(decision.test)):
                    _put(part, line)
    for sweep in sweeps:
        line = around[line_of_sweep[sweep.name]]
        for node in ast.walk(sweep):
            if hasattr(node, "lineno"):
                _put(node, line)


def _put(node: _Node, line: int) -> _Node:
    node.lineno = node.end_lineno = line  # type: ignore[attr-defined]
    node.col_offset = node.end_col_offset = -1  # type: ignore[attr-defined]
    return node


def _begin_and_end_at(line: int, step: ast.FunctionDef) -> None:
    for argument in step.args.args:  # to look at the item is the least that is not optimized away
        look = ast.Expr(_put(ast.Name(argument.arg, ast.Load()), line))
        step.body.insert(1, _put(look, line))
    step.body.append(_put(ast.Return(), line))


def _decisions(node: ast.AST, lines: Container[int]) -> Iterator[tuple[int, ast.If]]:
    """The statements behind the call of a loop that depend on how it ended, with the line of the loop."""
    for block in ("body", "orelse", "finalbody"):
        statements = getattr(node, block, None)
        for before, after in pairwise(statements if isinstance(statements, list) else ()):
            if before.lineno not in lines or not isinstance(after, ast.If):
                continue
            if _ended(after.test) is not None and _ended(after.test) == _ended(before):
                yield before.lineno, after


def _ended(node: ast.AST) -> str | None:
    """The name that holds how a loop ended, in its assignment or in a question for it."""
    match node:
        case ast.Assign(targets=[ast.Name(name)], value=ast.Call()):
            return name
        case ast.If(test=ast.Attribute(value=ast.Name(name), attr="returned")):
            return name
        case ast.Attribute(value=ast.Name(name), attr="returned" | "exhausted"):
            return name
    return None


def readable(code: CodeType, loops: Iterable[LoopInfo]) -> CodeType:
    """The code with names for steps and sweeps that a traceback or a profile can show beside the user's.

    The step of a loop in ``simulate`` is called ``simulate.<step>``, as Python calls nested code ``<lambda>``. Only the code
    objects are renamed; the variables that hold the functions keep their names.
    """
    names: dict[str, str] = {}
    for loop in loops:
        stem = loop.function.rpartition(".")[2]
        made = {loop.step: "<step>", loop.forward: "<forward sweep>", loop.reverse: "<reverse sweep>"}
        names.update((name, f"{stem}.{kind}" if stem else kind) for name, kind in made.items())
    return remade(code, lambda each: _renamed(each, names))


def _renamed(code: CodeType, names: Mapping[str, str]) -> CodeType:
    if code.co_name not in names:
        return code
    name = names[code.co_name]
    around, dot, _ = code.co_qualname.rpartition(".")
    return code.replace(co_name=name, co_qualname=around + dot + name.rpartition(".")[2])
