"""Which names of a loop body may be read before the body has bound them in the same iteration.

Such a name carries a value from one iteration to the next. The analysis is conservative: it may call a name
carried that is not, never the reverse. Joins intersect; loops may run zero times; a `try` or `with` body may stop
anywhere; what is evaluated conditionally binds nothing for sure.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from checkpointer.transforms.scopes import Loop, Scope, Scopes, arguments

Bound: TypeAlias = frozenset[str] | None  # the names surely bound here; None: this place is never reached


def exposed_names(loop: Loop, scopes: Scopes) -> frozenset[str]:
    """The names of the loop's function that one iteration may read or delete before it binds them."""
    flow = _Flow(scopes, scopes.home[loop])
    match loop:
        case ast.While():
            start = flow.expression(loop.test, frozenset())
        case _:
            start = flow.target(loop.target, frozenset())
    flow.block(loop.body, start)
    return frozenset(flow.exposed)


def _join(one: Bound, other: Bound) -> Bound:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _without_deleted(nodes: Sequence[ast.AST], bound: Bound) -> Bound:
    """What remains bound if these statements stop anywhere."""
    if bound is None:
        return None
    gone: set[str] = set()
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Del):
                gone.add(part.id)
            elif isinstance(part, ast.ExceptHandler) and part.name:
                gone.add(part.name)
    return bound - gone


