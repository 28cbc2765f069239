"""A step that may overflow is tried again with half the size; try/except/else/finally and with in the loop."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.0, 0.6, 3.0])
LENGTH = "unknown"


class StepTooLarge(ArithmeticError):
    pass


class Timer:
    """Counts entries, as a stopwatch would."""
    def __init__(self):
        self.entries = 0
        self.depth = 0

    def __enter__(self):
        self.entries += 1
        self.depth += 1
        return self

    def __exit__(self, *exc):
        self.depth -= 1
        return False


def explicit_step(y, h, k):
    with np.errstate(over='raise', invalid='raise'):
        new = y + h*(k*y*(1 - y) + np.exp(-y))
    if np.abs(new - y).max() > 0.35:
        raise StepTooLarge(h)
    return new


def run(x, scheme):
    y, k = x[:2].copy(), x[2]
    t, h = 0.0, 0.4
    timer = Timer()
    tries = accepted = 0
    while checkpointed(t < 1.5, scheme):
        with timer as clock:
            try:
                new = explicit_step(y, h, k)
            except (StepTooLarge, FloatingPointError):
                h = 0.5*h
                continue
            else:
                y[:] = new
                accepted += 1
            finally:
                tries += 1
                last = clock.entries
        t += h
        h *= 1.4
    assert timer.depth == 0 and tries > accepted and tries == last
    return y @ y
