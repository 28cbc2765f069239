"""Packages that import what they offer when it is first asked for: their names are there, at no cost until then.

So a program may import for the first time in several threads at once. autograd must be whole then before anything else
happens: it walks NumPy's names, which become more with each part of NumPy that is loaded, and its modules import one
another in a circle, in which two threads that enter at different places see halves of them. Whoever imports a part of it,
or a part of NumPy, begins with ``import autograd``.

A package says twice what it offers: in imports under ``TYPE_CHECKING``, which type checkers and editors read, and in
the table that it gives to `on_demand`. A test compares the two.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def on_demand(
    package: str, homes: Mapping[str, str], subpackages: str = ""
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """The ``__getattr__``, ``__dir__`` and ``__all__`` of a package whose names are imported when they are asked for.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    homes : mapping of str to str
        Module of the package -> the names, with spaces between them, that the package offers from it.
    subpackages : str, optional
        Names of modules that are attributes of the package without an import of their own, but not in its ``__all__``.

    >>> find, names, public = on_demand("checkpointer", {"hook": "install_import_hook", "version": "VERSION"}, "schemes")
    >>> public
    ['VERSION', 'install_import_hook']
    >>> find("install_import_hook").__module__
    'checkpointer.hook'
    """
    home_of = {name: f"{package}.{home}" for home, names in homes.items() for name in names.split()}
    namespace = vars(sys.modules[package])

    def __getattr__(name: str) -> Any:  # noqa: N807  as Python calls it (PEP 562)
        if name in home_of:
            # kept, so that from now on the package finds the name by itself
            value = namespace[name] = getattr(import_module(home_of[name]), name)
            return value
        if name in subpackages.split():
            return import_module(f"{package}.{name}")
        raise AttributeError(
            f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package]
        )

    def __dir__() -> list[str]:  # noqa: N807
        return sorted({*namespace, *home_of, *subpackages.split()})

    return __getattr__, __dir__, sorted(home_of)
