"""A summary as text for terminals and as HTML for notebooks: the same few tables."""

from __future__ import annotations

import html
import io
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table as RichTable

from checkpointer.counts import PHASES
from checkpointer.reports import show_time
from checkpointer.schemes.sizes import show_size
from checkpointer.summaries import LoopSummary, RunSummary, StateSummary

_WIDE = 1000
"""Characters in a line: it is for the terminal to break it."""


@dataclass(frozen=True)
class Table:
    """Cells under headings; ``texts`` says how many of the first columns hold words, the others being numbers."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: int

    def text(self) -> str:
        """In columns."""
        table = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
        for number, heading in enumerate(self.headings):
            table.add_column(heading, justify="left" if number < self.texts else "right", no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        file = io.StringIO()
        Console(file=file, width=_WIDE, highlight=False, markup=False, emoji=False).print(table)
        return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())

    def html(self) -> str:
        """As a table."""

        def cells(tag: str, row: tuple[str, ...]) -> str:
            return "".join(
                f'<{tag} style="text-align: {"left" if number < self.texts else "right"}">{html.escape(cell)}</{tag}>'
                for number, cell in enumerate(row)
            )

        head = f"<thead><tr>{cells('th', self.headings)}</tr></thead>"
        rows = "".join(f"<tr>{cells('td', row)}</tr>" for row in self.rows)
        return f"<table>{head}<tbody>{rows}</tbody></table>"


def as_text(run: RunSummary) -> str:
    """For a terminal or a file."""
    return "\n".join([f"{headline(run)}\n", *(table.text() for table in tables(run))]).rstrip("\n")


def as_html(run: RunSummary) -> str:
    """For a notebook."""
    return f"<p>{html.escape(headline(run))}</p>" + "".join(table.html() for table in tables(run))


def headline(run: RunSummary) -> str:
    """What was called and how long it took."""
    calls = "nothing was differentiated" if not run.calls else run.function
    if run.calls > 1:
        calls = f"{run.calls} calls, the first of {run.function}"
    if run.ranks > 1:
        calls += f", on rank {run.rank} of {run.ranks}"
    took = []
    if run.forward is not None:
        took.append(f"forward {show_time(run.forward)}")
    if run.reverse is not None:
        took.append(f"reverse {show_time(run.reverse)}")
    elif run.calls and not run.failure:
        took.append("not pulled back yet")
    if run.failure:
        took.append(f"ended by {run.failure}")
    if run.calls and not run.loops:
        took.append("no marked loop was differentiated")
    return f"{calls}: {', '.join(took)}" if took else calls


def tables(run: RunSummary) -> list[Table]:
    """What was counted, and what the time was spent on."""
    if not run.loops:
        return []
    return [_work(run.loops), _times(run.loops)]


def _work(loops: tuple[LoopSummary, ...]) -> Table:
    """One row for each loop; columns of what did not happen are not there."""
    rows = [_counted(loop) for loop in loops]
    shown = [name for name in rows[0] if any(row[name] for row in rows)]
    return Table(tuple(shown), tuple(tuple(row[name] for name in shown) for row in rows), texts=2)


def _counted(loop: LoopSummary) -> dict[str, str]:
    """Heading -> what stands below it."""
    cost = loop.cost
    return {
        "loop": _called(loop),
        "scheme": loop.scheme,
        "runs": str(loop.runs) if loop.runs > 1 else "",
        "steps": f"{cost.steps}",
        "advances": f"{cost.advances}",
        "reversals": f"{cost.reversals}",
        "recompute": f"{loop.recompute_factor:.2f}",
        "snapshots": f"{cost.snapshots}",
        "tapes": f"{cost.tapes or ''}",
        "held": "+".join(map(str, cost.peaks)),
        "memory": _size(loop.memory),
        "written": _size(loop.written),
        "read": _size(loop.read),
    }


def _times(loops: tuple[LoopSummary, ...]) -> Table:
    phases = [phase for phase in PHASES if any(loop.seconds[phase] for loop in loops)]
    rows = [
        (
            _called(loop),
            *(show_time(loop.seconds[phase]) if loop.seconds[phase] else "" for phase in phases),
            show_time(sum(loop.seconds.values())),
        )
        for loop in loops
    ]
    return Table(("time", *phases, "sum"), tuple(rows), texts=1)


def _called(loop: LoopSummary) -> str:
    return loop.name if loop.inside is None else f"  {loop.name}"


def _size(size: int) -> str:
    return show_size(size) if size else ""


def report_as_text(loops: tuple[LoopSummary, ...]) -> str:
    """For a terminal or a file."""
    found = []
    for loop in loops:
        found.append(f"{_state_headline(loop)}\n")
        if loop.state is not None:
            found.append(_state_table(loop.state).text())
    return "\n".join(found).rstrip("\n") if found else "no marked loop was differentiated"


def report_as_html(loops: tuple[LoopSummary, ...]) -> str:
    """For a notebook."""
    return "".join(
        f"<p>{html.escape(_state_headline(loop))}</p>"
        + ("" if loop.state is None else _state_table(loop.state).html())
        for loop in loops
    )


def _state_headline(loop: LoopSummary) -> str:
    """What a snapshot costs, and what all of them."""
    state = loop.state
    if state is None:
        return f"{loop.name}: its snapshots were not looked at"
    if not state.snapshots:
        return f"{loop.name}: no snapshot was taken"
    said = (
        f"{loop.name}: the first snapshot {'copied' if state.in_memory else 'took'} {show_size(state.first)}"
    )
    if state.further is not None:
        said += f", each of {state.snapshots - 1} more {show_size(round(state.further))} on average"
    if state.in_memory:
        said += f"; at most {loop.cost.peaks[0]} stood at once, which held {show_size(loop.memory)}"
    return said


def _state_table(state: StateSummary) -> Table:
    rows = []
    for entry in state.entries:
        names = ", ".join([entry.name, *entry.aliases[:2]]) + (", ..." if len(entry.aliases) > 2 else "")
        copied = "" if entry.copied is None or not entry.nbytes else show_size(round(entry.copied))
        rows.append((names, entry.role, entry.kind, entry.why, _size(entry.nbytes), copied))
    return Table(("name", "role", "what", "why", "bytes", "per snapshot"), tuple(rows), texts=4)
