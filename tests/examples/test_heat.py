"""The heat example: Checkpointing.jl's numbers, and an adjoint written by hand."""

import numpy as np
import pytest

from checkpointer import Periodic, Revolve, StoreAll, value_and_grad

STEPS = 500
NORM_OF_T = 66.21987468492061
NORM_OF_DT = 6.970279349365908

SCHEMES = [Revolve(1), Revolve(4), Revolve(100), Periodic(4), Periodic(7), StoreAll()]
NAMES = ["Revolve(1)", "Revolve(4)", "Revolve(100)", "Periodic(4)", "Periodic(7)", "StoreAll()"]


@pytest.fixture(scope="module")
def heat(load_example):
    return load_example("heat", rewritten=True)


@pytest.fixture(scope="module")
def original(load_example):
    return load_example("heat", rewritten=False)


def gradient_by_hand(n, steps, lam=0.5):
    """One step is a matrix A, so the gradient of the sum of the final temperatures is (Aᵀ)^steps 1."""
    A = np.eye(n)
    for i in range(1, n - 1):
        A[i, i - 1 : i + 2] = lam, 1 - 2 * lam, lam
    adjoint = np.ones(n)
    for _ in range(steps):
        adjoint = A.T @ adjoint
    return adjoint


@pytest.mark.parametrize("variant", ["advance", "advance_scalar"])
@pytest.mark.parametrize("scheme", SCHEMES, ids=NAMES)
def test_not_differentiated_it_computes_what_the_original_does(heat, original, scheme, variant):
    T0 = original.initial_temperatures()
    T = heat.simulate(T0, STEPS, scheme, getattr(heat, variant)).Tnext
    expected = original.simulate(T0, STEPS, scheme, getattr(original, variant)).Tnext
    assert type(T) is np.ndarray
    assert T.tobytes() == expected.tobytes()
    assert np.linalg.norm(T) == pytest.approx(NORM_OF_T, abs=1e-11, rel=0)


@pytest.mark.parametrize("scheme", SCHEMES, ids=NAMES)
def test_reference_gradient(heat, original, scheme):
    T0 = original.initial_temperatures()
    value, dT = value_and_grad(heat.total_heat)(T0, STEPS, scheme)
    assert value == original.total_heat(T0, STEPS, scheme)
    assert np.linalg.norm(dT[1:-1]) == pytest.approx(NORM_OF_DT, abs=1e-11, rel=0)
    np.testing.assert_allclose(dT, gradient_by_hand(100, STEPS), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(T0, original.initial_temperatures())


@pytest.mark.parametrize("scheme", [Revolve(4), Periodic(7)], ids=["Revolve(4)", "Periodic(7)"])
def test_reference_gradient_of_the_scalar_step(heat, original, scheme):
    T0 = original.initial_temperatures()
    value, dT = value_and_grad(heat.total_heat)(T0, STEPS, scheme, heat.advance_scalar)
    assert value == original.total_heat(T0, STEPS, scheme, original.advance_scalar)
    assert np.linalg.norm(dT[1:-1]) == pytest.approx(NORM_OF_DT, abs=1e-11, rel=0)


@pytest.mark.parametrize("variant", ["advance", "advance_scalar"])
@pytest.mark.parametrize("scheme", SCHEMES, ids=NAMES)
@pytest.mark.parametrize("steps", [0, 1, 2, 17])
def test_few_steps(heat, original, steps, scheme, variant):
    T0 = np.linspace(3, 5, 12)
    value, dT = value_and_grad(heat.total_heat)(T0, steps, scheme, getattr(heat, variant))
    assert value == original.total_heat(T0, steps, scheme, getattr(original, variant))
    np.testing.assert_allclose(dT, gradient_by_hand(12, steps), rtol=1e-13)


def test_second_and_third_evaluation(heat, original):
    """The same function at another input, of another size, and again at the first."""
    loss = value_and_grad(heat.total_heat)
    first = loss(original.initial_temperatures(), 60, Revolve(4))
    T0 = np.random.default_rng(5).normal(size=37)
    value, dT = loss(T0, 45, Periodic(7))
    again = loss(original.initial_temperatures(), 60, Revolve(4))

    assert value == original.total_heat(T0, 45, StoreAll())
    np.testing.assert_allclose(dT, gradient_by_hand(37, 45), rtol=1e-12)
    assert again[0] == first[0]
    np.testing.assert_array_equal(again[1], first[1])


def test_plain_evaluation_after_a_gradient(heat, original):
    T0 = original.initial_temperatures()
    value_and_grad(heat.total_heat)(T0, 30, Revolve(3))
    T = heat.simulate(T0, 30, Revolve(3)).Tnext
    assert T.tobytes() == original.simulate(T0, 30, StoreAll()).Tnext.tobytes()
