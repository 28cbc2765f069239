"""The report of ``checkpointer show --report``: what each name of a loop is to it, for people and for programs."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich.table import Table

from checkpointer.cli.consoles import for_text, text_of
from checkpointer.transforms.roles import LoopReport

_STYLES = {"carried": "bold", "constant": "", "local": "dim"}
_NOTE = (
    "This is what the text tells. What a step reaches through objects and through functions of other modules is found"
    " when the loop runs."
)


def as_text(file: str, reports: Sequence[LoopReport], *, coloured: bool) -> str:
    """The tables of some loops, each below its header."""
    console = for_text(coloured=coloured)
    for report in reports:
        where = f" in {report.function}" if report.function else ""
        head = [
            f"loop {report.number}",
            f"{os.path.basename(file)}:{report.line}{where}",
            report.header,
            report.scheme,
        ]
        console.print("  ".join(" ".join(part.split()) for part in head if part), style="bold")
        console.print()
        console.print(_table(report))
        console.print()
    console.print(_NOTE, style="dim")
    return text_of(console)


def _table(report: LoopReport) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("name", no_wrap=True)
    table.add_column("role", no_wrap=True)
    table.add_column("why", overflow="fold")
    for row in report.names:
        table.add_row(row.name, ", ".join(row.roles), row.why, style=_STYLES[row.roles[0]])
    return table


def as_objects(file: str, reports: Sequence[LoopReport]) -> list[dict[str, object]]:
    """The same for JSON."""
    return [
        {
            "file": file,
            "loop": report.number,
            "function": report.function,
            "line": report.line,
            "header": report.header,
            "scheme": report.scheme,
            "names": [
                {"name": row.name, "roles": list(row.roles), "why": row.why, "line": row.line}
                for row in report.names
            ],
        }
        for report in reports
    ]
