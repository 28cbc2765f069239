"""``checkpointer plan``: which scheme for a loop, before it is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from checkpointer.cli.plans import Plan
from checkpointer.cli.quantities import count, size, speed, time
from checkpointer.cli.written import check_name, scheme_from, scheme_names
from checkpointer.schemes import Scheme
from checkpointer.schemes.planning import Budget, candidates

REVERSE = 4.0
"""Time of a step under the tape and the way back through it, in plain steps; measured with NumPy on arrays of a megabyte."""
DISK_SPEED = 10**9
"""Bytes that a disk writes or reads in a second, where nothing else is said."""
PICTURES = (".png", ".svg")

_EPILOG = """\b
Examples:
  checkpointer plan --steps 10000 --snapshots 30
  checkpointer plan --steps 1e6 --memory 8GiB --state-size 100MB --disk 1TB --step-time 0.2
  checkpointer plan --steps 1000 --snapshots 8 --plot schedule.svg

Columns: `advances` are plain steps, those of the first sweep included. `recompute` is (advances + reversals) / steps:
how often a step is run on average, where 1 is the least. `in memory` and `on disk` are the most states (and kept tapes)
held at once, `writes` and `reads` those of the disk; memory takes no time. What every scheme needs besides is not
counted: the live state, its adjoint, and the tape of the step that is being reversed.
"""


@click.command(epilog=_EPILOG)
@click.option(
    "--steps", type=count(1), metavar="N", required=True, help="Steps of the loop, such as 1000 or 1e6."
)
@click.option("--snapshots", type=count(1), metavar="N", help="States that memory may hold.")
@click.option("--memory", type=size(1), metavar="SIZE", help="Instead: the memory for states, such as 2GiB.")
@click.option("--state-size", type=size(1), metavar="SIZE", help="What one state takes, such as 500MB.")
@click.option(
    "--tape-size",
    type=size(1),
    metavar="SIZE",
    help="What the tape of one step takes, for Mixed.",
    show_default="as much as a state",
)
@click.option(
    "--disk-snapshots",
    type=count(0),
    metavar="N",
    help="States that the disk may hold.",
    show_default="none",
)
@click.option("--disk", type=size(0), metavar="SIZE", help="Instead: the room on disk, such as 1TB.")
@click.option(
    "--step-time",
    type=time(positive=True),
    metavar="SECONDS",
    help="Of a plain step. Without it, all times are in plain steps.",
)
@click.option(
    "--reverse-time",
    type=time(positive=True),
    metavar="SECONDS",
    help="Of a step under the tape and the way back through it.",
    show_default=f"{REVERSE:g} plain steps",
)
@click.option("--write-time", type=time(positive=False), metavar="SECONDS", help="Of a state to disk.")
@click.option("--read-time", type=time(positive=False), metavar="SECONDS", help="Of a state from disk.")
@click.option(
    "--write-speed",
    type=speed,
    metavar="SIZE",
    help="Instead: of the disk, in bytes per second.",
    show_default="1GB/s; a step per state if its size or the step's time is not given",
)
@click.option(
    "--read-speed", type=speed, metavar="SIZE", help="As for writes.", show_default="that of writes"
)
@click.option("--json", "as_json", is_flag=True, help="Print an object instead of a table.")
@click.option(
    "--plot",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw a schedule, and cost against memory, to this .svg or .png. Needs matplotlib.",
)
@click.option(
    "--scheme",
    "pictured",
    metavar="SCHEME",
    shell_complete=scheme_names,
    help='The scheme to draw, such as "Revolve(snapshots=8)", or the name of one in the table.',
    show_default="the best",
)
def plan(steps: int, as_json: bool, plot: Path | None, pictured: str | None, **given: Any) -> None:
    """Print what each scheme costs that fits into the memory for a loop of known length, the quickest first.

    Give the number of steps, and the states that memory holds or its size and that of a state. What does not fit is
    listed with the reason.
    """
    shown = _chosen(given, pictured, plot)
    made = _plan(steps, given)
    drawn = made.named(shown) if isinstance(shown, str) else shown
    if as_json:
        click.echo(json.dumps(made.as_object(), indent=2))
    else:
        from checkpointer.cli.tables import as_table  # and rich with it, which other commands do without

        click.echo(as_table(made), nl=False)
    if plot is not None:
        _draw(plot, made, drawn)


def _plan(steps: int, given: dict[str, Any]) -> Plan:
    """What the options say."""
    state, tape = given["state_size"], given["tape_size"]
    memory = given["memory"] if given["memory"] is not None else state and given["snapshots"] * state
    snapshots = given["snapshots"] if given["snapshots"] is not None else memory // state
    if not snapshots:
        raise click.UsageError("--memory must hold one state at least, whose size is --state-size")
    on_disk = given["disk_snapshots"] or 0 if given["disk"] is None else given["disk"] // state
    step = given["step_time"] or 1.0
    measured = state is not None and given["step_time"] is not None
    write = _transfer("write", given, state / DISK_SPEED if measured else step)
    budget = Budget(
        steps=steps,
        snapshots=snapshots,
        disk_snapshots=on_disk,
        mixed_slots=memory // max(state, tape) if tape else None,
        step=step,
        reverse=given["reverse_time"] or REVERSE * step,
        write=write,
        read=_transfer("read", given, write),
    )
    return Plan(
        budget,
        state,
        tape,
        given["memory"],
        given["disk"],
        given["step_time"] is not None,
        *candidates(budget),
    )


def _transfer(kind: str, given: dict[str, Any], otherwise: float) -> float:
    """The time of one state to or from the disk."""
    if given[f"{kind}_time"] is not None:
        return float(given[f"{kind}_time"])
    if given[f"{kind}_speed"] is not None:
        return float(given["state_size"] / given[f"{kind}_speed"])
    return otherwise


_EITHER = [
    ("snapshots", "memory"),
    ("disk_snapshots", "disk"),
    ("write_time", "write_speed"),
    ("read_time", "read_speed"),
]
_NEEDS = [
    ("memory", "state_size"),
    ("disk", "state_size"),
    ("tape_size", "state_size"),
    ("write_speed", "state_size"),
    ("write_speed", "step_time"),
    ("read_speed", "state_size"),
    ("read_speed", "step_time"),
]


def _chosen(given: dict[str, Any], pictured: str | None, plot: Path | None) -> Scheme | str | None:
    """The scheme to draw or its name, if one is given; and whether the options go together.

    Raises
    ------
    click.UsageError
        If they do not.
    """
    here = {name for name, value in given.items() if value is not None}
    for one, other in _EITHER:
        if {one, other} <= here:
            raise click.UsageError(f"give {_option(one)} or {_option(other)}, not both")
    if not here & {"snapshots", "memory"}:
        raise click.UsageError("give --snapshots, or --memory and --state-size")
    for name, needed in _NEEDS:
        if name in here and needed not in here:
            raise click.UsageError(f"{_option(name)} needs {_option(needed)}")
    if plot is not None and plot.suffix.lower() not in PICTURES:
        raise click.UsageError(f"--plot must end in {' or '.join(PICTURES)}, but is {plot}")
    if pictured is None:
        return None
    if plot is None:
        raise click.UsageError("--scheme says what to draw, and needs --plot")
    if pictured.isidentifier():
        check_name(pictured)
        return pictured
    return scheme_from(pictured)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _draw(plot: Path, made: Plan, pictured: Scheme | None) -> None:
    """Write the picture, or say why not."""
    try:
        from checkpointer.cli.pictures import draw
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f'--plot needs matplotlib, which is not installed ({error}): pip install "checkpointer-ad[plot]"'
        ) from error
    try:
        notes = draw(plot, made, pictured)
    except OSError as error:
        raise click.ClickException(
            f"cannot write {plot}: {(error.strerror or str(error)).lower()}"
        ) from error
    for note in [*notes, f"wrote {plot}"]:
        click.echo(note, err=True)
