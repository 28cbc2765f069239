"""What a reverse sweep will restore next, told to storages that can read ahead.

A schedule makes its actions one after another and does not wait for what becomes of them, so a few of them can be
looked at before they are executed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from checkpointer.schemes import Action, Restore, Snapshot
from checkpointer.storage import Session

_AHEAD = 64
"""Actions. Most are steps, during which there is time to read; what lies further ahead can wait."""

_CHANGING = (Restore, Snapshot)
"""After these, others come next. What is discarded is not among them."""


def foreseen(actions: Iterator[Action], session: Session) -> Iterator[Action]:
    """The same actions; the session is told which snapshots will be loaded next, if it has any use for that."""
    return _told(actions, session) if session.buffers else actions


def _told(actions: Iterator[Action], session: Session) -> Iterator[Action]:
    window = deque(islice(actions, _AHEAD))
    session.prefetch(next_loads(window))
    while window:
        action = window.popleft()
        window.extend(islice(actions, 1))
        yield action
        if type(action) in _CHANGING:
            session.prefetch(next_loads(window))


def next_loads(actions: Iterable[Action]) -> list[int]:
    """The slots that these actions restore as they stand now, in that order, each once.

    A slot that is used anew before holds another snapshot when it is restored.
    """
    loads: dict[int, None] = {}
    gone: set[int] = set()
    for action in actions:
        if isinstance(action, Restore):
            if action.slot not in gone:
                loads[action.slot] = None
        elif isinstance(action, Snapshot):  # which comes after a Discard, wherever that is
            gone.add(action.slot)
    return list(loads)
