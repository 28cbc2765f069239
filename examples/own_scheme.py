"""A checkpointing scheme of one's own, in a page: keep fewer and fewer snapshots the longer the loop runs.

`Thinning(snapshots=c)` takes a snapshot at every step until c of them stand. Then it drops every other one, and takes
one at every second step from there on; when the slots are full again, at every fourth; and so on. It never needs to
know how long the loop will be, so it serves `while` loops. Only the way forward has to be written: the reverse sweep
that every schedule inherits is the optimal one from whatever snapshots stand.

The loop relaxes a rod that is heated in the middle until it changes little any more; what the final mean
temperature owes to the conductivity of each place is compared with a finite difference.

    checkpointer run examples/own_scheme.py
"""

import math
from dataclasses import dataclass

import numpy as np

from checkpointer import Online, Scheme, checkpointed, value_and_grad
from checkpointer.schemes import Advance, Discard, Record, Schedule, Snapshot, simulate


@dataclass(frozen=True)
class Thinning(Scheme):
    """Hold at most ``snapshots`` states, evenly spaced, at twice the distance whenever there is no room."""

    snapshots: int
    online = True

    def schedule(self, steps):
        return ThinningSchedule(self.possible_length(steps), self.snapshots)

    def slots(self, steps):
        return min(self.snapshots, steps)


class ThinningSchedule(Schedule):
    """`standing`, which the base class keeps, says which slots are taken, and by which steps."""

    def first_sweep(self):
        last = math.inf if self.steps is None else self.steps - 1
        step, distance = 0, 1
        while step < last:
            if step % distance == 0 and len(self.standing) == self.slots:
                distance *= 2
                for slot, taken in list(self.standing.items()):
                    if taken % distance:
                        yield Discard(slot)
            if step % distance == 0 and len(self.standing) < self.slots:
                yield Snapshot(step, slot=min(set(range(self.slots)) - self.standing.keys()))
            stop = min(step - step % distance + distance, last)
            yield Advance(step, stop)
            step = stop
        if step == last:
            yield Record(step)


def mean_temperature(conductivity, scheme):
    """The mean temperature of the rod at the end, and the number of steps until then."""
    heat = np.exp(-50 * np.linspace(-1, 1, conductivity.size + 1)[1:-1] ** 2)
    u = np.zeros(conductivity.size + 1)
    change, steps = 1.0, 0
    while checkpointed(change > 1e-3, scheme):
        before = u.copy()
        u[1:-1] += 0.4 * (np.diff(conductivity * np.diff(u)) + 0.01 * heat)
        change = np.abs(u - before).max() / u.max()
        steps += 1
    return u.mean(), steps


def main():
    """Compare Thinning with Online, and both with a finite difference."""
    conductivity = np.linspace(0.5, 1.0, 40)
    direction = np.cos(np.arange(40.0))

    def mean(conductivity, scheme=None):
        return mean_temperature(conductivity, scheme)[0]

    _, steps = mean_temperature(conductivity, None)
    for scheme in (Thinning(snapshots=6), Online(snapshots=6)):
        _, gradient = value_and_grad(mean)(conductivity, scheme)
        cost = simulate(scheme, steps, length_known=False)
        print(f"{scheme!r:24} {cost.advances} plain steps for {steps}, gradient {gradient @ direction:.9f}")
    h = 1e-5
    ahead, behind = mean(conductivity + h * direction), mean(conductivity - h * direction)
    print(f"{'finite difference':24} {'':>24} gradient {(ahead - behind) / (2 * h):.9f}")


if __name__ == "__main__":
    main()
