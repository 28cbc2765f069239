"""What a call of ``checkpointer rewrite`` has to do: which module is written from which file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import click

from checkpointer.cli import files
from checkpointer.cli.files import STDIN, STDIN_FILENAME_ALONE


class Unmarked(Enum):
    """What becomes of a file in which no loop is marked."""

    REFUSED = "an error: the file was named"
    LEFT = "nothing: it was found in a folder"
    REWRITTEN = "a module with NumPy's drop-ins: it belongs to a tree that is to be complete"


@dataclass(frozen=True)
class Job:
    """One module to write.

    Attributes
    ----------
    file : Path or None
        The source; None for standard input.
    name : str
        Of the source, in the header and in messages.
    out : Path or None
        The module; None for standard output.
    unmarked : Unmarked
        What to do if no loop is marked.
    """

    file: Path | None
    name: str
    out: Path | None
    unmarked: Unmarked = Unmarked.REFUSED

    @property
    def shown(self) -> str:
        """The module, for people."""
        return "standard output" if self.out is None else str(self.out)


def find_jobs(
    named: Sequence[Path], output: str | None, stdin_filename: str | None
) -> tuple[list[Job], list[Path]]:
    """The jobs, in the order of the command line, and files in the folders that will be missing in the new tree.

    Raises
    ------
    click.ClickException
        If a folder cannot be read.
    click.UsageError
        If the names do not go together.
    """
    if STDIN in named:
        return [_from_standard_input(named, output, stdin_filename)], []
    if stdin_filename is not None:
        raise click.UsageError(STDIN_FILENAME_ALONE)
    if output is None:
        return list(_beside(named)), []
    several = len(named) > 1 or named[0].is_dir()
    if output == str(STDIN):
        if several:
            raise click.UsageError("-o - is for one FILE: standard output takes one module")
        return [Job(named[0], str(named[0]), None)], []
    if several or output.endswith(os.sep) or os.path.isdir(output):
        return _into(Path(output), named)
    return [Job(named[0], str(named[0]), Path(output))], []


def _from_standard_input(named: Sequence[Path], output: str | None, name: str | None) -> Job:
    if len(named) > 1:
        raise click.UsageError("FILE - is standard input, and stands alone")
    out = None if output in (None, str(STDIN)) else Path(str(output))
    return Job(None, name or "<stdin>", out)


def _beside(named: Sequence[Path]) -> Iterator[Job]:
    """``heat_adjoint.py`` for ``heat.py``."""
    asked_for = {os.path.abspath(path) for path in named}
    for file in files.python_files(named):
        unmarked = Unmarked.REFUSED if os.path.abspath(file) in asked_for else Unmarked.LEFT
        yield Job(file, str(file), file.with_name(f"{file.stem}_adjoint.py"), unmarked)


def _into(folder: Path, named: Sequence[Path]) -> tuple[list[Job], list[Path]]:
    """A tree that stands in for the original one: what can be imported from there can be imported from here."""
    if folder.exists() and not folder.is_dir():
        raise click.UsageError(f"several files are written to a folder, and {folder} is none")
    jobs: dict[Path, Job] = {}
    missing = []
    for file, place in _placed(folder, named):
        if not (files.is_python(file) or file in named):
            missing.append(file)
            continue
        out = folder / place
        if out in jobs and not _same(jobs[out].file, file):
            raise click.UsageError(
                f"{jobs[out].name} and {file} would both be written to {out}: rewrite one at a time"
            )
        jobs.setdefault(out, Job(file, str(file), out, Unmarked.REWRITTEN))
    return list(jobs.values()), missing


def _placed(out: Path, named: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Each file, and its place in the tree: packages have their name there, what is in other folders has not."""
    for path in named:
        if not path.is_dir():
            yield path, Path(path.name)
            continue
        prefix = Path(path.resolve().name) if (path / "__init__.py").exists() else Path()
        for file in files.inside(path, leave_out=out):
            yield file, prefix / file.relative_to(path)


def _same(one: Path | None, other: Path) -> bool:
    return one is not None and os.path.abspath(one) == os.path.abspath(other)
