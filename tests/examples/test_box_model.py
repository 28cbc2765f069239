"""The box model example: Checkpointing.jl's numbers, and complex steps of the original program."""

import numpy as np
import pytest

from checkpointer import CheckpointerError, Periodic, Revolve, StoreAll, value_and_grad

STEPS = 10_000
FINAL_TEMPERATURE = 21.41890316892692
D_OLD_4 = 0.00616139595759519

# From here the circulation turns round after 462 steps: both branches of the tendencies are taken.
TURNING = np.array([18.0, 3.0, 2.0, 34.0, 33.0, 35.0])


@pytest.fixture(scope="module")
def box_model(load_example):
    return load_example("box_model", rewritten=True)


@pytest.fixture(scope="module")
def original(load_example):
    return load_example("box_model", rewritten=False)


def complex_steps(original, old, now, steps):
    """Derivatives by every entry of ``old`` and of ``now``, exact to rounding, from the original program."""
    d_old, d_now = np.empty(6), np.empty(6)
    for derivative, which in ((d_old, 0), (d_now, 1)):
        for k in range(6):
            states = [old.astype(complex), now.astype(complex)]
            states[which][k] += 1e-30j
            derivative[k] = original.final_temperature(*states, steps, StoreAll()).imag / 1e-30
    return d_old, d_now


@pytest.mark.parametrize("snapshots", [500, 10])
def test_reference_gradient(box_model, original, snapshots):
    old, now = original.initial_state(), original.initial_state()
    value, d_old = value_and_grad(box_model.final_temperature)(old, now, STEPS, Revolve(snapshots))
    assert value == original.final_temperature(old, now, STEPS, StoreAll())
    assert value == pytest.approx(FINAL_TEMPERATURE, rel=1e-9)
    assert d_old[4] == pytest.approx(D_OLD_4, rel=1e-9)
    np.testing.assert_array_equal(old, original.initial_state())
    np.testing.assert_array_equal(now, original.initial_state())


def test_not_differentiated_it_computes_what_the_original_does(box_model, original):
    state = original.initial_state()
    box = box_model.simulate(state, state, STEPS, Revolve(500))
    expected = original.simulate(state, state, STEPS, Revolve(500))
    for name in ("in_now", "in_old", "out_now", "out_old"):
        field = getattr(box, name)
        assert type(field) is np.ndarray
        assert field.tobytes() == getattr(expected, name).tobytes()
    assert box.out_now[0] == pytest.approx(FINAL_TEMPERATURE, rel=1e-9)


@pytest.mark.parametrize(
    "scheme",
    [Revolve(1), Revolve(7), Periodic(4), StoreAll()],
    ids=["Revolve(1)", "Revolve(7)", "Periodic(4)", "StoreAll()"],
)
@pytest.mark.parametrize("steps", [1, 2, 43])
def test_every_derivative(box_model, original, steps, scheme):
    old, now = original.initial_state(), original.initial_state() + 0.01
    d_old, d_now = complex_steps(original, old, now, steps)
    value, gradient = value_and_grad(box_model.final_temperature)(old, now, steps, scheme)
    assert value == original.final_temperature(old, now, steps, StoreAll())
    np.testing.assert_allclose(gradient, d_old, rtol=1e-11, atol=1e-18)
    value, gradient = value_and_grad(box_model.final_temperature, argnums=1)(old, now, steps, scheme)
    assert value == original.final_temperature(old, now, steps, StoreAll())
    np.testing.assert_allclose(gradient, d_now, rtol=1e-11, atol=1e-18)


def test_one_array_as_both_states(box_model, original):
    """Right or refused: the derivative is that by ``old`` alone, also where one array is given for both."""
    state = original.initial_state()
    try:
        _, d_old = value_and_grad(box_model.final_temperature)(state, state, 20, Revolve(3))
    except CheckpointerError:
        return
    np.testing.assert_allclose(d_old, complex_steps(original, state, state, 20)[0], rtol=1e-11, atol=1e-18)


def test_circulation_that_turns_round(box_model, original):
    """A second input in the same process, where the branch changes on the way."""
    loss = value_and_grad(box_model.final_temperature)
    old, now = original.initial_state(), original.initial_state()
    first = loss(old, now, 50, Revolve(10))
    value, d_old = loss(TURNING, TURNING.copy(), 600, Revolve(10))
    again = loss(old, now, 50, Revolve(10))

    before, after = (original.simulate(TURNING, TURNING, steps, StoreAll()).in_now for steps in (400, 600))
    assert original.transport(original.density(before[:3], before[3:])) < 0
    assert original.transport(original.density(after[:3], after[3:])) > 0
    assert value == original.final_temperature(TURNING, TURNING, 600, StoreAll())
    np.testing.assert_allclose(d_old, complex_steps(original, TURNING, TURNING, 600)[0], rtol=1e-9)
    assert again[0] == first[0]
    np.testing.assert_array_equal(again[1], first[1])


def test_against_a_central_difference(box_model, original):
    old, now = TURNING, original.initial_state()
    direction = np.random.default_rng(2).normal(size=6)
    h = 1e-4
    difference = (
        original.final_temperature(old + h * direction, now, 300, StoreAll())
        - original.final_temperature(old - h * direction, now, 300, StoreAll())
    ) / (2 * h)
    _, d_old = value_and_grad(box_model.final_temperature)(old, now, 300, Revolve(10))
    assert d_old @ direction == pytest.approx(difference, rel=1e-7)
