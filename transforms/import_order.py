"""Where the imports that the rewriter put in stand, and on how many lines: as isort and `ruff check` would have it.

They move to the group of third-party imports, which a blank line separates from the others, and there to their place in
the alphabet. All other imports stay where the user put them, and so do those that were put in where it matters which
comes last, one with a star, two that bind the same name, or first: where something is imported before NumPy.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, takewhile
from typing import Any, TypeAlias, TypeVar

import libcst as cst

from checkpointer.transforms.dropins import NAMES_OF
from checkpointer.transforms.positions import Origins
from checkpointer.transforms.syntax import (
    Layout,
    blank,
    comments_in,
    dotted,
    exploded,
    is_import,
    listed,
    without_leading_blanks,
)

_Line: TypeAlias = cst.SimpleStatementLine
_Group: TypeAlias = list[_Line]
_Node = TypeVar("_Node", bound=cst.CSTNode)


class ImportOrder:
    """Puts imports in their places, block by block."""

    def __init__(self, origins: Origins, layout: Layout) -> None:
        self.origins = origins
        self.layout = layout
        self.made: set[cst.CSTNode] = set()
        """The import statements that the rewriter made or changed."""

    def arranged(self, body: Sequence[Any], depth: int) -> list[Any]:
        """The statements of a block, each run of imports that was touched in order."""
        result: list[Any] = []
        for is_run, statements in groupby(body, is_import):
            run = list(statements)
            touched = is_run and self.layout.width and any(self.is_made(line) for line in run)
            result += self.run_in_order(run, depth) if touched else run
        return result

    def is_made(self, line: _Line) -> bool:
        """Whether the rewriter made or changed this import."""
        return any(small in self.made for small in line.body)

    def run_in_order(self, run: Sequence[_Line], depth: int, extra: Sequence[_Line] = ()) -> list[_Line]:
        """Imports without another statement between them, and further ones that are put in."""
        if self.layout.width is None:
            return [*run, *extra]
        first = run[0].leading_lines if run else []
        opening = first[: len(first) - len(without_leading_blanks(first))]
        kept = [self.spaced(line, []) if line is run[0] else line for line in _without_repetitions(run)]
        groups = _groups(kept)
        names = Counter(name for line in kept for name in _bound(line))
        if names.pop("*", 0) or max(names.values(), default=0) > 1:
            groups = [*groups[:-1], [*groups[-1], *extra]]
        else:
            made = [line for line in kept if self.is_made(line) and _is_ours(line)]
            if any(_is_star(line) for line in kept):
                made = [line for line in made if next(_modules(line)) == "checkpointer"]
            placed = list(self.placed(groups, made, extra))
            overtaken = _loaded_before(chain(*groups)) - _loaded_before(chain(*placed))
            groups = [*groups[:-1], [*groups[-1], *extra]] if overtaken else placed
        result: list[_Line] = []
        for number, group in enumerate(groups):
            result.append(self.spaced(group[0], [blank()] if number else opening))
            result += [self.spaced(line, []) for line in group[1:]]
        return [self.laid_out(line, depth) for line in result]

    def placed(
        self, groups: list[_Group], moving: Sequence[_Line], extra: Sequence[_Line]
    ) -> Iterator[_Group]:
        """The groups, with what was made and what is put in among third-party imports."""
        target, is_new = _third_party(groups, moving)
        if is_new:
            groups = [*groups[:target], [], *groups[target:]]
        for number, group in enumerate(groups):
            staying = [line for line in group if line not in moving]
            if number == target:
                staying = self.merged(staying, [*moving, *extra])
            if staying:
                yield staying

    def merged(self, group: _Group, moving: _Group) -> _Group:
        """A group with further imports from packages, each in its place."""
        result = list(group)
        for line in sorted(moving, key=_order):
            place = next(
                (n for n, other in enumerate(result) if _from(other) and _order(other) >= _order(line)),
                len(result),
            )
            twins = [n for n, other in enumerate(result) if _can_join(other, line)]
            if twins:
                result[twins[0]] = self.joined(result[twins[0]], line)
            else:
                result.insert(place, line)
        return result

    def joined(self, line: _Line, other: _Line) -> _Line:
        """One statement for two that import names from the same module."""
        one, two = _from(line), _from(other)
        assert one is not None
        assert two is not None
        names = {alias.evaluated_name: alias for alias in (*_aliases(one), *_aliases(two))}
        ordered = listed(names[name] for name in sorted(names, key=_kind))
        joined = (
            exploded(one, ordered, self.layout.indent)
            if one.lpar is not None
            else one.with_changes(names=ordered)
        )
        self.made.add(self.follow(joined, one))
        return self.follow(line.with_changes(body=[joined]), line)

    def spaced(self, line: _Line, above: Sequence[cst.EmptyLine]) -> _Line:
        """An import with these blank lines in front of it, and of its comments, instead of its own."""
        lines = [*above, *without_leading_blanks(line.leading_lines)]
        return self.follow(line.with_changes(leading_lines=lines), line)

    def follow(self, new: _Node, old: cst.CSTNode) -> _Node:
        """Let a node take the place of another, in the user's file and among what was made."""
        self.origins.follow(new, old)
        if old in self.made:
            self.made.add(new)
        return new

    def laid_out(self, line: _Line, depth: int) -> _Line:
        """An import on one line if it fits, and else with one name on each."""
        small = _from(line)
        if small is None or small not in self.made or small.lpar is not None:
            return line
        if isinstance(small.names, cst.ImportStar) or self.layout.fits(line, depth):
            return line
        made = self.follow(exploded(small, listed(small.names), self.layout.indent), small)
        return self.follow(line.with_changes(body=[made]), line)


