"""What is in the snapshots of a loop, gathered while they are taken: sizes, what a snapshot really copies, and why.

Only where somebody asked for a report: it takes one more walk of the state for each snapshot, and a digest of all
that is in it. Texts and numbers are kept, nothing of the program.
"""

from __future__ import annotations

import hashlib
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from checkpointer.audit import places, written
from checkpointer.blocks import Array, Block, pieces
from checkpointer.containers import Deque, Dict, List, Opaque, RandomState
from checkpointer.frames import Contents, labelled, named_arrays
from checkpointer.memory import root_of
from checkpointer.reasons import Reasons
from checkpointer.snapshots import Snapshot, capture
from checkpointer.state import Survey
from checkpointer.tails import Tail

if TYPE_CHECKING:
    from checkpointer.loop import Loop

_GONE = "(let go of)"
"""Stands for the name of what the program has let go of."""
_MANY = 8
"""Numbers of a list or dict that are listed one by one; more of them are one entry."""


@dataclass(frozen=True)
class StateEntry:
    """One thing in the snapshots of a loop.

    Attributes
    ----------
    name : str
        What the program calls it.
    aliases : tuple of str
        Other names of the same memory, views of it among them.
    role : str
        ``"carried"`` (the loop rebinds or writes it), ``"constant"`` (it did not change), or ``"history"`` (it grows, or a
        small part of it changes from one snapshot to the next).
    kind : str
        Type, or dtype and shape of an array.
    nbytes : int
        Bytes of an array; 0 for what is small or no array.
    copied : float or None
        Bytes that a snapshot copied of it on average, the first one not counted: parts that had not changed are shared. None
        if there was only one, or if a storage outside of memory took it.
    why : str
        How the loop reaches it.
    """

    name: str
    aliases: tuple[str, ...]
    role: str
    kind: str
    nbytes: int
    copied: float | None
    why: str


class _Item:
    """What is known of one thing so far."""

    def __init__(self, aliases: tuple[str, ...], kind: str, nbytes: int, why: str) -> None:
        self.aliases = aliases
        self.kind = kind
        self.nbytes = nbytes
        self.why = why
        self.prints: list[bytes] | None = None
        self.changes = 0
        self.small_changes = 0
        self.copied = 0

    def note(self, prints: list[bytes], copied: int) -> None:
        """What its parts are now, and how much of it was copied."""
        if self.prints is not None:
            self.copied += copied
            changed = sum(old != new for old, new in zip(self.prints, prints, strict=False))
            changed += abs(len(prints) - len(self.prints))
            self.changes += changed > 0
            self.small_changes += 0 < changed <= len(prints) / 2
        self.prints = prints


