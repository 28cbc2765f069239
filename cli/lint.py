"""``checkpointer lint``: all refusals and warnings of a file, without running it."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from checkpointer.cli import source
from checkpointer.cli.files import STDIN, STDIN_FILENAME_ALONE, python_files
from checkpointer.errors import with_caret

if TYPE_CHECKING:
    from checkpointer.transforms import Finding

_EPILOG = """\b
Examples:
  checkpointer lint heat.py ocean/*.py
  checkpointer lint src
  checkpointer lint --json heat.py
  checkpointer lint - --stdin-filename heat.py < heat.py

In folders, hidden files, caches, virtual environments, build folders and what checkpointer wrote are left out. A comment
`# noqa: CKP302` silences a warning on its line. Exit codes: 0 nothing found, 1 something found, 2 misuse.
"""


@click.command(epilog=_EPILOG)
@click.argument("named", metavar="FILE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--json", "as_json", is_flag=True, help="Print a list of objects; lines and columns count from 1."
)
@click.option("--stdin-filename", metavar="NAME", help="What FILE - is called in what is printed.")
def lint(named: tuple[Path, ...], as_json: bool, stdin_filename: str | None) -> None:
    """Print what is refused in each FILE, and what is likely to be refused or to surprise when it runs.

    Nothing is run or written. Each finding has a place, a code that docs/refusals.md explains, the line of the file, and
    what to write instead. FILE may be a folder, or `-` for standard input.
    """
    found = [
        (name, finding) for name, data in _read(named, stdin_filename) for finding in _findings(name, data)
    ]
    if as_json:
        click.echo(json.dumps([_as_object(name, finding) for name, finding in found], indent=2))
    else:
        for name, finding in found:
            click.echo(_as_text(name, finding))
        if found:
            click.echo(_summary(found))
    raise SystemExit(1 if found else 0)


def _read(named: Sequence[Path], stdin_filename: str | None) -> Iterator[tuple[str, bytes]]:
    """Name and contents of each file that is meant.

    Raises
    ------
    click.UsageError
        If one cannot be read.
    """
    if stdin_filename is not None and STDIN not in named:
        raise click.UsageError(STDIN_FILENAME_ALONE)
    try:
        for file in python_files(named):
            if file == STDIN:
                yield stdin_filename or "<stdin>", source.from_standard_input()
            else:
                yield str(file), source.read(file)
    except click.UsageError:
        raise
    except click.ClickException as error:
        raise click.UsageError(error.message) from error


def _findings(name: str, data: bytes) -> tuple[Finding, ...]:
    from checkpointer.schemes import SCHEMES
    from checkpointer.transforms import Finding, lint_source  # libcst, which help and completion do without

    try:
        text = importlib.util.decode_source(data)
    except (SyntaxError, UnicodeDecodeError) as error:  # its encoding
        return (Finding(1, 0, "CKP100", f"not Python: {error}", "correct the encoding of the file", ""),)
    return lint_source(text, name, SCHEMES)


def _as_text(name: str, finding: Finding) -> str:
    """As compilers write it: the place, the line with a caret, the way out."""
    colour = "yellow" if finding.severity == "warning" else "red"
    place = click.style(f"{name}:{finding.line}:{finding.column + 1}:", bold=True)
    lines = [f"{place} {click.style(finding.code, fg=colour, bold=True)} {finding.what}"]
    shown = with_caret(finding.text, finding.column)
    lines += [*shown[:1], *(click.style(caret, fg=colour, bold=True) for caret in shown[1:])]
    lines.append(f"    {click.style('Instead:', bold=True)} {finding.instead}")
    return "\n".join(lines)


def _summary(found: list[tuple[str, Finding]]) -> str:
    kinds = Counter(finding.severity for _, finding in found)
    counts = [_counted(kinds[kind], kind) for kind in ("refusal", "warning") if kinds[kind]]
    return f"{' and '.join(counts)} in {_counted(len({name for name, _ in found}), 'file')}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _as_object(name: str, finding: Finding) -> dict[str, object]:
    return {
        "file": name,
        "line": finding.line,
        "column": finding.column + 1,
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.what,
        "instead": finding.instead,
        "text": finding.text,
    }
