"""The rewriter from end to end: source text in, source text out."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from checkpointer.transforms import fence
from checkpointer.transforms.import_order import ImportOrder
from checkpointer.transforms.imports import CONVERSIONS, SCALARS, Imports
from checkpointer.transforms.layout import add_header, add_imports, outline_module
from checkpointer.transforms.marks import Mark
from checkpointer.transforms.names import Fresh, LoopNames, StepNames, plan_names
from checkpointer.transforms.outline import Outline, Plan, Runtime
from checkpointer.transforms.positions import Origins, source_lines
from checkpointer.transforms.scopes import Loop, Scope, Scopes
from checkpointer.transforms.source import Source, loop_header, read_source
from checkpointer.transforms.syntax import Layout

RUNTIME = (
    "BREAK",
    "CONTINUE",
    "EXHAUSTED",
    "Advance",
    "Discard",
    "Record",
    "Restore",
    "Return",
    "Reverse",
    "Snapshot",
    "as_complex",
    "as_float",
    "as_scalar",
    "differentiable",
    "run_loop",
    "run_while",
    "sum_by",
    "sum_of",
    "type_of",
)


_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class LoopInfo:
    """What the rewriter found out about one marked loop."""

    number: int
    """From 1, in the order of the file."""
    function: str
    """Qualified name of the function around it; empty at module level."""
    line: int
    header: str
    """`for step in range(steps)`: the header without the mark."""
    scheme: str
    names: LoopNames
    step: str
    """What the functions of the loop are called in the emitted code."""
    forward: str
    reverse: str


@dataclass(frozen=True)
class Rewritten:
    """A rewritten file."""

    code: str
    loops: tuple[LoopInfo, ...]
    source_lines: tuple[int, ...]
    """For each line of `code` the line of the user's file that it stems from."""
    filename: str
    """The user's file."""


def rewrite_source(
    source: str,
    filename: str,
    scheme_names: Collection[str],
    *,
    version: str,
    cell: bool = False,
    line_length: int | None = 88,
) -> Rewritten:
    """Rewrite one file: marked loops become calls of the runtime, NumPy and math become their drop-ins.

    A file without marks is rewritten too (imports only), for the modules that marked loops call into.

    Parameters
    ----------
    source : str
        The text of the file.
    filename : str
        Its name, for messages and for the header; nothing is read from it.
    scheme_names : collection of str
        The schemes that a mark comment may name without importing them.
    version : str
        The version that the header names.
    cell : bool, optional
        Whether the text is a cell of a notebook: ``await`` may stand outside of functions, and other cells need all that
        it imports.
    line_length : int or None, optional
        The length of a line up to which a formatter joins what was written on several. None for what will be run and
        not read: every import stays, and where it is, for the sake of what counts lines and of other modules, which may
        import from here.

    Raises
    ------
    TransformError
        The file cannot be rewritten; see docs/refusals.md.
    """
    file = read_source(source, filename, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if cell else 0)
    scopes = Scopes(file.tree)
    marks = fence.accepted(file, scopes, scheme_names)
    names, undeclared = plan_names(scopes, marks)
    fresh = Fresh(scopes.all_names)
    plans = make_plans(file, scopes, marks, names, fresh)
    runtime = Runtime({name: fresh.shared(name) for name in RUNTIME}, set())
    origins = Origins(file.module)

    layout = Layout(line_length, file.module.default_indent)
    gone = {(node.lineno, file.column(node)): names_of for node, names_of in undeclared.items()}
    outline = Outline(
        origins,
        _base(filename),
        {plan.line: plan for plan in plans},
        _supers(file, scopes),
        gone,
        runtime,
        layout,
    )
    module = outline_module(file.module, plans, outline, runtime, origins)
    conversions = _conversions(file, scopes) | _mapped(file, scopes)
    spent = frozenset[tuple[int, int]]() if cell or line_length is None else _spent(file, scopes, marks)
    order = ImportOrder(origins, layout)
    module = module.visit(Imports(origins, runtime, conversions, spent, order))
    module = add_imports(module, [*_scheme_import(marks), *_runtime_import(runtime)], order, origins)
    module = add_header(module, _header(file, plans, version), origins)
    return Rewritten(module.code, tuple(_infos(file, scopes, plans)), source_lines(module, origins), filename)


