"""What a gradient means on ranks: whose loss it is of, and which arguments are one variable on all of them.

The ranks of a call find out together: all of them go on, or all of them raise an error. See docs/ranks.md.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mpi4py import MPI

from checkpointer.active import active
from checkpointer.errors import ArgumentError, RankError
from checkpointer.mpi4py import MPI as _dropin  # noqa: F401  the world has its private duplicate from now on
from checkpointer.mpi4py.agreement import by_text, everyones, patience
from checkpointer.mpi4py.private import age_of, key_of, private
from checkpointer.mpi4py.waiting import count_from, finish, until
from checkpointer.peers import Leaf
from checkpointer.traffic import Traffic

# --- who takes part --------------------------------------------------------------------------------------------------


def named(comm: Any) -> Any:
    """The communicator that a caller names, if it can be used."""
    if comm == MPI.COMM_NULL or comm.Is_inter():
        raise ArgumentError(f"comm must be a communicator of one group of ranks, but is {comm!r}")
    private(comm)
    return comm


def members(comm: Any) -> frozenset[int]:
    """The ranks of a communicator, numbered as in the world."""
    world = MPI.COMM_WORLD.Get_group()
    groups = [comm.Get_group(), *([comm.Get_remote_group()] if comm.Is_inter() else [])]
    found = [number for group in groups for number in group.Translate_ranks(None, world)]
    for group in (world, *groups):
        group.Free()
    return frozenset(found)


def _used(traffic: Traffic) -> list[tuple[frozenset[int], Any]]:
    """The communicators that this rank used in the call and that still are, with their ranks."""
    return [(members(comm), comm) for comm in traffic.standing.values()]


def largest_used(traffic: Traffic) -> Any:
    """The communicator of all ranks that took part in a call, as far as this one can tell; the world, if it used none.

    Several communicators of the same ranks are one as good as the other; all ranks take that which was made first.

    Raises
    ------
    ArgumentError
        If it used several, and none of them has all the ranks of the others.
    """
    used = _used(traffic)
    everybody = members(MPI.COMM_WORLD)
    if not used:
        return MPI.COMM_WORLD
    largest = max((ranks for ranks, _ in used), key=len)
    together = frozenset[int]().union(*(ranks for ranks, _ in used))
    found = [comm for ranks, comm in used if ranks == largest and not comm.Is_inter()]
    if largest == everybody:
        return MPI.COMM_WORLD
    if together != largest or not found:
        sizes = " and ".join(sorted({_shown(ranks) for ranks, _ in used}))
        raise ArgumentError(
            "whose loss it is cannot be told: the function used communicators of different ranks, and none of them has all"
            f" of these (as numbered in the world: {sizes}). Name the communicator of all ranks that take part: comm=..."
        )
    return min(found, key=age_of)


def check_all_are_in(comm: Any, traffic: Traffic) -> None:
    """Refuse a call whose function exchanged messages with ranks that the named communicator does not have.

    What those seed would be in the gradient as well.
    """
    inside = members(comm)
    for ranks, _ in _used(traffic):
        if not ranks <= inside:
            raise ArgumentError(
                f"comm= has the ranks {_shown(inside)} of the world, but the function used a communicator of"
                f" {_shown(ranks)}: what all of those return would flow into the gradient. Name a communicator that has all"
                " of them, or use vjp with the cotangent that you mean on each"
            )


def _shown(ranks: frozenset[int]) -> str:
    numbers = sorted(ranks)
    return ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")


def _meet(comm: Any) -> None:
    """Wait until all ranks are here, but not for ever: one may mean another communicator."""
    begin = time.monotonic()
    # what its ranks raise concerns this one from now on
    active.traffic.communicators.setdefault(key_of(comm), comm)
    mine, highest = np.array([active.traffic.number]), np.empty(1, int)
    request = private(comm).Iallreduce(mine, highest, MPI.MAX)

    def here() -> bool:
        if request.Test():
            return True
        if time.monotonic() - begin > patience():
            raise RankError(
                f"rank {comm.rank} has waited {patience():g} s for all {comm.size} ranks of a communicator to come to the"
                " same gradient. Some of them do not differentiate now, or used other communicators in the function: then"
                " name the one that all of them mean, comm=... . If they only are that late, set CHECKPOINTER_PATIENCE to"
                " more seconds",
                known=True,
            )
        return False

    until(here)
    count_from(int(highest[0]))


# --- whose loss --------------------------------------------------------------------------------------------------------

_WAY_OUT = (
    "Return what all ranks have together, comm.allreduce(loss); or return it on one rank, and None on the others; or use"
    " vjp, which takes a cotangent of its own on each rank"
)


def seeds(comm: Any, loss: Any, unit: Callable[[Any], Any]) -> bool:
    """Whether this rank is the one on which the loss is seeded: the first that has it.

    Raises
    ------
    ArgumentError, RankError
        On all ranks, unless all of them have the same number, or one has a number and the others None.
    """
    if comm.size > 1:
        _meet(comm)
    kind, text, mine = "number", "None", None
    try:
        text = _written(unit(loss), loss) if loss is not None else "None"
    except ArgumentError as error:
        kind, text, mine = "other", _short(loss), error
    every = everyones((kind, text), comm)
    texts = [text for _, text in every]
    if any(kind == "other" for kind, _ in every):
        raise _agreed(
            f"the gradient is defined for functions that return a real number, but this one returned {_said(every)}:"
            " return a sum, a mean or one element, or use vjp"
        ) from mine
    having = [rank for rank, text in enumerate(texts) if text != "None"]
    if not having:
        raise _agreed(
            f"the gradient is defined for functions that return a real number, but this one returned None on all {comm.size}"
            f" ranks. {_WAY_OUT}"
        )
    if len(having) > 1 and len(set(texts)) > 1:
        raise RankError(
            f"it is not clear of which number the gradient is wanted: the ranks have different losses, {_said(every)}."
            f" {_WAY_OUT}",
            known=True,
        )
    return bool(comm.rank == having[0])


def _agreed(text: str) -> ArgumentError:
    """An error that all ranks raise, so that nobody has to be told of it."""
    error = ArgumentError(text)
    error.known = True  # type: ignore[attr-defined]
    return error


def _written(unit: Any, loss: Any) -> str:
    """A number in a text, so that two texts are equal where the numbers have the same bits, or both are NaN."""
    return repr(np.asarray(loss, np.result_type(unit, float)).reshape(-1)[0].item())


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _said(every: list[tuple[str, str]]) -> str:
    return by_text([text for _, text in every])


# --- what is one variable --------------------------------------------------------------------------------------------


def check_replicated(comm: Any, leaves: Sequence[Leaf]) -> None:
    """The replicated arguments have to be the same on all ranks.

    Raises
    ------
    RankError
        On all ranks, with the first difference.
    """
    if not leaves or comm.size == 1:
        return
    _meet(comm)
    digest = hashlib.blake2b(repr([leaf.key for leaf in leaves]).encode(), digest_size=16).digest()
    if len(set(everyones(digest, comm))) == 1:
        return
    every = everyones(list(leaves), comm)
    raise RankError(
        "an argument that is named in replicated= is one variable of all ranks, but it is not the same on them:"
        f" {_first_difference(every)}. Give all ranks the same (comm.bcast), or leave it out of replicated=, for the"
        " derivative with respect to each rank's own",
        known=True,
    )


def _first_difference(every: list[list[Leaf]]) -> str:
    for here in zip(*every, strict=False):
        for look in (lambda leaf: leaf.name, lambda leaf: f"{leaf.name} is {leaf.form}"):
            texts = [look(leaf) for leaf in here]
            if len(set(texts)) > 1:
                return by_text(texts)
        piece = next((number for number, some in enumerate(_pieces(here)) if len(set(some)) > 1), None)
        if piece is not None:
            return _in_piece(here, piece)
    return by_text([f"{len(leaves)} arrays and numbers" for leaves in every])


def _pieces(here: Sequence[Leaf]) -> list[tuple[Any, ...]]:
    """What to compare: elements, where they are few, otherwise digests of some in a row."""
    if here[0].content is None:
        return list(zip(*(leaf.digests for leaf in here), strict=True))
    return list(zip(*([element.tobytes() for element in leaf.content] for leaf in here), strict=True))


def _in_piece(here: Sequence[Leaf], piece: int) -> str:
    leaf = here[0]
    if leaf.content is None:
        length = -(-leaf.size // len(leaf.digests))
        start = sum(
            len(part) for part in np.array_split(np.empty(leaf.size, np.int8), len(leaf.digests))[:piece]
        )
        return (
            f"{leaf.name} differs in its elements {start} to {start + length - 1}, counted in the order of C"
        )
    where = leaf.name if leaf.size == 1 else f"element {piece} of {leaf.name}"
    return f"{where} is " + by_text([repr(other.content[piece].item()) for other in here])


def total(comm: Any, leaf: Any) -> Any:
    """The sum over the ranks of an adjoint, with the same bits on all of them."""
    if comm.size == 1:
        return leaf
    hidden = private(comm)
    mine = np.ascontiguousarray(leaf)
    native = np.result_type(mine.dtype.newbyteorder("="), np.float32)  # MPI does not know half precision
    mine = mine.astype(native, copy=False)
    summed = np.empty_like(mine)
    # one rank adds up: where each does, the order of the terms may be another one
    finish(hidden.Ireduce(mine, summed if comm.rank == 0 else None, MPI.SUM, 0))
    finish(hidden.Ibcast(summed, 0))
    if isinstance(leaf, np.ndarray):
        return summed.astype(leaf.dtype, copy=False).reshape(leaf.shape)
    return type(leaf)(summed.reshape(-1)[0])
