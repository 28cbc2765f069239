"""The command ``checkpointer``."""

from __future__ import annotations

import errno
import platform

import click

from checkpointer.cli import colours, source
from checkpointer.cli.lazy import LazyGroup
from checkpointer.version import VERSION

COMMANDS = {
    "rewrite": "Write the adjoint of each FILE as a Python module",
    "show": "Print the adjoint of FILE",
    "run": "Run PROGRAM with its marked loops transformed",
    "lint": "Print what is refused in each FILE, and what is likely to be",
    "plan": "Print what each scheme costs that fits into the memory",
    "completion": "Print what makes a shell complete this command's words",
}
_WORKS_WITH = ("numpy", "autograd", "libcst")


def _print_versions(ctx: click.Context, option: click.Parameter, asked: bool) -> None:
    """A first line for programs; a second one for reports of defects."""
    if not asked or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    others = [f"{name} {version(name)}" for name in _WORKS_WITH]
    click.echo(f"checkpointer {VERSION}\nPython {platform.python_version()}, {', '.join(others)}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    package="checkpointer.cli",
    lazy=COMMANDS,
    epilog="`checkpointer COMMAND --help` tells more and shows examples.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_versions,
    help="Print the version, and those of what it works with.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Exact gradients of NumPy time loops in the memory you choose.

    Mark a loop in a Python file, `for step in checkpointed(range(steps), Revolve(snapshots=8)):`, and its adjoint
    is a command away.

    Exit codes: 0 success, 1 failure (a file is refused, out of date, cannot be read or written), 2 misuse of the
    command. Colours are for terminals; NO_COLOR=1 forbids them, FORCE_COLOR=1 wants them everywhere.
    """
    ctx.color = colours.wanted()


def main() -> None:
    """Entry point of ``checkpointer`` and of ``python -m checkpointer``."""
    try:
        cli(prog_name="checkpointer")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or error.filename is not None:
            raise
        click.echo(f"Error: cannot write to standard output: {source.reason(error)}", err=True)
        raise SystemExit(1) from None
