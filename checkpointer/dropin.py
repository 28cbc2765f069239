"""The drop-in modules `checkpointer.numpy` and `checkpointer.math`: the originals, until something is differentiated.

Their functions are those of NumPy and ``math`` themselves, so that a rewritten program that is not differentiated runs at
its own speed. While any thread differentiates, functions that know about traced values stand in their places; for plain
values these do what the originals do, so other threads only see a little time pass.

A name that a program imports *from* NumPy is bound once and for all, so `checkpointer.numpy_names` and
`checkpointer.math_names` have the functions that know about traced values at all times.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

Replacements = dict[str, Any]

_lock = threading.Lock()
_users = 0
_modules: list[tuple[dict[str, Any], dict[str, Any], Replacements]] = []


def names_of(original: ModuleType) -> dict[str, Any]:
    """The public names of a module, and what they stand for."""
    return {name: getattr(original, name) for name in dir(original) if not name.startswith("__")}


def register(namespace: dict[str, Any], original: ModuleType, replacements: Replacements) -> None:
    """Make ``namespace``, the globals of a module, a drop-in for ``original``."""
    names = names_of(original)
    namespace.update(names)
    _modules.append((namespace, {name: names[name] for name in replacements}, replacements))


@contextmanager
def knowing_traced_values() -> Iterator[None]:
    """Let the drop-in modules know about traced values."""
    _use(+1)
    try:
        yield
    finally:
        _use(-1)


def _use(change: int) -> None:
    global _users
    with _lock:
        before, _users = _users, _users + change
        if bool(before) != bool(_users):
            for namespace, originals, replacements in _modules:
                namespace.update(replacements if _users else originals)
