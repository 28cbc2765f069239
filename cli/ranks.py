"""When an MPI program fails on one rank: say which one it was, and end the others, which would wait for it for ever.

As with ``python -m mpi4py``, the program ends as any other does, with what it has registered for its end, and at the very
end MPI is told to abort. Should that not be reached, because something waits for another rank on the way there, it is told
after some seconds all the same.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

from checkpointer import ranks
from checkpointer.places import is_installed

_PATIENCE = 10.0
"""Seconds that a failed rank has for its own end."""


@contextmanager
def named() -> Iterator[None]:
    """What is printed of an exception in the ``with`` block has the rank in front."""
    if ranks.world() is None or sys.stderr is None:
        yield
        return
    text = io.StringIO()
    text.write(f"rank {ranks.rank()} of {ranks.size()}:\n")
    if sys.excepthook is not sys.__excepthook__:  # the program's own: it may well abort by itself
        _say(text.getvalue())
        yield
        return
    try:
        with redirect_stderr(text):
            yield
    finally:  # at once, so that it does not mix with what other ranks say
        _say(text.getvalue())


def end_all(error: BaseException) -> None:
    """An exception ends the program on this rank: end it on the others, unless it is the ordinary end."""
    comm, status = ranks.world(), exit_status(error)
    if comm is None or not status:
        return
    from mpi4py.run import set_abort_status

    if isinstance(error, SystemExit):
        _say(f"rank {ranks.rank()} of {ranks.size()}: exit code {status}{_origin(error)} ends all ranks\n")
    set_abort_status(status)
    late = threading.Timer(_PATIENCE, comm.Abort, [status])
    late.daemon = True
    late.start()


def exit_status(error: BaseException) -> int:
    """The exit code of a process that an exception ends, as the system sees it; never 0 where something was wrong."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    code = error.code if isinstance(error, SystemExit) else 1
    if isinstance(code, int):
        return code & 0xFF or int(code != 0)
    return int(code is not None)


def _origin(error: BaseException) -> str:
    """The user's line that called for the end, which may have been in a library: argparse, for example."""
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    for filename, line in reversed(places):
        if not is_installed(filename):
            return f", from {os.path.basename(filename)}:{line},"
    return ""


def _say(text: str) -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    sys.stderr.write(text)
    sys.stderr.flush()
