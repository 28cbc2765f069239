"""A thread that does jobs one after another, for a storage that works while the program computes.

No error of it is lost, no caller waits for a thread that has given up, and it ends with whatever uses it: when that is
closed, when it is collected as garbage, and when the process ends.
"""

from __future__ import annotations

import atexit
import functools
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from queue import SimpleQueue
from typing import TypeVar

from checkpointer.errors import StorageError

T = TypeVar("T")
Job = Callable[[], object]

_working: set[Worker] = set()
"""Those whose thread runs."""


class Worker:
    """One thread, started by the first job. It keeps nothing alive but this object and what its jobs refer to.

    After an error nothing is done any more, but for the last job.

    Parameters
    ----------
    last : function
        What is done in the end, whatever has happened before.
    thorough : bool
        Whether jobs that still wait at the end are done; otherwise they are dropped.
    spare : function
        Asked for something to do whenever no job waits, with the lock held. It may return None.

    Attributes
    ----------
    lock : RLock
        For all that the thread and its users share.
    """

    def __init__(self, last: Job, spare: Callable[[], Job | None], *, thorough: bool) -> None:
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self._wake: SimpleQueue[None] = SimpleQueue()  # may be put to wherever garbage is collected
        self._last = last
        self._spare = spare
        self._thorough = thorough
        self._urgent: deque[Job] = deque()
        self._jobs: deque[Job] = deque()
        self._resting = True
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._refusal = ""
        self._ending = False
        self._over = False
        self._process = os.getpid()

    # --- what its users call ---------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise what went wrong in the thread; later calls say that it did.

        Raises
        ------
        StorageError
            Also in another process than the one that has the thread.
        """
        if os.getpid() != self._process:
            raise StorageError(
                "the storage of a loop was opened before this process was forked: open it in the process that runs the loop"
            )
        with self.lock:
            failure, self._failure = self._failure, None
            refusal = self._refusal
        if failure is not None:
            raise failure
        if refusal:
            raise StorageError(f"the storage failed in the background, and is not used any more: {refusal}")

    def submit(self, job: Job) -> None:
        """Let the thread do something, after all that was submitted before."""
        with self.lock:
            self._jobs.append(job)
            self._awake()

    def cancel(self, job: Job) -> bool:
        """Whether the job had not begun, and now never will."""
        with self.lock:
            if job not in self._jobs:
                return False
            self._jobs.remove(job)
            self._changed.notify_all()
            return True

    def call(self, function: Callable[[], T]) -> T:
        """Let the thread do something before all else, and wait for what it returns."""
        results: list[T] = []

        def job() -> None:
            results.append(function())

        with self.lock:
            self.check()
            self._urgent.append(job)
            try:
                self._awake()
                self.wait(lambda: bool(results))
            finally:
                with suppress(ValueError):  # it was begun
                    self._urgent.remove(job)
        return results[0]

    def wait(self, until: Callable[[], object]) -> None:
        """Wait until something is true, with the lock held; it is asked again after every job."""
        while True:
            self.check()
            if until():
                return
            if self._over:
                raise StorageError("the storage of a loop was closed while it was in use")
            self._changed.wait()

    @property
    def idle(self) -> bool:
        """Whether the thread has done everything, and found nothing more to do."""
        return self._resting

    def wake(self) -> None:
        """Let the thread, if there was a job before, ask again for something to do."""
        with self.lock:
            if self._thread is not None:
                self._awake()

    def end(self) -> None:
        """Let the thread end, and do not wait for it. May be called wherever garbage is collected."""
        self._ending = True
        self._wake.put(None)

    def close(self) -> None:
        """End the thread, and wait until the last job is done; what went wrong and nobody was told of is raised."""
        if os.getpid() != self._process:
            return  # it is the parent's
        self.end()
        if self._thread is None:
            self._finish()
        else:
            with suppress(RuntimeError):  # its start was interrupted
                self._thread.join()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    # --- what the thread does --------------------------------------------------------------------------------------

    def _awake(self) -> None:
        """Wake the thread up, or start it."""
        if self._thread is None:
            _at_exit()
            thread = self._thread = threading.Thread(
                target=self._run, name="checkpointer-storage", daemon=True
            )
            _working.add(self)
            try:
                thread.start()
            except RuntimeError as error:
                self._thread = None
                _working.discard(self)
                raise StorageError(
                    f"cannot start a thread to write snapshots in the background ({error}): use the storage without"
                    " BackgroundStorage, or run fewer threads"
                ) from error
        self._resting = False
        self._wake.put(None)

    def _run(self) -> None:
        while not self._over:
            self._wake.get()
            self._work()

    def _work(self) -> None:
        """Do all that there is to do."""
        while True:
            try:
                with self.lock:
                    ending = self._ending
                    job = self._next(ending)
                    self._resting = job is None
                if job is None:
                    break
                job()
            except BaseException as error:
                self._fail(error)
            finally:
                with self.lock:
                    self._changed.notify_all()
        if ending:
            self._finish()

    def _next(self, ending: bool) -> Job | None:
        if self._refusal or (ending and not self._thorough):
            self._jobs.clear()
            self._urgent.clear()
            return None
        if self._urgent:
            return self._urgent.popleft()
        if self._jobs:
            return self._jobs.popleft()
        return None if ending else self._spare()

    def _fail(self, error: BaseException) -> None:
        with self.lock:
            if not self._refusal:
                self._failure = error
                self._refusal = str(error) or type(error).__name__

    def _finish(self) -> None:
        """Do the last job, once."""
        if self._over:
            return
        if not self._thorough:
            self._failure = None  # of work that came to nothing
        try:
            self._last()
        except BaseException as error:
            self._failure = self._failure or error
        with self.lock:
            self._over = True
            self._changed.notify_all()
        _working.discard(self)


@functools.cache
def _at_exit() -> None:
    """Let no thread be cut off in its work when the process ends: it would not be waited for, as it is a daemon.

    Called when the first one starts: what was imported before, such as HDF5, is then still there.
    """
    atexit.register(_close_all)


def _close_all() -> None:
    with ExitStack() as all_of_them:
        for worker in tuple(_working):
            all_of_them.callback(worker.close)
