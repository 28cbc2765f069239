"""What each name of a marked loop is to it: carried from step to step, constant, local, returned; and why.

A gathering pass for people (`checkpointer show --report`). It tells what the text tells. What a step reaches through
objects, and through functions of other modules, is found when the loop runs.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from checkpointer.transforms import fence
from checkpointer.transforms.fence import own_level
from checkpointer.transforms.flow import exposed_names
from checkpointer.transforms.marks import Mark
from checkpointer.transforms.names import LoopNames, plan_names
from checkpointer.transforms.scopes import Function, Scope, Scopes, Use
from checkpointer.transforms.source import loop_header, read_source
from checkpointer.transforms.writes import Write, Writes

CARRIED, CONSTANT, LOCAL, RETURNED = "carried", "constant", "local", "returned"


@dataclass(frozen=True)
class NameRole:
    """One name of a loop."""

    name: str
    roles: tuple[str, ...]
    """``"carried"``: part of the state that a snapshot holds; ``"constant"``: the step only reads it; ``"local"``: it is
    of interest within one step; and ``"returned"``: the function returns it, or something that is made of it."""
    why: str
    line: int
    """Where it first occurs in the loop, or in a function that the loop calls."""


@dataclass(frozen=True)
class LoopReport:
    """The names of one marked loop."""

    number: int
    """From 1, in the order of the file."""
    function: str
    """Qualified name of the function around it; empty at module level."""
    line: int
    header: str
    scheme: str
    names: tuple[NameRole, ...]


def report_source(source: str, filename: str, scheme_names: Collection[str]) -> tuple[LoopReport, ...]:
    """The names of every marked loop of a file, with their roles.

    Parameters
    ----------
    source : str
        The text of the file.
    filename : str
        Its name, for messages; nothing is read from it.
    scheme_names : collection of str
        The schemes that a mark comment may name without importing them.

    Raises
    ------
    TransformError
        The file cannot be rewritten; see docs/refusals.md.
    """
    file = read_source(source, filename)
    scopes = Scopes(file.tree)
    marks = fence.accepted(file, scopes, scheme_names)
    steps, _ = plan_names(scopes, marks)
    writes = Writes(scopes)
    used_as_code = _used_as_code(file.tree)
    return tuple(
        LoopReport(
            number=number,
            function=scopes.home[mark.loop].qualified_name,
            line=mark.loop.lineno,
            header=loop_header(file, mark.loop, mark.subject),
            scheme=mark.scheme,
            names=tuple(_Loop(scopes, writes, used_as_code, mark, steps[mark.loop].loop).rows()),
        )
        for number, mark in enumerate(marks, start=1)
    )


def _used_as_code(tree: ast.Module) -> frozenset[ast.expr]:
    """What is called, or has an attribute taken, as a module has."""
    return frozenset(
        node.func if isinstance(node, ast.Call) else node.value
        for node in ast.walk(tree)
        if isinstance(node, (ast.Call, ast.Attribute))
    )


class _Loop:
    """One marked loop, and what is known of its names."""

    def __init__(
        self,
        scopes: Scopes,
        writes: Writes,
        used_as_code: frozenset[ast.expr],
        mark: Mark,
        names: LoopNames,
    ) -> None:
        self.scopes = scopes
        self.writes = writes
        self.used_as_code = used_as_code
        self.mark = mark
        self.loop = mark.loop
        self.home = scopes.home[mark.loop]
        self.names = names
        self.nodes = [*own_level(mark)]
        self.written = writes.of(self.nodes)
        self.possible = writes.possible(self.nodes)
        self.exposed = exposed_names(mark.loop, scopes)
        target = None if isinstance(mark.loop, ast.While) else mark.loop.target
        self.targets = (
            {node.id for node in ast.walk(target) if isinstance(node, ast.Name)} if target else set()
        )

    def rows(self) -> Iterator[NameRole]:
        """Carried names first, then constants, then local ones."""
        reads = [name for name in self.names.reads if not self.is_code(name, self.home)]
        changes = {**self.possible, **self.written}
        written = [name for name in reads if name in changes]
        reached = dict(self.reached({*reads, *self.names.carried}))
        for name in self.names.carried:
            yield self.row(name, CARRIED, self.why_carried(name))
        for name in written:
            yield self.row(name, CARRIED, changes[name].how)
        for name, (function, line, write) in reached.items():
            if write is not None:
                why = f"a global; reached through `{function.name}`: {write}"
                yield NameRole(name, (CARRIED, *self.returned(name)), why, line)
        for name in reads:
            if name not in written:
                yield self.row(name, CONSTANT, "read only" + self.where_bound(name))
        for name, (function, line, write) in reached.items():
            if write is None:
                why = f"read only; a global, reached through `{function.name}`"
                yield NameRole(name, (CONSTANT, *self.returned(name)), why, line)
        for name in self.names.local:
            why = "the loop variable" if name in self.targets else "bound anew in each step before it is read"
            yield self.row(name, LOCAL, why)

    def row(self, name: str, role: str, why: str) -> NameRole:
        line = min(self.line(use) for use in self.uses(name))
        return NameRole(name, (role, *self.returned(name)), why, line)

    def uses(self, name: str) -> list[Use]:
        """The occurrences of a name in the loop."""
        return [use for use in self.scopes.uses if use.name == name and self.loop in use.loops]

    def line(self, use: Use) -> int:
        """The line of an occurrence."""
        return getattr(use.node, "lineno", self.loop.lineno)

    def is_code(self, name: str, scope: Scope) -> bool:
        """Whether a name stands for a module, a function or a class, as far as the text tells."""
        owner = self.scopes.resolve(name, scope)
        if owner is None:
            return True
        uses = [use for use in self.scopes.uses if use.name == name]
        binding = [use.node for use in uses if use.binder is not None and self.scopes.owner_of[use] is owner]
        made = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        if binding and all(isinstance(node, made) for node in binding):
            return True
        if not binding or not all(isinstance(node, ast.alias) for node in binding):
            return False
        if any("." not in meaning for meaning in owner.bound[name]):
            return True  # `import x`
        loads = [use.node for use in uses if use.binder is None and self.scopes.owner_of[use] is owner]
        return all(node in self.used_as_code for node in loads)

    def why_carried(self, name: str) -> str:
        """Why a name that the loop binds is kept."""
        bound = min(self.line(use) for use in self.uses(name) if use.binder is not None)
        reasons = ["the loop variable" if name in self.targets else f"bound in line {bound}"]
        outside = [
            use
            for use in self.scopes.uses
            if use.name == name
            and self.loop not in use.loops
            and self.scopes.owner_of[use] is self.scopes.resolve(name, self.home)
        ]
        if name in self.exposed:
            reasons.append("a step reads what the one before it left")
        if self.home.kind == "module":
            reasons.append("a global")
        elif name in self.home.declared:
            reasons.append(f"declared {self.home.declared[name]}")
        elif any(use.scope is not self.home for use in [*outside, *self.uses(name)] if not self.inline(use)):
            reasons.append("a nested function uses it")
        behind = [
            self.line(use) for use in outside if use.binder is None and self.line(use) > self.loop.lineno
        ]
        if behind:
            reasons.append(f"read behind the loop in line {min(behind)}")
        if len(reasons) == 1 and outside:
            reasons.append(f"used outside the loop, too, in line {self.line(outside[0])}")
        if not any(use.binder is not None for use in outside):
            reasons.append("first bound in the loop")
        if name in self.written:
            reasons.append(self.written[name].how)
        return "; ".join(reasons)

    def inline(self, use: Use) -> bool:
        """Whether a use is the function's own, or in one of its comprehensions."""
        scope: Scope | None = use.scope
        while scope is not None and scope is not self.home and scope.kind == "comprehension":
            scope = scope.parent
        return scope is self.home

    def where_bound(self, name: str) -> str:
        """Where a constant comes from, if that is not the function around the loop."""
        owner = self.scopes.resolve(name, self.home)
        if owner is None or owner is self.home:
            return ""
        return "; a global" if owner.kind == "module" else "; of a function around"

    def returned(self, name: str) -> Iterator[str]:
        """Whether the function around the loop returns the name, or something made of it."""
        if self.home.kind == "module":
            return
        node = self.home.node
        for part in fence.executed(getattr(node, "body", [])):
            if isinstance(part, ast.Return) and part.value is not None:
                names = [inner for inner in ast.walk(part.value) if isinstance(inner, ast.Name)]
                if any(inner.id == name for inner in names):
                    yield RETURNED
                    return

    def reached(self, known: set[str]) -> Iterator[tuple[str, tuple[Function, int, str | None]]]:
        """The globals that functions of this file use when the loop calls them; with their write, if there is one."""
        seen = set(known)
        functions = self.writes.reached(self.nodes)
        for function in functions:
            written: dict[str, Write] = self.writes.of_function(function)
            for use in self.scopes.uses:
                if use.name in seen or use.scope.node is not function:
                    continue
                owner = self.scopes.owner_of[use]
                if owner is not self.scopes.module or self.is_code(use.name, use.scope):
                    continue
                seen.add(use.name)
                yield use.name, (function, self.line(use), self.global_write(use.name, functions, written))

    def global_write(self, name: str, functions: list[Function], written: dict[str, Write]) -> str | None:
        """How one of the functions that are called changes a global."""
        if name in written:
            return written[name].how
        bound = (
            self.line(use)
            for use in self.scopes.uses
            if use.name == name
            and use.binder is not None
            and use.scope.node in functions
            and self.scopes.owner_of[use] is self.scopes.module
        )
        return next((f"bound in line {line}" for line in bound), None)
