"""Traced numbers: their values and types are those of the untraced program, their derivatives those of autograd."""

import itertools
import math as plain_math
import operator

import autograd
import autograd.numpy as anp
import numpy
import pytest

from checkpointer import TraceError, grad, value_and_grad
from checkpointer import numpy as np
from checkpointer.runtime import as_complex, as_float

KINDS = [float, numpy.float64, numpy.float32, numpy.longdouble]
BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.pow,
    operator.mod,
    operator.floordiv,
]
PAIRS = [(1.7, 2.3), (0.43, 0.9), (3.0, 2.0), (1.2, -0.7)]


def slope(function, x, step=1e-4):
    weights = {1: 45, 2: -9, 3: 1}
    return sum(w * (function(x + k * step) - function(x - k * step)) for k, w in weights.items()) / (
        60 * step
    )


@pytest.mark.parametrize("operation", BINARY, ids=lambda operation: operation.__name__)
@pytest.mark.parametrize(("x", "y"), PAIRS)
def test_partial_derivatives_of_operators(operation, x, y):
    d_x, d_y = grad(operation, argnums=(0, 1))(x, y)
    assert d_x == pytest.approx(slope(lambda t: operation(t, y), x), rel=1e-8, abs=1e-9)
    assert d_y == pytest.approx(slope(lambda t: operation(x, t), y), rel=1e-8, abs=1e-9)
    assert grad(lambda t: operation(t, 2))(x) == pytest.approx(
        slope(lambda t: operation(t, 2), x), rel=1e-8, abs=1e-9
    )
    assert grad(lambda t: operation(2, t))(x) == pytest.approx(
        slope(lambda t: operation(2, t), x), rel=1e-8, abs=1e-9
    )


@pytest.mark.parametrize(
    "operation", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
)
@pytest.mark.parametrize(("x", "y"), PAIRS)
def test_partial_derivatives_equal_those_of_autograd(operation, x, y):
    ours = grad(operation, argnums=(0, 1))(x, y)
    theirs = tuple(autograd.grad(operation, argnum)(x, y) for argnum in (0, 1))
    assert ours == pytest.approx(tuple(map(float, theirs)), rel=1e-14)


@pytest.mark.parametrize("operation", BINARY, ids=lambda operation: operation.__name__)
@pytest.mark.parametrize(("first", "second"), list(itertools.product([*KINDS, int], repeat=2)))
def test_values_and_types_are_those_of_the_untraced_program(operation, first, second):
    x, y = first(3), second(2)
    seen = []

    def function(a, b):
        value = operation(a, b)
        seen.append((str(value), value.__class__))
        return value

    expected = operation(x, y)
    argnums = [n for n, value in enumerate((x, y)) if not isinstance(value, int)]
    if argnums:
        value, _ = value_and_grad(function, argnums)(x, y)
        assert type(value) is type(expected)
        assert value == expected
        assert seen == [(str(expected), type(expected))]


@pytest.mark.parametrize(
    "function",
    [
        lambda z: abs(z * (2 + 1j)),
        lambda z: (z**3).real + (z / (1 + 2j)).imag,
        lambda z: (1j / z).real * z.imag,
        lambda z: np.real(np.exp(z)) + np.abs(np.conj(z) * z**2),
        lambda z: np.sum(np.array([z, z**2]).imag),
    ],
)
def test_complex_numbers_follow_the_convention_of_autograd(function):
    z = 0.7 + 0.3j

    def of_autograd(z):
        return function(z)

    gradient = grad(function)(z)
    d_re = slope(lambda t: function(complex(t, z.imag)), z.real)
    d_im = slope(lambda t: function(complex(z.real, t)), z.imag)
    assert gradient == pytest.approx(d_re - 1j * d_im, rel=1e-8)
    example = autograd.grad(lambda z: anp.real(z**3))(z)
    assert grad(lambda z: (z**3).real)(z) == pytest.approx(example)


def test_what_python_does_with_numbers():
    def function(x):
        assert isinstance(x, float)
        assert isinstance(x * 2, float)
        assert int(x) == 2
        assert round(x) == 2
        assert f"{x:.1f} {x}" == "2.4 2.4"
        assert "%.2f" % x == "2.40"  # noqa: UP031  the operator is what is tested
        assert str(x) == repr(x) == "2.4"
        assert bool(x)
        assert x == 2.4
        assert 2 < x < 3
        return max(x, 1.0) + min(x, 5.0, 7) + abs(-x) + sum([x, x]) + divmod(x, 1.0)[1] + pow(x, 2) + -x + +x

    value, derivative = value_and_grad(function)(2.4)
    assert derivative == pytest.approx(1 + 1 + 1 + 2 + 1 + 2 * 2.4 + 0)
    assert value == pytest.approx(2.4 * 5 + 0.4 + 2.4**2)


def test_conversions_of_rewritten_modules():
    assert grad(lambda x: as_float(x) * 2)(1.5) == 2.0
    assert grad(lambda u: as_float(u[0]) * as_float(u[1:]))(numpy.array([3.0, 2.0])).tolist() == [2.0, 3.0]
    assert grad(lambda x: (as_complex(x) * (2 + 1j)).imag)(1.5) == 1.0
    assert as_float("1.5") == 1.5
    assert as_complex("1j") == 1j


def test_numpy_functions_of_numbers():
    assert grad(lambda x: np.sin(x) * np.float64(2))(0.3) == pytest.approx(2 * plain_math.cos(0.3))
    assert grad(lambda x: np.sum(x * np.arange(3.0)))(0.3) == 3.0
    assert grad(lambda x: np.clip(x, 0, 1) + np.maximum(x, 0.1) + np.where(x > 0, x, 2.0))(0.3) == 3.0
    assert grad(lambda x: (numpy.array([1.0, 2.0]) * x + x**2).sum())(0.3) == pytest.approx(3 + 4 * 0.3)
    assert grad(lambda x: np.array([x, 1.0]) @ np.array([2.0, x]))(0.3) == 3.0


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda x: float(x) * x, "CKP204"),
        (lambda x: complex(x).real * x, "CKP204"),
        (lambda x: plain_math.sin(x), "CKP204"),
        (lambda x: numpy.asarray(x).sum(), "CKP203"),
        (lambda x: __import__("pickle").dumps(x) and x, "CKP205"),
    ],
)
def test_what_would_lose_the_derivative_is_refused(function, code):
    with pytest.raises(TraceError, match=code) as caught:
        grad(function)(1.5)
    assert caught.value.filename == __file__
    assert caught.value.text
    assert "Instead: " in str(caught.value)