def _from(line: _Line) -> cst.ImportFrom | None:
    """The statement `from ... import ...` that stands alone on a line."""
    small = line.body[0]
    return small if len(line.body) == 1 and isinstance(small, cst.ImportFrom) else None


def _is_star(line: _Line) -> bool:
    return any(
        isinstance(small, cst.ImportFrom) and isinstance(small.names, cst.ImportStar) for small in line.body
    )


def _aliases(small: cst.BaseSmallStatement) -> Sequence[cst.ImportAlias]:
    """What is imported, unless it is a star."""
    if isinstance(small, (cst.Import, cst.ImportFrom)) and not isinstance(small.names, cst.ImportStar):
        return small.names
    return ()


def _bound(line: _Line) -> Iterator[str]:
    """The names that an import binds; a star of somebody else's binds any."""
    if _is_star(line) and next(_modules(line)) not in NAMES_OF.values():
        yield "*"
    for small in line.body:
        for alias in _aliases(small):
            if alias.evaluated_alias is not None:
                yield alias.evaluated_alias
            elif isinstance(small, cst.Import):
                yield f"{alias.evaluated_name}."  # binds the root, as other modules below it may
            else:
                yield alias.evaluated_name


def _modules(line: _Line) -> Iterator[str]:
    """The modules that an import names; one that is relative begins with a dot."""
    for small in line.body:
        if isinstance(small, cst.ImportFrom):
            yield "." * len(small.relative) + (dotted(small.module) if small.module else "")
        else:
            yield from (alias.evaluated_name for alias in _aliases(small))


def _is_ours(line: _Line) -> bool:
    """Whether it imports from this package, and nothing else."""
    return _from(line) is not None and _root(next(_modules(line))) == "checkpointer"


def _loaded_before(run: Iterable[_Line]) -> set[cst.BaseSmallStatement]:
    """The imports that come before NumPy and this package: they may set a variable that NumPy reads when it is loaded."""
    earlier = takewhile(lambda line: not _is_ours(line), run)
    return {line.body[0] for line in earlier if not all(map(_is_standard, _modules(line)))}


def _root(module: str) -> str:
    return module.partition(".")[0]


def _without_repetitions(run: Iterable[_Line]) -> Iterator[_Line]:
    """`import numpy` and `import numpy.linalg` have become the same statement."""
    seen = set()
    for line in run:
        code = cst.Module([]).code_for_node(line.with_changes(leading_lines=[]))
        if code not in seen or comments_in(line):
            yield line
        seen.add(code)


def _groups(run: Iterable[_Line]) -> list[_Group]:
    """What stands between blank lines."""
    groups: list[_Group] = []
    for line in run:
        if not groups or len(without_leading_blanks(line.leading_lines)) < len(line.leading_lines):
            groups.append([])
        groups[-1].append(line)
    return groups


def _third_party(groups: Sequence[_Group], moving: Sequence[_Line]) -> tuple[int, bool]:
    """The number of the group of third-party imports, and whether there is none and it would have that number."""
    for number, group in enumerate(groups):
        if any(_is_ours(line) and not _was_standard(line) for line in group):
            return number, False
    for number, group in enumerate(groups):
        staying = [module for line in group if line not in moving for module in _modules(line)]
        if not all(_is_standard(module) for module in staying):
            return number, staying[0].startswith(".")
    return len(groups), True


def _was_standard(line: _Line) -> bool:
    """Whether an import of this package's stands where `math` was imported."""
    names = [alias.evaluated_name for small in line.body for alias in _aliases(small)]
    return names == ["math"] or next(_modules(line)) == "checkpointer.math_names"


def _is_standard(module: str) -> bool:
    return _root(module) in sys.stdlib_module_names or _root(module) == "__future__"


def _order(line: _Line) -> tuple[object, ...]:
    """By the module, then by the first name."""
    names = [alias.evaluated_name for small in line.body for alias in _aliases(small)]
    return next(_modules(line)).lower(), *_kind(names[0] if names else "")


def _kind(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest, each in the alphabet."""
    if name.isupper() and len(name) > 1:
        return 0, name
    return (1, name) if name[:1].isupper() else (2, name)


def _can_join(one: _Line, other: _Line) -> bool:
    """Whether two lines import names from the same module that isort would put into one statement."""
    first, second = _from(one), _from(other)
    return (
        first is not None
        and second is not None
        and next(_modules(one)) == next(_modules(other))
        and not (comments_in(one) or comments_in(other))
        and all(
            _aliases(small) and not any(alias.asname for alias in _aliases(small))
            for small in (first, second)
        )
    )
