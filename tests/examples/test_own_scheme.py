"""A scheme that a user wrote against the public base class."""

import numpy as np
import pytest

from checkpointer import Online, StoreAll, value_and_grad
from checkpointer.schemes import simulate


@pytest.fixture(scope="module")
def example(load_example):
    return load_example("own_scheme", rewritten=True)


@pytest.mark.parametrize("snapshots", range(1, 9))
def test_it_is_valid_for_every_length(example, snapshots):
    scheme = example.Thinning(snapshots)
    for steps in range(40):
        for length_known in (True, False):
            assert simulate(scheme, steps, length_known=length_known).reversals == steps
        for end in range(steps + 1):
            assert simulate(scheme, steps, ends_after=end).reversals == end


@pytest.mark.parametrize("seed", [1, 2])
def test_the_gradient_does_not_depend_on_the_scheme(example, load_example, seed):
    conductivity = np.random.default_rng(seed).uniform(0.5, 1.0, 12)
    plain = load_example("own_scheme", rewritten=False)

    def mean(conductivity, scheme=None):
        return example.mean_temperature(conductivity, scheme)[0]

    value, gradient = value_and_grad(mean)(conductivity, example.Thinning(4))
    assert value == plain.mean_temperature(conductivity, StoreAll())[0]
    for scheme in (example.Thinning(1), example.Thinning(100), Online(4), StoreAll()):
        assert np.array_equal(gradient, value_and_grad(mean)(conductivity, scheme)[1])
    h = 1e-6 * np.cos(np.arange(12))
    assert gradient @ h * 2 == pytest.approx(mean(conductivity + h) - mean(conductivity - h), rel=1e-5)
