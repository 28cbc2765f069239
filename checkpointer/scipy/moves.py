"""Functions that only move elements: the same function, run on the elements' numbers, says where each one went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from checkpointer.boxes import is_varied, plain
from checkpointer.scipy.aware import record


def moved(function: Callable[..., Any], value: Any, arrays: Sequence[Any]) -> Any:
    """Record ``value = function(*arrays)``, an array that holds elements of the arrays, each unchanged, and zeros."""
    sizes = [np.size(plain(array)) if is_varied(array) else 0 for array in arrays]
    starts = 1 + np.concatenate([[0], np.cumsum(sizes, dtype=np.intp)])
    shapes = [np.shape(plain(array)) for array in arrays]
    numbers = [
        np.arange(start, start + size).reshape(shape) if size else np.zeros(shape, np.intp)
        for start, size, shape in zip(starts, sizes, shapes, strict=False)
    ]
    places = function(*numbers)

    def sums(g: Any) -> Any:
        total = np.zeros(starts[-1], g.dtype)
        np.add.at(total, places, g)
        return total

    def pullback(number: int) -> Callable[[Any], Any]:
        return lambda g: sums(g)[starts[number] : starts[number + 1]].reshape(shapes[number])

    return record(value, *((array, pullback(number)) for number, array in enumerate(arrays)))
