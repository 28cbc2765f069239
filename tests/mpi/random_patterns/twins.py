"""What a program's twin, which computes with complex numbers, has in the place of NumPy's and MPI's names.

Maxima and minima go by the real parts, so that an imaginary part is the derivative of what was chosen.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from mpi4py import MPI


def _complex(maker: Callable[..., Any], *args: Any, dtype: Any = complex) -> Any:
    return maker(*args, dtype=dtype)


zeros = partial(_complex, np.zeros)
empty = partial(_complex, np.empty)
ones = partial(_complex, np.ones)
full = partial(_complex, np.full)


def _chosen(better: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def choose(first: Any, second: Any, datatype: Any = None) -> Any:
        if datatype is None:  # objects
            return first if better(np.real(first), np.real(second)) else second
        given, into = np.frombuffer(first, complex), np.frombuffer(second, complex)
        into[:] = np.where(better(given.real, into.real), given, into)
        return None

    return choose


MAX = MPI.Op.Create(_chosen(operator.gt), commute=True)
MIN = MPI.Op.Create(_chosen(operator.lt), commute=True)
