"""The adjoint of a state as text and arrays, for another process."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from checkpointer.descriptions import Entry, key_described, key_read
from checkpointer.encoding import as_atom, from_atom
from checkpointer.memory import Array
from checkpointer.stretch import Adjoint, Base


def to_text(adjoint: Adjoint, entry: Entry) -> tuple[str, list[Array]]:
    """The adjoint's keys and numbers as a text, its arrays beside it."""
    arrays: list[Array] = []
    found = []
    for key, value in adjoint.items():
        if isinstance(value, Base):
            root = value.array
            form = [as_atom(root.dtype), list(root.shape), list(root.strides), value.alone]
            text = ["base", len(arrays), form]
            arrays.append(value.flat)
        elif isinstance(value, np.ndarray):
            turned = value.flags.f_contiguous and not value.flags.c_contiguous
            text = ["array", len(arrays), turned]
            arrays.append(value.T if turned else value)
        else:
            text = ["number", as_atom(value)]
        found.append([key_described(key, entry), text])
    return json.dumps(found, separators=(",", ":")), arrays


def from_text(text: str, arrays: list[Array], entry: Entry) -> Adjoint:
    """The adjoint that `to_text` described."""
    return {key_read(key, entry): _read(arrays, *value) for key, value in json.loads(text)}


def _read(arrays: list[Array], kind: str, what: Any, form: Any = None) -> Any:
    if kind == "number":
        return from_atom(what)
    if kind == "array":
        return arrays[what].T if form else arrays[what]
    dtype, shape, strides, alone = form
    root: Array = np.ndarray(shape, from_atom(dtype), arrays[what], 0, strides)
    return Base(arrays[what], root, alone=alone)
