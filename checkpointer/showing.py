"""Reading the adjoint in a program or a notebook: `checkpointer.show`."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
from collections.abc import Iterator, Sequence
from types import FunctionType, ModuleType
from typing import IO, TYPE_CHECKING, Any

from checkpointer.decorator import stand_alone
from checkpointer.errors import ArgumentError, TransformError, no_mark_in

if TYPE_CHECKING:
    from rich.console import Console

    from checkpointer.transforms import Rewritten
    from checkpointer.transforms.excerpts import Definition, Excerpt


def show(
    subject: object, *, loop: int | None = None, sweep: str | None = None, file: IO[str] | None = None
) -> None:
    """Print the adjoint of a function, a class or a module: the code that runs when it is differentiated.

    In colours on a terminal and in a notebook, where the line of the source stands beside each line; as plain Python
    elsewhere.

    Parameters
    ----------
    subject : function, class or module
        A function is one with marked loops: as it was written, under `checkpointer.transform`, or in a module that is
        hooked; in a file or in a cell of a notebook. Of a class or a module all that stands in it is shown.
    loop : int, optional
        Only the loop that has this number in the first lines of what is printed.
    sweep : {"step", "forward", "reverse"}, optional
        Only the function for one iteration, or only the sweep that runs the loop forward or back.
    file : text stream, optional
        Where to print; standard output unless given.

    Raises
    ------
    ArgumentError
        If it is none of these, its source cannot be found or has changed, or there is no such loop in it.
    TransformError
        If a marked loop cannot be rewritten.

    Examples
    --------
    >>> from checkpointer import Revolve, checkpointed, show
    >>> def simulate(u, steps):
    ...     for step in checkpointed(range(steps), Revolve(snapshots=8)):
    ...         u = u + 0.1 * u**2
    ...     return u
    >>> show(simulate, sweep="step")
    # loop 1  ...:2  for step in range(steps)  Revolve(snapshots=8)
    <BLANKLINE>
    <BLANKLINE>
    def simulate_loop1_step(step):
        ...One iteration of ...:2...
        nonlocal u
        u = u + 0.1 * u**2
    """
    from checkpointer.transforms.excerpts import excerpt  # imports libcst

    try:
        rewritten, definition = _found(subject)
        chosen = excerpt(rewritten, definition, loop=loop, sweep=sweep)
    except (ArgumentError, TransformError) as error:
        raise error.with_traceback(None) from None  # the rewriter's own frames say nothing to the user
    print_code(chosen, file)


def print_code(chosen: Excerpt, file: IO[str] | None = None) -> None:
    """Print code: in colours for people, as it is for everything else."""
    from rich.console import Console

    console = Console(file=file)
    if console.is_terminal or console.is_jupyter:
        print_listing(chosen, console)
    else:
        (file or sys.stdout).write(chosen.code)


def print_listing(chosen: Excerpt, console: Console) -> None:
    """Print code for people: highlighted, with the lines of the user's file beside it."""
    from rich.syntax import Syntax
    from rich.text import Text

    code = Syntax(chosen.code, "python", theme="ansi_light", background_color="default")
    lines = code.highlight(chosen.code).split("\n")
    width = len(str(max(chosen.source_lines, default=0)))
    numbers = _beside([text.plain.strip() for text in lines], chosen.source_lines)
    for text, number in zip(lines, numbers, strict=False):
        shown = Text.assemble(Text(f"{number:>{width}} ", style="dim"), text)
        shown.rstrip()
        console.print(shown, soft_wrap=True)


def _beside(lines: Sequence[str], source_lines: Sequence[int]) -> Iterator[str]:
    """What stands beside each line: the line it stems from, where that is another than before.

    Of what has the same line, references and decorators leave it to the definition below them.
    """
    shown = 0
    for line, number, following in zip(lines, source_lines, (*source_lines[1:], 0), strict=False):
        is_above = line.startswith(("#", "@")) and following == number
        if line and number not in (0, shown) and not is_above:
            shown = number
            yield str(number)
        else:
            yield ""


