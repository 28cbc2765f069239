"""What a gradient costs on many ranks: the model of docs/scaling.md, for the Burgers example with a block on each rank.

A step of a block of m x m points takes a time of its own, and one for each message. The schedule says how many steps are run
plainly and how many are reversed (`checkpointer.schemes.simulate`); a reversed step sends its messages once more, and then
their adjoints. Operations of all ranks take log2(ranks) messages one after another.
"""

import math
from dataclasses import dataclass

from checkpointer import Revolve
from checkpointer.schemes import simulate

FIELDS = 2
HEADER = 24  # bytes before the numbers of an adjoint message
COLLECTIVES = (1, 6)  # without and with the gradient: the loss; its agreement, its adjoint, those of the seed


@dataclass(frozen=True)
class Work:
    """Seconds for something on a block: so many, and so many for each point."""

    once: float
    point: float

    def seconds(self, m: int) -> float:
        return self.once + self.point * m**2


@dataclass(frozen=True)
class Costs:
    """One rank: a step of the program, a plain step and a reversed one of its gradient, a snapshot saved or restored.

    The three numbers of ``message`` are seconds of software for each message of a step of these three kinds.
    """

    plain: Work
    advance: Work
    reverse: Work
    snapshot: Work
    message: tuple[float, float, float]


@dataclass(frozen=True)
class Network:
    """Seconds for a message: latency + bytes / bandwidth."""

    latency: float
    bandwidth: float

    def seconds(self, size: float) -> float:
        return self.latency + size / self.bandwidth


HERE = Costs(plain=Work(0, 0), advance=Work(0, 0), reverse=Work(0, 0), snapshot=Work(0, 0), message=(0, 0, 0))
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
    plain = costs.plain.seconds(m) + k * (in_plain + there)
    advance = costs.advance.seconds(m) + k * (in_advance + there)
    reverse = costs.reverse.seconds(m) + k * (in_reverse + there + back)
    snapshots_moved = cost.snapshots + cost.restores
    return Prediction(
        plain=steps * plain + COLLECTIVES[0] * together,
        gradient=cost.advances * advance
        + cost.reversals * reverse
        + snapshots_moved * costs.snapshot.seconds(m)
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
