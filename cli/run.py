"""``checkpointer run``: run a program as Python does, with its marked loops transformed on load."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

import click

from checkpointer.cli import files, programs, ranks
from checkpointer.cli.observed import observed
from checkpointer.environment import tell_workers
from checkpointer.errors import ArgumentError
from checkpointer.hook import ImportHook, Selection
from checkpointer.patterns import check_patterns
from checkpointer.places import in_debugger


@click.command(
    context_settings={"allow_interspersed_args": False},  # what follows PROGRAM is not ours
    epilog="\b\nExamples:\n  checkpointer run burgers.py --steps 1000 --snapshots 10\n"
    "  checkpointer run -m ocean --years 10\n"
    '  checkpointer run --hook "grids.*" burgers.py\n'
    "  checkpointer run --summary --report burgers.py",
)
@click.option("-m", "module", is_flag=True, help="PROGRAM is the name of a module, as for `python -m`.")
@click.option(
    "--hook",
    "hooks",
    metavar="PATTERN",
    multiple=True,
    help='Also transform the modules of this name, such as "ocean.models.*"; may be repeated.',
)
@click.option("--summary", is_flag=True, help="At the end, print what was differentiated, to standard error.")
@click.option(
    "--report", is_flag=True, help="At the end, print what was in the snapshots, and why. Takes time."
)
@click.argument("program", shell_complete=files.completed)
@click.argument(
    "arguments", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED, shell_complete=files.completed
)
def run(
    program: str,
    module: bool,
    hooks: tuple[str, ...],
    summary: bool,
    report: bool,
    arguments: tuple[str, ...],
) -> None:
    """Run PROGRAM with its marked loops transformed.

    As `python PROGRAM ARGS...`, except that checkpointer.grad works on its functions: its marked loops are
    transformed while it loads, and so are those of the modules beside it that it imports. PROGRAM is a script, or a
    folder or zip file with a `__main__.py`; with -m, a module, and then its whole package is transformed. Nothing is
    written but a cache in `__pycache__`. Everything behind PROGRAM belongs to the program.
    """
    try:
        check_patterns(hooks, "--hook")
    except ArgumentError as error:
        raise click.UsageError(str(error)) from error
    with _arguments(["-m" if module else program, *arguments]), observed(summary=summary, report=report):
        if module:
            _run(programs.module, program, os.getcwd(), (program.partition(".")[0], *hooks))
        elif programs.holds_main(program):
            _run(programs.folder, program, os.path.abspath(program), hooks)
        else:
            _run(programs.script, program, os.path.dirname(os.path.realpath(program)), hooks)


@contextmanager
def _arguments(given: list[str]) -> Iterator[None]:
    """Let the program see its own arguments; pdb needs ours again when it starts the program anew at its end."""
    ours, sys.argv = sys.argv, given
    try:
        yield
    finally:
        if in_debugger(sys._getframe()):
            sys.argv = ours


def _run(load: Callable[[str], programs.Program], name: str, place: str, patterns: tuple[str, ...]) -> None:
    """Run a program; what lies in ``place``, where Python looks first, and what the patterns name is transformed."""
    if not sys.flags.safe_path:
        sys.path[0] = place
    elif load is programs.folder:  # Python's safe path leaves out all but this
        sys.path.insert(0, place)
    selection = Selection(patterns, place)
    tell_workers(selection, os.path.abspath(name) if load is programs.script else None)
    with ImportHook(selection).install():
        with _reported(passing=(SystemExit, click.ClickException)):
            program = load(name)
        sys.argv[0] = program.argv0
        sys.modules["__main__"] = program.main
        with _reported():
            exec(program.code, vars(program.main))


@contextmanager
def _reported(passing: tuple[type[BaseException], ...] = (SystemExit,)) -> Iterator[None]:
    """Report an exception and end the process as Python does, but without our own frames.

    The other ranks of an MPI program end with it.
    """
    try:
        yield
    except passing as error:
        if not in_debugger(sys._getframe()):
            ranks.end_all(error)
        raise
    except BaseException as error:
        BaseException.with_traceback(error, _from_user(error.__traceback__))
        # python -m pdb -m checkpointer run FILE wants to look at the error
        if in_debugger(sys._getframe()):
            raise
        with ranks.named():
            sys.excepthook(type(error), error, error.__traceback__)
        ranks.end_all(error)
        raise SystemExit(130 if isinstance(error, KeyboardInterrupt) else 1) from None


def _from_user(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame that is neither ours nor the import system's."""
    whole = traceback
    while traceback is not None and _is_ours(traceback.tb_frame.f_code.co_filename):
        traceback = traceback.tb_next
    return traceback or whole


def _is_ours(filename: str) -> bool:
    return filename in (__file__, programs.__file__) or filename.startswith("<frozen importlib")
