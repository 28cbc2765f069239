"""Which functions of NumPy are answered by code of ours on traced values, and how functions are looked up and called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from checkpointer.boxes import is_traced

Handler = Callable[..., Any]

HANDLERS: dict[Any, Handler] = {}
"""Function -> what is called in its place, with the same arguments."""


def handles(*functions: Any) -> Callable[[Handler], Handler]:
    """Register what is called in the place of the functions."""

    def register(handler: Handler) -> Handler:
        for function in functions:
            HANDLERS[function] = handler
        return handler

    return register


def named(names: str) -> frozenset[Any]:
    """The functions of NumPy with these names, those that this NumPy has."""
    return frozenset(getattr(np, name) for name in names.split() if hasattr(np, name))


@lru_cache(maxsize=512)
def signature(func: Any) -> inspect.Signature | None:
    """The parameters of a function of NumPy, where they are known."""
    try:
        return inspect.signature(func)
    except (TypeError, ValueError):
        return None


def positional(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, every: bool = False
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Traced keyword arguments (or every one) moved to their positions, where autograd looks for them."""
    moved = {name for name, value in kwargs.items() if every or is_traced(value)}
    if not moved:
        return args, kwargs
    known = signature(func)
    if known is None:
        return args, kwargs
    bound = known.bind(*args, **kwargs)
    parameters = enumerate(known.parameters.values())
    places = [number for number, p in parameters if p.name in moved and p.kind is p.POSITIONAL_OR_KEYWORD]
    if not places:
        return args, kwargs
    bound.apply_defaults()
    names = list(known.parameters)[: max(places) + 1]
    rest = {name: value for name, value in kwargs.items() if name not in names}
    return tuple(bound.arguments[name] for name in names), rest
