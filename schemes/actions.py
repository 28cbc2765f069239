"""What a schedule tells its consumer to do: a closed set of dataclasses.

They are values, which nobody changes. They are not frozen, since a frozen one takes nearly three times as long to make, and
a long loop has millions of them.

"The state before step k" is the state that step k starts from; the state before step 0 is the initial one.
Slots are numbers; what a slot is (a dictionary entry, a file) is the storage's business. A slot holds one thing at a
time, a snapshot or a tape. Levels are kinds of storage, the fastest first: 0 is memory, 1 a disk, and so on.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields


class _Shown:
    """Prints like a dataclass, without the fields that have their default."""

    __slots__ = ()

    def __repr__(self) -> str:
        shown = []
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if field.default is MISSING or value != field.default:
                shown.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(slots=True, unsafe_hash=True)
class Advance:
    """Is read as: run the steps ``start``, ..., ``stop - 1`` plainly, without a tape.

    The current state must be the one before ``start``; afterwards it is the one before ``stop``.
    In the forward sweep the loop may end in the middle of it.
    """

    start: int
    stop: int


@dataclass(slots=True, unsafe_hash=True, repr=False)
class Snapshot(_Shown):
    """Is read as: store the current state, the one before ``step``, in the empty slot ``slot`` on ``level``."""

    step: int
    slot: int
    level: int = 0


@dataclass(slots=True, unsafe_hash=True, repr=False)
class Record(_Shown):
    """Is read as: run ``step`` under the tape, and keep the tape for the ``Reverse(step)`` that is to come.

    The current state must be the one before ``step``; afterwards it is the one after it. The tape stands, in memory,
    in the empty slot ``slot``. Without a slot it is the last step of the forward sweep, of a loop whose number of
    steps is known, and the next step to be reversed.
    """

    step: int
    slot: int | None = None


@dataclass(slots=True, unsafe_hash=True)
class Restore:
    """Is read as: make the state before ``step``, which stands in ``slot``, the current one.

    The snapshot stays in its slot until it is discarded.
    """

    step: int
    slot: int


@dataclass(slots=True, unsafe_hash=True)
class Reverse:
    """Is read as: pull the adjoint back through ``step``.

    Its tape is the one that a Record of the step kept, whose slot is empty afterwards; without one, run ``step`` from
    the current state under the tape first. Afterwards the current state counts as lost.
    """

    step: int


@dataclass(slots=True, unsafe_hash=True)
class Discard:
    """Is read as: forget the snapshot in ``slot``; the slot is empty afterwards."""

    slot: int


Action = Advance | Snapshot | Record | Restore | Reverse | Discard
"""Any action of a stream."""
