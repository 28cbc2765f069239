"""Derivatives by differences, as a witness that knows nothing of adjoints."""

from __future__ import annotations

import math
from collections.abc import Callable

_FIRST = 2.0**-5
_MOST = 12


def extrapolated(quotient: Callable[[float], float]) -> tuple[float, float]:
    """The limit of a central difference quotient, and how uncertain it is.

    Steps are halved, and the quotients extrapolated to step zero (Richardson), until rounding errors outweigh what is gained
    (C. Ridders, "Accurate computation of F'(x) and F'(x)F''(x)", Advances in Engineering Software 4, 1982).

    Parameters
    ----------
    quotient : function
        Step -> (f(x + step) - f(x - step)) / (2 step), which is an even function of the step. It may be NaN where f is.

    >>> value, uncertainty = extrapolated(lambda step: (math.exp(step) - math.exp(-step)) / (2 * step))
    >>> abs(value - 1) < 1e-12, uncertainty < 1e-11
    (True, True)
    """
    step = _FIRST
    best, uncertainty = math.nan, math.inf
    row = [quotient(step)]
    for _ in range(_MOST):
        step /= 2
        above, row = row, [quotient(step)]
        for order, coarser in enumerate(above, 1):
            row.append(row[-1] + (row[-1] - coarser) / (4**order - 1))
            change = max(abs(row[-1] - row[-2]), abs(row[-1] - coarser))
            if change <= uncertainty:
                best, uncertainty = row[-1], change
        if abs(row[-1] - above[-1]) >= 2 * uncertainty:
            break
    return best, uncertainty
