"""What names mean, told to the rewriter as imports.

The rewriter reads one file. Where a function or a cell of a notebook stands alone, the imports that its names come
from stand elsewhere; the values of the names say what those imports were.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import FunctionType, ModuleType

REST = "__globals__"
"""The pretended module from which names are imported that mean nothing special."""
_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Meanings:
    """What names mean to the rewriter."""

    special: Mapping[str, str]
    """The names of modules and functions that have a drop-in, and of the mark, each with its import."""
    others: tuple[str, ...]

    def lines(self, without: Collection[str] = ()) -> list[str]:
        """The imports to put behind the user's text; some of the other names may be left out."""
        others = [name for name in self.others if name not in without]
        return [*self.special.values(), *([f"from {REST} import {', '.join(others)}"] if others else [])]


def names_in(text: str) -> set[str]:
    """All words of a text, comments included: those in mark comments count."""
    return set(_NAME.findall(text))


def imports_of(values: Mapping[str, object]) -> Meanings:
    """Imports that bind these names to what they mean now."""
    imports = {name: _import_of(name, value) for name, value in values.items()}
    return Meanings(
        {name: line for name, line in imports.items() if line},
        tuple(name for name, line in imports.items() if not line),
    )


def _import_of(name: str, value: object) -> str:
    """The import that binds a name to the mark, or to something that has a drop-in; empty for all else."""
    from checkpointer.transforms.dropins import DROP_IN, NAMES_OF  # with its package, libcst

    if isinstance(value, ModuleType):
        known = value.__name__ in DROP_IN or value.__name__ == "checkpointer"
        return f"import {value.__name__} as {name}" if known else ""
    if isinstance(value, FunctionType) and value is getattr(
        sys.modules["checkpointer"], "checkpointed", None
    ):
        return f"from checkpointer import checkpointed as {name}"
    if type(value).__module__ in ("builtins", "numpy") and callable(value):
        own_name = getattr(value, "__name__", "")
        for module, target in DROP_IN.items():
            if module not in sys.modules or getattr(sys.modules[module], own_name, None) is not value:
                continue
            # what a module has only because it imports it for itself, such as `partial`, has no drop-in
            if hasattr(importlib.import_module(NAMES_OF.get(target, target)), own_name):
                return f"from {module} import {own_name} as {name}"
    return ""
