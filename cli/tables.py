"""The table of ``checkpointer plan``, for people."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from checkpointer.cli.colours import coloured
from checkpointer.cli.consoles import for_text, text_of
from checkpointer.cli.plans import Plan
from checkpointer.schemes.planning import Candidate, written


def as_table(plan: Plan) -> str:
    """The plan as text: the budget, the schemes that fit, what was left out, and what was presumed.

    As wide as the terminal, and coloured if it is one.
    """
    console = for_text(coloured=coloured(sys.stdout))
    console.print(_budget(plan))
    schemes = _schemes(plan, narrow=False)
    if _measured(console, schemes).maximum > console.width:
        schemes = _schemes(plan, narrow=True)
        console.width = max(console.width, _measured(console, schemes).minimum)
    for table in [schemes, *([_left_out(plan)] if plan.left_out else [])]:
        console.print()
        console.print(table)
    console.print()
    for note in _notes(plan):
        console.print(note)
    return text_of(console)


def _budget(plan: Plan) -> str:
    budget = plan.budget
    text = (
        f"{budget.steps} step{'s' * (budget.steps > 1)}; room for {_held(plan, budget.snapshots)} in memory"
    )
    if budget.disk_snapshots:
        text += f", {_held(plan, budget.disk_snapshots)} on disk"
    return text


def _held(plan: Plan, count: int) -> str:
    size = f" ({plan.show_size(count * plan.state_size)})" if plan.state_size else ""
    return f"{count} state{'s' * (count != 1)}{size}"


def _schemes(plan: Plan, *, narrow: bool) -> Table:
    """One row for each; columns of what nobody asked for are not there.

    A narrow table folds the schemes, and leaves out the numbers of slots if there are bytes.
    """
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1 if narrow else 2, 0, 0))
    table.add_column("")
    table.add_column("scheme", overflow="fold", min_width=20 if narrow else None)
    rows = [_cells(plan, candidate) for candidate in plan.fitting]
    shown = [
        name for name in rows[0] if not (narrow and plan.state_size and name in ("in memory", "on disk"))
    ]
    for name in shown:
        width = max(len(name), *(len(cells[name]) for cells in rows))
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    for candidate, cells in zip(plan.fitting, rows, strict=True):
        best = candidate is plan.best
        table.add_row(
            "*" if best else "",
            written(candidate.scheme),
            *(cells[name] for name in shown),
            style="bold green" if best else "",
        )
    return table


def _cells(plan: Plan, candidate: Candidate) -> dict[str, str]:
    """Heading -> what stands below it."""
    cost, held = candidate.cost, plan.bytes_held(candidate)
    cells = {
        "advances": str(cost.advances),
        "recompute": f"{candidate.recompute_factor:.3f}",
        "in memory": str(cost.peaks[0]),
    }
    if held:
        cells["memory"] = plan.show_size(held[0])
    if plan.budget.disk_snapshots:
        cells["on disk"] = str(sum(cost.peaks[1:]))
        if held:
            cells["disk"] = plan.show_size(held[1])
        cells["writes"], cells["reads"] = str(sum(cost.writes[1:])), str(sum(cost.reads[1:]))
    return {**cells, "time": _time(plan, candidate.seconds)}


def _measured(console: Console, table: Table) -> Measurement:
    """The least and the most width that it wants."""
    return Measurement.get(console, console.options.update(max_width=10_000), table)


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
        return f"{time:.12g} step{'s' * (time != 1)}"
    for unit, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
        if time >= 2 * seconds:
            return f"{time / seconds:.3g} {unit}" if time < 1000 * seconds else f"{time / seconds:.0f} {unit}"
    return f"{time:.3g} s"
