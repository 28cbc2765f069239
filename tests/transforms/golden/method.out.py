#!/usr/bin/env python
# -*- coding: utf-8 -*-
# Adjoint of method.py, written by checkpointer 0.1.0. Change method.py, not this file.
#
# loop 1  method.py:22  for self.time in times  schemes.Revolve(3)
# loop 2  method.py:31  for t, (a, *_) in self.table.items()  schemes.Revolve(3)

# A licence.
from __future__ import annotations

import dataclasses
from checkpointer import math, schemes
from checkpointer.runtime import (
    Advance,
    Discard,
    Record,
    Restore,
    Reverse,
    Snapshot,
    as_float,
    differentiable,
    run_loop,
)


# method.py:11
class Base:
    # method.py:12
    def advance(self, x):
        return x + 1


def Solver___call___loop1_forward(loop):
    """Run method.py:22 and leave the snapshots that the reverse sweep starts from."""
    for action in loop.forward_actions():
        match action:
            case Advance(start, stop):
                loop.advance(start, stop)
            case Snapshot(step, slot, level):
                loop.save(step, slot, level)
            case Discard(slot):
                loop.discard(slot)
            case Record(step, slot):
                loop.record(step, slot)


def Solver___call___loop1_reverse(loop, adjoint):
    """Pull the adjoint of the state after method.py:22 back to the state before it."""
    for action in loop.reverse_actions():
        match action:
            case Restore(step, slot):
                loop.restore(step, slot)
            case Advance(start, stop):
                loop.advance(start, stop)
            case Snapshot(step, slot, level):
                loop.save(step, slot, level)
            case Record(step, slot):
                loop.record(step, slot)
            case Reverse(step):
                adjoint = loop.pullback(step, adjoint)
            case Discard(slot):
                loop.discard(slot)
    return adjoint


def Solver_total_loop1_forward(loop):
    """Run method.py:31 and leave the snapshots that the reverse sweep starts from."""
    for action in loop.forward_actions():
        match action:
            case Advance(start, stop):
                loop.advance(start, stop)
            case Snapshot(step, slot, level):
                loop.save(step, slot, level)
            case Discard(slot):
                loop.discard(slot)
            case Record(step, slot):
                loop.record(step, slot)


def Solver_total_loop1_reverse(loop, adjoint):
    """Pull the adjoint of the state after method.py:31 back to the state before it."""
    for action in loop.reverse_actions():
        match action:
            case Restore(step, slot):
                loop.restore(step, slot)
            case Advance(start, stop):
                loop.advance(start, stop)
            case Snapshot(step, slot, level):
                loop.save(step, slot, level)
            case Record(step, slot):
                loop.record(step, slot)
            case Reverse(step):
                adjoint = loop.pullback(step, adjoint)
            case Discard(slot):
                loop.discard(slot)
    return adjoint


# method.py:17
@dataclasses.dataclass
class Solver(Base):
    __dt: float = 0.1

    # method.py:20
    @differentiable
    def __call__(self, *times):
        __energy = 0.0

        first: object  # first bound in the loop

        def Solver___call___loop1_step(item):
            """One iteration of method.py:22."""
            nonlocal __energy, first
            self.time = item
            __old = super(__class__, self).advance(self.time)
            __energy += math.exp(__old) * self.__dt
            first = as_float(__energy)

        run_loop(
            Solver___call___loop1_step,
            times,
            schemes.Revolve(3),
            forward=Solver___call___loop1_forward,
            reverse=Solver___call___loop1_reverse,
            storage=None,
        )
        return __energy, first

    # method.py:29
    @property
    @differentiable
    def total(self):
        total: float = 0.0

        def Solver_total_loop1_step(item):
            """One iteration of method.py:31."""
            nonlocal total
            t, (a, *_) = item
            rate: float = a * t
            total = total + rate

        run_loop(
            Solver_total_loop1_step,
            self.table.items(),
            schemes.Revolve(3),
            forward=Solver_total_loop1_forward,
            reverse=Solver_total_loop1_reverse,
        )
        return total
