"""What a gradient costs on many ranks: the model of docs/scaling.md, for the Burgers example with a block on each rank.

A step of a block of m x m points takes a time of its own, and one for each message. The schedule says how many steps are run
plainly and how many are reversed (`checkpointer.schemes.simulate`); a reversed step sends its messages once more, and then
their adjoints. Operations of all ranks take log2(ranks) messages one after another.
"""

import math
from dataclasses import dataclass

import numpy as np

from checkpointer import Revolve
from checkpointer.schemes import simulate

FIELDS = 2
MOST = 4 * FIELDS  # messages that a rank with four neighbours sends in a step
HEADER = 24  # bytes before the numbers of an adjoint message
COLLECTIVES = (1, 6)  # without and with the gradient: the loss; its agreement, its adjoint, those of the seed


@dataclass(frozen=True)
class Costs:
    """Seconds on one rank whose neighbours are busy, too, measured for blocks of some sizes.

    Of a step of the program, of a plain step and of a reversed one of its gradient, and of a snapshot that is saved or
    restored; the three numbers of ``message`` are for each message of a step of these three kinds, all of its
    software and what a reversed step sends back.
    """

    sizes: tuple[int, ...]
    plain: tuple[float, ...]
    advance: tuple[float, ...]
    reverse: tuple[float, ...]
    snapshot: tuple[float, ...]
    message: tuple[float, float, float]

    def of(self, kind: str, m: int) -> float:
        """For a block of m x m points: interpolated between the sizes, in logarithms of both; none other is known."""
        if not self.sizes[0] <= m <= self.sizes[-1]:
            raise ValueError(
                f"blocks of {self.sizes[0]} to {self.sizes[-1]} points on a side were measured, not of {m}"
            )
        return float(np.exp(np.interp(np.log(m), np.log(self.sizes), np.log(getattr(self, kind)))))


@dataclass(frozen=True)
class Network:
    """Seconds for a message: latency + bytes / bandwidth."""

    latency: float
    bandwidth: float

    def seconds(self, size: float) -> float:
        return self.latency + size / self.bandwidth


HERE = Costs(
    sizes=(32, 64, 128, 256),
    plain=(2.15e-4, 3.12e-4, 7.45e-4, 4.17e-3),
    advance=(4.56e-4, 6.08e-4, 1.49e-3, 5.36e-3),
    reverse=(6.91e-3, 7.57e-3, 1.12e-2, 2.59e-2),
    snapshot=(4.21e-4, 4.55e-4, 7.48e-4, 1.43e-3),
    message=(6.15e-6, 2.22e-5, 4.92e-4),
)
"""What `mpi_overhead.py scaling` measured on the machine of docs/scaling.md, the best of six in one run."""
CLUSTER = Network(latency=2e-6, bandwidth=1e9)
SHARED_MEMORY = Network(latency=0.0, bandwidth=math.inf)  # its costs are among those of the software


def grid(ranks: int) -> tuple[int, int]:
    """As MPI.Compute_dims."""
    rows = next(k for k in range(math.isqrt(ranks), 0, -1) if ranks % k == 0)
    return ranks // rows, rows


def messages(ranks: int) -> int:
    """How many the rank with the most neighbours sends in a step."""
    return FIELDS * sum(min(blocks - 1, 2) for blocks in grid(ranks))


@dataclass(frozen=True)
class Prediction:
    """Seconds of the program and of its value and gradient."""

    plain: float
    gradient: float


def predict(ranks, m, steps, snapshots, costs=HERE, network=CLUSTER) -> Prediction:
    """A block of m x m points on each rank."""
    cost = simulate(Revolve(snapshots), steps)
    k = messages(ranks)
    there, back = network.seconds(8 * m), network.seconds(8 * m + HEADER)
    in_plain, in_advance, in_reverse = costs.message
    together = math.log2(ranks) * network.seconds(8)
    plain = costs.of("plain", m) + k * (in_plain + there)
    advance = costs.of("advance", m) + k * (in_advance + there)
    reverse = costs.of("reverse", m) + k * (in_reverse + there + back)
    snapshots_moved = cost.snapshots + cost.restores
    return Prediction(
        plain=steps * plain + COLLECTIVES[0] * together,
        gradient=cost.advances * advance
        + cost.reversals * reverse
        + snapshots_moved * costs.of("snapshot", m)
        + COLLECTIVES[1] * together,
    )


HEADINGS = ("ranks", "block", "plain", "efficiency", "gradient", "efficiency", "ratio")


def row(ranks, m, steps, snapshots, alone, network) -> tuple[str, ...]:
    """One of the tables: ``alone`` is the prediction that the efficiency refers to."""
    found = predict(ranks, m, steps, snapshots, network=network)
    return (
        f"{ranks}",
        f"{m} x {m}",
        f"{found.plain:.2f} s",
        f"{alone.plain / found.plain:.2f}",
        f"{found.gradient:.2f} s",
        f"{alone.gradient / found.gradient:.2f}",
        f"{found.gradient / found.plain:.1f}",
    )


def weak(numbers, m, steps, snapshots, network) -> list[tuple[str, ...]]:
    """A block of the same size on each rank."""
    alone = predict(1, m, steps, snapshots, network=network)
    return [row(ranks, m, steps, snapshots, alone, network) for ranks in numbers]


def strong(numbers, n, steps, snapshots, network) -> list[tuple[str, ...]]:
    """n x n points divided among the ranks; the efficiency refers to as many of the fewest."""
    few = numbers[0]
    first = predict(few, round(n / math.sqrt(few)), steps, snapshots, network=network)
    found = []
    for ranks in numbers:
        ideal = Prediction(first.plain * few / ranks, first.gradient * few / ranks)
        found.append(row(ranks, round(n / math.sqrt(ranks)), steps, snapshots, ideal, network))
    return found
