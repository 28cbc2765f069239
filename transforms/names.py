"""What each marked loop binds, and how its step function reaches it.

The step is a function nested in the user's. A name is *local* to it if nobody can tell: every occurrence lies
in the loop, no nested function captures it, and each iteration binds it before reading it. Every other name is
*carried*: the step declares it `nonlocal` (at module level `global`), so that it stays the very cell it was.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from checkpointer.transforms.flow import exposed_names
from checkpointer.transforms.marks import Mark, is_mark
from checkpointer.transforms.scopes import FUNCTIONS, Loop, Scope, Scopes, Use

NAMESPACE_BUILTINS = ("locals", "vars", "dir", "eval", "exec")


@dataclass(frozen=True)
class LoopNames:
    """The names of one loop, each in the order of its first appearance."""

    carried: tuple[str, ...]
    """Bound by the loop, and kept between iterations or used outside of it."""

    local: tuple[str, ...]
    """Bound by the loop and of interest within one iteration only."""

    reads: tuple[str, ...]
    """Read by the loop, bound elsewhere; builtins are left out."""


@dataclass(frozen=True)
class StepNames:
    """How the step function of a loop declares its names."""

    loop: LoopNames
    nonlocals: tuple[str, ...]
    globals: tuple[str, ...]
    announced: tuple[str, ...]
    """Names that the surrounding function must annotate, since only the loop binds them."""
    hoisted: tuple[tuple[str, str], ...]
    """(keyword, name): declarations in the loop that hold for the code around it, too."""


class _Naming:
    """The decision for the marked loops of one module."""

    def __init__(self, scopes: Scopes, marks: Sequence[Mark]) -> None:
        self.scopes = scopes
        self.marked: list[Loop] = [mark.loop for mark in marks]
        self.beside = {mark.loop: mark.beside for mark in marks}
        self.in_schemes = {name for mark in marks for name in mark.scheme_names}
        self.owned: dict[tuple[Scope, str], list[Use]] = {}
        for use in scopes.uses:
            owner = scopes.owner_of[use]
            if owner is not None:
                self.owned.setdefault((owner, use.name), []).append(use)
        self.watched = {
            use.scope for use in scopes.uses if isinstance(use.node, ast.Name) and self._watches(use.node)
        }
        self.bound = {loop: self._bound(loop) for loop in self.marked}
        self.local: dict[Loop, tuple[str, ...]] = {}
        for loop in reversed(self.marked):
            self.local[loop] = self._local(loop)

    def _watches(self, node: ast.Name) -> bool:
        return self.scopes.is_builtin(node, *NAMESPACE_BUILTINS)

    def _uses(self, loop: Loop) -> Iterable[Use]:
        return (use for use in self.scopes.uses if loop in use.loops)

    def _bound(self, loop: Loop) -> tuple[str, ...]:
        home = self.scopes.home[loop]
        return unique(use.name for use in self._uses(loop) if use.binder is home)

    def _local(self, loop: Loop) -> tuple[str, ...]:
        home = self.scopes.home[loop]
        if home.kind == "module" or home in self.watched:
            return ()
        inner = {name for other in self.children(loop, home, deep=True) for name in self.local[other]}
        exposed = exposed_names(loop, self.scopes)
        return tuple(
            name
            for name in self.bound[loop]
            if name not in inner
            and name not in exposed
            and name not in self.in_schemes
            and name not in home.declared
            and all(self._private(use, loop, home) for use in self.owned[home, name])
        )

    def _private(self, use: Use, loop: Loop, home: Scope) -> bool:
        """Whether a use lies in the loop and is over when the iteration is."""
        scope = use.scope
        while scope is not home and scope.kind == "comprehension" and scope.parent is not None:
            scope = scope.parent
        return loop in use.loops and scope is home

    def children(self, frame: Loop | None, home: Scope, *, deep: bool = False) -> list[Loop]:
        """The marked loops of a function directly (or at any depth) in one of its marked loops, or in itself."""
        return [
            loop
            for loop in self.marked
            if self.scopes.home[loop] is home
            and (frame in self.scopes.around[loop] if deep else self.frame(loop) is frame)
        ]

    def frame(self, loop: Loop) -> Loop | None:
        """The marked loop of the same function whose step will hold this loop's step."""
        home = self.scopes.home[loop]
        around = [
            other
            for other in self.scopes.around[loop]
            if other in self.marked and self.scopes.home[other] is home
        ]
        return around[-1] if around else None

    def names(self, loop: Loop) -> LoopNames:
        """The loop's names as they are reported."""
        home = self.scopes.home[loop]
        inner = {name for other in self.children(loop, home, deep=True) for name in self.local[other]}
        local = tuple(name for name in self.bound[loop] if name in self.local[loop] or name in inner)
        carried = tuple(name for name in self.bound[loop] if name not in local)
        reads = unique(use.name for use in self._uses(loop) if self._reads(use, loop))
        return LoopNames(carried, local, reads)

    def _reads(self, use: Use, loop: Loop) -> bool:
        """Whether a use reads what is bound outside of the loop; the marks, which vanish, read nothing."""
        home, owner = self.scopes.home[loop], self.scopes.owner_of[use]
        if use.binder is not None or use.name in self.bound[loop] or owner is None or not home.within(owner):
            return False
        if use.node in self.beside[loop]:
            return False
        return not (isinstance(use.node, ast.Name) and is_mark(use.node, self.scopes))

    def step_names(self, loop: Loop) -> StepNames:
        """What the step declares and what its surroundings need."""
        home = self.scopes.home[loop]
        names = self.names(loop)
        bound = self._bound_itself(loop)
        if home.kind == "module":
            return StepNames(names, (), tuple(name for name in names.carried if name in bound), (), ())
        declared = [name for name in bound if name in home.declared]
        undeclared = [name for name in names.carried if name not in home.declared]
        nonlocals = [name for name in declared if home.declared[name] == "nonlocal"]
        return StepNames(
            loop=names,
            nonlocals=unique([*nonlocals, *(name for name in undeclared if name in bound)]),
            globals=tuple(name for name in declared if home.declared[name] == "global"),
            announced=tuple(name for name in undeclared if self._must_announce(name, loop, home)),
            hoisted=tuple(self._hoisted(loop, home)),
        )

    def _bound_itself(self, loop: Loop) -> tuple[str, ...]:
        """What the step of the loop binds in its own body; the steps within it declare what they bind."""
        home = self.scopes.home[loop]
        inner = self.children(loop, home, deep=True)
        return unique(
            use.name
            for use in self._uses(loop)
            if use.binder is home and not any(other in use.loops for other in inner)
        )

    def _must_announce(self, name: str, loop: Loop, home: Scope) -> bool:
        """Whether the frame owns the name, only marked loops in it bind it, and this is the first of them."""
        frame = self.frame(loop)
        if frame is not None and name not in self.local[frame]:
            return False
        siblings = self.children(frame, home)
        binding = [
            use
            for use in self.owned[home, name]
            if use.binder is home and (frame is None or frame in use.loops)
        ]
        if any(not any(sibling in use.loops for sibling in siblings) for use in binding):
            return False
        first = next(sibling for sibling in siblings if any(sibling in use.loops for use in binding))
        return first is loop

    def _hoisted(self, loop: Loop, home: Scope) -> Iterable[tuple[str, str]]:
        if self.frame(loop) is not None:
            return
        for declaration in self.scopes.declarations:
            if declaration.scope is not home or loop not in declaration.loops:
                continue
            for name in declaration.node.names:
                if self._is_needed(name, home):
                    yield home.declared[name], name

    def _is_needed(self, name: str, home: Scope) -> bool:
        """Whether a function must still declare a name that its steps declare.

        It must where it binds the name itself, and where a function around has a variable of the same name.
        """
        around = home.parent
        while around is not None and home.declared[name] == "global":
            if around.kind in FUNCTIONS and name in around.bound:
                return True
            around = around.parent
        return any(
            use.name == name and use.binder is home and not any(loop in self.marked for loop in use.loops)
            for use in self.scopes.uses
        )

    def spent_declarations(self) -> dict[ast.Global | ast.Nonlocal, tuple[str, ...]]:
        """The names that functions with marked loops declare outside of them, and need not any more."""
        spent = {}
        for declaration in self.scopes.declarations:
            home = declaration.scope
            bound = {use.name for use in self.scopes.uses if use.binder is home}
            if home.kind != "module" and not any(loop in self.marked for loop in declaration.loops):
                spent[declaration.node] = tuple(
                    name
                    for name in declaration.node.names
                    if name in bound and not self._is_needed(name, home)
                )
        return spent


def plan_names(
    scopes: Scopes, marks: Sequence[Mark]
) -> tuple[dict[Loop, StepNames], dict[ast.Global | ast.Nonlocal, tuple[str, ...]]]:
    """Decide for every marked loop which names are carried and which are local to its step.

    The second result are the declarations around the loops that nothing needs any more.
    """
    naming = _Naming(scopes, marks)
    return {loop: naming.step_names(loop) for loop in naming.marked}, naming.spent_declarations()


class Fresh:
    """Names for what is inserted: as wanted, with underscores appended while the file uses the name."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def shared(self, wanted: str) -> str:
        """A name that several insertions may share."""
        while wanted in self._taken:
            wanted += "_"
        return wanted

    def own(self, wanted: str) -> str:
        """A name for one insertion alone."""
        name = self.shared(wanted)
        self._taken.add(name)
        return name


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Without repetitions, in the order of first appearance."""
    return tuple(dict.fromkeys(names))
