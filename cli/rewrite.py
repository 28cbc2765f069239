"""``checkpointer rewrite``: write the adjoint as a module of its own."""

from __future__ import annotations

import io
import os
import tempfile
import tokenize
from pathlib import Path

import click

from checkpointer.cli import source
from checkpointer.transforms.source import HEADER

_EXAMPLES = """\b
Examples:
  checkpointer rewrite heat.py                  writes heat_adjoint.py
  checkpointer rewrite heat.py -o build/heat.py
  checkpointer rewrite heat.py -o - | less
"""


@click.command(epilog=_EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    help="Where to write the module; FILE with `_adjoint` behind its name unless given, `-` for standard output.",
)
def rewrite(file: Path, output: str | None) -> None:
    """Write the adjoint of FILE as a Python module.

    The module does what FILE does, and what it defines can be differentiated with checkpointer.grad. It is written
    whole or not at all, and never over a file that checkpointer did not write.
    """
    data = _encoded(source.rewritten(file).code)
    if output == "-":
        click.echo(data, nl=False)
        return
    out = Path(output) if output is not None else file.with_name(f"{file.stem}_adjoint.py")
    try:
        _check_target(file, out)
        _write_whole(out, data)
    except OSError as error:
        raise click.ClickException(f"cannot write {out}: {source.reason(error)}") from error
    if output is None:
        click.echo(f"wrote {out}", err=True)


def _check_target(file: Path, out: Path) -> None:
    """Refuse to destroy anything but an earlier output."""
    if not out.exists():
        return
    if out.is_dir():
        raise click.ClickException(f"cannot write {out}: it is a directory")
    if out.samefile(file):
        raise click.ClickException(f"cannot write {out}: it is FILE itself; choose another OUT")
    if not out.is_file():
        raise click.ClickException(
            f"cannot write {out}: it is no regular file; `-o -` writes to standard output"
        )
    with out.open(encoding="utf-8", errors="replace") as stream:
        if not any(HEADER.match(stream.readline()) for _ in range(3)):
            raise click.ClickException(
                f"cannot write {out}: it exists and checkpointer did not write it; remove it or choose another OUT"
            )


def _encoded(code: str) -> bytes:
    """The text as Python will read it: a comment of the user's can name an encoding."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(code.encode()).readline)
    return code.encode(encoding)


def _write_whole(out: Path, data: bytes) -> None:
    """Write to a temporary file beside ``out``, and let it take its place when all is written."""
    target = Path(os.path.realpath(out))
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(name, _permissions(target))
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def _permissions(target: Path) -> int:
    """Those of the file that is replaced, or of any new file."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
