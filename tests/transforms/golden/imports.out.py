# Adjoint of imports.py, written by checkpointer 0.1.0. Change imports.py, not this file.
#
# loop 1  imports.py:28  for _ in []  Revolve(1)
import os
import sys  # mixed
import numpy.linalg as la
import numpy.lib.stride_tricks
from autograd import grad
from checkpointer import math as m
from checkpointer import numpy as anp2
from checkpointer import numpy as anp
from checkpointer import numpy as np
from checkpointer.math_names import floor, sqrt as root
from checkpointer.numpy_names import (
    linalg,  # kept
    zeros as nulls,
)
from checkpointer.numpy_names import *
from checkpointer.runtime import (
    Advance,
    Discard,
    Record,
    Restore,
    Reverse,
    Snapshot,
    as_complex,
    as_float,
    differentiable,
    run_loop,
)
from numpy.linalg import norm
from checkpointer import (
    Revolve,
    checkpointed,
    math,
    numpy,
)

try: from checkpointer import numpy as np; import json
except ImportError: pass


# imports.py:25
@differentiable
def convert(x, float_=float):
    from checkpointer import numpy as np

    def convert_loop1_step(_):
        """One iteration of imports.py:28."""

    run_loop(
        convert_loop1_step,
        [],
        Revolve(1),
        forward=convert_loop1_forward,
        reverse=convert_loop1_reverse,
    )
    return as_float(x), as_complex(x + 1), float("1"), float(-1), float(), as_complex(1, x), np.zeros(1, dtype=float)


def convert_loop1_forward(loop):
    """Run imports.py:28 and leave the snapshots that the reverse sweep starts from."""
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


def convert_loop1_reverse(loop, adjoint):
    """Pull the adjoint of the state after imports.py:28 back to the state before it."""
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


# imports.py:33
def shadow(float):
    return float(1 + 1), f"{as_complex(float)}"
