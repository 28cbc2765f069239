"""Patterns of module names, such as ``"heat"`` and ``"ocean.models.*"``, as the import hook takes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from checkpointer.errors import ArgumentError

_PATTERN = re.compile(r"[\w*?\[\]!]+(\.[\w*?\[\]!]+)*")


def matches(fullname: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns stands for this module, or for a package that it lies in.

    >>> matches("ocean.models.deep", ["heat", "ocean.mod*"])
    True
    """
    return any(
        fnmatchcase(fullname, pattern) or fnmatchcase(fullname, f"{pattern}.*") for pattern in patterns
    )


def check_patterns(patterns: Iterable[object], given_to: str) -> None:
    """Refuse what is no pattern; ``given_to`` says in the message who was given it.

    Raises
    ------
    ArgumentError
        If one of them is no dotted name with wildcards.
    """
    for name in patterns:
        if not isinstance(name, str) or not _PATTERN.fullmatch(name) or name.endswith(".py"):
            raise ArgumentError(
                f"{given_to} was given {name!r}, which is no name of a module: write it as in an import"
                ' statement, such as "heat" or "ocean.models.*", not as a file'
            )
