"""The other ranks of a differentiated call: who they are, and what is one and the same on all of them.

It does nothing, and loads nothing, where a call has no other ranks. What they exchange is in `checkpointer.mpi4py.meaning`.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from checkpointer import ranks, trees
from checkpointer.errors import ArgumentError

if TYPE_CHECKING:
    from checkpointer.traffic import Traffic

UNSET: Any = object()
"""An argument that was not given, where None may have been."""
_FEW = 1024
"""Elements of an array that are kept, to say which of them differ."""


@dataclass(frozen=True)
class Leaf:
    """An array or number of a replicated argument, as it was when the call began.

    Attributes
    ----------
    name : str
        As the user would write it.
    form : str
        Shape and dtype.
    digests : tuple of bytes
        Of its content, piece by piece.
    content : ndarray or None
        Its elements, flat, if they are few.
    size : int
        How many they are.
    """

    name: str
    form: str
    digests: tuple[bytes, ...]
    content: Any
    size: int

    @property
    def key(self) -> tuple[Any, ...]:
        """The same on two ranks where the leaf is."""
        return self.name, self.form, self.digests


def leaf_of(name: str, value: Any) -> Leaf:
    """What is to be known of an array or number; every NaN is the same."""
    array = np.ascontiguousarray(value)
    form = f"an array of shape {np.shape(value)} and dtype {array.dtype}"
    if not isinstance(value, np.ndarray):
        form = "a complex number" if array.dtype.kind == "c" else "a number"
        array = array.astype(np.result_type(array, float))
    flat = array.reshape(-1)
    missing = np.isnan(flat)
    if missing.any():
        flat = np.where(missing, np.array(np.nan, flat.dtype), flat)
    pieces = [flat] if flat.size <= _FEW else np.array_split(flat, _FEW)
    digests = tuple(hashlib.blake2b(piece.tobytes(), digest_size=8).digest() for piece in pieces)
    return Leaf(name, form, digests, flat.copy() if flat.size <= _FEW else None, flat.size)


class Peers:
    """Those that take part in one differentiated call.

    Parameters
    ----------
    comm : Comm or None
        The communicator that the caller names.
    shared : sequence of (str, int)
        The replicated arguments: their names, and their places among the differentiated ones.
    values : sequence
        The differentiated arguments.

    Attributes
    ----------
    comm : Comm or None
        The communicator of all of them; None if there are no others, and until they are known.
    shared : list of int
        The places of the replicated arguments among the differentiated ones.
    """

    def __init__(self, comm: Any, shared: Sequence[tuple[str, int]], values: Sequence[Any]) -> None:
        self.comm: Any = None
        self._given = comm
        self._found = False
        self.shared = [place for _, place in shared]
        self._leaves = [
            leaf_of(path, leaf)
            for name, place in shared
            if comm is not None or ranks.world() is not None
            for path, leaf in trees.leaves(values[place], name)
        ]

    def begin(self) -> None:
        """The call begins: where the caller names the ranks, they compare what is replicated."""
        if self._given is not None:
            from checkpointer.mpi4py import meaning

            self.comm = meaning.named(self._given)
            meaning.check_replicated(self.comm, self._leaves)

    def find(self, traffic: Traffic) -> None:
        """The function has run: now it is known who took part."""
        if self._found:
            return
        self._found = True
        if self._given is None and not traffic.communicators and (not self.shared or ranks.world() is None):
            return
        from checkpointer.mpi4py import meaning

        if self._given is not None:
            meaning.check_all_are_in(self.comm, traffic)
            return
        self.comm = meaning.largest_used(traffic)
        if self.shared:
            meaning.check_replicated(self.comm, self._leaves)

    def seeds(self, loss: Any, unit: Callable[[Any], Any]) -> bool:
        """Whether the loss is seeded on this rank, which is so on one of them.

        Raises
        ------
        ArgumentError, RankError
            On all of them: if there is no one loss that all of them have. ``unit`` raises the first where a loss is no
            real number.
        """
        if self.comm is None:
            return True
        from checkpointer.mpi4py import meaning

        return meaning.seeds(self.comm, loss, unit)

    def total(self, gradients: list[Any]) -> list[Any]:
        """The adjoints, those of replicated arguments summed over the ranks."""
        if self.comm is None:
            return gradients
        from checkpointer.mpi4py import meaning

        return [
            trees.rebuilt(tree, lambda leaf: meaning.total(self.comm, leaf)) if place in self.shared else tree
            for place, tree in enumerate(gradients)
        ]


def check_communicator(comm: Any) -> None:
    """Refuse what is no communicator.

    Raises
    ------
    ArgumentError
    """
    mpi = sys.modules.get("mpi4py.MPI")
    if comm is not None and (mpi is None or not isinstance(comm, mpi.Comm)):
        raise ArgumentError(f"comm must be a communicator of mpi4py, or None, but is {comm!r}")


def divided(function: Any, comm: Any, kwargs: dict[str, Any]) -> Any:
    """The communicator that a caller names by ``comm=``, which the function gets, too, if it has such a parameter."""
    if comm is UNSET:
        return None
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        parameters = {}  # type: ignore[assignment]
    if "comm" in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        kwargs["comm"] = comm
        mpi = sys.modules.get("mpi4py.MPI")
        return comm if mpi is not None and isinstance(comm, mpi.Comm) else None
    check_communicator(comm)
    return comm
