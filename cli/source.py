"""The user's file as the commands read it, and what may be wrong with it, in one message each."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from checkpointer.compiled import rewrite
from checkpointer.errors import TransformError
from checkpointer.transforms import Rewritten


def read(path: Path) -> bytes:
    """The bytes of a file.

    Raises
    ------
    click.ClickException
        If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"cannot read {path}: {reason(error)}") from error


@contextmanager
def python_from(path: Path) -> Iterator[None]:
    """Say in one message why what is done with the file's contents in the ``with`` block fails.

    Raises
    ------
    click.ClickException
        If the file is not Python, or a mark in it is refused.
    """
    try:
        yield
    except TransformError as error:
        raise click.ClickException(str(error)) from error
    except SyntaxError as error:
        raise click.ClickException(_not_python(path, error)) from error
    except (
        ValueError,
        RecursionError,
        MemoryError,
    ) as error:  # null bytes; nested beyond Python's own limits
        raise click.ClickException(f"{path}: not Python: {error}") from error


def rewritten(path: Path) -> Rewritten:
    """What the rewriter makes of a file with marked loops.

    Raises
    ------
    click.ClickException
        If there is no such file, no Python in it, no mark, or one that is refused.
    """
    data = read(path)
    with python_from(path):
        ast.parse(data, str(path))  # for Python's own words about what is not Python
        result = rewrite(importlib.util.decode_source(data), str(path), line_length=88)
    if not result.loops:
        raise click.ClickException(
            f"no loop is marked in {path}: write `for ... in checkpointed(ITERABLE, Revolve(snapshots=8)):`, or"
            " the comment `# checkpointer: Revolve(snapshots=8)` above a loop"
        )
    return result


def reason(error: OSError) -> str:
    """What the system says, without numbers and names."""
    return (error.strerror or str(error)).lower()


def _not_python(path: Path, error: SyntaxError) -> str:
    where = f"{path}:{error.lineno}" if error.lineno else str(path)
    message = f"{where}: not Python: {error.msg}"
    text = (error.text or "").rstrip()
    if text.strip():
        indent = len(text) - len(text.lstrip())
        message += f"\n    {text.strip()}"
        if error.offset:
            message += "\n    " + " " * max(error.offset - 1 - indent, 0) + "^"
    return message
