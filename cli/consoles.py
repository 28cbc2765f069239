"""Rich's consoles for the commands: what they print is made into a text first, as wide as the terminal."""

from __future__ import annotations

import io
import shutil
import sys

from rich.console import Console

_WIDE = 200
"""Characters in a line where nobody looks: a file or another program takes lines as they are."""


def for_text(*, coloured: bool) -> Console:
    """A console whose text is for standard output."""
    return Console(
        file=io.StringIO(),
        force_terminal=False,
        color_system="standard" if coloured else None,
        no_color=not coloured,
        width=shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDE,
        highlight=False,
        markup=False,
    )


def text_of(console: Console) -> str:
    """What was printed to it, without blanks at the ends of lines."""
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "".join(f"{line.rstrip(' ')}\n" for line in text.split("\n")[:-1])
