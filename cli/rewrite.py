"""``checkpointer rewrite``: write the adjoint as a module of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from checkpointer.cli import colours, outcomes
from checkpointer.cli.diffs import diff
from checkpointer.cli.jobs import Job, find_jobs
from checkpointer.cli.outcomes import Outcome, Status

_EPILOG = """\b
Examples:
  checkpointer rewrite heat.py                  writes heat_adjoint.py
  checkpointer rewrite heat.py -o build/heat.py
  checkpointer rewrite heat.py -o - | less
  checkpointer rewrite src                      beside every file with marks
  checkpointer rewrite src -o build             the whole tree, to import from build
  checkpointer rewrite --check src              for continuous integration
  checkpointer rewrite --diff heat.py | patch   as without --diff
  checkpointer rewrite - < heat.py > adjoint.py

In folders, hidden files, caches, virtual environments, build folders and what checkpointer wrote are left out. Exit
codes: 0 everything is written or up to date, 1 a file failed, or --check found one that is missing or out of date; 2
misuse.
"""


@click.command(epilog=_EPILOG)
@click.argument("named", metavar="FILE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=click.Path(),
    help="Where to write: a file, a folder, `-` for standard output. Without it: FILE with `_adjoint` behind its name.",
)
@click.option(
    "--check", is_flag=True, help="Write nothing; exit with 1 if something is missing or out of date."
)
@click.option("--diff", "as_diff", is_flag=True, help="Write nothing; print what would change, for `patch`.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a list of objects: file, output, status, message."
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("--stdin-filename", metavar="NAME", help="What FILE - is called in the module and in messages.")
def rewrite(
    named: tuple[Path, ...],
    output: str | None,
    check: bool,
    as_diff: bool,
    as_json: bool,
    quiet: bool,
    stdin_filename: str | None,
) -> None:
    """Write the adjoint of each FILE as a Python module.

    The module does what FILE does, and what it defines can be differentiated with checkpointer.grad. It is written
    whole or not at all, never over a file that checkpointer did not write, and not touched if nothing changes. FILE may
    be a folder: its files with marks are meant; `-` is standard input.

    If OUT is a folder, it gets all Python files, also those without marks, and can be imported from as the source can: a
    package (a folder with an `__init__.py`) is written under its name, of other folders the contents. Other files are
    named, and not copied.

    --diff compares with what is there; what is printed on standard output is compared with FILE.
    """
    jobs, missing = find_jobs(named, output, stdin_filename)
    _check_options(jobs, check=check, as_diff=as_diff, as_json=as_json)
    done = []
    for job in jobs:
        outcome = outcomes.examine(job)
        if not (check or as_diff):
            outcome = outcomes.carry_out(outcome)
        if outcome.status is not Status.UNMARKED:
            done.append(outcome)
            _tell(outcome, as_diff=as_diff, quiet=quiet)
    if as_json:
        click.echo(outcomes.as_json(done))
    if not quiet:
        _sum_up(named, done, missing)
    bad = {Status.FAILED, Status.MISSING, Status.OUT_OF_DATE} if check else {Status.FAILED}
    raise SystemExit(1 if any(outcome.status in bad for outcome in done) else 0)


def _check_options(jobs: Sequence[Job], *, check: bool, as_diff: bool, as_json: bool) -> None:
    printed = any(job.out is None for job in jobs)
    if check and printed:
        raise click.UsageError("--check needs a file to look at, not standard output: give -o OUT")
    if as_json and (as_diff or printed):
        raise click.UsageError("--json takes standard output for itself: leave out --diff, and -o -")


def _tell(outcome: Outcome, *, as_diff: bool, quiet: bool) -> None:
    """One outcome, as soon as it is known."""
    job = outcome.job
    if outcome.status is Status.FAILED:
        click.ClickException(outcome.message).show()
    elif as_diff:
        colour = colours.coloured(sys.stdout)
        name = job.name if job.out is None else str(job.out)
        click.echo(diff(outcome.before, outcome.after, name, colour=colour), nl=False)
    elif job.out is None:
        click.echo(outcome.after, nl=False)
    if quiet or job.out is None:
        return
    if outcome.status is Status.WRITTEN:
        click.echo(f"wrote {job.out}", err=True)
    elif outcome.status in (Status.MISSING, Status.OUT_OF_DATE):
        click.echo(f"{job.out} is {outcome.status.value}", err=True)


def _sum_up(named: Sequence[Path], done: Sequence[Outcome], missing: Sequence[Path]) -> None:
    """What is to be said of all files together."""
    if not done:
        click.echo(f"no loop is marked in {', '.join(map(str, named))}: nothing to do", err=True)
    elif len(done) > 1:
        click.echo(outcomes.summary(done), err=True)
    elif done[0].status is Status.UP_TO_DATE:
        click.echo(f"{done[0].job.out} is up to date", err=True)
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        shown = ", ".join(map(str, missing[:3]))
        click.echo(f"not copied, as they are no Python modules: {shown}{more}", err=True)
