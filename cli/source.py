"""The user's file as the commands read it, and what may be wrong with it, in one message each."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from checkpointer.errors import TransformError, no_mark_in, with_caret

if TYPE_CHECKING:
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


def from_standard_input() -> bytes:
    """All that is written to standard input."""
    return sys.stdin.buffer.read()


@contextmanager
def python_from(name: str | Path) -> Iterator[None]:
    """Say in one message why what is done with a file's contents in the ``with`` block fails.

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
        raise click.ClickException(_not_python(name, error)) from error
    # null bytes; nested beyond Python's own limits
    except (ValueError, RecursionError, MemoryError) as error:
        raise click.ClickException(f"{name}: not Python: {error}") from error


def rewritten(data: bytes, name: str) -> Rewritten:
    """What the rewriter makes of the contents of a file with marked loops.

    Raises
    ------
    click.ClickException
        If there is no Python in it, no mark, or one that is refused.
    """
    result = rewrite_data(data, name)
    if not result.loops:
        raise click.ClickException(no_mark_in(name))
    return result


def rewrite_data(data: bytes, name: str) -> Rewritten:
    """What the rewriter makes of the contents of a file, with marks or without.

    Raises
    ------
    click.ClickException
        If it is not Python, or a mark is refused.
    """
    from checkpointer.compiled import rewrite  # and libcst with it, which help and completion do without

    with python_from(name):
        ast.parse(data, name)  # for Python's own words about what is not Python
        return rewrite(importlib.util.decode_source(data), name, line_length=88)


def reason(error: OSError) -> str:
    """What the system says, without numbers and names."""
    return (error.strerror or str(error)).lower()


def _not_python(name: str | Path, error: SyntaxError) -> str:
    where = f"{name}:{error.lineno}" if error.lineno else str(name)
    shown = with_caret(error.text or "", (error.offset or 1) - 1)
    return "\n".join([f"{where}: not Python: {error.msg}", *(shown if error.offset else shown[:1])])