# What is shown


def _found(subject: Any) -> tuple[Rewritten, Definition | None]:
    """The rewritten code that the subject is in, and its place there; None for a whole module."""
    if isinstance(subject, ModuleType):
        return _file(subject, _file_of(subject), vars(subject)), None
    function = inspect.unwrap(getattr(subject, "__func__", subject))
    if isinstance(function, type):
        return _class(function)
    if not isinstance(function, FunctionType) or function.__code__.co_name == "<lambda>":
        raise ArgumentError(
            f"show() was given {subject!r}: only a function that was written with `def`, a class or a module has"
            " marked loops to show"
        )
    return _function(function)


def _function(function: FunctionType) -> tuple[Rewritten, Definition]:
    """A function in its file; alone, if only what ran before says what the marks in it are."""
    from checkpointer import compiled  # imports libcst
    from checkpointer.transforms.excerpts import holds

    code = function.__code__
    line = _line_of(function)
    rewritten = _rewritten(code.co_filename, function.__globals__)
    definition = _at(rewritten, line, code.co_name)
    if definition is None or not holds(rewritten, definition):
        alone = compiled.rewrite(stand_alone(function).text, code.co_filename, line_length=88)
        if alone.loops or not rewritten.loops:
            rewritten, definition = alone, _at(alone, line, code.co_name)
    assert definition is not None
    return _marked(rewritten, function), definition


def _class(subject: type) -> tuple[Rewritten, Definition]:
    """A class in its file."""
    from checkpointer.transforms.excerpts import find

    functions = [inspect.unwrap(getattr(value, "__func__", value)) for value in vars(subject).values()]
    files = [value.__code__.co_filename for value in functions if isinstance(value, FunctionType)]
    rewritten = _file(subject, files[0] if files else _file_of(subject), {})
    return rewritten, find(rewritten, subject.__qualname__.replace("<locals>.", ""))


def _file(subject: object, filename: str, namespace: dict[str, Any]) -> Rewritten:
    return _marked(_rewritten(filename, namespace), subject)


def _file_of(subject: Any) -> str:
    """The file that a module or class was read from."""
    try:
        return inspect.getsourcefile(subject) or inspect.getfile(subject)
    except TypeError:
        raise ArgumentError(f"show() was given {subject!r}, which has no source in Python") from None


def _rewritten(filename: str, namespace: dict[str, Any]) -> Rewritten:
    """What the rewriter makes of a file, or of the cell of a notebook that goes by its name."""
    from checkpointer import compiled  # imports libcst

    return compiled.rewrite("".join(_lines(filename, namespace)), filename, line_length=88)


def _lines(filename: str, namespace: dict[str, Any]) -> list[str]:
    linecache.checkcache(filename)
    lines = linecache.getlines(filename, namespace)
    if not lines:
        raise ArgumentError(f"show() cannot find the source of {filename}")
    return lines


def _marked(rewritten: Rewritten, subject: object) -> Rewritten:
    """The same, if there is anything in it to show."""
    if not rewritten.loops:
        raise ArgumentError(f"show() was given {subject!r}, but {no_mark_in(rewritten.filename)}")
    return rewritten


def _line_of(function: FunctionType) -> int:
    """The line of the `def` that a function was compiled from; its code may begin with a decorator."""
    code = function.__code__
    try:
        tree = ast.parse("".join(_lines(code.co_filename, function.__globals__)))
    except SyntaxError:
        tree = ast.Module([], [])
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first <= code.co_firstlineno <= node.lineno:
                return node.lineno
    raise ArgumentError(
        f"show() was given {function.__qualname__} of {code.co_filename}, but that file does not hold this function"
        " at this place, or no longer does: load it anew if it has changed"
    )


def _at(rewritten: Rewritten, line: int, name: str) -> Definition | None:
    """The function of this name that comes from this line."""
    from checkpointer.transforms.excerpts import definitions

    places = (
        found
        for found in definitions(rewritten)
        if found.line == line and found.name.rpartition(".")[2] == name
    )
    return next(places, None)
