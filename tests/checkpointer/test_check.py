"""`checkpointer.check`: that it accepts right adjoints, and finds wrong ones."""

import doctest
import math
from dataclasses import dataclass

import numpy as np
import pytest
from autograd.extend import defvjp, primitive

import checkpointer.differences
from checkpointer import ArgumentError, TraceError, WrongGradientError, check
from checkpointer.differences import extrapolated


@dataclass
class Model:
    rate: float
    field: np.ndarray
    name: str = "heat"


def test_a_program_with_a_marked_loop_and_a_tree(load):
    program = load("""
        import numpy as np
        from checkpointer import Revolve, checkpointed

        calls = []

        def f(model, scale, rng):
            calls.append(1)
            u = model.field
            for i in checkpointed(range(7), Revolve(2)):
                u *= 1 + model.rate * np.sin(u) * rng.random()
            return {"u": u, "norm": scale * np.sum(u**2), "name": model.name}
    """).rewritten
    model = Model(0.1, np.array([0.5, -1.0, 0.0]))
    before = model.field.tobytes()
    found = check(program.f, model, 2.0, np.random.default_rng(3), argnums=(0, "scale"), seed=1)
    assert found.ok, str(found)
    assert found.relative_error < 1e-9
    assert model.field.tobytes() == before
    assert program.calls == []
    assert str(found).splitlines()[0] == "f: the dot-product test"
    assert found.raise_if_wrong() is None


@primitive
def square(x):
    return x**2


defvjp(square, lambda ans, x: lambda g: 2.002 * g * x)


def test_a_rule_with_a_factor():
    found = check(lambda u: np.sin(square(u)), np.array([0.3, 0.7]))
    assert not found
    assert [product.verdict for product in found.inputs] == ["the adjoint is wrong"] * 2
    assert found.relative_error == pytest.approx(0.001, rel=1e-2)
    with pytest.raises(WrongGradientError, match="the adjoint is wrong") as caught:
        found.raise_if_wrong()
    assert isinstance(caught.value, AssertionError)


@primitive
def first_call_only(x, seen):
    seen.append(x.copy())
    return x**3


defvjp(first_call_only, lambda ans, x, seen: lambda g: 3 * g * LINEARISED.setdefault(0, x) ** 2)
LINEARISED = {}


def test_a_rule_that_is_right_at_the_first_input_only():
    found = check(lambda u: first_call_only(u, []), np.array([0.3, 0.7]))
    assert [product.ok for product in found.inputs] == [True, False]


def test_what_cannot_be_told():
    found = check(lambda u: np.abs(u), np.zeros(2))
    assert "right" not in {product.verdict for product in found.inputs} or found.ok
    steps = check(lambda u: np.floor(1e7 * u) * 1e-7 + u * 0.0, np.array([0.3, 0.7]))
    assert not steps.ok


def test_complex_numbers_and_single_precision():
    assert check(lambda z: (z * z, np.abs(z) ** 2, np.real(z)), np.array([0.5 + 1j, 2.0 - 1j])).ok
    assert check(lambda x: np.exp(x) * x[0], np.array([0.5, 1.0], np.float32)).ok


def test_arguments_named_like_those_of_check():
    assert check(lambda x, seed: x * seed, 2.0, seed=3.0, argnums="seed").ok
    assert check(lambda x, comm=None: x * len(comm), 2.0, comm="ab").ok
    with pytest.raises(ArgumentError, match="comm must be a communicator"):
        check(lambda x: x, 2.0, comm="ab")
    with pytest.raises(TraceError, match="CKP201"):
        check(lambda x: np.i0(x), np.ones(2))


def test_extrapolated():
    for function, x, slope in ((math.exp, 1.0, math.e), (math.tanh, 0.3, 1 - math.tanh(0.3) ** 2)):
        value, uncertainty = extrapolated(lambda h, f=function, x=x: (f(x + h) - f(x - h)) / (2 * h))
        assert abs(value - slope) <= max(1e-12, 10 * uncertainty)
        assert uncertainty < 1e-10
    assert math.isnan(extrapolated(lambda h: math.nan)[0])
    assert doctest.testmod(checkpointer.differences) == doctest.TestResults(0, 2)
