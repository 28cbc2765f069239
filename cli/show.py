"""``checkpointer show``: read the adjoint without writing it anywhere."""

from __future__ import annotations

from pathlib import Path

import click

from checkpointer.cli import source


@click.command(epilog="\b\nExample:\n  checkpointer show heat.py | less")
@click.argument("file", type=click.Path(path_type=Path))
def show(file: Path) -> None:
    """Print the adjoint of FILE.

    It is what `checkpointer rewrite FILE` writes: the user's code with each marked loop's body as a step function,
    and beside it the sweeps that run the loop forward and backward.
    """
    click.echo(source.rewritten(file).code, nl=False)
