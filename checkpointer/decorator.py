"""One function at a time: the decorator that transforms a function where it stands, in a notebook for example.

The rewriter reads files, so it is given one in which the function stands alone, on the lines and in the nesting that
it has in the user's file, followed by imports that say what the names it uses mean there. What it emits is compiled
as the body of a factory function, whose local names are the drop-in modules and the runtime: so they hold for this
function only, while everything else that the function refers to remains what it was, its globals, its closure, its
defaults.
"""

from __future__ import annotations
import __future__

import ast
import functools
import inspect
import tokenize
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any, TypeVar, cast

from checkpointer.code_objects import remade
from checkpointer.errors import ArgumentError, TransformError
from checkpointer.meanings import REST, imports_of, names_in

_F = TypeVar("_F", bound=Callable[..., Any])
_FACTORY = "checkpointer_factory"
_TARGET = "checkpointer_target"
_FUTURE = functools.reduce(
    int.__or__, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
)


def transform(function: _F) -> _F:
    """Transform the marked loops of one function.

    Parameters
    ----------
    function : function
        A function or method that was written with ``def``, in a file or in a cell of a notebook. As a decorator,
        `transform` stands directly above ``def``, below all other decorators.

    Returns
    -------
    function
        A function that computes what the given one computes, and can be differentiated. It shares
        the globals, the closure and the defaults of the given one. A function that is transformed
        already, by the import hook or in a file that checkpointer wrote, is returned as it is.

    Raises
    ------
    ArgumentError
        If it is no such function, or its source cannot be found.
    TransformError
        If a marked loop cannot be rewritten.

    Examples
    --------
    ::

        @checkpointer.transform
        def simulate(u, steps):
            for step in checkpointed(range(steps), Revolve(snapshots=8)):
                u = u + 0.1 * np.sin(u)
            return u.sum()

        gradient = checkpointer.grad(simulate)(u, 100)
    """
    if _is_transformed(function):
        return function
    return cast(_F, _transformed(_checked(function)))


def _is_transformed(function: object) -> bool:
    """Whether it is the wrapper that the emitted code puts around a function with marked loops."""
    return (
        isinstance(function, FunctionType) and function.__globals__.get("__name__") == "checkpointer.bridge"
    )


def _checked(function: object) -> FunctionType:
    """The argument of `transform`, if it is one that has a source of its own."""

    def refusal(found: str, instead: str) -> ArgumentError:
        return ArgumentError(f"transform() was given {found}: {instead}")

    if isinstance(function, (staticmethod, classmethod)):
        kind = type(function).__name__
        raise refusal(f"a {kind}", f"write @transform below @{kind}, directly above `def`")
    if isinstance(function, type):
        raise refusal(
            f"the class {function.__name__}", "decorate those of its methods that hold a marked loop"
        )
    if inspect.ismethod(function):
        owner = type(function.__self__).__name__
        raise refusal(
            f"the bound method {function.__qualname__}",
            f"decorate it in the class, or transform the function `{owner}.{function.__name__}`",
        )
    if not isinstance(function, FunctionType):
        raise refusal(repr(function), "only a function that was written with `def` has a source to transform")
    if hasattr(function, "__wrapped__"):
        raise refusal(
            f"{function.__qualname__} as another decorator had wrapped it",
            "write @transform directly above `def`, below all other decorators",
        )
    if function.__code__.co_name == "<lambda>":
        raise refusal("a lambda", "write it as a function with `def`; a lambda has no room for a loop")
    return function


def _transformed(function: FunctionType) -> Any:
    from checkpointer import compiled, stepping  # they import the rewriter, which only now is needed

    code = function.__code__
    alone = stand_alone(function)
    try:
        rewritten = compiled.rewrite(alone.text, code.co_filename)
    except TransformError as error:
        raise error.with_traceback(None) from None  # the rewriter's own frames say nothing to the user
    tree = compiled.users_tree(rewritten, alone.text)
    compiled.begin_at_def(tree, alone.text)
    factory = _factory(tree, alone, function)
    factory.__code__ = stepping.readable(factory.__code__, rewritten.loops)
    made, decorators = factory()
    functools.update_wrapper(made, function)
    del made.__wrapped__
    made.__defaults__ = function.__defaults__
    made.__kwdefaults__ = function.__kwdefaults__
    for decorator in reversed(decorators):
        made = decorator(made)
    return made


