"""Who binds which name, and what each occurrence of a name refers to: Python's scoping rules.

A gathering pass over `ast`. It knows function, class and module scopes, lambdas, comprehensions (their own scope,
except for the first iterable and for walrus targets), `global` and `nonlocal`, and every statement that binds.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Loop: TypeAlias = ast.For | ast.AsyncFor | ast.While
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = ("function", "lambda", "comprehension", "generator")


@dataclass(eq=False)
class Scope:
    """A namespace of the program."""

    kind: str
    node: ast.AST
    parent: Scope | None
    name: str = ""
    bound: dict[str, list[str]] = field(default_factory=dict)  # name -> what imports bind it to, else ""
    declared: dict[str, str] = field(default_factory=dict)  # name -> "global" or "nonlocal"

    @property
    def qualified_name(self) -> str:
        """The dotted name of a function or class; empty for the module."""
        if self.parent is None:
            return ""
        outer = self.parent.qualified_name
        return f"{outer}.{self.name}" if outer and self.name else outer or self.name

    def within(self, other: Scope) -> bool:
        """Whether this scope is `other` or lies in it."""
        scope: Scope | None = self
        while scope is not None and scope is not other:
            scope = scope.parent
        return scope is other


@dataclass(frozen=True, eq=False)
class Use:
    """One occurrence of a name."""

    name: str
    node: ast.AST
    scope: Scope
    binder: Scope | None
    """The scope whose statement binds here, before `global` and `nonlocal` count; None for a read."""
    loops: tuple[Loop, ...]
    """The loops in whose repeated part it stands, outermost first."""


@dataclass(frozen=True, eq=False)
class Declaration:
    """A `global` or `nonlocal` statement."""

    node: ast.Global | ast.Nonlocal
    scope: Scope
    loops: tuple[Loop, ...]


class Scopes:
    """All scopes, uses and loops of a module."""

    def __init__(self, tree: ast.Module) -> None:
        self.module = Scope("module", tree, None)
        self.uses: list[Use] = []
        self.declarations: list[Declaration] = []
        self.use_of: dict[ast.AST, Use] = {}
        self.home: dict[Loop, Scope] = {}
        self.around: dict[Loop, tuple[Loop, ...]] = {}
        self.stars: set[str] = set()
        self.all_names: set[str] = set()
        _Reader(self).visit_all(tree.body)
        self.owner_of: dict[Use, Scope | None] = {
            use: self.resolve(use.name, use.binder or use.scope) for use in self.uses
        }

    def resolve(self, name: str, scope: Scope) -> Scope | None:
        """The scope that owns `name` as seen from `scope`; None for a builtin or a name never bound."""
        place: Scope | None = scope
        while place is not None:
            seen = place is scope or place.kind != "class"
            if seen and name in place.declared:
                is_global = place.declared[name] == "global"
                return self.module if is_global else self._enclosing_owner(name, place)
            if seen and name in place.bound:
                return place
            place = place.parent
        return place

    def _enclosing_owner(self, name: str, scope: Scope) -> Scope | None:
        """The function scope around `scope` that `nonlocal name` means."""
        place = scope.parent
        while place is not None:
            if place.kind in FUNCTIONS:
                if name in place.bound and name not in place.declared:
                    return place
                if place.declared.get(name) == "global":
                    return None
            place = place.parent
        return None

    def meanings(self, node: ast.expr, scope: Scope | None = None) -> set[str]:
        """What an imported name or dotted path stands for: `c.checkpointed` -> {"checkpointer.checkpointed"}."""
        if isinstance(node, ast.Attribute):
            return {f"{base}.{node.attr}" for base in self.meanings(node.value, scope)}
        if not isinstance(node, ast.Name):
            return set()
        use = self.use_of.get(node)
        owner = self.owner_of[use] if use else self.resolve(node.id, scope or self.module)
        if owner is None:
            return {f"{star}.{node.id}" for star in self.stars}
        return {meaning for meaning in owner.bound.get(node.id, ()) if meaning}

    def is_builtin(self, node: ast.expr, *names: str) -> bool:
        """Whether an expression is one of these builtins, not shadowed by anything in the file."""
        return isinstance(node, ast.Name) and node.id in names and self.owner_of[self.use_of[node]] is None


class _Reader(ast.NodeVisitor):
    """The walk that fills `Scopes`."""

    def __init__(self, scopes: Scopes) -> None:
        self.scopes = scopes
        self.scope = scopes.module
        self.loops: tuple[Loop, ...] = ()

    def visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    @contextmanager
    def inside(self, kind: str, node: ast.AST, name: str = "") -> Iterator[Scope]:
        """Run a `with` block in a new scope."""
        outer = self.scope
        self.scope = Scope(kind, node, outer, name)
        try:
            yield self.scope
        finally:
            self.scope = outer

    def bind(self, name: str, node: ast.AST, binder: Scope | None = None, meaning: str = "") -> None:
        binder = binder or self.scope
        binder.bound.setdefault(name, []).append(meaning)
        self.note(name, node, binder)

    def note(self, name: str, node: ast.AST, binder: Scope | None) -> None:
        use = Use(name, node, self.scope, binder, self.loops)
        self.scopes.uses.append(use)
        self.scopes.use_of[node] = use
        self.scopes.all_names.add(name)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.note(node.id, node, None)
        else:
            self.bind(node.id, node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        binder = self.scope
        while binder.kind in ("comprehension", "generator") and binder.parent is not None:
            binder = binder.parent
        self.bind(node.target.id, node.target, binder)

    def visit_Global(self, node: ast.Global) -> None:
        self.declare(node, "global")

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.declare(node, "nonlocal")

    def declare(self, node: ast.Global | ast.Nonlocal, keyword: str) -> None:
        self.scopes.declarations.append(Declaration(node, self.scope, self.loops))
        for name in node.names:
            self.scopes.all_names.add(name)
            if self.scope.kind != "module":
                self.scope.declared[name] = keyword
            if keyword == "global":
                self.scopes.module.bound.setdefault(name, []).append("")

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            whole = alias.name if alias.asname else alias.name.partition(".")[0]
            self.bind(alias.asname or whole, alias, meaning=whole)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name == "*":
                self.scopes.stars.add(base)
            else:
                self.bind(alias.asname or alias.name, alias, meaning=f"{base}.{alias.name}")

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.visit_all([node.type])
        if node.name:
            self.bind(node.name, node)
        self.visit_all(node.body)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self.visit_all([node.pattern])
        if node.name:
            self.bind(node.name, node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self.bind(node.name, node)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.visit_all([*node.keys, *node.patterns])
        if node.rest:
            self.bind(node.rest, node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.function(node)

    def function(self, node: Function) -> None:
        self.visit_all(node.decorator_list)
        self.visit_all([*node.args.defaults, *node.args.kw_defaults])
        self.visit_all([argument.annotation for argument in arguments(node.args)])
        self.visit_all([node.returns])
        self.bind(node.name, node)
        with self.inside("function", node, node.name):
            self.type_parameters(node)
            for argument in arguments(node.args):
                self.bind(argument.arg, argument)
            self.visit_all(node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit_all([*node.args.defaults, *node.args.kw_defaults])
        with self.inside("lambda", node):
            for argument in arguments(node.args):
                self.bind(argument.arg, argument)
            self.visit(node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.visit_all([*node.decorator_list, *node.bases, *node.keywords])
        self.bind(node.name, node)
        with self.inside("class", node, node.name):
            self.type_parameters(node)
            self.visit_all(node.body)

    def visit_TypeAlias(self, node: Any) -> None:  # new in Python 3.12
        self.visit(node.name)
        with self.inside("lambda", node):
            self.type_parameters(node)
            self.visit(node.value)

    def type_parameters(self, node: ast.AST) -> None:
        for parameter in getattr(node, "type_params", ()):
            self.bind(parameter.name, parameter)
            self.visit_all([getattr(parameter, "bound", None)])

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self.comprehension("comprehension", node, node.generators, [node.elt])

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self.comprehension("comprehension", node, node.generators, [node.elt])

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self.comprehension("comprehension", node, node.generators, [node.key, node.value])

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self.comprehension("generator", node, node.generators, [node.elt])

    def comprehension(
        self, kind: str, node: ast.AST, parts: Sequence[ast.comprehension], results: Sequence[ast.expr]
    ) -> None:
        self.visit(parts[0].iter)
        with self.inside(kind, node):
            for index, part in enumerate(parts):
                if index:
                    self.visit(part.iter)
                self.visit(part.target)
                self.visit_all(part.ifs)
            self.visit_all(results)

    def visit_For(self, node: ast.For) -> None:
        self.for_loop(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self.for_loop(node)

    def for_loop(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self.repeated(node, [node.target, *node.body])
        self.visit_all(node.orelse)

    def visit_While(self, node: ast.While) -> None:
        self.repeated(node, [node.test, *node.body])
        self.visit_all(node.orelse)

    def repeated(self, loop: Loop, parts: Sequence[ast.AST]) -> None:
        self.scopes.home[loop] = self.scope
        self.scopes.around[loop] = outer = self.loops
        self.loops = (*outer, loop)
        self.visit_all(parts)
        self.loops = outer


def arguments(args: ast.arguments) -> list[ast.arg]:
    """All parameters of a function, positional ones first."""
    rest = [args.vararg, *args.kwonlyargs, args.kwarg]
    return [*args.posonlyargs, *args.args, *(argument for argument in rest if argument is not None)]
