"""The drop-in modules: the originals while nothing is differentiated, and our functions while something is."""

import math as original_math
import threading

import numpy as original_numpy
import pytest

from checkpointer import (
    Revolve,
    TraceError,
    grad,
    math,
    math_names,
    numpy,
    numpy_names,
    numpy_random,
    numpy_random_names,
)
from checkpointer.creation import REPLACEMENTS as CREATION
from checkpointer.elementary import REPLACEMENTS as ELEMENTARY


@pytest.mark.parametrize(
    ("module", "original"),
    [(numpy, original_numpy), (numpy_random, original_numpy.random), (math, original_math)],
)
def test_untraced_functions_are_the_originals(module, original):
    for name in dir(original):
        if not name.startswith("__"):
            assert getattr(module, name) is getattr(original, name)


def test_replacements_stand_in_only_while_something_is_differentiated():
    seen = []

    def function(x):
        seen.append((numpy.zeros, math.sin))
        raise_at_the_end()

    def raise_at_the_end():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        grad(function)(1.0)
    assert seen == [(CREATION["zeros"], ELEMENTARY["sin"])]
    assert (numpy.zeros, math.sin) == (original_numpy.zeros, original_math.sin)


def test_other_threads_get_plain_arrays_meanwhile():
    made = []

    def function(x):
        thread = threading.Thread(
            target=lambda: made.append((numpy.zeros(2), numpy.array([1.0]), math.sin(1.0)))
        )
        thread.start()
        thread.join()
        return x

    grad(function)(1.0)
    zeros, array, sine = made[0]
    assert type(zeros) is type(array) is original_numpy.ndarray
    assert sine == original_math.sin(1.0)


def test_names_know_about_traced_values_at_all_times():
    assert original_numpy.zeros(2).tolist() == numpy_names.zeros(2).tolist()
    assert set(numpy_names.__all__) == set(original_numpy.__all__)
    assert set(numpy_random_names.__all__) == set(original_numpy.random.__all__)
    assert numpy_random_names.Generator is original_numpy.random.Generator
    assert set(math_names.__all__) == {name for name in dir(original_math) if not name.startswith("_")}
    for name in math_names.__all__:
        assert hasattr(math_names, name)


@pytest.mark.parametrize(
    "how",
    ["import numpy as np", "import numpy", "from numpy import *", "from numpy import zeros, array, arange"],
)
def test_every_form_of_import_makes_arrays_that_are_watched(load, check, how):
    prefix = {"import numpy as np": "np.", "import numpy": "numpy."}.get(how, "")
    program = load(f"""
        {how}
        import math
        from math import sin
        from checkpointer import checkpointed

        def f(u, scheme):
            for i in checkpointed(range(4), scheme):
                work = {prefix}zeros(3)
                work[1:] = u[:2] * math.cos(u[0]) + sin(u[1])
                work[0] = {prefix}array([u[2], 1.0])[0]
                u = work + {prefix}arange(3)
            return (u**2).sum()
    """)
    for x in (original_numpy.array([0.3, 0.2, 0.9]), original_numpy.array([1.0, -2.0, 0.5])):
        check(program, "f", x, Revolve(2))


def test_a_function_of_math_that_was_put_aside_is_refused():
    sine = math.sin
    with pytest.raises(TraceError, match="CKP204"):
        grad(lambda x: sine(x))(1.0)


def test_lists_of_numbers(load, check):
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        def f(u, scheme):
            for i in checkpointed(range(3), scheme):
                a, b = u[0] * u[1], u[2]
                u = u + 0.1 * np.max([a, b]) + np.mean([a, b, 1.0]) * np.dot([a, 2.0], (b, 1))
                u = u + np.linspace(a, b, 3) * 0.1
            return np.sum([u[0], u[1] ** 2])
    """)
    for x in (original_numpy.array([0.3, 0.2, 0.9]), original_numpy.array([1.0, -0.2, 0.5])):
        check(program, "f", x, Revolve(2))
