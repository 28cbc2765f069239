"""Which files a command means: those that are named, and those in folders that are named."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from checkpointer.cli import source

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

STDIN = Path("-")
"""What stands for standard input, or for standard output, on the command line."""
STDIN_FILENAME_ALONE = "--stdin-filename names what is read from standard input, and needs FILE to be -"
_MACHINES = ("__pypackages__", "_build", "buck-out", "build", "dist", "node_modules", "site-packages", "venv")
"""Folders that tools fill; a package that happens to be called so is a package."""


def inside(folder: Path, leave_out: Path | None = None) -> list[Path]:
    """The files in a folder and below it, in the order of their names.

    As formatters and linters do, hidden files and folders, caches, virtual environments, installed packages, build
    folders, pipes and devices are left out, and links to folders are not followed.

    Parameters
    ----------
    folder : Path
        Where to look; it is looked into whatever it is called.
    leave_out : Path, optional
        A folder below it whose files are not wanted.

    Raises
    ------
    click.ClickException
        If a folder cannot be read.
    """
    found = []
    unwanted = None if leave_out is None else os.path.realpath(leave_out)
    for place, folders, names in os.walk(folder, onerror=_refuse):
        here = Path(place)
        folders[:] = sorted(
            name
            for name in folders
            if not _is_left_out(here / name) and os.path.realpath(here / name) != unwanted
        )
        found += [
            here / name for name in sorted(names) if not name.startswith(".") and not _is_special(here / name)
        ]
    return found


def _is_special(file: Path) -> bool:
    """Whether it is a pipe, a socket or a device: who reads one may wait for ever. A broken link is an error of its own."""
    return file.exists() and not file.is_file()


def _refuse(error: OSError) -> None:
    raise click.ClickException(f"cannot read {error.filename}: {source.reason(error)}") from error


def _is_left_out(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name == "__pycache__" or folder.suffix == ".egg-info":
        return True
    if (folder / "pyvenv.cfg").exists() or (folder / "conda-meta").exists():
        return True
    return folder.name in _MACHINES and not (folder / "__init__.py").exists()


def completed(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Tell the shell to complete the name of a file, where what is given need not be one."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def is_python(file: Path) -> bool:
    """Whether the name says that it is a Python module."""
    return file.suffix == ".py"


def is_ours(file: Path) -> bool:
    """Whether checkpointer wrote a file.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    from checkpointer.transforms.source import header_at

    with file.open(encoding="utf-8-sig", errors="replace") as stream:
        return header_at(stream) is not None


def python_files(named: Iterable[Path]) -> Iterator[Path]:
    """The named files, and the Python files in the named folders that checkpointer did not write; each once.

    Raises
    ------
    click.ClickException
        If something in a folder cannot be read.
    """
    seen = set()
    for path in named:
        for file in _written_by_people(path) if path.is_dir() else [path]:
            if (place := os.path.abspath(file)) not in seen:
                seen.add(place)
                yield file


def _written_by_people(folder: Path) -> Iterator[Path]:
    for file in inside(folder):
        if is_python(file):
            try:
                if is_ours(file):
                    continue
            except OSError:
                pass  # who reads it says why
            yield file