class Inventory:
    """The state of one run of a loop, as its snapshots see it."""

    def __init__(self) -> None:
        self._items: dict[str, _Item] = {}
        self._blocks: weakref.WeakSet[Block] = weakref.WeakSet()
        self._growing: set[str] = set()
        self._lengths: dict[str, int] = {}
        self.snapshots = 0
        self.first = 0
        self.copied = 0
        self.in_memory = True

    def note(self, loop: Loop, snapshot: Snapshot, in_memory: bool) -> None:
        """A snapshot of the state, as it is now, was taken."""
        copied = {}
        for key, buffer in snapshot.buffers.items():
            new = [block for block in snapshot.blocks_of(key) if block not in self._blocks]
            self._blocks.update(new)
            copied[key] = sum(block.data.nbytes for block in new) if in_memory else buffer.root.nbytes
        total = sum(copied.values())
        self.in_memory = self.in_memory and in_memory
        if self.snapshots:
            self.copied += total
        else:
            self.first = total
        self.snapshots += 1
        self._look(loop, snapshot.contents, copied)

    def end(self, loop: Loop) -> None:
        """The first sweep is over: what has changed since the last snapshot has changed."""
        if self.snapshots:
            self._look(loop, capture(loop.state, live=True).contents, {})

    def entries(self) -> tuple[StateEntry, ...]:
        """Everything, the largest first."""
        found = []
        for name, item in self._items.items():
            further = self.snapshots - 1
            found.append(
                StateEntry(
                    name=_shown(name),
                    aliases=item.aliases,
                    role=self._role(name, item),
                    kind=item.kind,
                    nbytes=item.nbytes,
                    copied=item.copied / further if further > 0 and self.in_memory else None,
                    why=item.why,
                )
            )
        return tuple(sorted(found, key=lambda entry: -entry.nbytes))

    def _role(self, name: str, item: _Item) -> str:
        if name in self._growing or (item.changes and item.small_changes == item.changes):
            return "history"
        rebound = "rebound" in item.why and name.isidentifier()
        return "carried" if rebound or item.changes or (item.copied and self.in_memory) else "constant"

    def _look(self, loop: Loop, contents: Contents, copied: dict[int, int]) -> None:
        reasons = Reasons(loop, contents)
        kept = next(number for number, (place, _) in enumerate(contents) if loop.state.keeps(place))
        # what the walk found by a name, and what only the state keeps
        named, rest = contents[:kept], contents[kept:]
        names = {key: (f"{_GONE} {name}", value) for key, (name, value) in named_arrays(rest).items()}
        names.update(named_arrays(named))
        for key, (name, value) in names.items():
            root = root_of(value)
            if name not in self._items:
                others = [label for label, view in labelled(named) if _is_view(view, root) and label != name]
                aliases = tuple(dict.fromkeys(others))
                why = (
                    "there when the loop began, let go of since"
                    if name.startswith(_GONE)
                    else reasons.of(name)
                )
                self._items[name] = _Item(aliases, _form(value), root.nbytes, why)
            self._items[name].note([_digest(piece) for piece in pieces(root)], copied.get(key, 0))
        self._look_at_others(named, reasons)

    def _look_at_others(self, contents: Contents, reasons: Reasons) -> None:
        """Numbers and texts, one by one or in rows, and what is stored as a whole."""
        whole_ones = Survey()
        whole_ones.containers = [container for container, _ in contents if isinstance(container, Opaque)]
        digests = {name: digest for (name, _), digest in places(whole_ones)}
        for container, content in contents:
            if isinstance(container, Tail):
                self._note_rest(container.name, "list", [b""], reasons)
                self._growing.add(container.name)
                continue
            whole = container.name.removesuffix(".")
            if isinstance(container, Opaque):
                kind = "generator" if isinstance(container, RandomState) else type(container.owner).__name__
                self._note_rest(whole, kind, [digests.get(whole, b"")], reasons)
                continue
            numbers = [(name, value) for name, value in labelled([(container, content)]) if _is_plain(value)]
            if isinstance(container, List | Deque | Dict) and len(numbers) > _MANY:
                kind = f"{type(container.owner).__name__} of {len(numbers)}"
                self._note_rest(whole, kind, [written(value) for _, value in numbers], reasons)
                self._note_length(whole, len(numbers))
            else:
                for name, value in numbers:
                    self._note_rest(name, type(value).__name__, [written(value)], reasons)

    def _note_rest(self, name: str, kind: str, prints: list[bytes], reasons: Reasons) -> None:
        if name not in self._items:
            self._items[name] = _Item((), kind, 0, reasons.of(name))
        item = self._items[name]
        item.kind = kind
        item.note(prints, 0)

    def _note_length(self, name: str, length: int) -> None:
        if self._lengths.get(name, length) < length:
            self._growing.add(name)
        self._lengths[name] = length


def _shown(name: str) -> str:
    """A name, or what stands for one where the program has none."""
    if name.startswith(_GONE):
        return _GONE
    return "(items)" if name.startswith("arguments[0]") else name


def _is_view(value: Any, root: Array) -> bool:
    return type(value) is np.ndarray and root_of(value) is root


def _is_plain(value: Any) -> bool:
    return not isinstance(value, np.ndarray)


def _form(array: Array) -> str:
    return f"{array.dtype} {'x'.join(map(str, array.shape))}" if array.shape else str(array.dtype)


def _digest(piece: Array) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(piece).tobytes(), digest_size=16).digest()
