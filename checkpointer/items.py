"""What a loop iterates over, in a form in which any item can be asked for again."""

from __future__ import annotations

import gc
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from checkpointer.boxes import is_varied, plain
from checkpointer.reach import is_foreign
from checkpointer.refusals import refuse
from checkpointer.sequences import Sequence, sequence_of
from checkpointer.state import State, Survey

_KEYS: tuple[type, ...] = (dict, set, frozenset, type({}.keys()))


class Items:
    """The items of a ``for`` loop, or the endless iterations of a ``while`` loop (`endless`).

    What is a sequence, or made of sequences by ``enumerate``, ``zip`` and ``reversed``, or the values of a dict, is
    indexed; keys and the elements of a set are read at once; anything else (a generator, a progress bar) is read while the
    loop runs, and its length is known at its end.

    Parameters
    ----------
    iterable : iterable or None
        None for a ``while`` loop.
    holder : list
        Its first place takes the sequences that can be changed or differentiated, and so belong to the loop's state.
    """

    def __init__(self, iterable: Iterable[Any] | None, holder: list[Any]) -> None:
        self.endless = iterable is None
        self.length: int | None = None
        self._holder = holder
        self._kept: list[Any] = []
        self._sequence: Sequence | None = None
        self._iterator: Iterator[Any] | None = None
        self._source = iterable if isinstance(iterable, Iterator) else None
        if iterable is None:
            return
        self._sequence = sequence_of(tuple(iterable) if isinstance(iterable, _KEYS) else iterable)
        if self._sequence is None:
            self._iterator = iter(iterable)
            return
        self.length = len(self._sequence)
        holder[0] = []
        for place in self._sequence.places():
            if isinstance(place.owner, np.ndarray) or not _is_fixed(place.owner):
                place.in_state = [place.owner]
                holder[0].append(place.in_state)

    def check_independent(self, loop: Survey) -> None:
        """Refuse an iterator that can reach what the loop changes or differentiates: its items would be constants."""
        source = self._iterator
        if source is None:
            return
        survey = _reach_of(source).survey(lenient=True)
        changed = {
            id(container.owner) for container in loop.containers if container.owner is not self._holder
        }
        places = [place for place in survey.containers if id(place.owner) in changed and place.pairs()]
        names = [leaf.name for leaf in survey.leaves if is_varied(leaf.value) or leaf.container in places]
        if names:
            raise refuse(
                "CKP219",
                f"the loop's items come from a {type(source).__name__} that can reach {names[0]}, which the loop can"
                " change or which is being differentiated: the items would be taken for constants",
                "iterate over the differentiated array itself, or over range(), and compute the item in the loop",
            )

    def move_on(self, steps: int, *, exhausted: bool) -> None:
        """Leave an iterator whose sequences were read in its stead where the loop left it: others may go on with it."""
        if self._source is not None and self._sequence is not None:
            for _ in range(steps + exhausted):
                next(self._source, None)

    def check_length(self) -> None:
        """Refuse a list that grew or shrank while the loop went over it."""
        for place in self._sequence.places() if self._sequence is not None else ():
            owner = place.owner if place.in_state is None else place.in_state[0]
            kind = "dict" if isinstance(owner, dict) else "list"
            if len(owner) != place.length:
                raise refuse(
                    "CKP220",
                    f"the {kind} that the loop goes over had {place.length} items at first, and has {len(owner)} now",
                    "loop with while over an index, or over a copy of the list",
                )

    def has(self, number: int) -> bool:
        """Whether there is an item with this number; reads it, if it has not been read."""
        if self.length is not None:
            return number < self.length
        if self._iterator is None or number < len(self._kept):
            return True
        try:
            item = next(self._iterator)
        except StopIteration:
            self.length = number
            return False
        self._kept.append(item)
        return True

    def __getitem__(self, number: int) -> Any:
        if self._sequence is not None:
            return self._sequence[number]
        item = self._kept[number]
        if not _is_atom(item):
            # a generator may yield the same buffer each time: hand out this one, and keep what is in it now
            self._kept[number] = _kept(item)
        return item


def _reach_of(source: Any) -> State:
    """What an iterator can reach: a generator's variables and the globals it uses, what an iterator of Python's refers to.

    All that through further iterators below.
    """
    functions, values, seen, waiting = [], [], {}, [source]
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen[id(item)] = item
        if isinstance(item, types.GeneratorType) and item.gi_frame is not None:
            variables = dict(item.gi_frame.f_locals)
            cells = tuple(types.CellType(variables.get(name)) for name in item.gi_code.co_freevars)
            functions.append(types.FunctionType(item.gi_code, item.gi_frame.f_globals, closure=cells))
            waiting.append(tuple(variables.values()))
        elif type(item) is tuple:
            waiting.extend(item)
        elif isinstance(item, Iterator) and is_foreign(type(item).__module__):
            waiting.extend(gc.get_referents(item))
        else:
            values.append(item)
    return State(functions, values)


def _kept(item: Any) -> Any:
    """An item as it is now, to be handed out again when its step is recomputed."""
    if isinstance(item, np.ndarray):
        return plain(item).copy()
    if isinstance(item, tuple):
        parts = [_kept(part) for part in item]
        return type(item)(*parts) if hasattr(item, "_fields") else tuple(parts)
    if _is_atom(item):
        return item
    raise refuse(
        "CKP219",
        f"the loop's items come from an iterator and are objects of type {type(item).__name__}, which may change before"
        " their steps are recomputed",
        "make a list of the items before the loop, or let the iterator yield numbers, arrays and tuples of them",
    )


def _is_fixed(sequence: Any) -> bool:
    """Whether a sequence's items are immutable and no derivative flows through them."""
    if isinstance(sequence, dict):
        return False
    return isinstance(sequence, range | str | bytes) or all(map(_is_atom, sequence))


def _is_atom(item: Any) -> bool:
    """Whether an item is immutable and no derivative flows through it."""
    if type(item) is tuple:
        return all(map(_is_atom, item))
    return type(item) in (int, float, complex, str, bool, type(None)) or (
        isinstance(item, np.integer | np.floating) and type(item).__module__ == "numpy"
    )