def make_plans(
    file: Source, scopes: Scopes, marks: Sequence[Mark], names: Mapping[Loop, StepNames], fresh: Fresh
) -> list[Plan]:
    """Give every marked loop its names."""
    plans = []
    counts: dict[Scope, int] = {}
    for number, mark in enumerate(marks, start=1):
        home = scopes.home[mark.loop]
        counts[home] = counts.get(home, 0) + 1
        stem = home.qualified_name.replace(".", "_").lstrip("_")
        stem = f"{stem}_loop{counts[home]}" if stem else f"loop{counts[home]}"
        step = names[mark.loop]
        plans.append(
            Plan(
                number=number,
                where=f"{_base(file.filename)}:{mark.loop.lineno}",
                mark=mark,
                names=step,
                step=fresh.own(f"{stem}_step"),
                forward=fresh.own(f"{stem}_forward"),
                reverse=fresh.own(f"{stem}_reverse"),
                item=fresh.shared("item"),
                parameter=_parameter(mark, step.loop),
                has_unused_item=_has_unused_item(mark, step.loop, scopes),
                ended=fresh.shared("ended"),
                returns=_returns(mark.loop.body),
                function_line=getattr(home.node, "lineno", None),
                first_parameter=_first_parameter(home),
            )
        )
    return plans


def _base(filename: str) -> str:
    """The file's own name, fit for a comment and for a docstring."""
    unfit = str.maketrans({'"': "'", "\\": "/"})
    name = os.path.basename(filename).translate(unfit)
    return "".join(character if character.isprintable() else "?" for character in name)


def _parameter(mark: Mark, names: LoopNames) -> str | None:
    target = None if isinstance(mark.loop, ast.While) else mark.loop.target
    return target.id if isinstance(target, ast.Name) and target.id in names.local else None


def _has_unused_item(mark: Mark, names: LoopNames, scopes: Scopes) -> bool:
    if isinstance(mark.loop, ast.While) or isinstance(mark.loop.target, ast.Name):
        return False
    targets = {node.id for node in ast.walk(mark.loop.target) if isinstance(node, ast.Name)}
    read = {use.name for use in scopes.uses if mark.loop in use.loops and use.binder is None}
    return any(name in names.local and not name.startswith("_") for name in targets - read)


def _returns(body: Sequence[ast.stmt]) -> bool:
    """Whether a `return` of the function around stands in these statements."""
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Return):
            return True
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.expr)):
            pending += ast.iter_child_nodes(node)
    return False


