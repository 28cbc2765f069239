"""One cell of a notebook, or any other text that runs in a namespace it shares with others, transformed.

The rewriter is given the cell, followed by imports that say what the names of earlier cells mean. In what it emits,
every name that is not the user's (of the runtime, of the sweeps, of the drop-in modules) is replaced by one that only
transformed cells know. So they share their namespace with other cells, and ``np`` is NumPy there.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Any

from checkpointer import compiled  # imports the rewriter
from checkpointer.errors import TransformError
from checkpointer.meanings import Meanings, imports_of, names_in
from checkpointer.transforms.dropins import DROP_IN, NAMES_OF
from checkpointer.transforms.scopes import Scopes

_PREFIX = "_checkpointer__"
_NAMED = _PREFIX + "named"
_DIGITS = 12
_DROP_INS = frozenset([*DROP_IN.values(), *NAMES_OF.values()])


def transform_cell(text: str, filename: str, namespace: Mapping[str, Any]) -> tuple[ast.Module, ast.Module]:
    """A cell with its marked loops transformed.

    Parameters
    ----------
    text : str
        The cell: Python, in which ``await`` may stand outside of functions.
    filename : str
        What messages call it.
    namespace : mapping
        What the names of other cells mean.

    Returns
    -------
    imports, cell : ast.Module
        What must have run in the globals of the cell before it does, and the cell; its lines are the user's.

    Raises
    ------
    TransformError
        If a marked loop cannot be rewritten.
    """
    bound = Scopes(ast.parse(text)).module.bound
    found = sorted(names_in(text) - bound.keys())
    meant = imports_of({name: namespace[name] for name in found if name in namespace})
    text = text.rstrip("\n")
    whole = "\n".join([text, *meant.lines(), ""])
    rewritten = compiled.rewrite(whole, filename, cell=True)
    tree = compiled.users_tree(rewritten, whole)
    compiled.begin_at_def(tree, text)
    return _Apart(text, meant, tree, hashlib.sha256(whole.encode()).hexdigest()[:_DIGITS]).trees()


def named(function: FunctionType) -> FunctionType:
    """A sweep, called what it is called in a rewritten file; the step of a loop outside of functions, called as they are."""
    name = function.__name__.removeprefix(_PREFIX)[_DIGITS + len("__") :]
    if name.endswith("_step"):
        name = "<module>"
    function.__name__ = function.__qualname__ = name
    function.__code__ = function.__code__.replace(co_name=name, co_qualname=name)
    return function


def refused(error: TransformError) -> ast.Module:
    """A cell that raises the error at the place that it is about, and does nothing else."""
    tree = ast.parse(
        f"raise __import__('checkpointer').TransformError({error.code!r}, {error.what!r}, {error.instead!r},"
        f" filename={error.filename!r}, line={error.line}, column={error.column}, text={error.text!r}) from None"
    )
    first, last = (len(part.encode()) for part in (error.text[: error.column], error.text.rstrip()))
    for node in ast.walk(tree):
        if isinstance(node, (ast.stmt, ast.expr, ast.keyword)):
            node.lineno = node.end_lineno = error.line
            node.col_offset, node.end_col_offset = first, max(first + 1, last)
    return tree


class _Apart(ast.NodeTransformer):
    """What the rewriter emitted for a cell, with our names kept apart from the user's."""

    def __init__(self, text: str, meant: Meanings, emitted: ast.Module, digest: str) -> None:
        cell = ast.parse(text)
        self._emitted = emitted
        self._scopes = Scopes(emitted)
        self._end = len(text.split("\n"))
        self._imports = _imports_of(cell)
        bound = self._scopes.module.bound
        users = {*Scopes(cell).module.bound, *meant.special, *meant.others}
        self._ours = dict(self._drop_ins())
        for name in bound.keys() - users:
            (meaning, *_) = bound[name]
            # a cell that runs again replaces what it made before; a cell with another text does not
            self._ours[name] = _our_name(meaning) if meaning else f"{_PREFIX}{digest}__{name}"
        self._first = ast.parse(f"from checkpointer.cells import named as {_NAMED}").body

    def _drop_ins(self) -> Iterator[tuple[str, str]]:
        """The user's names that mean one drop-in in the whole cell, and our names for them."""
        every = [pair for node in self._emitted.body for pair in _targets(node)]
        for name, target in every:
            meanings = self._scopes.module.bound[name]
            others = {meaning for meaning in meanings if meaning != target}
            # what a block may bind or not, or something else binds too, keeps the user's name and meaning
            always = meanings.count(target) == every.count((name, target))
            if always and all(DROP_IN.get(meaning) == target for meaning in others):
                yield name, _our_name(target)

    def _starred(self, module: str) -> dict[str, str]:
        """The names that the cell gets by ``from numpy import *``, and our names for them."""
        free = {use.name for use, owner in self._scopes.owner_of.items() if owner is None}
        public = importlib.import_module(module).__all__
        return {name: _our_name(f"{module}.{name}") for name in free.intersection(public)}

    def trees(self) -> tuple[ast.Module, ast.Module]:
        """The imports that transformed code needs, and the cell."""
        self.visit(self._emitted)
        for use, owner in self._scopes.owner_of.items():
            if use.name in self._ours and owner in (self._scopes.module, None):
                if isinstance(use.node, ast.Name):
                    use.node.id = self._ours[use.name]
                elif isinstance(use.node, ast.FunctionDef):
                    use.node.name = self._ours[use.name]
                    use.node.decorator_list.append(ast.copy_location(ast.Name(_NAMED, ast.Load()), use.node))
        return ast.Module(self._first, []), ast.Module([*map(_undisplayed, self._emitted.body)], [])

    def visit_Import(self, node: ast.Import) -> ast.stmt | None:
        """The user's; what was put behind the cell goes."""
        return None if node.lineno > self._end else node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        """The user's own import, and behind it what transformed code uses instead."""
        kept: list[ast.alias] = []
        ours: dict[str, str] = {}
        users: list[ast.stmt] = []
        targets = dict(_targets(node))
        for alias in node.names:
            name = alias.asname or alias.name
            if name == "*" and str(node.module) in NAMES_OF.values():
                ours = self._starred(str(node.module))
                self._ours.update(ours)
                users += self._imports[node.lineno, name]
            elif name == "*" or self._scopes.owner_of[self._scopes.use_of[alias]] is not self._scopes.module:
                kept.append(alias)
            elif name in self._ours or name in targets:
                users += self._imports[node.lineno, name]
                if name in self._ours:
                    ours[alias.name] = self._ours[name]
            elif node.lineno <= self._end:
                kept.append(alias)
        made = [_import(node, kept)] if kept else []
        ours_now = [_import(node, [ast.alias(name, own) for name, own in ours.items()])] if ours else []
        if not users:
            self._first += ours_now
            return made
        return [*users, *made, *ours_now]


