"""Which functions of NumPy are answered by code of ours on traced values, and how functions are looked up and called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from checkpointer.boxes import constant, is_differentiable, is_traced, is_varied, like, result
from checkpointer.tape import Tape

Handler = Callable[..., Any]

HANDLERS: dict[Any, Handler] = {}
"""Function -> what is called in its place, with the same arguments."""

COMPOSITIONS: dict[Any, Handler] = {}
"""Function -> the same function written with others that have a rule, for its derivative: the value is NumPy's own."""


def handles(*names: str) -> Callable[[Handler], Handler]:
    """Register what is called in the place of the functions with these names."""
    return _registering(HANDLERS, names)


def composes(*names: str) -> Callable[[Handler], Handler]:
    """Register how the functions with these names are composed of others."""
    return _registering(COMPOSITIONS, names)


def _registering(table: dict[Any, Handler], names: tuple[str, ...]) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        for function in named(" ".join(names)):
            table[function] = handler
        return handler

    return register


def named(names: str) -> frozenset[Any]:
    """The functions of NumPy with these names (``linalg.norm``), those that this NumPy has."""
    found = (_lookup(name) for name in names.split())
    return frozenset(function for function in found if function is not None)


def _lookup(name: str) -> Any:
    place: Any = np
    for part in name.split("."):
        place = getattr(place, part, None)
    return place


def spelled(function: Any) -> str:
    """The name of a function as people write it."""
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module.replace('numpy', 'np', 1).replace('np.lib.scimath', 'np.emath')}.{function.__name__}"


def rebased(tape: Tape, value: Any, shadow: Any) -> Any:
    """NumPy's own value with the derivative of ``shadow``, which was composed to be the same up to rounding."""
    if isinstance(value, tuple | list):
        parts = [rebased(tape, *pair) for pair in zip(value, shadow, strict=True)]
        return like(value, parts)
    if not is_varied(shadow) or not is_differentiable(value):
        return constant(tape, value)
    if np.shape(value) != np.shape(shadow):
        raise AssertionError(
            f"a composition has shape {np.shape(shadow)}, and NumPy's result {np.shape(value)}"
        )
    return result(tape, value, lambda g: (g,), (shadow._node,))


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
