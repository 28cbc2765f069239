"""Trees of arrays and numbers: dicts, lists, tuples and dataclasses, nested at will."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from checkpointer.errors import ArgumentError


def is_leaf(value: Any) -> bool:
    """Whether the value is an array or a number that can be differentiated."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fc"
    return isinstance(value, float | complex | np.floating | np.complexfloating)


def children(tree: Any) -> list[tuple[str, Any]] | None:
    """The parts of a container, each with how the user would write it, or None if it is none."""
    if isinstance(tree, dict):
        return [(f"[{key!r}]", value) for key, value in tree.items()]
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return [(f".{name}", getattr(tree, name)) for name in tree._fields]
    if isinstance(tree, list | tuple):
        return [(f"[{number}]", value) for number, value in enumerate(tree)]
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return [(f".{field.name}", getattr(tree, field.name)) for field in dataclasses.fields(tree)]
    return None


def leaves(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The arrays and numbers of a tree, in order, with their names."""
    parts = children(tree)
    if parts is not None:
        for suffix, part in parts:
            yield from leaves(part, name + suffix)
    elif is_leaf(tree):
        yield name, tree


def rebuilt(tree: Any, replace: Callable[[Any], Any], other: Callable[[Any], Any] = lambda part: None) -> Any:
    """A tree of the same form with ``replace(leaf)`` in the place of each leaf, and ``other(part)`` where there is none."""
    parts = children(tree)
    if parts is None:
        return replace(tree) if is_leaf(tree) else other(tree)
    values = [rebuilt(part, replace, other) for _, part in parts]
    if isinstance(tree, dict):
        return dict(zip(tree, values, strict=True))
    if isinstance(tree, tuple):
        return type(tree)(*values) if hasattr(tree, "_fields") else tuple(values)
    if isinstance(tree, list):
        return values
    made = object.__new__(type(tree))  # the gradient of a dataclass need not pass its __init__'s checks
    for field, value in zip(dataclasses.fields(tree), values, strict=True):
        object.__setattr__(made, field.name, value)
    return made


def check_differentiable(tree: Any, name: str) -> None:
    """Refuse an argument that has nothing in it to differentiate.

    Raises
    ------
    ArgumentError
        Naming the argument, its type and what is allowed.
    """
    if any(True for _ in leaves(tree, name)):
        return
    kind = (
        f"an array of dtype {tree.dtype}"
        if isinstance(tree, np.ndarray)
        else f"{tree!r} of type {type(tree).__name__}"
    )
    raise ArgumentError(
        f"cannot differentiate with respect to {name}, which is {kind}: it must be a float, a floating-point or complex"
        " array, or a dict, list, tuple or dataclass of them (write 2.0 for 2; use astype(float) for integer arrays)"
    )
