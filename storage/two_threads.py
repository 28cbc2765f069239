"""A second thread that hashes, writes and reads beside the first one: none of it keeps Python's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from queue import SimpleQueue
from threading import Thread

_FOR_TWO = 1 << 21
"""Bytes from which on two threads are faster than one."""


class _Helper:
    """A second thread, which does one work after another."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._works: SimpleQueue[tuple[Callable[[], None], SimpleQueue[BaseException | None]]] = SimpleQueue()
        Thread(target=self._run, name="checkpointer-checksums", daemon=True).start()

    def start(self, work: Callable[[], None]) -> Callable[[], BaseException | None]:
        """Begin it; the result waits for its end, and gives the error if there is one."""
        ended: SimpleQueue[BaseException | None] = SimpleQueue()
        self._works.put((work, ended))
        return ended.get

    def _run(self) -> None:
        while True:
            work, ended = self._works.get()
            error = None
            try:
                work()
            except BaseException as caught:
                error = caught
            ended.put(error)
            del work, error  # they hold arrays


_helper: _Helper | None = None


def in_two_threads(job: Callable[[range], object], groups: Sequence[range], nbytes: int) -> None:
    """Call ``job`` with each group; of much work a second thread does a half.

    That is worth it, because neither hashing nor the calls of the system keep Python's lock.
    """

    def work(some: Sequence[range]) -> None:
        for group in some:
            job(group)

    half = len(groups) // 2
    helper = _ready() if nbytes >= _FOR_TWO and half else None
    if helper is None:
        work(groups)
        return
    end = helper.start(lambda: work(groups[half:]))
    try:
        work(groups[:half])
    finally:
        error = _waited(end)  # it must not go on when this has ended
    if error is not None:
        raise error


def _waited(end: Callable[[], BaseException | None]) -> BaseException | None:
    try:
        return end()
    except KeyboardInterrupt:
        end()
        raise


def _ready() -> _Helper | None:
    """The second thread of this process, if there is a second processor."""
    global _helper
    if _processors() < 2:
        return None
    if _helper is None or _helper.process != os.getpid():
        try:
            _helper = _Helper()
        except RuntimeError:  # the system has no thread left, or the interpreter is about to end
            return None
    return _helper


@lru_cache(maxsize=1)
def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
