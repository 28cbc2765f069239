"""The storage sessions of one differentiated call: an error leaves none of them open.

A session is closed when its loop has been reversed. If anything fails before, in any loop or between two of them, all
that are open are closed at once: an exception keeps the frames alive that it went through, and with them, as long as
somebody holds it, the snapshots, files and threads of the sessions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from weakref import WeakValueDictionary

from checkpointer.active import active
from checkpointer.storage import Session


class Sessions:
    """Those of one call that are still in use; nothing here keeps them alive."""

    def __init__(self) -> None:
        self._by_id: WeakValueDictionary[int, Session] = WeakValueDictionary()

    def add(self, session: Session) -> None:
        """A loop of the call has opened one."""
        self._by_id[id(session)] = session

    @contextmanager
    def closed_after_errors(self) -> Iterator[None]:
        """Gather the sessions that are opened in the ``with`` block, by this thread; close all if the block fails."""
        outer = active.sessions
        active.sessions = self
        try:
            yield
        except BaseException:
            for session in list(self._by_id.values()):
                close_after_error(session)
            raise
        finally:
            active.sessions = outer


def opened(session: Session) -> Session:
    """A session that was just opened, noted by the call that is being differentiated."""
    if active.sessions is not None:
        active.sessions.add(session)
    return session


def close_after_error(session: Session) -> None:
    """Close a session while an error is under way, which is not to be hidden by another one."""
    with suppress(Exception):
        session.close()