# What the rewriter is given


@dataclass(frozen=True)
class _Nest:
    """A function or class around the transformed one."""

    name: str
    is_class: bool

    def head(self, parameters: Iterable[str]) -> str:
        """Its first line."""
        return f"class {self.name}:" if self.is_class else f"def {self.name}({', '.join(parameters)}):"

    def is_head(self, node: ast.stmt) -> bool:
        """Whether the statement is this function or class."""
        kind = ast.ClassDef if self.is_class else ast.FunctionDef
        return isinstance(node, kind) and node.name == self.name


@dataclass(frozen=True)
class StandAlone:
    """A file that holds one function only, where it stands in the user's."""

    text: str
    nesting: tuple[_Nest, ...]
    free: tuple[str, ...]
    """The names that the function finds in its closure, and not in an import of this file."""


def stand_alone(function: FunctionType) -> StandAlone:
    """The file that the rewriter is given in place of the function's own."""
    lines, first = _source_of(function)
    names = names_in("\n".join(lines))
    meant = imports_of(_values(function, names))
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    nesting = _nesting(function.__code__.co_qualname)[-len(indent) :] if indent else ()
    known = {"__class__"} if any(nest.is_class for nest in nesting) else set()
    # the closure of a function that is transformed already also holds what the rewriter put in
    free = tuple(
        name
        for name in function.__code__.co_freevars
        if name in names and name not in meant.special and name not in known
    )
    heads = [indent[:depth] + head for depth, head in enumerate(_heads(nesting, free))]
    if indent and not heads:
        heads = ["if True:"]
    above = [""] * (first - 1 - len(heads)) + heads
    node = _definition("\n".join([*above, *lines]), nesting, function)
    for decorator in node.decorator_list:
        for line in range(decorator.lineno, node.lineno):
            lines[line - len(above) - 1] = ""
    imports = meant.lines(without=free)
    return StandAlone("\n".join([*above, *lines, *imports, ""]), nesting, free)


def _source_of(function: FunctionType) -> tuple[list[str], int]:
    """The lines of a function with its decorators, and the number of the first."""
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError, SyntaxError, tokenize.TokenError):
        raise _no_source(function, "its source cannot be found") from None
    return [line.rstrip("\r\n") for line in lines], first


def _no_source(function: FunctionType, what: str) -> ArgumentError:
    return ArgumentError(
        f"transform() was given {function.__qualname__} of {function.__code__.co_filename}, but {what}: write the"
        " function in a file or in a cell of a notebook, and load that anew if it has changed"
    )


def _nesting(qualified_name: str) -> tuple[_Nest, ...]:
    """The functions and classes around: of ``f.<locals>.A.step`` the function f and the class A."""
    *around, _ = qualified_name.split(".")
    return tuple(
        _Nest(name, is_class=around[place + 1 : place + 2] != ["<locals>"])
        for place, name in enumerate(around)
        if name != "<locals>"
    )


def _heads(nesting: Sequence[_Nest], parameters: Iterable[str]) -> Iterator[str]:
    """The first line of each; the outermost function binds what the transformed one finds in its closure."""
    for nest in nesting:
        yield nest.head(parameters)
        if not nest.is_class:
            parameters = ()


def _definition(
    text: str, nesting: Sequence[_Nest], function: FunctionType
) -> ast.FunctionDef | ast.AsyncFunctionDef:
    """The function's own node in a file that holds nothing else."""
    code = function.__code__
    parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    try:
        (node,) = _level(ast.parse(text).body, nesting)
    except (SyntaxError, ValueError):
        node = None
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
        written = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        if len(written) == len(parameters) and all(
            _is_compiled_to(argument.arg, name) for argument, name in zip(written, parameters, strict=True)
        ):
            return node
    raise _no_source(function, "that file does not hold this function at this place, or no longer does")


