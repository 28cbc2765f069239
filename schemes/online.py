"""Nearly optimal checkpointing of loops whose length only their end will tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkpointer.schemes.arguments import integer
from checkpointer.schemes.base import Schedule, Scheme
from checkpointer.schemes.binomial import beta
from checkpointer.schemes.placed import PlacedSchedule


@dataclass(frozen=True, repr=False)
class Online(Scheme):
    """Hold at most ``snapshots`` states, and be ready for the loop to end at any step.

    The choice for ``while`` loops, for loops over generators, and for loops that a ``break`` may leave
    early. The snapshots are placed without regard to the length, even where it is given: then it only says
    which step to record. Up to ``(c + 1) * (c + 2) / 2`` given steps, c snapshots cost as few advances as
    with `Revolve`; beyond, the worst of up to 600 steps is 13 % above with c = 2, and 2 % with c = 10.

    A loop whose length is not given runs its last step plainly, too, and must return to the latest snapshot
    to run it under the tape. That is what it costs not to know the end: the steps from that snapshot on,
    once more.

    Parameters
    ----------
    snapshots : int
        States held in memory at once, 1 or more, the initial one included.
    disk_snapshots : int
        States held on disk (level 1) besides; memory is filled first.

    Raises
    ------
    ArgumentError
        If they are not such integers.

    Source: Stumm & Walther, "New algorithms for optimal online checkpointing", SIAM J. Sci. Comput. 32
    (2010) 836-854; Wang, Moin & Iaccarino, "Minimal repetition dynamic checkpointing algorithm for unsteady
    adjoint calculation", SIAM J. Sci. Comput. 31 (2009) 2549-2567. `places` says what was made of them.

    >>> from checkpointer.schemes.actions import Advance
    >>> schedule = Online(snapshots=3).schedule(None)
    >>> for action in schedule.forward():
    ...     print(action)
    ...     if action == Advance(start=4, stop=6):
    ...         break  # where the loop ends
    Snapshot(step=0, slot=0)
    Advance(start=0, stop=1)
    Snapshot(step=1, slot=1)
    Advance(start=1, stop=2)
    Snapshot(step=2, slot=2)
    Advance(start=2, stop=4)
    Discard(slot=2)
    Snapshot(step=4, slot=2)
    Advance(start=4, stop=6)
    >>> schedule.standing
    {0: 0, 1: 1, 2: 4}
    """

    snapshots: int
    disk_snapshots: int = 0
    online = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "snapshots", integer(self.snapshots, "snapshots", "Online", 1))
        object.__setattr__(
            self, "disk_snapshots", integer(self.disk_snapshots, "disk_snapshots", "Online", 0)
        )

    def __repr__(self) -> str:
        disk = f", disk_snapshots={self.disk_snapshots}" if self.disk_snapshots else ""
        return f"Online(snapshots={self.snapshots}{disk})"

    def schedule(self, steps: int | None) -> Schedule:
        """A new schedule for a loop of ``steps`` steps, or of a number that only its end will tell."""
        total = self.snapshots + self.disk_snapshots
        steps = self.possible_length(steps)
        return PlacedSchedule(steps, total, places(total), lambda slot: int(slot >= self.snapshots))

    def slots(self, steps: int) -> int:
        """The most snapshots that are ever held at once, in memory and on disk, by a loop of ``steps`` steps."""
        return min(self.snapshots + self.disk_snapshots, steps)

    def slots_by_level(self, steps: int) -> tuple[int, ...]:
        """The most that are ever held at once in memory, and on disk if there is any."""
        memory = min(self.snapshots, steps)
        return (memory, self.slots(steps) - memory) if self.disk_snapshots else (memory,)


@dataclass(slots=True)
class _Standing:
    """A snapshot that stands, and the last stage in which it is a corner (0 if it never was one)."""

    step: int
    slot: int
    stage: int


def places(c: int) -> Iterator[tuple[int, int]]:
    """Where an online sweep with c slots puts its snapshots: pairs (step, slot), without end if c > 1.

    In stage r = 1, 2, ... the loop is between beta(c, r-1) and beta(c, r) steps long, so that no step need
    be advanced over more than r times. The stage has corners: the steps 0, beta(c, r-1), and on by
    beta(c-1, r-1), beta(c-2, r-1), ..., where the snapshots of an optimal schedule for beta(c, r) steps
    stand. A snapshot at a corner stays for the rest of the stage, so that every stage ends with an optimal
    set, in which every snapshot but the first may be overwritten by the next stage: those are the levels of
    Wang, Moin & Iaccarino. Between corners, a snapshot follows r steps after the one before: more steps
    could not be reversed from one slot without advancing over one of them more than r times, first sweep
    included.

    Known lengths of at most beta(c, 2), and of beta(c, r) for every r, cost as little as with `Revolve`.
    """
    stage, corner, corners = 1, 1, 1  # the next corner, and how many precede it
    standing = [_Standing(0, 0, stage)]
    yield 0, 0
    while c > 1:
        if corners == c:
            stage, corner, corners = stage + 1, beta(c, stage), 1
        step = min(standing[-1].step + stage, corner)
        slot = len(standing)
        if slot == c:
            slot = standing.pop(_dispensable(standing, step, stage)).slot
        standing.append(_Standing(step, slot, stage if step == corner else 0))
        yield step, slot
        if step == corner:
            corner += beta(c - corners, stage - 1)
            corners += 1


def _dispensable(standing: list[_Standing], step: int, stage: int) -> int:
    """Which of the standing snapshots to give up for one at ``step``: its index.

    The latest that is no corner of the stage and whose two neighbours are close enough, for the slots that
    will be left when the stretch between them is reversed, not to exceed the stage's repetitions. There
    always is one, since the first that is no corner lies between two neighbouring corners. The search
    passes a few on average.
    """
    c = len(standing)
    index, after = c - 1, step
    while standing[index].stage == stage or after - standing[index - 1].step > beta(c - index + 1, stage - 1):
        after = standing[index].step
        index -= 1
    return index
