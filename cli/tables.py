"""The table of ``checkpointer plan``, for people."""

from __future__ import annotations

import io
import shutil
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from checkpointer.cli.plans import Plan
from checkpointer.schemes.planning import Candidate

_WIDE = 200
"""Characters in a line where nobody looks: a file or another program takes lines as they are."""


def as_table(plan: Plan) -> str:
    """The plan as text: the budget, the schemes that fit, what was left out, and what was presumed.

    As wide as the terminal, and coloured if it is one.
    """
    looked_at = sys.stdout.isatty()
    console = Console(
        file=io.StringIO(),
        force_terminal=looked_at,
        width=shutil.get_terminal_size().columns if looked_at else _WIDE,
        highlight=False,
    )
    console.print(_budget(plan), soft_wrap=not looked_at)
    if plan.fitting:
        console.print(_schemes(plan))
    else:
        console.print("\nNo scheme fits, or can be told quickly.\n")
    if plan.left_out:
        console.print(_left_out(plan))
    for note in _notes(plan):
        console.print(Text(note), soft_wrap=not looked_at)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _budget(plan: Plan) -> Text:
    budget = plan.budget
    text = f"{budget.steps:_} steps; room for {_held(plan, budget.snapshots)} in memory"
    if budget.disk_snapshots:
        text += f", {_held(plan, budget.disk_snapshots)} on disk"
    return Text(text)


def _held(plan: Plan, count: int) -> str:
    size = f" ({plan.show_size(count * plan.state_size)})" if plan.state_size else ""
    return f"{count} state{'s' * (count != 1)}{size}"


def _schemes(plan: Plan) -> Table:
    """One row for each; columns of what nobody asked for are not there."""
    on_disk = plan.budget.disk_snapshots > 0
    sized = plan.state_size is not None
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("scheme", overflow="fold")
    columns = ["advances", "recompute", "in memory", *["bytes"] * sized]
    if on_disk:
        columns += ["on disk", *["bytes"] * sized, "writes", "reads"]
    for column in [*columns, "time"]:
        table.add_column(column, justify="right", no_wrap=True)
    for candidate in plan.fitting:
        best = candidate is plan.best
        table.add_row("*" if best else "", *_cells(plan, candidate), style="bold green" if best else "")
    return table


def _cells(plan: Plan, candidate: Candidate) -> list[str]:
    cost, held = candidate.cost, plan.bytes_held(candidate)
    cells = [Text(repr(candidate.scheme)).plain, str(cost.advances), f"{candidate.recompute_factor:.3f}"]
    cells += [str(cost.peaks[0]), *([plan.show_size(held[0])] if held else [])]
    if plan.budget.disk_snapshots:
        cells += [str(sum(cost.peaks[1:])), *([plan.show_size(held[1])] if held else [])]
        cells += [str(sum(cost.writes[1:])), str(sum(cost.reads[1:]))]
    return [*cells, _time(plan, candidate.seconds)]


def _left_out(plan: Plan) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("left out", overflow="fold")
    table.add_column("because it", overflow="fold")
    for out in plan.left_out:
        table.add_row(out.scheme, out.reason)
    return table


def _notes(plan: Plan) -> list[str]:
    """What the numbers presume."""
    budget = plan.budget
    notes = [f"* the least time; reversing a step takes {_time(plan, budget.reverse)}"]
    if budget.disk_snapshots:
        notes[0] += f", a write to disk {_time(plan, budget.write)}, a read {_time(plan, budget.read)}"
    if plan.tape_size is None and any(candidate.cost.tapes for candidate in plan.fitting):
        notes.append(
            "Mixed takes a tape to be as large as a state, and is not marked; --tape-size says how large."
        )
    return notes


def _time(plan: Plan, time: float) -> str:
    """In seconds, or in hours where there are many; or in plain steps."""
    if not plan.seconds:
        return f"{time:.7g} steps"
    for unit, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
        if time >= 2 * seconds:
            return f"{time / seconds:.3g} {unit}" if time < 1000 * seconds else f"{time / seconds:.0f} {unit}"
    return f"{time:.3g} s"
