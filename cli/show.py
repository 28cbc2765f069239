"""``checkpointer show``: read the adjoint without writing it anywhere."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from checkpointer.cli import colours, source, writing
from checkpointer.errors import ArgumentError

if TYPE_CHECKING:
    from checkpointer.transforms.excerpts import Excerpt

_EXAMPLES = """\b
Examples:
  checkpointer show heat.py
  checkpointer show heat.py:simulate
  checkpointer show ocean/model.py --sweep reverse
  checkpointer show heat.py --loop 1
  checkpointer show heat.py --report

On a terminal the code is coloured, has the lines of FILE beside it, and is shown in the pager that PAGER names; LESS
gives the options of less. In a pipe or a file it is what `checkpointer rewrite FILE -o -` writes.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("what", metavar="FILE[:FUNCTION]")
@click.option("--loop", type=int, metavar="N", help="Only the loop that has this number in the header.")
@click.option(
    "--sweep",
    type=click.Choice(("step", "forward", "reverse")),
    help="Only the function for one iteration, or the sweep that runs the loop forward or back.",
)
@click.option(
    "--report", is_flag=True, help="Instead of code, for each loop what its names are to it, and why."
)
@click.option("--json", "as_json", is_flag=True, help="The report as a list of objects.")
@click.option("--color/--no-color", default=None, help="Colours; for terminals only unless given.")
@click.option(
    "--pager/--no-pager", default=True, help="Whether a terminal gets a pager; it does unless given."
)
def show(
    what: str,
    loop: int | None,
    sweep: str | None,
    report: bool,
    as_json: bool,
    color: bool | None,
    pager: bool,
) -> None:
    """Print the adjoint of FILE, or of one function or class in it.

    It is what `checkpointer rewrite FILE` writes: the user's code with each marked loop's body as a step function,
    and beside it the sweeps that run the loop forward and backward. FUNCTION may have dots: `heat.py:Model.run`.
    """
    from checkpointer.transforms.excerpts import (  # and libcst, which help does without
        excerpt,
        find,
        loops_in,
    )

    if as_json and not report:
        raise click.UsageError("--json is for the report; write --report --json")
    if report and sweep is not None:
        raise click.UsageError("--report is about a loop, and --sweep about its code; write one of them")
    path, name = split(what)
    data = source.read(path)
    rewritten = source.rewritten(data, str(path))
    coloured = colours.coloured(sys.stdout) if color is None else color
    try:
        definition = None if name is None else find(rewritten, name)
        if report:
            numbers = loops_in(rewritten, definition, loop=loop)
            _report(data, str(path), numbers, as_json=as_json, coloured=coloured)
            return
        chosen = excerpt(rewritten, definition, loop=loop, sweep=sweep)
    except ArgumentError as error:
        raise click.UsageError(str(error)) from error
    if not sys.stdout.isatty() and not coloured:
        click.echo(writing.encoded(chosen.code, data), nl=False)
        return
    listing = _listing(chosen, coloured=coloured)
    if pager and sys.stdout.isatty():
        # as git has it: colours, and no pager for what fits on one screen
        os.environ.setdefault("LESS", "FRX")
        click.echo_via_pager(listing, color=coloured)
    else:
        click.echo(listing, nl=False, color=coloured)


def _report(data: bytes, name: str, numbers: Sequence[int], *, as_json: bool, coloured: bool) -> None:
    from checkpointer.cli import names
    from checkpointer.schemes import SCHEMES
    from checkpointer.transforms.roles import report_source

    every = report_source(importlib.util.decode_source(data), name, SCHEMES)
    reports = [report for report in every if report.number in numbers]
    if as_json:
        click.echo(json.dumps(names.as_objects(name, reports), indent=2))
    else:
        click.echo(names.as_text(name, reports, coloured=coloured), nl=False, color=coloured)


def split(what: str) -> tuple[Path, str | None]:
    """The file and the function, if one is named; a colon may belong to the path, as on Windows.

    >>> split("heat.py:Model.run")[1], split("heat.py")[1], split("C:/heat.py")[1]
    ('Model.run', None, None)
    """
    file, colon, name = what.rpartition(":")
    is_name = all(part.isidentifier() for part in name.split("."))
    if not colon or not is_name or Path(what).exists() or (len(file) == 1 and name.endswith(".py")):
        return Path(what), None
    return Path(file), name


def _listing(chosen: Excerpt, *, coloured: bool) -> str:
    """The code for people, as a text."""
    from checkpointer.cli import consoles
    from checkpointer.showing import print_listing

    console = consoles.for_text(coloured=coloured)
    print_listing(chosen, console)
    return consoles.text_of(console)
