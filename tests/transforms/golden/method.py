#!/usr/bin/env python
# -*- coding: utf-8 -*-
# A licence.
from __future__ import annotations

import dataclasses
import math
from checkpointer import checkpointed, schemes


class Base:
    def advance(self, x):
        return x + 1


@dataclasses.dataclass
class Solver(Base):
    __dt: float = 0.1

    def __call__(self, *times):
        __energy = 0.0
        for self.time in checkpointed(times, schemes.Revolve(3), storage=None):
            __old = super().advance(self.time)
            __energy += math.exp(__old) * self.__dt
            first = float(__energy)
        return __energy, first

    @property
    def total(self):
        total: float = 0.0
        for t, (a, *_) in checkpointed(self.table.items(), schemes.Revolve(3)):
            rate: float = a * t
            total: float = total + rate
        return total
