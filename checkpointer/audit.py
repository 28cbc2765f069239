"""The audit: the whole state at every recomputed step, compared with that of the first sweep.

The replay check that always runs (`checkpointer.fingerprints`) compares the arrays and floats that a differentiated step
leaves with those that the loop went on from. The audit also looks at integers, texts, random generators and at what is bound
to what; at every step that is computed again, not only at those that are differentiated; and with a cryptographic digest
(BLAKE2b) of each place. So it finds the first variable and step that differ, where the replay check may see only what came
of it.

It costs one walk of the state and one pass over the arrays, at about a gigabyte per second, for every step that is run, in
the first sweep and in the reverse one; and 16 bytes for every step and place of the state (a container of more than 64
values counts as one place). Meant for finding a mistake, not for production.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from checkpointer.boxes import plain
from checkpointer.containers import Container
from checkpointer.errors import ReplayError
from checkpointer.memory import Array, offset_in, root_of
from checkpointer.reach import names_in
from checkpointer.replay import original_of
from checkpointer.state import State, Survey
from checkpointer.switches import is_on
from checkpointer.tails import Tail

Label = tuple[str, int]
"""The name of a place of the state, and which of the places of this name it is."""

_SIZE = 16
_MANY = 64
_ATOMS = (bool, int, float, complex, str, bytes, bytearray, type(None), range, slice, np.generic, np.dtype)
_SUSPECTS = frozenset(
    (
        *(
            "clock_gettime",
            "getrandbits",
            "input",
            "monotonic",
            "now",
            "open",
            "perf_counter",
            "process_time",
        ),
        *(
            "read",
            "readline",
            "recv",
            "secrets",
            "time",
            "time_ns",
            "today",
            "urandom",
            "urlopen",
            "uuid1",
            "uuid4",
        ),
    )
)
"""Names of what gives another answer each time."""


def audit_wanted() -> bool:
    """Whether the environment asks for the audit of every loop."""
    return is_on("CHECKPOINTER_AUDIT")


class Audit:
    """The digests of one loop's first sweep.

    Parameters
    ----------
    state : State
    step : function
        The loop's step, for a guess at the cause.
    """

    def __init__(self, state: State, step: Callable[..., Any]) -> None:
        self._state = state
        self._step = step
        self._first: list[tuple[tuple[Label, ...], bytes, int]] = []

    def note(self) -> None:
        """Keep the digests of the state as it is: before the next step of the first sweep, or after the last."""
        labels, digests, reach = self._now()
        if self._first and self._first[-1][0] == labels:
            labels = self._first[-1][0]  # the same tuple for all steps
        self._first.append((labels, digests, reach))

    def check(self, number: int) -> None:
        """Compare the state with that before step ``number`` in the first sweep.

        Raises
        ------
        ReplayError
            Naming the first variable that differs, and the step that left it.
        """
        first, now = self._first[number], self._now()
        if first[:2] == now[:2]:
            return
        then, current = (
            dict(zip(labels, _split(digests), strict=True)) for labels, digests, _ in (first, now)
        )
        # code that was found later in the first sweep may bring places that the state did not have yet
        labels = then if now[2] > first[2] else then | current
        name = next((label for label in labels if then.get(label) != current.get(label)), None)
        if name is None:
            return
        when = (
            f"when step {number - 1} was recomputed" if number else "when the loop's first state was restored"
        )
        raise ReplayError(
            f"audit: {_called(name)} was something else {when} than in the first sweep{self._cause()}."
            " What a step computes has to follow from the loop's state: read clocks, files and devices before the loop, draw"
            " random numbers from a seeded generator, and keep what changes in variables, attributes or containers that the"
            " loop can reach"
        )

    def _now(self) -> tuple[tuple[Label, ...], bytes, int]:
        found = list(places(self._state.survey()))
        labels = tuple(label for label, _ in found)
        return labels, b"".join(digest for _, digest in found), self._state.reach()

    def _cause(self) -> str:
        names = names_in(self._step.__code__)
        met = sorted((names.used | names.attributes | names.imported) & _SUSPECTS)
        return f" (its body mentions {', '.join(met)})" if met else ""


def _split(digests: bytes) -> list[bytes]:
    return [digests[start : start + _SIZE] for start in range(0, len(digests), _SIZE)]


def places(survey: Survey) -> Iterator[tuple[Label, bytes]]:
    """The places of the state by their names, with the digests of what they hold."""
    digest = _Digest(survey)
    counts: dict[str, int] = {}
    for container in survey.containers:
        if isinstance(container, Tail):  # of a loop around, which is not audited
            continue
        for name, value in _values(container):
            number = counts[name] = counts.get(name, 0) + 1
            yield (name, number), digest(name, value)


def _values(container: Container) -> Iterator[tuple[str, Any]]:
    pairs = container.pairs()
    whole = container.name.removesuffix(".")
    if not pairs:
        yield whole, container.content()
    elif len(pairs) > _MANY:
        yield whole, tuple(item for pair in pairs for item in pair)
    else:
        yield from ((container.label(key), value) for key, value in pairs)


def _called(label: Label) -> str:
    """What the user calls a place; the state also keeps what the program has let go of."""
    return "something that the program no longer names" if label[0].startswith("kept[") else label[0]


def written(atom: Any) -> bytes:
    """What the type of a number or text of the language's or of NumPy writes; a subclass of it may write anything."""
    its: Any = next(cls for cls in type(atom).__mro__ if cls.__module__ in ("builtins", "numpy"))
    return str(its.__repr__(atom)).encode(errors="surrogatepass")


class _Digest:
    """Digests of values; an object that is a container of the state counts by its name, since its content is listed."""

    def __init__(self, survey: Survey) -> None:
        self._names = {id(container.owner): container.name for container in survey.containers}
        self._roots: dict[int, str] = {}
        self._arrays: dict[int, tuple[Array, bytes]] = {}  # with the arrays, so that their ids stay theirs

    def __call__(self, label: str, value: Any) -> bytes:
        value = original_of(plain(value))
        found = hashlib.blake2b(digest_size=_SIZE)
        for part in self._parts(label, value):
            found.update(part)
        return found.digest()

    def _parts(self, label: str, value: Any) -> Iterator[bytes]:
        yield type(value).__qualname__.encode()
        if id(value) in self._names:
            yield self._names[id(value)].encode()
        elif isinstance(value, np.ndarray):
            yield self._of_array(label, value)
        elif isinstance(value, _ATOMS):
            yield written(value)
        elif isinstance(value, tuple | list):
            yield from (self(label, item) for item in value)
        elif isinstance(value, dict):
            yield from (self(label, item) for pair in value.items() for item in pair)
        elif isinstance(value, set | frozenset):
            yield from sorted(self(label, item) for item in value)
        else:
            yield str(getattr(value, "__qualname__", "")).encode()

    def _of_array(self, label: str, array: Array) -> bytes:
        """Its form, the place where its memory was met first, and its content."""
        if id(array) not in self._arrays:
            root = root_of(array)
            offset = offset_in(root, array)
            owner = self._roots.setdefault(id(root), label)
            found = hashlib.blake2b(repr((owner, offset, array.shape, array.strides, array.dtype)).encode())
            content = array
            if array.dtype.char in "gG":
                content = array.astype("D" if array.dtype.kind == "c" else "d")  # long doubles are padded
            if array.dtype.kind != "O":
                found.update(np.ascontiguousarray(content).reshape(-1).view(np.uint8).data)
            self._arrays[id(array)] = array, found.digest()
        return self._arrays[id(array)][1]
