"""Imports of NumPy, SciPy and math become imports of the drop-in modules; `float(x)` becomes `as_float(x)` and the like.

A changing pass, for files with and without marks. `dropins.py` has the whole table of what is replaced.
"""

# ruff: noqa: N802  (libcst dictates the names of the methods, and what they do)

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import libcst as cst

from checkpointer.transforms.dropins import DROP_IN, NAMES_OF
from checkpointer.transforms.import_order import ImportOrder
from checkpointer.transforms.outline import Runtime
from checkpointer.transforms.positions import Origins, Tracked
from checkpointer.transforms.syntax import comments_in, dotted, listed

CONVERSIONS = {"complex": "as_complex", "float": "as_float", "sum": "sum_of", "type": "type_of"}
"""Builtin -> what is called in its place."""

SCALARS = frozenset(
    "float16 float32 float64 float128 half single double longdouble complex64 complex128 complex256 csingle cdouble"
    " clongdouble".split()
)
"""NumPy's types whose calls `np.float64(x)` become `as_scalar(np.float64, x)`; the types themselves stay what they are."""


class Imports(Tracked):
    """Replace the imports, drop the mark's own, and rename the conversions."""

    def __init__(
        self,
        origins: Origins,
        runtime: Runtime,
        conversions: Mapping[tuple[int, int], str],
        spent: frozenset[tuple[int, int]],
        order: ImportOrder,
    ) -> None:
        super().__init__(origins)
        self.runtime = runtime
        self.conversions = conversions
        """Where a conversion is called, and what is called in its place."""
        self.spent = spent
        """Where the imports of the mark begin that have no use left (the place of the imported name)."""
        self.order = order
        """Hears what was changed, and then puts it in its place."""
        self.depth = 0

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        """Note which imports are not as they were."""
        result = super().on_leave(original_node, updated_node)
        if isinstance(original_node, (cst.Import, cst.ImportFrom)) and result is not updated_node:
            made = result if isinstance(result, cst.FlattenSentinel) else (result,)
            self.order.made.update(node for node in made if isinstance(node, cst.CSTNode))
        return result

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement] | cst.RemovalSentinel:
        """Put the parts of a split import on lines of their own; drop a line that became empty."""
        if not updated_node.body and original_node.body:
            silent = not comments_in(updated_node)
            return cst.RemoveFromParent() if silent else updated_node
        if len(original_node.body) != 1 or len(updated_node.body) == 1:
            return updated_node
        lines = [
            cst.SimpleStatementLine(
                [self.order.follow(small.with_changes(semicolon=cst.MaybeSentinel.DEFAULT), small)]
            )
            for small in updated_node.body
        ]
        lines[0] = lines[0].with_changes(leading_lines=updated_node.leading_lines)
        lines[-1] = lines[-1].with_changes(trailing_whitespace=updated_node.trailing_whitespace)
        return cst.FlattenSentinel(lines)

    def visit_IndentedBlock(self, node: cst.IndentedBlock) -> None:
        self.depth += 1

    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        """Put the imports of a block in order."""
        updated_node = updated_node.with_changes(body=self.order.arranged(updated_node.body, self.depth))
        self.depth -= 1
        return self.opened(original_node, updated_node)

    def leave_Import(
        self, original_node: cst.Import, updated_node: cst.Import
    ) -> cst.BaseSmallStatement | cst.FlattenSentinel[cst.BaseSmallStatement]:
        parts: list[cst.BaseSmallStatement] = []
        for alias in updated_node.names:
            replaced = list(_replacement(alias))
            if replaced:
                parts += replaced
            elif parts and isinstance(parts[-1], cst.Import):
                parts[-1] = cst.Import(listed([*parts[-1].names, alias]))
            else:
                parts.append(cst.Import(listed([alias])))
        return self._parts(updated_node, parts)

    def _parts(
        self, node: cst.Import | cst.ImportFrom, parts: Sequence[cst.BaseSmallStatement]
    ) -> cst.BaseSmallStatement | cst.FlattenSentinel[cst.BaseSmallStatement]:
        if not any(isinstance(part, cst.ImportFrom) for part in parts) and isinstance(node, cst.Import):
            return node
        return cst.FlattenSentinel([*parts[:-1], parts[-1].with_changes(semicolon=node.semicolon)])

    def leave_ImportFrom(
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.BaseSmallStatement | cst.FlattenSentinel[cst.BaseSmallStatement] | cst.RemovalSentinel:
        if updated_node.relative or updated_node.module is None:
            return updated_node
        module = dotted(updated_node.module)
        if module in DROP_IN:
            return updated_node.with_changes(module=path(NAMES_OF.get(DROP_IN[module], DROP_IN[module])))
        if module == "checkpointer" or module.startswith("checkpointer."):
            return self._without_mark(original_node, updated_node)
        if isinstance(updated_node.names, cst.ImportStar):
            return updated_node
        inside = [alias for alias in updated_node.names if f"{module}.{dotted(alias.name)}" in DROP_IN]
        if not inside:
            return updated_node
        others = [alias for alias in updated_node.names if alias not in inside]
        parts: list[cst.BaseSmallStatement] = []
        if others:
            parts.append(updated_node.with_changes(names=listed(others)))
        for alias in inside:
            parts.append(_from(DROP_IN[f"{module}.{dotted(alias.name)}"], alias.asname, dotted(alias.name)))
        return self._parts(updated_node, parts)

    def _without_mark(
        self, original: cst.ImportFrom, updated: cst.ImportFrom
    ) -> cst.ImportFrom | cst.RemovalSentinel:
        if isinstance(updated.names, cst.ImportStar) or isinstance(original.names, cst.ImportStar):
            return updated
        kept = [
            alias
            for alias, before in zip(updated.names, original.names, strict=True)
            if self.origins.place(before) not in self.spent
        ]
        if len(kept) == len(updated.names):
            return updated
        if not kept:
            return cst.RemoveFromParent()
        last_comma = updated.names[-1].comma if updated.lpar else cst.MaybeSentinel.DEFAULT
        return updated.with_changes(names=[*kept[:-1], kept[-1].with_changes(comma=last_comma)])

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        func = original_node.func
        place = self.origins.place(func)
        if place is None or place not in self.conversions or not _is_named(func):
            return updated_node
        conversion = cst.Name(self.runtime[self.conversions[place]])
        if self.conversions[place] not in ("as_scalar", "sum_by"):
            return updated_node.with_changes(func=conversion)
        comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        return updated_node.with_changes(
            func=conversion, args=[cst.Arg(updated_node.func, comma=comma), *updated_node.args]
        )

    def leave_Arg(self, original_node: cst.Arg, updated_node: cst.Arg) -> cst.Arg:
        """The conversion itself as an argument: `map(float, values)`."""
        name = original_node.value
        place = self.origins.place(name)
        if place is None or place not in self.conversions or not isinstance(name, cst.Name):
            return updated_node
        return updated_node.with_changes(
            value=cst.ensure_type(updated_node.value, cst.Name).with_changes(
                value=self.runtime[self.conversions[place]]
            )
        )


def _is_named(func: cst.BaseExpression) -> bool:
    """Whether what is called is written `float` or `np.float64`, rather than begins with it: `np.float64(x).astype(f)`."""
    if isinstance(func, cst.Attribute):
        return isinstance(func.value, cst.Name) and func.attr.value in SCALARS
    return isinstance(func, cst.Name)


def _replacement(alias: cst.ImportAlias) -> Iterable[cst.BaseSmallStatement]:
    """What `import X [as y]` becomes; nothing if it stays."""
    module = dotted(alias.name)
    root = module.partition(".")[0]
    if alias.asname is not None:
        if module in DROP_IN:
            yield _from(DROP_IN[module], alias.asname, "")
    elif root in DROP_IN:
        if module.count(".") > 1:  # NumPy loads its submodules on demand, but not what lies deeper
            yield cst.Import(listed([alias]))
        yield _from(DROP_IN[root], None, root)


def _from(target: str, asname: cst.AsName | None, bound: str) -> cst.ImportFrom:
    """`from PACKAGE import MODULE [as NAME]`, binding what the replaced import bound."""
    package, _, name = target.rpartition(".")
    if asname is None and bound != name:
        asname = cst.AsName(cst.Name(bound))
    if asname is not None and isinstance(asname.name, cst.Name) and asname.name.value == name:
        asname = None
    return cst.ImportFrom(path(package), [cst.ImportAlias(cst.Name(name), asname=asname)])


def path(text: str) -> cst.Name | cst.Attribute:
    """The node of a dotted name."""
    root, *rest = text.split(".")
    node: cst.Name | cst.Attribute = cst.Name(root)
    for part in rest:
        node = cst.Attribute(node, cst.Name(part))
    return node
