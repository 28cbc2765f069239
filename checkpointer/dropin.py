"""The drop-in modules `checkpointer.numpy` and `checkpointer.math`: the originals, until something is differentiated.

Their functions are those of NumPy and ``math`` themselves, so that a rewritten program that is not differentiated runs at
its own speed. While any thread differentiates, functions that know about traced values stand in their places; for plain
values these do what the originals do, so other threads only see a little time pass.

A name that a program imports *from* NumPy is bound once and for all, so `checkpointer.numpy_names` and
`checkpointer.math_names` have the functions that know about traced values at all times.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from checkpointer.patches import Patch

Replacements = dict[str, Any]

_modules: list[tuple[dict[str, Any], dict[str, Any], Replacements]] = []
_classes: list[tuple[type, dict[str, Any], Replacements]] = []
_INHERITED = object()


def names_of(original: ModuleType) -> dict[str, Any]:
    """The public names of a module, and what they stand for.

    Submodules that the module itself loads when they are asked for are left out: NumPy has some that take longer to load
    than all of NumPy. The drop-in has a ``__getattr__`` for them.
    """
    loaded = vars(original)
    return {name: loaded[name] for name in dir(original) if name in loaded and not name.startswith("__")}


def register(namespace: dict[str, Any], original: ModuleType, replacements: Replacements) -> None:
    """Make ``namespace``, the globals of a module, a drop-in for ``original``."""
    names = names_of(original)
    with _knowing.lock:
        namespace.update(names)
        _modules.append((namespace, {name: names[name] for name in replacements}, replacements))
        _knowing.renew()


def register_methods(cls: type, replacements: Replacements) -> None:
    """Let a class of a library have other methods while something is differentiated.

    That is for objects which exist before anything is differentiated, and whose methods hand arrays to compiled code.
    """
    with _knowing.lock:
        methods = {name: vars(cls).get(name, _INHERITED) for name in replacements}
        _classes.append((cls, methods, replacements))
        _knowing.renew()


@contextmanager
def knowing_traced_values() -> Iterator[None]:
    """Let the drop-in modules know about traced values, and SciPy's sparse matrices where there are any."""
    if "scipy.sparse" in sys.modules:
        importlib.import_module("checkpointer.scipy.matrices")
    with _knowing:
        yield


def _switch(knowing: bool) -> None:
    """Put all replacements in place, or all originals."""
    for namespace, originals, replacements in _modules:
        namespace.update(replacements if knowing else originals)
    for cls, methods, others in _classes:
        for name, method in (others if knowing else methods).items():
            if method is not _INHERITED:
                setattr(cls, name, method)
            elif name in vars(cls):
                delattr(cls, name)


_knowing = Patch(lambda: _switch(True), lambda: _switch(False))
