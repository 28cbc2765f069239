"""What the text of a program writes in place: which of its names refer to arrays and objects that it changes.

A gathering pass that knows names, not values. It sees items and attributes that are assigned, `out=`, the functions of
NumPy that write into their first argument, methods that change their object, names that stand for parts of others, and
the functions and methods of the same file that a call calls by its name.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from checkpointer.transforms.calls import Calls
from checkpointer.transforms.fence import executed
from checkpointer.transforms.scopes import Function, Scopes, arguments

_NUMERICAL = frozenset(("autograd", "cmath", "copy", "math", "numpy", "operator", "scipy"))
"""Packages whose functions change nothing but what these tables say."""
_INTO_FIRST = frozenset(
    "numpy.copyto numpy.put numpy.place numpy.putmask numpy.fill_diagonal numpy.put_along_axis".split()
)
_CHANGING = frozenset(
    "add append appendleft clear discard extend extendleft fill insert itemset partition pop popitem popleft put"
    " remove resize reverse rotate setdefault setfield sort update".split()
)
"""Methods of arrays, lists, dicts, sets and deques that change their object."""
_HARMLESS = frozenset(
    "all any argmax argmin argpartition argsort astype byteswap center choose clip compress conj conjugate copy count"
    " cumprod cumsum diagonal dot encode endswith find flatten format get index isalpha isdigit item items join keys lower"
    " max mean min nonzero prod ravel repeat replace reshape round searchsorted split squeeze startswith std strip sum"
    " swapaxes take tobytes tolist trace transpose upper values var view".split()
)
"""Methods of arrays, strings and containers that change nothing."""
_VIEWS = frozenset("diagonal ravel reshape squeeze swapaxes transpose view".split())
"""Methods of an array whose result is a part of it."""
_PARTS = frozenset("get items setdefault values".split())
"""Methods of a dict that give what it holds."""
_VIEWING = frozenset(("T", "flat", "imag", "real"))


@dataclass(frozen=True)
class Write:
    """One place where something is changed that a name refers to."""

    line: int
    how: str
    """`u[1:-1] += ...`, or by which function."""


class Writes:
    """The writes of pieces of a program."""

    def __init__(self, scopes: Scopes) -> None:
        self.scopes = scopes
        self.calls = Calls(scopes)
        self._known: dict[Function, dict[str, Write]] = {}

    def of(self, nodes: Iterable[ast.AST]) -> dict[str, Write]:
        """Name -> where what it refers to is first changed by these nodes."""
        found: dict[str, Write] = {}
        aliases: dict[str, set[str]] = {}
        nodes = list(nodes)
        for node in nodes:
            for name, value in _bindings(node):
                aliases.setdefault(name, set()).update(_roots(value))
        views = {name for node in nodes for name, value in _bindings(node) if _is_view(value)}
        for node in nodes:
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                name = node.target.id
                for other in _behind(name, aliases) - {name} if name in views else ():
                    write = Write(node.lineno, f"`{name}`, a part of it, is changed in line {node.lineno}")
                    found.setdefault(other, write)
            for name, write in self._direct(node):
                found.setdefault(name, write)
        for name, write in list(found.items()):
            for other in _behind(name, aliases):
                found.setdefault(other, write)
        return found

    def possible(self, nodes: Iterable[ast.AST]) -> dict[str, Write]:
        """Name -> where it is given to something whose text is not here, and that may change it."""
        found: dict[str, Write] = {}
        for node in nodes:
            if not isinstance(node, ast.Call) or self.called(node) is not None or self._is_known(node.func):
                continue
            shown = ast.unparse(node.func)
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            for value in values:
                for root in _roots(value):
                    how = f"given to `{shown}` in line {node.lineno}, which may write into it"
                    found.setdefault(root, Write(node.lineno, how))
            if isinstance(node.func, ast.Attribute) and node.func.attr not in _CHANGING:
                for root in _roots(node.func.value):
                    how = f"`{shown}(...)` in line {node.lineno} may change it"
                    found.setdefault(root, Write(node.lineno, how))
        return found

    def _is_known(self, func: ast.expr) -> bool:
        """Whether what is called is known to change nothing but what `of` tells."""
        if isinstance(func, ast.Name) and self.scopes.is_builtin(func, *dir(builtins)):
            return True
        if isinstance(func, ast.Attribute) and func.attr in _HARMLESS and not self.scopes.meanings(func):
            return True
        return any(meaning.partition(".")[0] in _NUMERICAL for meaning in self.scopes.meanings(func))

    def called(self, node: ast.AST) -> Function | None:
        """The function or method of this file that a call calls, if its name tells."""
        return self.calls.function(node) or self.calls.method(node)

    def reached(self, nodes: Iterable[ast.AST]) -> list[Function]:
        """The functions of this file that these nodes call, and those that these call."""
        found: list[Function] = []
        pending = list(nodes)
        while pending:
            function = self.called(pending.pop(0))
            if function is not None and function not in found:
                found.append(function)
                pending += executed(function.body)
        return found

    def _direct(self, node: ast.AST) -> Iterator[tuple[str, Write]]:
        if isinstance(node, (ast.Subscript, ast.Attribute)) and not isinstance(node.ctx, ast.Load):
            for root in _roots(node):
                yield root, Write(node.lineno, f"`{ast.unparse(node)}` is assigned in line {node.lineno}")
        if not isinstance(node, ast.Call):
            return
        shown = f"`{ast.unparse(node.func)}(...)`"
        written = [keyword.value for keyword in node.keywords if keyword.arg == "out"]
        if self._writes_into_first(node.func):
            written += node.args[:1]
        if isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING:
            written += [] if self.scopes.meanings(node.func) else [node.func.value]
        for value in written:
            for root in _roots(value):
                yield root, Write(node.lineno, f"{shown} writes into it in line {node.lineno}")
        yield from self._through_call(node)

    def _writes_into_first(self, func: ast.expr) -> bool:
        meanings = self.scopes.meanings(func)
        return any(
            meaning in _INTO_FIRST or (meaning.startswith("numpy.") and meaning.endswith(".at"))
            for meaning in meanings
        )

    def _through_call(self, call: ast.Call) -> Iterator[tuple[str, Write]]:
        function = self.called(call)
        if function is None:
            return
        written = self._of_function(function)
        positional = [argument.arg for argument in [*function.args.posonlyargs, *function.args.args]]
        given: list[ast.expr] = list(call.args)
        if isinstance(call.func, ast.Attribute):
            given.insert(0, call.func.value)
        pairs = [*zip(positional, given, strict=False)]
        pairs += [(keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg]
        for parameter, value in pairs:
            if parameter in written:
                for root in _roots(value):
                    line = written[parameter].line
                    yield root, Write(call.lineno, f"`{function.name}` writes into it in line {line}")

    def _of_function(self, function: Function) -> dict[str, Write]:
        """The writes of a function, by its parameters and the other names that it uses."""
        if function not in self._known:
            self._known[function] = {}  # for one that calls itself
            found = self.of(executed(function.body))
            rebound = {
                use.name
                for use in self.scopes.uses
                if use.scope.node is function and use.binder is use.scope and isinstance(use.node, ast.Name)
            }
            own = {argument.arg for argument in arguments(function.args)}
            self._known[function] = {
                name: write
                for name, write in found.items()
                if (name in own or name not in rebound) and not _is_new(name, function, write.line)
            }
        return self._known[function]

    def of_function(self, function: Function) -> dict[str, Write]:
        """The writes of a function to what it finds outside: names that it does not bind."""
        own = {argument.arg for argument in arguments(function.args)}
        return {name: write for name, write in self._of_function(function).items() if name not in own}


def _is_new(name: str, function: Function, line: int) -> bool:
    """Whether a function has bound a name to something else before it writes: `u = u.copy()`."""
    return any(
        bound == name and not {*_roots(value)}
        for statement in function.body
        if statement.lineno < line
        for bound, value in _bindings(statement)
    )


def _bindings(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Names and the expressions whose value, or a part of it, they are bound to."""
    match node:
        case ast.Assign():
            for target in node.targets:
                yield from _pairs(target, node.value)
        case ast.AnnAssign() | ast.NamedExpr() if node.value is not None:
            yield from _pairs(node.target, node.value)
        case ast.For() | ast.AsyncFor() | ast.comprehension():
            yield from _items(node.target, node.iter)
        case ast.withitem() if node.optional_vars is not None:
            yield from _pairs(node.optional_vars, node.context_expr)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Starred):
        yield from _pairs(target.value, value)
    elif isinstance(target, (ast.Tuple, ast.List)):
        parts = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
        if len(parts) != len(target.elts) or any(isinstance(e, ast.Starred) for e in (*parts, *target.elts)):
            parts = [value] * len(target.elts)
        for part, of in zip(target.elts, parts, strict=True):
            yield from _pairs(part, of)


