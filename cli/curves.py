"""What the schemes cost with more and less memory than a plan has."""

from __future__ import annotations

from dataclasses import replace

from checkpointer.cli.plans import Plan
from checkpointer.schemes.planning import Candidate, candidates

_POINTS = 25
_COUNTED = 1_000
"""The longest loop for which a curve is made by executing schedules in the simulator, once a point."""

Curve = list[tuple[int, Candidate]]
"""By rising memory: the states that it holds, and the best candidate of one kind with as many."""


def curves(plan: Plan) -> dict[str, Curve]:
    """Name of a scheme -> what it costs from one snapshot to as many as steps, or a hundred times those of the plan."""
    found: dict[str, Curve] = {}
    for snapshots in _grid(plan):
        budget = replace(plan.budget, snapshots=snapshots, mixed_slots=plan.mixed_slots(snapshots))
        for candidate in candidates(budget, counted=_COUNTED)[0]:
            found.setdefault(type(candidate.scheme).__name__, []).append((snapshots, candidate))
    return found


def _grid(plan: Plan) -> list[int]:
    """Numbers of snapshots, in equal ratios, and that of the plan."""
    here = plan.budget.snapshots
    most = max(min(plan.budget.steps - 1, max(1000, 100 * here)), here, 1)
    points = {round(most ** (point / _POINTS)) for point in range(_POINTS + 1)}
    return sorted({*points, here})
