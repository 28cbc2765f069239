"""Fingerprints of a state: whether a recomputed step left what the loop went on from.

Every step is differentiated from a recomputed state. If the state after step i is not the one that step i + 1 was
differentiated from, then the step depends on something that the state missed (a clock, a file, hidden data of a library),
and the gradient would be wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from checkpointer.boxes import plain
from checkpointer.errors import ReplayError
from checkpointer.memory import Array
from checkpointer.state import Key, Leaf

_ROW = 8 * 1021

Fingerprint = tuple[str, Any]
"""The name of a leaf, and what it held."""


def fingerprint(leaves: list[Leaf]) -> dict[Key, Fingerprint]:
    """What the leaves hold: the numbers themselves, and the arrays in a few bytes."""
    seen: dict[int, Any] = {}
    found = {}
    for leaf in leaves:
        value = plain(leaf.value)
        if isinstance(value, np.ndarray):
            if id(value) not in seen:
                seen[id(value)] = _of_array(value)
            value = seen[id(value)]
        found[leaf.key] = (leaf.name, value)
    return found


def _of_array(array: Array) -> tuple[Any, ...]:
    """Shape, type, and the bits: a page of them as they are, of more the sums over columns.

    A single bit that changed changes a sum, and elements that changed places change two, unless they are in the same of
    1021 columns: so many that a shuffle is seen, and a prime number so that no row of a grid is as long.
    """
    if array.dtype.itemsize > 16 or array.dtype.char in "gG":
        array = array.astype(complex if array.dtype.kind == "c" else float)  # long doubles are padded
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    whole = raw.size - raw.size % _ROW
    sums = raw[:whole].view(np.uint64).reshape(-1, _ROW // 8).sum(axis=0) if whole else raw[:0]
    return array.shape, array.dtype, sums.tobytes(), raw[whole:].tobytes()


def compare(left: dict[Key, Fingerprint], followed: dict[Key, Fingerprint], step: int) -> None:
    """Refuse a step that left something else than what the loop went on from.

    Raises
    ------
    ReplayError
        Naming the variable and the step.
    """
    for key, (name, value) in left.items():
        expected = followed.get(key, (name, value))[1]
        same = value == expected or (value != value and expected != expected)  # NaN is no other than NaN
        if not same:
            raise ReplayError(
                f"{name} was something else when step {step} was recomputed: the step depends on something that is not part"
                " of the loop's state, such as a clock, a file, or data hidden in a library's object"
            )
