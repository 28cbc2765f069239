"""What the lower-case calls send in a stretch that is differentiated: any object that can be pickled, traced values in it.

A message is in a traced stretch on both sides or on neither, so the wire may have a form of its own there: the object with
numbered places for its arrays and traced numbers, their plain values, and which of them a derivative flows through. The
receiver makes exactly those differentiable. So both sides know the same of the adjoint that goes back, or that none does.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI

from checkpointer.active import active
from checkpointer.arrays import TracedArray
from checkpointer.boxes import box, constant, is_varied
from checkpointer.errors import RankError
from checkpointer.generators import WatchedGenerator
from checkpointer.scalars import TracedNumber, tape_of
from checkpointer.tape import Tape, TapeNode, memory_for

_TRACED = (TracedArray, TracedNumber)


class Envelope:
    """What is on the wire.

    Attributes
    ----------
    body : bytes
        The pickled object without its leaves: arrays, and what was traced.
    leaves : list
        Their plain values.
    varied : bytes
        For each of them 1 if a derivative flows through it, and 0 otherwise.
    """

    __slots__ = ("body", "leaves", "varied")

    def __init__(self, body: bytes, leaves: list[Any], varied: bytes) -> None:
        self.body = body
        self.leaves = leaves
        self.varied = varied

    def __reduce__(self) -> Any:
        return _arrived, (self.body, self.leaves, self.varied)

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.body) + sum(
            leaf.nbytes if isinstance(leaf, np.ndarray) else 9 for leaf in self.leaves
        )


def _arrived(body: bytes, leaves: list[Any], varied: bytes) -> Envelope:
    """Unpickles an envelope. No other rank may take it for the object itself."""
    if active.tape is None:
        raise RankError(
            f"rank {MPI.COMM_WORLD.rank} of the world receives, outside of what is being differentiated, an object that"
            " another rank sent in the midst of it. Both ranks have to be in the same step of the same marked loop, or both"
            " outside of all"
        )
    return Envelope(body, leaves, varied)


class _Pickler(pickle.Pickler):
    def __init__(self, file: Any) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.leaves: list[Any] = []
        self._numbers: dict[int, int] = {}

    def persistent_id(self, value: Any) -> int | None:
        kind = type(value)
        if kind in _TRACED:
            tape_of(value)  # refuses one that has left its stretch
        elif kind is not WatchedGenerator and (kind is not np.ndarray or value.dtype.kind not in "biufc"):
            return None
        number = self._numbers.setdefault(id(value), len(self.leaves))
        if number == len(self.leaves):
            self.leaves.append(value)
        return number


class _Unpickler(pickle.Unpickler):
    def __init__(self, body: bytes, leaves: Sequence[Any]) -> None:
        super().__init__(io.BytesIO(body))
        self._leaves = leaves

    def persistent_load(self, number: int) -> Any:
        return self._leaves[number]


class Packed(NamedTuple):
    """An object to be sent.

    Attributes
    ----------
    envelope : Envelope
    nodes : list of TapeNode
        Those of its leaves through which a derivative flows.
    """

    envelope: Envelope
    nodes: list[TapeNode]


def packed(given: Any) -> Packed:
    """Pack an object of a traced stretch."""
    file = io.BytesIO()
    pickler = _Pickler(file)
    pickler.dump(given)
    varied = [is_varied(leaf) for leaf in pickler.leaves]
    leaves = [leaf._value if type(leaf) in (*_TRACED, WatchedGenerator) else leaf for leaf in pickler.leaves]
    nodes = [leaf._node for leaf, flows in zip(pickler.leaves, varied, strict=True) if flows]
    return Packed(Envelope(file.getvalue(), leaves, bytes(varied)), nodes)


class Opened(NamedTuple):
    """An object that was received.

    Attributes
    ----------
    content : object
        With new traced arrays and numbers.
    nodes : list of TapeNode
        Those of its leaves through which a derivative flows, in the sender's order.
    """

    content: Any
    nodes: list[TapeNode]


def opened(tape: Tape, envelope: Any) -> Opened:
    """Unpack what has arrived in a traced stretch."""
    if type(envelope) is not Envelope:
        raise RankError(
            f"rank {MPI.COMM_WORLD.rank} of the world receives, in the midst of what is being differentiated, an object that"
            " another rank sent outside of it. Both ranks have to be in the same step of the same marked loop, or both"
            " outside of all"
        )
    leaves, nodes = [], []
    for value, flows in zip(envelope.leaves, envelope.varied, strict=True):
        value = owned(value)
        if flows:
            leaf: Any = box(tape, value, memory_for(value))
            nodes.append(leaf._node)
        else:
            leaf = constant(tape, value)
        leaves.append(leaf)
    return Opened(_Unpickler(envelope.body, leaves).load(), nodes)


def owned(value: Any) -> Any:
    """An array that owns its memory, which those that pickle makes do not; anything else as it is."""
    return value.copy(order="K") if type(value) is np.ndarray else value


def plain_copy(given: Any) -> Any:
    """A copy of an object through which no derivative flows, with plain arrays."""
    envelope = packed(given).envelope
    return _Unpickler(envelope.body, envelope.leaves).load()


def watched(tape: Tape, given: Any) -> Any:
    """An object that mpi4py has made on a tape: its arrays become constants that the tape watches."""
    return opened(tape, packed(given).envelope).content


class Layout:
    """How the adjoints of several leaves lie in one vector of real numbers, on both sides of the wire.

    Parameters
    ----------
    values : sequence
        Plain arrays and numbers with the shapes and types of the leaves.
    wide : bool
        Whether the vector is of double precision at least, also if all leaves are arrays of less.
    """

    def __init__(self, values: Sequence[Any], *, wide: bool = False) -> None:
        self._forms = [(np.shape(value), np.result_type(value).kind == "c") for value in values]
        kinds = [_real_type(value) for value in values] + (
            [np.dtype(np.float64)] if wide or not values else []
        )
        self.dtype = np.result_type(*kinds)

    @property
    def size(self) -> int:
        """Elements of the vector."""
        return sum(_length(*form) for form in self._forms)

    def vector(self, adjoints: Sequence[Any]) -> Any:
        """The vector of the leaves' adjoints; None stands for zero."""
        made = np.zeros(self.size, self.dtype)
        start = 0
        for adjoint, (shape, is_complex) in zip(adjoints, self._forms, strict=True):
            stop = start + _length(shape, is_complex)
            if adjoint is not None and not is_complex:
                made[start:stop] = np.reshape(np.real(adjoint), -1)
            elif adjoint is not None:
                made[start:stop:2] = np.reshape(np.real(adjoint), -1)
                made[start + 1 : stop : 2] = np.reshape(np.imag(adjoint), -1)
            start = stop
        return made

    def apart(self, vector: Any) -> list[Any]:
        """The adjoints of the leaves, given their vector."""
        found = []
        start = 0
        for shape, is_complex in self._forms:
            stop = start + _length(shape, is_complex)
            part = vector[start:stop]
            found.append((part[::2] + 1j * part[1::2] if is_complex else part).reshape(shape)[()])
            start = stop
        return found


def _length(shape: tuple[int, ...], is_complex: bool) -> int:
    return int(np.prod(shape, dtype=int)) * (2 if is_complex else 1)


def _real_type(value: Any) -> np.dtype[Any]:
    """In which precision the adjoint of a leaf travels."""
    if isinstance(value, np.ndarray):
        return np.zeros(0, value.dtype).real.dtype
    return np.result_type(np.asarray(value).real.dtype, np.float64)


def layout_of(nodes: Sequence[TapeNode], *, wide: bool = False) -> Layout:
    """The layout of the adjoints of these nodes."""
    return Layout([node.value for node in nodes], wide=wide)


def deposit(nodes: Sequence[TapeNode], adjoints: Sequence[Any]) -> None:
    """Add to the adjoints of what was sent."""
    for node, adjoint in zip(nodes, adjoints, strict=True):
        node.memory.add(node.value, adjoint)
