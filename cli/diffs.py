"""A unified diff of bytes, which `patch` takes and a terminal shows in colours."""

from __future__ import annotations

from difflib import diff_bytes, unified_diff
from typing import Any

import click

_NONE = "/dev/null"
_COLOURS = {b"@": "cyan", b"+": "green", b"-": "red"}


def diff(before: bytes | None, after: bytes, name: str, *, colour: bool = False) -> bytes:
    r"""What changes a file that is there, or makes one that is not (None), into what it is to be.

    >>> print(diff(b"a\n", b"b", "x.py").decode(), end="")
    --- x.py
    +++ x.py
    @@ -1 +1 @@
    -a
    +b
    \ No newline at end of file
    """
    shown = f"{name}\t" if " " in name else name  # a tab ends a name with blanks
    old = b"" if before is None else before
    lines = diff_bytes(
        unified_diff,
        _lines(old),
        _lines(after),
        (_NONE if before is None else shown).encode(errors="surrogateescape"),
        shown.encode(errors="surrogateescape"),
    )
    ended = map(_ended, lines)
    return (
        b"".join(_coloured(line, number) for number, line in enumerate(ended)) if colour else b"".join(ended)
    )


def _lines(data: bytes) -> list[bytes]:
    """As `diff` and `patch` see lines: they end in a line feed, and in nothing else."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _ended(line: bytes) -> bytes:
    return line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n"


def _coloured(line: bytes, number: int) -> bytes:
    """The line in its colour; the first two name the files."""
    style: dict[str, Any] = {"bold": True} if number < 2 else {"fg": _COLOURS.get(line[:1])}
    before, _, after = click.style("|", **style).encode().partition(b"|")
    text, end, rest = line.partition(b"\n")
    return before + text + after + end + rest
