"""The Burgers example against an adjoint written by hand and against central differences."""

import numpy as np
import pytest

from checkpointer import CheckpointerError, Periodic, Revolve, StoreAll, value_and_grad

N = 24
SCHEMES = [Revolve(1), Revolve(2), Revolve(30), Revolve(100), Periodic(4), StoreAll()]
NAMES = ["Revolve(1)", "Revolve(2)", "Revolve(30)", "Revolve(100)", "Periodic(4)", "StoreAll()"]


@pytest.fixture(scope="module")
def burgers(load_example):
    return load_example("burgers", rewritten=True)


@pytest.fixture(scope="module")
def original(load_example):
    return load_example("burgers", rewritten=False)


def random_velocities(n, seed=3):
    u, v = np.random.default_rng(seed).normal(size=(2, n, n))
    return u, v


def gradient_by_hand(u, v, steps, mu=0.01, dx=3e-2, dy=3e-2, dt=1e-3):
    """The gradient of the mean of u² + v² over the interior; every state is kept."""
    inner = (slice(1, -1), slice(1, -1))
    east, west = (slice(2, None), slice(1, -1)), (slice(None, -2), slice(1, -1))
    north, south = (slice(1, -1), slice(2, None)), (slice(1, -1), slice(None, -2))

    def slopes(w):
        return (w[east] - w[west]) / (2 * dx), (w[north] - w[south]) / (2 * dy)

    states = [(u, v)]
    for _ in range(steps):
        u, v = states[-1]
        following = []
        for w in (u, v):
            w_x, w_y = slopes(w)
            diffusion = (w[east] + w[west] - 2 * w[inner]) / dx**2
            diffusion += (w[north] + w[south] - 2 * w[inner]) / dy**2
            new = w.copy()
            new[inner] += dt * (mu * diffusion - u[inner] * w_x - v[inner] * w_y)
            following.append(new)
        states.append(tuple(following))

    u, v = states.pop()
    u_bar, v_bar = np.zeros_like(u), np.zeros_like(v)
    u_bar[inner] = 2 * u[inner] / u[inner].size
    v_bar[inner] = 2 * v[inner] / v[inner].size
    while states:
        u, v = states.pop()
        bars = (u_bar.copy(), v_bar.copy())
        for w, w_bar, bar in ((u, u_bar, bars[0]), (v, v_bar, bars[1])):
            rhs_bar = dt * w_bar[inner]  # adjoint of the right-hand side of this component's equation
            w_x, w_y = slopes(w)
            bars[0][inner] -= rhs_bar * w_x
            bars[1][inner] -= rhs_bar * w_y
            bar[inner] -= rhs_bar * mu * (2 / dx**2 + 2 / dy**2)
            bar[east] += rhs_bar * (mu / dx**2 - u[inner] / (2 * dx))
            bar[west] += rhs_bar * (mu / dx**2 + u[inner] / (2 * dx))
            bar[north] += rhs_bar * (mu / dy**2 - v[inner] / (2 * dy))
            bar[south] += rhs_bar * (mu / dy**2 + v[inner] / (2 * dy))
        u_bar, v_bar = bars
    return u_bar, v_bar


def assert_same_gradient(gradient, expected):
    assert type(gradient) is tuple
    scale = max(abs(field).max() for field in expected)
    for field, right in zip(gradient, expected, strict=True):
        np.testing.assert_allclose(field, right, rtol=1e-11, atol=1e-13 * scale)


@pytest.mark.parametrize("steps", [0, 1, 2, 30, 31])
@pytest.mark.parametrize("scheme", SCHEMES, ids=NAMES)
def test_gradient(burgers, original, scheme, steps):
    """Odd and even numbers of swaps, few and many snapshots."""
    velocities = original.initial_velocities(N)
    value, gradient = value_and_grad(burgers.energy)(velocities, steps, scheme)
    assert value == original.energy(velocities, steps, StoreAll())
    assert_same_gradient(gradient, gradient_by_hand(*velocities, steps))
    for field, untouched in zip(velocities, original.initial_velocities(N), strict=True):
        np.testing.assert_array_equal(field, untouched)


@pytest.mark.parametrize("steps", [0, 1, 30])
def test_not_differentiated_it_computes_what_the_original_does(burgers, original, steps):
    velocities = random_velocities(N)
    fields = burgers.simulate(velocities, steps, Revolve(3))
    for field, expected in zip(fields, original.simulate(velocities, steps, Revolve(3)), strict=True):
        assert type(field) is np.ndarray
        assert field.tobytes() == expected.tobytes()


def test_two_inputs_in_one_process(burgers, original):
    """A bell, noise of another size, and the bell again."""
    loss = value_and_grad(burgers.energy)
    bell, noise = original.initial_velocities(N), random_velocities(17)
    first = loss(bell, 30, Revolve(3))
    value, gradient = loss(noise, 25, Revolve(3))
    again = loss(bell, 30, Revolve(3))

    assert value == original.energy(noise, 25, StoreAll())
    assert_same_gradient(gradient, gradient_by_hand(*noise, 25))
    assert again[0] == first[0]
    for field, expected in zip(again[1], first[1], strict=True):
        np.testing.assert_array_equal(field, expected)


@pytest.mark.parametrize("start", ["bell", "noise"])
@pytest.mark.parametrize("snapshots", [2, 30])
def test_against_central_differences(burgers, original, snapshots, start):
    u, v = original.initial_velocities(N) if start == "bell" else random_velocities(N)
    _, (d_u, d_v) = value_and_grad(burgers.energy)((u, v), 30, Revolve(snapshots))
    rng = np.random.default_rng(7)
    h = 1e-4
    for _ in range(3):
        a, b = rng.normal(size=(2, N, N))
        ahead = original.energy((u + h * a, v + h * b), 30, StoreAll())
        behind = original.energy((u - h * a, v - h * b), 30, StoreAll())
        assert np.sum(d_u * a) + np.sum(d_v * b) == pytest.approx((ahead - behind) / (2 * h), rel=1e-7)


def test_one_array_as_both_velocities(burgers, original):
    """Right or refused: u and v are the same object at the start, and still two inputs."""
    u, _ = random_velocities(N)
    try:
        value, gradient = value_and_grad(burgers.energy)((u, u), 12, Revolve(3))
    except CheckpointerError:
        return
    assert value == original.energy((u, u), 12, StoreAll())
    assert_same_gradient(gradient, gradient_by_hand(u, u, 12))


def test_picture(original, tmp_path):
    picture = tmp_path / "adjoint.png"
    original.save_picture(picture, *random_velocities(12), 5)
    assert picture.read_bytes().startswith(b"\x89PNG")
