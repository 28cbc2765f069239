"""Writing a generated module: as its source is written, whole or not at all, and over nothing but an earlier output."""

from __future__ import annotations

import codecs
import io
import os
import re
import stat
import tempfile
import tokenize
from pathlib import Path

import click

from checkpointer.cli import files

_NEWLINE = re.compile(rb"\r\n|\r|\n")


def encoded(code: str, like: bytes) -> bytes:
    """The text as bytes, with the line ends and the byte order mark of its source.

    The encoding is the one in which Python will read it: a comment of the user's can name one.
    """
    encoding, _ = tokenize.detect_encoding(io.BytesIO(code.encode()).readline)
    end = _NEWLINE.search(like)
    if end is not None:
        code = code.replace("\n", end[0].decode())
    mark = codecs.BOM_UTF8 if like.startswith(codecs.BOM_UTF8) else b""
    # what the encoding has no sign for can only be the name of the file, in a comment or a docstring
    return mark + code.encode(encoding, "backslashreplace")


def current(out: Path, of: Path | None) -> bytes | None:
    """What is there now where the module is to be written; None if nothing is.

    Parameters
    ----------
    out : Path
        Where to write.
    of : Path or None
        The source, if it is a file.

    Raises
    ------
    click.ClickException
        If it must not be replaced: it is a folder, a device, read-only, the source, or not written by checkpointer.
    OSError
        If it cannot be read.
    """
    if not out.exists():
        return None
    why = _protected(out, of)
    if why:
        raise click.ClickException(f"cannot write {out}: {why}")
    return out.read_bytes()


def _protected(out: Path, of: Path | None) -> str:
    """Why a file must not be replaced; empty if it may."""
    if out.is_dir():
        return "it is a directory"
    if of is not None and out.samefile(of):
        return "it is FILE itself; choose another OUT"
    if not out.is_file():
        return "it is no regular file; `-o -` writes to standard output"
    if not files.is_ours(out):
        return "it exists and checkpointer did not write it; remove it or choose another OUT"
    return ""


def write(out: Path, data: bytes, of: Path | None) -> None:
    """Write to a temporary file beside ``out``, and let it take its place when all is written.

    What is replaced keeps its permissions, and a link stays a link. A new file can be executed if its source can.

    Raises
    ------
    OSError
        If it cannot be written; also if it is there and read-only, though its folder is not.
    """
    target = Path(os.path.realpath(out))
    if target.exists() and not target.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(0, "it is read-only")
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(name, _permissions(target, of))
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def _permissions(target: Path, of: Path | None) -> int:
    """Those of the file that is replaced, or of any new file."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    executable = of is not None and of.stat().st_mode & stat.S_IXUSR
    return (0o777 if executable else 0o666) & ~mask
