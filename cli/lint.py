"""``checkpointer lint``: all refusals and warnings of a file, without running it."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from pathlib import Path

import click

from checkpointer.cli import source
from checkpointer.schemes import SCHEMES
from checkpointer.transforms import Finding, lint_source

_EPILOG = """\b
Examples:
  checkpointer lint heat.py ocean/*.py
  checkpointer lint --json heat.py

A comment `# noqa: CKP302` silences a warning on its line. Exit codes: 0 nothing found, 1 something found, 2 misuse.
"""


@click.command(epilog=_EPILOG)
@click.argument("files", metavar="FILE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--json", "as_json", is_flag=True, help="Print a list of objects; lines and columns count from 1."
)
def lint(files: tuple[Path, ...], as_json: bool) -> None:
    """Print what is refused in each FILE, and what is likely to be refused or to surprise when it runs.

    Nothing is run or written. Each finding has a place, a code that docs/refusals.md explains, the line of the file, and
    what to write instead.
    """
    found = [(file, finding) for file in files for finding in _findings(file)]
    if as_json:
        click.echo(json.dumps([_as_object(file, finding) for file, finding in found], indent=2))
    else:
        for file, finding in found:
            click.echo(_as_text(file, finding))
        if found:
            click.echo(_summary(found))
    raise SystemExit(1 if found else 0)


def _findings(file: Path) -> tuple[Finding, ...]:
    try:
        text = importlib.util.decode_source(source.read(file))
    except click.ClickException as error:
        raise click.UsageError(error.message) from error
    except (SyntaxError, UnicodeDecodeError) as error:  # its encoding
        return (Finding(1, 0, "CKP100", f"not Python: {error}", "correct the encoding of the file", ""),)
    return lint_source(text, str(file), SCHEMES)


def _as_text(file: Path, finding: Finding) -> str:
    """As compilers write it: the place, the line with a caret, the way out."""
    colour = "yellow" if finding.severity == "warning" else "red"
    place = click.style(f"{file}:{finding.line}:{finding.column + 1}:", bold=True)
    lines = [f"{place} {click.style(finding.code, fg=colour, bold=True)} {finding.what}"]
    line = finding.text.expandtabs(1)
    if line.strip():
        indent = len(line) - len(line.lstrip())
        caret = " " * max(finding.column - indent, 0) + "^"
        lines += [f"    {line.strip()}", f"    {click.style(caret, fg=colour, bold=True)}"]
    lines.append(f"    {click.style('Instead:', bold=True)} {finding.instead}")
    return "\n".join(lines)


def _summary(found: list[tuple[Path, Finding]]) -> str:
    kinds = Counter(finding.severity for _, finding in found)
    counts = [_counted(kinds[kind], kind) for kind in ("refusal", "warning") if kinds[kind]]
    return f"{' and '.join(counts)} in {_counted(len({file for file, _ in found}), 'file')}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _as_object(file: Path, finding: Finding) -> dict[str, object]:
    return {
        "file": str(file),
        "line": finding.line,
        "column": finding.column + 1,
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.what,
        "instead": finding.instead,
        "text": finding.text,
    }