def _targets(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """The names that an import binds to something that a drop-in has, and what that is."""
    if isinstance(node, ast.ImportFrom):
        for alias in node.names:
            target = f"{node.module}.{alias.name}"
            if alias.name != "*" and (node.module in _DROP_INS or target in _DROP_INS):
                yield alias.asname or alias.name, target


def _our_name(target: str) -> str:
    return _PREFIX + target.removeprefix("checkpointer.").replace(".", "__")


def _import(like: ast.ImportFrom, aliases: list[ast.alias]) -> ast.stmt:
    return ast.copy_location(ast.ImportFrom(like.module, aliases, like.level), like)


def _imports_of(cell: ast.Module) -> Mapping[tuple[int, str], list[ast.stmt]]:
    """For the line of an import and a name that it binds: an import of this name alone."""
    found: defaultdict[tuple[int, str], list[ast.stmt]] = defaultdict(list)
    for node in ast.walk(cell):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                alone: ast.stmt
                if isinstance(node, ast.Import):
                    name, alone = alias.name.partition(".")[0], ast.Import([alias])
                else:
                    name, alone = alias.name, ast.ImportFrom(node.module, [alias], node.level)
                found[node.lineno, alias.asname or name].append(ast.copy_location(alone, node))
    return found


def _undisplayed(node: ast.stmt) -> ast.stmt:
    """A loop is no expression whose value is displayed, although a call runs it."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        func = node.value.func
        if isinstance(func, ast.Name) and func.id in _LOOPS:
            return ast.copy_location(ast.Assign([ast.Name(_PREFIX + "ended", ast.Store())], node.value), node)
    return node


_LOOPS = [_our_name(f"checkpointer.runtime.{name}") for name in ("run_loop", "run_while")]