def _is_compiled_to(written: str, name: str) -> bool:
    """Whether this is the name that a code object has for a written one, ``_A__x`` for ``__x`` in a class A."""
    return unicodedata.normalize("NFKC", written) == name or (
        written.startswith("__") and name.endswith(written)
    )


def _level(statements: Iterable[ast.stmt], nesting: Sequence[_Nest]) -> list[ast.stmt]:
    """The statements without the functions and classes around, whose own statements take their place."""
    for nest in nesting:
        statements = _unfolded(statements, nest.is_head)
    return list(_unfolded(statements, lambda node: isinstance(node, ast.If)))


def _unfolded(statements: Iterable[ast.stmt], is_head: Callable[[ast.stmt], bool]) -> Iterator[ast.stmt]:
    for node in statements:
        if is_head(node):
            yield from cast(Any, node).body
        else:
            yield node


def _values(function: FunctionType, names: Iterable[str]) -> dict[str, Any]:
    """What those of the names that the function does not bind itself mean now."""
    closure = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    values = {}
    for name in sorted(set(names)):
        if name in closure:
            try:
                values[name] = closure[name].cell_contents
            except ValueError:  # not bound yet
                pass
        elif name in function.__globals__:
            values[name] = function.__globals__[name]
    return values


# What is made of what the rewriter emits


def _factory(tree: ast.Module, alone: StandAlone, function: FunctionType) -> FunctionType:
    """A function that makes the transformed one, without its defaults, and returns it with its decorators."""
    code = function.__code__
    body: list[ast.stmt] = []
    for node in _level(tree.body, alone.nesting):
        if not (isinstance(node, ast.ImportFrom) and node.module == REST):
            body.append(node)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            last = _bare(node)
    body.append(last)
    # None of this but the factory itself ever runs. It makes the names of the closure free variables, and in a
    # class it turns `__x` into `_A__x`.
    classes = [f"class {nest.name}:\n" for nest in alone.nesting if nest.is_class]
    text = f" def scope({', '.join(alone.free)}):\n  def {_FACTORY}(): pass"
    around = ast.parse((classes[-1] if classes else "if True:\n") + text)
    for place in ast.walk(around):
        if isinstance(place, ast.FunctionDef) and place.name == _FACTORY:
            place.body = body
            break
    ast.fix_missing_locations(around)
    flags = code.co_flags & _FUTURE
    compiled = _named(compile(around, code.co_filename, "exec", flags=flags, dont_inherit=True), _FACTORY)
    compiled = remade(compiled, lambda each: _qualified(each, code))
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    closure = tuple(cells[name] for name in compiled.co_freevars)
    return FunctionType(compiled, function.__globals__, closure=closure)


def _bare(node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.Return:
    """Take from a definition what was evaluated when the user's function was made; return it and its decorators.

    It gets a name of its own, so that the function's name means inside what it means in the user's file.
    """
    decorators = ast.Tuple([*node.decorator_list], ast.Load())
    node.name = _TARGET
    node.decorator_list = []
    node.returns = None
    arguments = node.args
    arguments.defaults = []
    arguments.kw_defaults = [None for _ in arguments.kwonlyargs]
    every = [
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        arguments.vararg,
        arguments.kwarg,
    ]
    for argument in filter(None, every):
        argument.annotation = None
    return ast.Return(ast.Tuple([ast.Name(_TARGET, ast.Load()), decorators], ast.Load()))


def _named(code: CodeType, name: str) -> CodeType:
    """The code object of the first function of this name, in the order of the text."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            return constant if constant.co_name == name else _named(constant, name)
    raise LookupError(name)


def _qualified(code: CodeType, users: CodeType) -> CodeType:
    """Code of the factory with the name that it would have in the user's file."""
    name = code.co_qualname.rpartition(f"{_FACTORY}.<locals>.")[2]
    if name.startswith(_TARGET):
        name = users.co_qualname + name.removeprefix(_TARGET)
    own = users.co_name if code.co_name == _TARGET else code.co_name
    return code.replace(co_name=own, co_qualname=name)