class _Flow:
    """One walk in execution order; every method takes what is bound before and gives what is bound after."""

    def __init__(self, scopes: Scopes, home: Scope) -> None:
        self.scopes = scopes
        self.home = home
        self.exposed: set[str] = set()

    # expressions

    def read(self, node: ast.Name, bound: Bound) -> None:
        use = self.scopes.use_of[node]
        if bound is not None and node.id not in bound and self.scopes.owner_of[use] is self.home:
            self.exposed.add(node.id)

    def expression(self, node: ast.AST | None, bound: Bound) -> Bound:
        match node:
            case None | ast.Lambda():  # a lambda's body runs later; what it captures is carried anyway
                return self.all(_defaults(node), bound)
            case ast.Name():
                if isinstance(node.ctx, ast.Load):
                    self.read(node, bound)
                return bound
            case ast.NamedExpr():
                return self.bind(node.target.id, self.expression(node.value, bound))
            case ast.BoolOp():
                return self.first_only(node.values[0], node.values[1:], bound)
            case ast.IfExp():
                bound = self.expression(node.test, bound)
                return _join(self.expression(node.body, bound), self.expression(node.orelse, bound))
            case ast.Compare():
                bound = self.all([node.left, node.comparators[0]], bound)
                return self.first_only(None, node.comparators[1:], bound)
            case ast.Dict():
                pairs = zip(node.keys, node.values, strict=True)
                return self.all([part for pair in pairs for part in pair], bound)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                return self.comprehension(node.generators, [node.elt], bound)
            case ast.DictComp():
                return self.comprehension(node.generators, [node.key, node.value], bound)
            case _:
                return self.all(ast.iter_child_nodes(node), bound)

    def comprehension(
        self, parts: Sequence[ast.comprehension], results: Sequence[ast.expr], bound: Bound
    ) -> Bound:
        """Only the first iterable is surely evaluated; that it is visited twice finds nothing new."""
        return self.first_only(parts[0].iter, [*parts, *results], bound)

    def all(self, nodes: Iterable[ast.AST | None], bound: Bound) -> Bound:
        for node in nodes:
            bound = self.expression(node, bound)
        return bound

    def first_only(self, first: ast.AST | None, rest: Sequence[ast.AST], bound: Bound) -> Bound:
        """The rest may not be evaluated: its reads count, its bindings do not."""
        bound = self.expression(first, bound)
        self.all(rest, bound)
        return bound

    def bind(self, name: str, bound: Bound) -> Bound:
        return None if bound is None else bound | {name}

    def target(self, node: ast.expr, bound: Bound) -> Bound:
        match node:
            case ast.Name():
                return self.bind(node.id, bound)
            case ast.Tuple() | ast.List():
                for part in node.elts:
                    bound = self.target(part, bound)
                return bound
            case ast.Starred():
                return self.target(node.value, bound)
            case _:
                return self.all(ast.iter_child_nodes(node), bound)

    # statements

    def block(self, body: Sequence[ast.stmt], bound: Bound) -> Bound:
        for statement in body:
            bound = self.statement(statement, bound)
        return bound

    def statement(self, node: ast.stmt, bound: Bound) -> Bound:
        method: Any = getattr(self, f"do_{type(node).__name__.lower()}", None)
        result: Bound = method(node, bound) if method else self.expression(node, bound)
        return result

    def do_assign(self, node: ast.Assign, bound: Bound) -> Bound:
        bound = self.expression(node.value, bound)
        for target in node.targets:
            bound = self.target(target, bound)
        return bound

    def do_annassign(self, node: ast.AnnAssign, bound: Bound) -> Bound:
        bound = self.expression(node.value, bound)
        self.expression(node.annotation, bound)
        if node.value is None and isinstance(node.target, ast.Name):
            return bound
        return self.target(node.target, bound)

    def do_augassign(self, node: ast.AugAssign, bound: Bound) -> Bound:
        if isinstance(node.target, ast.Name):
            self.read(node.target, bound)
        bound = self.expression(node.value, self.expression(node.target, bound))
        return self.target(node.target, bound)

    def do_delete(self, node: ast.Delete, bound: Bound) -> Bound:
        for target in node.targets:
            bound = self.delete(target, bound)
        return bound

    def delete(self, target: ast.expr, bound: Bound) -> Bound:
        if isinstance(target, ast.Name):
            self.read(target, bound)
            return None if bound is None else bound - {target.id}
        if isinstance(target, (ast.Tuple, ast.List)):
            for part in target.elts:
                bound = self.delete(part, bound)
            return bound
        return self.expression(target, bound)

    def do_return(self, node: ast.Return, bound: Bound) -> Bound:
        self.expression(node.value, bound)
        return None

    def do_raise(self, node: ast.Raise, bound: Bound) -> Bound:
        self.all([node.exc, node.cause], bound)
        return None

    def do_break(self, node: ast.Break, bound: Bound) -> Bound:
        return None

    do_continue = do_break

    def do_assert(self, node: ast.Assert, bound: Bound) -> Bound:
        self.first_only(node.test, [node.msg] if node.msg else [], bound)
        return bound  # `python -O` leaves assertions out

    def do_import(self, node: ast.Import | ast.ImportFrom, bound: Bound) -> Bound:
        for alias in node.names:
            bound = self.bind(alias.asname or alias.name.partition(".")[0], bound)
        return bound

    do_importfrom = do_import

    def do_functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, bound: Bound) -> Bound:
        annotations = [node.returns, *(argument.annotation for argument in arguments(node.args))]
        bound = self.all([*node.decorator_list, *_defaults(node), *annotations], bound)
        return self.bind(node.name, bound)

    do_asyncfunctiondef = do_functiondef

    def do_classdef(self, node: ast.ClassDef, bound: Bound) -> Bound:
        bound = self.all([*node.decorator_list, *node.bases, *node.keywords], bound)
        return self.bind(node.name, bound)

    def do_typealias(self, node: Any, bound: Bound) -> Bound:
        return self.bind(node.name.id, bound)

    def do_if(self, node: ast.If, bound: Bound) -> Bound:
        bound = self.expression(node.test, bound)
        return _join(self.block(node.body, bound), self.block(node.orelse, bound))

    def do_match(self, node: ast.Match, bound: Bound) -> Bound:
        bound = self.expression(node.subject, bound)
        after = bound  # no case may match
        for case in node.cases:
            captured = self.pattern(case.pattern, bound)
            after = _join(after, self.block(case.body, self.expression(case.guard, captured)))
        return after

    def pattern(self, node: ast.pattern, bound: Bound) -> Bound:
        self.all((part for part in ast.walk(node) if isinstance(part, ast.Name)), bound)
        for part in ast.walk(node):
            name = getattr(part, "name", None) or getattr(part, "rest", None)
            if isinstance(part, (ast.MatchAs, ast.MatchStar, ast.MatchMapping)) and name:
                bound = self.bind(name, bound)
        # alternatives all bind the same names
        return bound

    def do_for(self, node: ast.For | ast.AsyncFor, bound: Bound) -> Bound:
        start = _without_deleted(node.body, self.expression(node.iter, bound))
        self.block(node.body, self.target(node.target, start))
        return self.after_loop(node, start)

    do_asyncfor = do_for

    def do_while(self, node: ast.While, bound: Bound) -> Bound:
        start = self.expression(node.test, _without_deleted(node.body, bound))
        self.block(node.body, start)
        return self.after_loop(node, start)

    def after_loop(self, node: Loop, start: Bound) -> Bound:
        """After zero or more iterations, with or without the `else` block."""
        ended = self.block(node.orelse, start)
        return _join(_without_deleted(node.orelse, start), ended)

    def do_with(self, node: ast.With | ast.AsyncWith, bound: Bound) -> Bound:
        inside = bound
        for item in node.items:
            inside = self.expression(item.context_expr, inside)
            if item.optional_vars is not None:
                inside = self.target(item.optional_vars, inside)
        self.block(node.body, inside)
        # the context may swallow an exception from anywhere in the body
        return _without_deleted(node.body, bound)

    do_asyncwith = do_with

    def do_try(self, node: Any, bound: Bound) -> Bound:
        after = self.block(node.orelse, self.block(node.body, bound))
        stopped = _without_deleted(node.body, bound)
        for handler in node.handlers:
            caught = self.expression(handler.type, stopped)
            caught = self.bind(handler.name, caught) if handler.name else caught
            caught = self.block(handler.body, caught)
            if handler.name and caught is not None:
                caught -= {handler.name}
            after = _join(after, caught)
        anywhere = _without_deleted([*node.body, *node.handlers, *node.orelse], bound)
        if self.block(node.finalbody, anywhere) is None:
            return None
        return self.block(node.finalbody, after)

    do_trystar = do_try


def _defaults(node: ast.AST | None) -> list[ast.expr | None]:
    """What a function or lambda evaluates when it is made."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        return []
    return [*node.args.defaults, *node.args.kw_defaults]