def _items(target: ast.expr, iterated: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """What a loop binds: the items of a tuple that is written out, else parts of what it runs over."""
    if isinstance(iterated, (ast.Tuple, ast.List)):
        for item in iterated.elts:
            yield from _pairs(target, item)
    elif isinstance(iterated, ast.Call) and isinstance(iterated.func, ast.Name) and iterated.args:
        if (
            iterated.func.id == "zip"
            and isinstance(target, ast.Tuple)
            and len(target.elts) == len(iterated.args)
        ):
            for part, argument in zip(target.elts, iterated.args, strict=True):
                yield from _pairs(part, argument)
        elif iterated.func.id == "enumerate" and isinstance(target, ast.Tuple) and len(target.elts) == 2:
            yield from _items(target.elts[1], iterated.args[0])
    else:
        yield from _pairs(target, iterated)


def _roots(value: ast.expr) -> Iterator[str]:
    """The names that an expression may give a part of: itself, items, attributes, what its methods return."""
    match value:
        case ast.Name():
            yield value.id
        case ast.Attribute() | ast.Subscript() | ast.Starred():
            yield from _roots(value.value)
        case ast.Call(func=ast.Attribute(attr=method)) if method in _VIEWS | _PARTS:
            yield from _roots(value.func)
        case ast.Tuple() | ast.List():
            for part in value.elts:
                yield from _roots(part)
        case ast.IfExp():
            yield from (*_roots(value.body), *_roots(value.orelse))
        case ast.NamedExpr():
            yield from _roots(value.value)


def _is_view(value: ast.expr) -> bool:
    """Whether an expression gives an array of which `+=` would change another: that array, or a slice of it."""
    match value:
        case ast.Name():
            return True
        case ast.Subscript(slice=index):
            return any(isinstance(part, ast.Slice) for part in ast.walk(index))
        case ast.Attribute(attr=attribute):
            return attribute in _VIEWING
        case ast.Call(func=ast.Attribute(attr=method)):
            return method in _VIEWS
    return False


def _behind(name: str, aliases: dict[str, set[str]]) -> set[str]:
    """The names that this one may stand for a part of."""
    found: set[str] = set()
    pending = [name]
    while pending:
        new = aliases.get(pending.pop(), set()) - found
        found |= new
        pending += new
    return found
