"""Minimal programs, each of which was once refused, wrong or a crash: most of them are what random programs shrank to."""

import textwrap

import numpy as np
import pytest

from checkpointer import Revolve, StoreAll

PROGRAMS = {
    "a list of numbers and arrays for a function that joins them": """
        def f(u, scheme):
            for i in checkpointed(range(3), scheme):
                u[:] = np.hstack([u[0], 0.5 * u[:-1]])
                u = np.concatenate(([np.sin(u[1]), u[2]], [u[1]]))
                u = np.block([[u[0], u[1:] * u[0]]])[0]
            return weigh(u)
    """,
    "a list of arrays for a function of one array": """
        def f(u, scheme):
            for i in checkpointed(range(3), scheme):
                u = 0.4 * np.sum([u, np.sin(u)], axis=0) + np.mean([u[0], u[1] ** 2])
            return weigh(u)
    """,
    "out= of an operation on constants": """
        def f(u, scheme):
            rng = np.random.default_rng(1)
            for i in checkpointed(range(3), scheme):
                w = u * u
                np.tanh(rng.normal(size=2), out=u[1:])
                np.cumsum(rng.normal(size=2), out=u[:2])
                np.add(np.zeros(3), 0.5, out=w)
                u[0] *= u[1] + w[0]
            return weigh(u)
    """,
}
HEAD = """
import numpy as np
from checkpointer import checkpointed

def weigh(u):
    return np.sum(u * np.arange(1, u.size + 1))
"""


@pytest.mark.parametrize("name", PROGRAMS)
def test_small_program(load, check, name):
    program = load(HEAD + textwrap.dedent(PROGRAMS[name]))
    for scheme in (Revolve(1), StoreAll()):
        for x in (np.array([0.3, 0.2, 0.9]), np.array([1.0, -0.4, 0.5])):
            check(program, "f", x, scheme)
