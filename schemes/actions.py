"""What a schedule tells its consumer to do: a closed set of frozen dataclasses.

"The state before step k" is the state that step k starts from; the state before step 0 is the initial one.
Slots are numbers; what a slot is (a dictionary entry, a file) is the storage's business.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advance:
    """Is read as: run the steps ``start``, ..., ``stop - 1`` plainly, without a tape.

    The current state must be the one before ``start``; afterwards it is the one before ``stop``.
    In the forward sweep the loop may end in the middle of it.
    """

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Is read as: store the current state, the one before ``step``, in the empty slot ``slot``."""

    step: int
    slot: int


@dataclass(frozen=True, slots=True)
class Record:
    """Is read as: run ``step`` under the tape, and keep the tape for the ``Reverse(step)`` that follows.

    It is the last action of the forward sweep, and only of one whose number of steps is known.
    """

    step: int


@dataclass(frozen=True, slots=True)
class Restore:
    """Is read as: make the state before ``step``, which stands in ``slot``, the current one.

    The snapshot stays in its slot until it is discarded.
    """

    step: int
    slot: int


@dataclass(frozen=True, slots=True)
class Reverse:
    """Is read as: pull the adjoint back through ``step``.

    Its tape is the one that ``Record(step)`` kept; without one, run ``step`` from the current state under the
    tape first. Afterwards the current state counts as lost.
    """

    step: int


@dataclass(frozen=True, slots=True)
class Discard:
    """Is read as: forget the snapshot in ``slot``; the slot is empty afterwards."""

    slot: int


Action = Advance | Snapshot | Record | Restore | Reverse | Discard
"""Any action of a stream."""