def _first_parameter(home: Scope) -> str | None:
    if not isinstance(home.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None
    positional = [*home.node.args.posonlyargs, *home.node.args.args]
    return positional[0].arg if positional else None


def _supers(file: Source, scopes: Scopes) -> frozenset[tuple[int, int]]:
    """Where the builtin `super` is named."""
    return frozenset(
        (node.lineno, file.column(node))
        for node in ast.walk(file.tree)
        if isinstance(node, ast.Name) and scopes.is_builtin(node, "super")
    )


def _conversions(file: Source, scopes: Scopes) -> dict[tuple[int, int], str]:
    """Where `float`, `np.float64` or `sum` is called with something that is not written out, and by what it is replaced."""
    found = {}
    for node in ast.walk(file.tree):
        if not isinstance(node, ast.Call) or node.keywords or not _is_converted(node, scopes):
            continue
        found[node.func.lineno, file.column(node.func)] = _conversion(node.func, scopes)
    return found


def _conversion(func: ast.expr, scopes: Scopes) -> str:
    """By what a conversion is replaced."""
    if not isinstance(func, ast.Name) or not scopes.is_builtin(func, *CONVERSIONS):
        return "as_scalar"
    return "sum_by" if func.id == "sum" and scopes.stars else CONVERSIONS[func.id]


def _is_converted(call: ast.Call, scopes: Scopes) -> bool:
    """Whether a call converts one value, or sums up several, that may be differentiated."""
    most = 2 if scopes.is_builtin(call.func, "complex", "sum") else 1
    if not 1 <= len(call.args) <= most or any(isinstance(arg, ast.Starred) for arg in call.args):
        return False
    if not scopes.is_builtin(call.func, *CONVERSIONS) and not _is_scalar_type(call.func, scopes):
        return False
    values = [arg.operand if isinstance(arg, ast.UnaryOp) else arg for arg in call.args]
    return not all(isinstance(value, ast.Constant) for value in values)


def _is_scalar_type(node: ast.expr, scopes: Scopes) -> bool:
    """Whether an expression can mean nothing but one of NumPy's floating-point types."""
    meanings = scopes.meanings(node) if isinstance(node, (ast.Name, ast.Attribute)) else set()
    return len(meanings) == 1 and min(meanings) in {f"numpy.{name}" for name in SCALARS}


def _mapped(file: Source, scopes: Scopes) -> dict[tuple[int, int], str]:
    """Where `float` or its kin itself is an argument, of `map`, and by what it is replaced."""
    return {
        (node.args[0].lineno, file.column(node.args[0])): CONVERSIONS[node.args[0].id]
        for node in ast.walk(file.tree)
        if isinstance(node, ast.Call)
        and scopes.is_builtin(node.func, "map")
        and len(node.args) == 2
        and isinstance(node.args[0], ast.Name)
        and scopes.is_builtin(node.args[0], *CONVERSIONS)
    }


def _spent(file: Source, scopes: Scopes, marks: Sequence[Mark]) -> frozenset[tuple[int, int]]:
    """Where the mark is imported under a name that marked loops, which are gone, used, and nothing else does."""
    used = set()
    gone = set()
    for mark in marks:
        outer = mark.loop.test if isinstance(mark.loop, ast.While) else mark.loop.iter
        if mark.comment is None and isinstance(outer, ast.Call) and isinstance(outer.func, ast.Name):
            use = scopes.use_of[outer.func]
            used.add((scopes.owner_of[use], use.name))
            gone.add(use)
    kept = {(scopes.owner_of[use], use.name) for use in scopes.uses if use not in gone and _needs(use.node)}
    words = _words(file.tree)
    return frozenset(
        (use.node.lineno, file.column(use.node))
        for use in scopes.uses
        if isinstance(use.node, ast.alias)
        and (scopes.owner_of[use], use.name) in used - kept
        and use.name not in words
        and use.node.name == "checkpointed"
    )


def _needs(node: ast.AST) -> bool:
    """Whether an occurrence of a name fails if nothing was bound to it."""
    return isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store)


def _words(tree: ast.Module) -> set[str]:
    """The words of all strings but docstrings: `__all__`, `getattr` and `eval` take names from them."""
    remarks = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return {
        word
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in remarks
        for word in _WORD.findall(node.value)
    }


def _scheme_import(marks: Sequence[Mark]) -> list[str]:
    names = sorted({name for mark in marks for name in mark.imports})
    return [f"from checkpointer import {', '.join(names)}"] if names else []


def _runtime_import(runtime: Runtime) -> list[str]:
    """One statement, and one for each name that the file uses otherwise."""
    used = [name for name in RUNTIME if name in runtime.used]
    plain = [name for name in used if runtime.names[name] == name]
    renamed = [f"{name} as {runtime.names[name]}" for name in used if name not in plain]
    return [
        f"from checkpointer.runtime import {names}" for names in filter(None, [", ".join(plain), *renamed])
    ]


def _header(file: Source, plans: Sequence[Plan], version: str) -> list[str]:
    name = _base(file.filename)
    lines = [f"# Adjoint of {name}, written by checkpointer {version}. Change {name}, not this file."]
    if plans:
        lines.append("#")
    for plan in plans:
        header = loop_header(file, plan.mark.loop, plan.mark.subject)
        scheme = _one_line(plan.mark.scheme)
        lines.append(f"# loop {plan.number}  {plan.where}  {header}  {scheme}".rstrip())
    return lines


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _infos(file: Source, scopes: Scopes, plans: Sequence[Plan]) -> list[LoopInfo]:
    return [
        LoopInfo(
            number=plan.number,
            function=scopes.home[plan.mark.loop].qualified_name,
            line=plan.line,
            header=loop_header(file, plan.mark.loop, plan.mark.subject),
            scheme=plan.mark.scheme,
            names=plan.names.loop,
            step=plan.step,
            forward=plan.forward,
            reverse=plan.reverse,
        )
        for plan in plans
    ]
