"""Tapes that a schedule keeps in slots while other steps run, and snapshots on several levels, in real loops."""

import numpy as np
import pytest

from checkpointer import MemoryStorage, ReplayError, Revolve, Scheme, TieredStorage, grad, value_and_grad
from checkpointer.schemes import Advance, Record, Reverse, Schedule, Snapshot, simulate
from checkpointer.schemes.reversal import reverse_from


class TapesFirst(Schedule):
    """Keep the tapes of the first steps, and go on from a snapshot."""

    def __init__(self, steps, tapes):
        super().__init__(steps, steps + tapes)
        self.count = tapes

    def first_sweep(self):
        start = min(self.count, self.steps - 1)
        for step in range(start):
            yield Record(step, slot=step)
        if start < self.steps - 1:
            yield Snapshot(start, slot=start, level=1)
            yield Advance(start, self.steps - 1)
        yield Record(self.steps - 1)

    def reverse_sweep(self):
        left = self.steps - self.recorded
        if self.recorded:
            yield Reverse(left)
        taped = min(len(self.tapes), left)
        yield from reverse_from(self.standing, left, self.slots, start=taped, taken=set(self.tapes))
        for step in reversed(range(taped)):
            yield Reverse(step)


class KeepTapes(Scheme):
    def __init__(self, tapes):
        self.tapes = tapes

    def schedule(self, steps):
        return TapesFirst(self.known_length(steps), self.tapes)

    def slots(self, steps):
        return steps + self.tapes

    def slots_by_level(self, steps):
        return steps + self.tapes, 1


PROGRAM = """
import numpy as np
from checkpointer import checkpointed

class Tracer:
    def __init__(self, c):
        self.c = c
        self.mean = 0.0

def in_place(u, scheme, storage=None, steps=7):
    u = u.copy()
    work = np.zeros_like(u)
    for step in checkpointed(range(steps), scheme, storage=storage):
        work[1:-1] = u[2:] - 2 * u[1:-1] + u[:-2]
        u += 0.1 * work * u
        work[0] = u[step % u.size]
    return (u * u).sum() + work[0]

def new_arrays(u, scheme, storage=None, steps=7):
    tracer, kept = Tracer(u), [u]
    index = np.arange(u.size)
    for step in checkpointed(range(steps), scheme, storage=storage):
        index[:] = np.roll(index, 1)
        tracer.c = np.sin(tracer.c[index]) + tracer.mean * u
        tracer.mean = tracer.mean + tracer.c.mean()
        kept.append(tracer.c[::2])
        if tracer.mean > 2.2:
            break
    return sum(item.sum() for item in kept) + tracer.mean
"""


@pytest.fixture
def program(load):
    return load(PROGRAM).rewritten


def difference(function, u, h=1e-6):
    """The gradient by central differences."""
    return np.array([(function(u + h * e) - function(u - h * e)) / (2 * h) for e in np.eye(u.size)])


INPUTS = [np.linspace(0.1, 1.0, 6), np.array([0.9, 0.4, 0.7, 0.1, 0.8, 0.3])]


@pytest.mark.parametrize("name", ["in_place", "new_arrays"])
@pytest.mark.parametrize("tapes", [0, 1, 3, 6, 20])
@pytest.mark.parametrize("u", INPUTS, ids=["rising", "mixed"])
def test_gradients(program, name, tapes, u):
    function = getattr(program, name)
    value, gradient = value_and_grad(function)(
        u, KeepTapes(tapes), TieredStorage(MemoryStorage(), MemoryStorage())
    )
    assert value == function(u, Revolve(3))
    assert np.array_equal(gradient, grad(function)(u, Revolve(3)))
    assert gradient == pytest.approx(difference(lambda v: function(v, Revolve(3)), u), rel=1e-6, abs=1e-8)


def test_the_test_schedule_is_valid():
    assert simulate(KeepTapes(3), 7).tapes == 3


def test_a_tape_that_does_not_fit_the_arrays_is_refused(program):
    """The state after the last kept step is not stored, so nothing brings it back when the tape's turn comes."""
    with pytest.raises(ReplayError, match=r"does not hold what step 1 left there.*the tape that was kept"):
        grad(program.in_place)(INPUTS[0], TapesThenGap(2))


class TapesThenGap(KeepTapes):
    """Wrong on purpose: the steps after the kept ones are recomputed from a snapshot before these."""

    def schedule(self, steps):
        return Gap(steps, self.tapes)


class Gap(TapesFirst):
    def first_sweep(self):
        yield Snapshot(0, slot=self.count + 1)
        for step in range(self.count):
            yield Record(step, slot=step)
        yield Advance(self.count, self.steps - 1)
        yield Record(self.steps - 1)

    def reverse_sweep(self):
        yield Reverse(self.steps - 1)
        for action in reverse_from(self.standing, self.steps - 1, 1):
            if action == Reverse(self.count - 1):
                break
            yield action
        for step in reversed(range(self.count)):
            yield Reverse(step)
