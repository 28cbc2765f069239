"""``checkpointer run``: run a script as Python does, with its marked loops transformed on load."""

from __future__ import annotations

import builtins
import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType

import click

from checkpointer.cli import source
from checkpointer.compiled import compile_file
from checkpointer.hook import ImportHook
from checkpointer.places import in_debugger


@click.command(
    context_settings={"allow_interspersed_args": False},  # what follows FILE is not ours
    epilog="\b\nExample:\n  checkpointer run burgers.py --steps 1000 --snapshots 10",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED)
def run(file: Path, arguments: tuple[str, ...]) -> None:
    """Run the script FILE with its marked loops transformed.

    As `python FILE ARGS...`, except that checkpointer.grad works on the script's functions: its marked loops are
    transformed while it loads, and so are those of the modules beside it that it imports. Nothing is written.
    Everything behind FILE belongs to the script.
    """
    code = _compiled(file)
    folder = os.path.dirname(os.path.realpath(file))
    main = _main_module(file)
    sys.argv = [str(file), *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = folder
    sys.modules["__main__"] = main
    with ImportHook(lambda spec: _lies_in(folder, spec)).install():
        _execute(code, main)


def _compiled(file: Path) -> CodeType:
    data = source.read(file)
    with source.python_from(file):
        return compile_file(data, os.path.abspath(file))


def _main_module(file: Path) -> ModuleType:
    """An empty ``__main__`` with the attributes that Python gives it for a script."""
    main = ModuleType("__main__")
    main.__file__ = os.path.abspath(file)
    main.__loader__ = SourceFileLoader("__main__", main.__file__)
    vars(main).update(__builtins__=builtins, __cached__=None, __annotations__={})
    return main


def _lies_in(folder: str, spec: ModuleSpec) -> bool:
    """Whether a module was found in the script's folder by its own name; an environment kept there is not."""
    stem = os.path.join(folder, *spec.name.split("."))
    return spec.origin in (f"{stem}.py", os.path.join(stem, "__init__.py"))


def _execute(code: CodeType, main: ModuleType) -> None:
    """Run the script; an exception is reported and ends the process as Python does, but without our own frames."""
    try:
        exec(code, vars(main))
    except SystemExit:
        raise
    except BaseException as error:
        error.__traceback__ = _from_script(error.__traceback__, code)
        if in_debugger(
            sys._getframe()
        ):  # python -m pdb -m checkpointer run FILE: it wants to look at the error
            raise
        sys.excepthook(type(error), error, error.__traceback__)
        raise SystemExit(130 if isinstance(error, KeyboardInterrupt) else 1) from None


def _from_script(traceback: TracebackType | None, code: CodeType) -> TracebackType | None:
    """The traceback from the script's first frame on."""
    whole = traceback
    while traceback is not None and traceback.tb_frame.f_code is not code:
        traceback = traceback.tb_next
    return traceback or whole
