"""Steps that are computed again are not heard again.

What a loop's body prints, logs, warns of or writes was printed, logged, warned of and written when its steps ran for the
first time, in their order. When the reverse sweep computes them again, in an order of its own, they do so in silence: the
standard streams, `logging` and `warnings` are deaf to a thread while it replays, and so are the files that the loop's state
holds (`checkpointer.handles`). Other threads, the user's derivative rules and a debugger are heard as always.

Out of reach is whatever a step opens itself, and what does not pass through Python's objects: a file that the body opens
and appends to, sockets, processes, compiled code that prints, the counters of a progress bar, a plot. `replaying` is for
those.
"""

from __future__ import annotations

import functools
import io
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from checkpointer.patches import Patch
from checkpointer.places import DEBUGGERS

_STREAMS = ("stdout", "stderr", "__stdout__", "__stderr__")


class _Here(threading.local):
    replaying = False


_here = _Here()


def replaying() -> bool:
    """Whether a step is being computed again, in this thread.

    A loop that is differentiated runs its steps forward once, and computes some of them again on the way back. What the
    body prints, logs or writes to a file that it holds appears only once all the same; use this for the effects that
    checkpointer cannot see.

    Returns
    -------
    bool
        True in a step that ran before; False in its first run, in a loop that is not differentiated, and outside of loops.

    Notes
    -----
    Only effects may depend on it. A step that computes something else when it is computed again is refused with a
    `ReplayError`.

    Examples
    --------
    ::

        for step in checkpointed(range(steps), Revolve(snapshots=8)):
            u = advance(u)
            if step % 100 == 0 and not checkpointer.replaying():
                np.save(f"u{step}.npy", u)

    >>> from checkpointer import replaying
    >>> replaying()
    False
    """
    return _here.replaying


@contextmanager
def replay() -> Iterator[None]:
    """Steps that run in the ``with`` block, in this thread, ran before."""
    outer = _here.replaying
    _here.replaying = True
    try:
        yield
    finally:
        _here.replaying = outer


class Quiet:
    """Stands for an object that writes: this thread does not reach it while it replays, but something silent of its kind.

    It passes for an object of the same type.
    """

    __slots__ = ("_make_silent", "_original", "_silent")

    def __init__(self, original: Any, make_silent: Callable[[], Any]) -> None:
        self._original = original
        self._make_silent = make_silent
        self._silent: Any = None

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._original)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reached(), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._reached()(*args, **kwargs)

    def __enter__(self) -> Any:
        self._reached().__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._reached().__exit__(*error)

    def _reached(self) -> Any:
        if not _here.replaying or sys._getframe(2).f_globals.get("__name__") in DEBUGGERS:
            return self._original
        if self._silent is None:
            self._silent = self._make_silent()
        return self._silent


def original_of(value: Any) -> Any:
    """What a `Quiet` stands for; of anything else itself."""
    return value._original if type(value) is Quiet else value


def renew(quiet: Quiet) -> None:
    """Forget what a replayed step did to the silent object; it may have closed it."""
    quiet._silent = None


class _Nowhere(io.RawIOBase):
    """A file that forgets what is written to it."""

    def __init__(self) -> None:
        self._position = 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        length = memoryview(data).nbytes
        self._position += length
        return length

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset if whence == os.SEEK_SET else self._position
        return self._position

    def truncate(self, size: int | None = None) -> int:
        return self._position if size is None else size

    def fileno(self) -> int:
        return _null_device()


@functools.cache
def _null_device() -> int:
    return os.open(os.devnull, os.O_WRONLY)


def deaf_file(stream: Any) -> Any:
    """A file of the same kind, text or bytes, that forgets what is written to it."""
    buffer = io.BufferedWriter(_Nowhere())
    if stream is None or isinstance(stream, io.TextIOBase) or "b" not in str(getattr(stream, "mode", "w")):
        return io.TextIOWrapper(buffer, encoding="utf-8", errors="surrogatepass", write_through=True)
    return buffer


def is_standard_stream(value: Any) -> bool:
    """Whether a file is one of the process's own."""
    return any(original_of(value) is original_of(getattr(sys, name, None)) for name in _STREAMS)


def _muffle() -> None:
    for name in _STREAMS:
        stream = getattr(sys, name, None)
        if stream is not None and type(stream) is not Quiet:
            setattr(sys, name, Quiet(stream, lambda stream=stream: deaf_file(stream)))  # type: ignore[misc]
    logging.Logger.callHandlers = _muffled(logging.Logger.callHandlers)  # type: ignore[method-assign]
    warnings.showwarning = _muffled(warnings.showwarning)


def _unmuffle() -> None:
    """Take the stand-ins away; one that somebody else holds by now passes everything on."""
    for name in _STREAMS:
        stream = getattr(sys, name, None)
        if type(stream) is Quiet:
            setattr(sys, name, stream._original)
    logging.Logger.callHandlers = _heard(logging.Logger.callHandlers)  # type: ignore[method-assign]
    warnings.showwarning = _heard(warnings.showwarning)


def _muffled(function: Any) -> Any:
    """A function that does nothing for a thread that replays."""
    if hasattr(function, "muffles"):
        return function

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return None if _here.replaying else function(*args, **kwargs)

    call.muffles = function  # type: ignore[attr-defined]
    return call


def _heard(function: Any) -> Any:
    return getattr(function, "muffles", function)


quiet_replay = Patch(_muffle, _unmuffle, renewed=True)
"""Make the process's streams, `logging` and `warnings` deaf to threads that replay, during a reverse sweep.

A progress bar exchanges the streams, and then renews it.
"""
