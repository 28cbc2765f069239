"""The command ``checkpointer``."""

from __future__ import annotations

import click

from checkpointer.cli.lint import lint
from checkpointer.cli.plan import plan
from checkpointer.cli.rewrite import rewrite
from checkpointer.cli.run import run
from checkpointer.cli.show import show
from checkpointer.version import VERSION


@click.group(epilog="`checkpointer COMMAND --help` tells more and shows an example.")
@click.version_option(VERSION, prog_name="checkpointer", message="%(prog)s %(version)s")
def cli() -> None:
    """Exact gradients of NumPy time loops in the memory you choose.

    Mark a loop in a Python file, `for step in checkpointed(range(steps), Revolve(snapshots=8)):`, and its adjoint
    is a command away. Exit codes: 0 success, 1 failure, 2 misuse.
    """


cli.add_command(rewrite)
cli.add_command(show)
cli.add_command(lint)
cli.add_command(run)
cli.add_command(plan)


def main() -> None:
    """Entry point of ``checkpointer`` and of ``python -m checkpointer``."""
    cli(prog_name="checkpointer")
