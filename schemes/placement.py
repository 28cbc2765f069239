"""Where a sweep whose end nobody knows puts its snapshots."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from checkpointer.schemes.binomial import beta, fewest_advances

FEW = 10
"""Up to so many slots, the cheapest set is looked for, which takes O(c) integer operations a snapshot.

With 12 it would still save 0.1 % of the steps of loops of up to 100 000 steps, with 20 nothing.
"""

_advances = lru_cache(maxsize=2**14)(fewest_advances)


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
    Wang, Moin & Iaccarino. What stands between the corners is the business of `_cheapest` and `_regular`.

    Known lengths of at most beta(c, 2), and of beta(c, r) for every r, cost as little as with `Revolve`.
    """
    stage, corner, corners = 1, 1, 1  # the next corner, and how many precede it
    standing = [_Standing(0, 0, stage)]
    yield 0, 0
    while c > 1:
        if corners == c:
            stage, corner, corners = stage + 1, beta(c, stage), 1
        step, slot = corner, len(standing)
        if slot == c:
            step, given_up = (_cheapest if c <= FEW else _regular)(standing, corner, stage)
            slot = standing.pop(given_up).slot
        standing.append(_Standing(step, slot, stage if step == corner else 0))
        yield step, slot
        if step == corner:
            corner += beta(c - corners, stage - 1)
            corners += 1


def _regular(standing: list[_Standing], corner: int, stage: int) -> tuple[int, int]:
    """The next place and the index of the snapshot to give up for it: a snapshot every ``stage`` steps.

    More steps could not be reversed from one slot without advancing over one of them more than ``stage`` times,
    first sweep included. Given up is the latest that is no corner of the stage and whose two neighbours are close
    enough, for the slots that will be left when the stretch between them is reversed, not to exceed the stage's
    repetitions. There always is one, since the first that is no corner lies between two neighbouring corners. The
    search passes a few on average.
    """
    c = len(standing)
    step = min(standing[-1].step + stage, corner)
    index, after = c - 1, step
    while standing[index].stage == stage or after - standing[index - 1].step > beta(c - index + 1, stage - 1):
        after = standing[index].step
        index -= 1
    return step, index


def _cheapest(standing: list[_Standing], corner: int, stage: int) -> tuple[int, int]:
    """The next place and the index of the snapshot to give up for it: such that no other set would cost less.

    A snapshot is placed at the first step where that makes the reversal cheaper even if the loop ends one step
    later, and at the next corner at the latest. With two and three slots, and up to 100 steps, no online method that
    is optimal at the end of every stage has a smaller worst excess over the optimum (all sets were tried).
    """
    top, before = standing[-1].step, standing[-2].step
    loss, inner = _least_loss(standing, stage)
    is_corner = standing[-1].stage == stage
    last_two = _advances(top - before, 2)

    def cost(step: int) -> tuple[float, int]:
        """The advances over [before, step] with a snapshot at ``step``, less those over [before, top]; what is given up."""
        without_inner = loss + _advances(step - top, 2), inner
        without_top = _advances(step - before, 2) - last_two, len(standing) - 1
        return without_inner if is_corner else min(without_inner, without_top)

    def pays(step: int) -> bool:
        """It does from some step on, since the advances from one slot, here to step + 1, grow quadratically."""
        return cost(step)[0] < _advances(step + 1 - top, 1)

    reach = 1
    while top + reach < corner and not pays(top + reach):
        reach *= 2
    candidates = range(top + reach // 2 + 1, min(top + reach, corner))
    step = candidates.start + bisect_left(candidates, True, key=pays)
    return step, cost(step)[1]


def _least_loss(standing: list[_Standing], stage: int) -> tuple[float, int]:
    """Giving up which snapshot below the top costs the fewest advances, and how many: (advances, index).

    Those between the top and the end are left out. Above the snapshot that is given up, every stretch is reversed
    with one slot more. Corners of the stage stay: infinitely many, if there are only such.
    """
    c, gain = len(standing), 0
    best: tuple[float, int] = math.inf, 0
    for index in range(c - 2, 0, -1):
        before, here, after = (standing[index + offset].step for offset in (-1, 0, 1))
        behind = _advances(after - here, c - index)
        if standing[index].stage != stage:
            apart = _advances(here - before, c - index + 1) + behind
            loss = _advances(after - before, c - index + 1) - apart - gain
            if loss < best[0]:
                best = loss, index
        gain += behind - _advances(after - here, c - index + 1)
    return best
