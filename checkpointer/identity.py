"""What a run of a loop belongs to: program, scheme, length, versions and inputs, in a text that another process compares.

A durable point is only of use to the same computation. So the text of a loop is made anew in every process and has to be
equal; where it is not, `difference` names the first thing that differs.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from checkpointer.descriptions import Entry, described
from checkpointer.encoding import bits
from checkpointer.frames import labelled, named_arrays
from checkpointer.memory import Array, offset_in, root_of
from checkpointer.snapshots import Snapshot
from checkpointer.state import State
from checkpointer.version import VERSION

_LINE = re.compile(r"(?<=One iteration of ).*:\d+")
"""What the rewriter says of the place of a step in its file: a comment more in front of it makes it no other."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def identity(
    step: Callable[..., Any], state: State, scheme: str, length: int | None, snapshot: Snapshot, entry: Entry
) -> str:
    """The text of a loop.

    Parameters
    ----------
    step : function
        One iteration.
    state : State
        That of the loop.
    scheme : str
        How the scheme prints.
    length : int or None
        The number of steps, if it is known.
    snapshot, entry : Snapshot, Entry
        The state at the loop's entry, and its objects.
    """
    parts = {
        "loop": f"{os.path.basename(step.__code__.co_filename)}, {step.__qualname__}",
        "program": _digest(
            *sorted(_of_code(code) for code in state.code()),
            *sorted(text.encode("utf-8", "replace") for text in state.constants()),
        ),
        "scheme": _ADDRESS.sub("", scheme),
        "steps": length,
        "versions": {"checkpointer": VERSION, "numpy": np.__version__, "Python": platform.python_version()},
        "inputs": [[_ADDRESS.sub("", name), digest] for name, digest in _inputs(snapshot)],
        "objects": _digest(described(snapshot, entry, alike=True).encode(), *_kinds(entry)),
    }
    return json.dumps(parts, separators=(",", ":"))


def difference(then: str, now: str) -> str:
    """What differs between the loop of a file and the one at hand."""
    a, b = json.loads(then), json.loads(now)
    if a["loop"] != b["loop"]:
        return f"it goes on with the loop {a['loop']}, and this is {b['loop']}"
    if a["program"] != b["program"]:
        return "the code of the loop, or of something that it calls, is not what it was"
    for what in ("scheme", "steps"):
        if a[what] != b[what]:
            return f"its {what} {'are' if what == 'steps' else 'is'} {a[what]}, and here {b[what]}"
    for name, version in a["versions"].items():
        if version != b["versions"][name]:
            return f"it was begun with {name} {version}, and this is {b['versions'][name]}"
    inputs = dict(map(tuple, a["inputs"]))
    for name, digest in b["inputs"]:
        if inputs.get(name) != digest:
            return f"{name} is not what it was when the loop began"
    return "the objects that its loop refers to have another form"


def digest_of(text: str, arrays: list[Array]) -> str:
    """A digest of a text and the contents of arrays."""
    return _digest(text.encode(), *(bits(array).data for array in arrays))


def _inputs(entry: Snapshot) -> Iterator[tuple[str, str]]:
    """The digests of all arrays, numbers and texts."""
    arrays = named_arrays(entry.contents)
    for number, (key, buffer) in enumerate(entry.buffers.items()):
        name = arrays[key][0] if key in arrays else f"array {number}"
        yield name, digest_of(f"{buffer.root.shape} {buffer.root.dtype}", list(buffer.pieces()))
    for name, value in labelled(entry.contents):
        if not isinstance(value, np.ndarray):
            text = hex(value) if type(value) is int else repr(value)  # which has at most 4300 digits
            yield name, _digest(type(value).__name__.encode(), text.encode("utf-8", "replace"))


def _kinds(entry: Entry) -> Iterator[bytes]:
    """Of what kind the places and objects are, and how arrays lie in their memory."""
    for container in entry.containers:
        yield f"{type(container).__name__} {_ADDRESS.sub('', container.name)}\n".encode()
    for value in entry.objects:
        yield f"{type(value).__module__}.{type(value).__qualname__}\n".encode()
        if type(value) is np.ndarray and value.dtype != object:
            yield f"{offset_in(root_of(value), value)} {value.shape} {value.strides} {value.dtype}".encode()


def _of_code(code: types.CodeType) -> bytes:
    """The digest of what code does: not where it stands in its file."""
    found = [
        code.co_code,
        code.co_exceptiontable,
        repr((code.co_names, code.co_varnames, code.co_freevars)).encode(),
    ]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found.append(_of_code(constant))
        elif isinstance(constant, frozenset):
            found.append(repr(sorted(map(repr, constant))).encode())
        else:
            found.append(_LINE.sub("", repr(constant)).encode("utf-8", "replace"))
    return _digest(*found).encode()


def _digest(*parts: Any) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(memoryview(part).cast("B")).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
