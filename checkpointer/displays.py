"""Where a progress bar is shown: in a terminal, in a notebook, or as a line now and then in a log file."""

from __future__ import annotations

import html
import os
import sys
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from checkpointer.replay import original_of, quiet_replay

if TYPE_CHECKING:
    from checkpointer.progress_bar import Moment

_PART = 10
"""A file gets a line for one part in so many of what is to be done, ..."""
_PAUSE = 10.0
"""... and waits so many seconds for it."""


class Display(ABC):
    """One bar, from its beginning to its end."""

    @abstractmethod
    def begin(self, moment: Moment) -> None:
        """Show it for the first time."""

    @abstractmethod
    def show(self, moment: Moment) -> None:
        """Show how far it has come."""

    @abstractmethod
    def end(self, moment: Moment, *, finished: bool) -> None:
        """Show it for the last time, and leave everything in order; ``finished`` unless an exception has ended it."""


def display_for(title: str) -> Display:
    """A bar where standard error goes to."""
    stream: TextIO = original_of(sys.stderr)
    console = Console(file=stream, markup=False, emoji=False, highlight=False)
    if console.is_jupyter:
        return NotebookDisplay(title)
    # rich is told by some variables to take a log file for a terminal, for the sake of colours
    if console.is_interactive and _is_terminal(stream):
        return TerminalDisplay(title, console)
    return LineDisplay(title, stream)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except (AttributeError, ValueError):  # something that only writes, or a closed file
        return False


_drawing = threading.RLock()
"""Held while a bar is drawn: a process that was forked in the middle would wait for rich's own locks for ever."""
_standing: list[Unfailing] = []


class Unfailing(Display):
    """A bar where standard error goes to, as long as that works: no program fails for want of a bar."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._display: Display | None = None

    def begin(self, moment: Moment) -> None:
        with _drawing, suppress(Exception):
            self._display = display_for(self._title)
            _standing.append(self)
            self._display.begin(moment)
        quiet_replay.renew()

    def show(self, moment: Moment) -> None:
        with _drawing, suppress(Exception):
            if self._display is not None:
                self._display.show(moment)

    def end(self, moment: Moment, *, finished: bool) -> None:
        with _drawing, suppress(Exception):
            _standing.clear()
            if self._display is not None:
                self._display.end(moment, finished=finished)
        quiet_replay.renew()

    def forget(self) -> None:
        """Leave the bar to the process that this one was forked from; what is printed here goes straight on."""
        self._display = None
        for name in ("stdout", "stderr"):
            stream: Any = getattr(sys, name)
            proxy = original_of(stream)
            if isinstance(proxy, FileProxy):
                if stream is proxy:
                    setattr(sys, name, proxy.rich_proxied_file)
                else:
                    stream._original = original_of(proxy.rich_proxied_file)


def _forked() -> None:
    for display in _standing:
        display.forget()
    _standing.clear()
    _drawing.release()


if hasattr(os, "register_at_fork"):  # where there is such a thing
    os.register_at_fork(before=_drawing.acquire, after_in_parent=_drawing.release, after_in_child=_forked)


class TerminalDisplay(Display):
    """A bar at the bottom of a terminal; what the program prints meanwhile appears above it."""

    def __init__(self, title: str, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=5)),
            TextColumn("{task.fields[words]}", markup=False, table_column=Column(no_wrap=True)),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=console,
            auto_refresh=False,
            expand=True,
            redirect_stdout=_is_terminal(sys.stdout),
        )
        self._title = title

    def begin(self, moment: Moment) -> None:
        self._task = self._progress.add_task(self._title, total=moment.total, words=moment.words)
        self._progress.start()

    def show(self, moment: Moment) -> None:
        self._progress.update(
            self._task, completed=moment.done, total=moment.total, words=moment.words, refresh=True
        )

    def end(self, moment: Moment, *, finished: bool) -> None:
        try:
            self.show(moment)
            if finished:  # also before it has come to its end: a loop may be left by a break
                self._progress.update(self._task, total=moment.done, refresh=True)
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()  # a line that has no end yet
        finally:
            self._progress.stop()


class LineDisplay(Display):
    """Lines in a file, few of them."""

    def __init__(self, title: str, stream: TextIO) -> None:
        self._title = title
        self._stream = stream

    def begin(self, moment: Moment) -> None:
        self._start = self._last = perf_counter()
        self._done = moment.done

    def show(self, moment: Moment) -> None:
        now = perf_counter()
        part = 0 if moment.total is None else moment.total / _PART
        if now - self._last >= _PAUSE and moment.done - self._done >= part:
            self._write(moment, now)

    def end(self, moment: Moment, *, finished: bool) -> None:
        self._write(moment, perf_counter())

    def _write(self, moment: Moment, now: float) -> None:
        self._last, self._done = now, moment.done
        print(f"{self._title}: {moment.words} in {now - self._start:.1f} s", file=self._stream, flush=True)


class NotebookDisplay(Display):
    """A bar below the cell."""

    def __init__(self, title: str) -> None:
        self._title = title

    def begin(self, moment: Moment) -> None:
        from IPython.display import display

        self._start = perf_counter()
        show: Any = display
        self._handle = show(self._shown(moment), raw=True, display_id=True)

    def show(self, moment: Moment) -> None:
        self._handle.update(self._shown(moment), raw=True)

    def end(self, moment: Moment, *, finished: bool) -> None:
        self.show(replace(moment, total=moment.done) if finished else moment)

    def _shown(self, moment: Moment) -> dict[str, Any]:
        text = f"{self._title}: {moment.words} in {perf_counter() - self._start:.1f} s"
        extent = "" if moment.total is None else f' value="{moment.done}" max="{max(moment.total, 1)}"'
        return {
            "text/plain": text,
            "text/html": f"<div><progress{extent}></progress> {html.escape(text)}</div>",
        }
