"""Gradients from snapshots that were compressed with a bounded error."""

from itertools import pairwise

import numpy as np
import pytest

from checkpointer import (
    Auto,
    HDF5Storage,
    Lossy,
    MemoryStorage,
    Mixed,
    Multistage,
    ReplayError,
    Revolve,
    StoreAll,
    TieredStorage,
    grad,
    value_and_grad,
)

PROGRAM = """
import numpy as np
from checkpointer import checkpointed

weights = np.linspace(1.0, 2.0, 600)

def flow(u, scheme, storage=None, audit=False):
    u = u.copy()
    total, t = 0.0, 0.0
    for step in checkpointed(range(12), scheme, storage=storage, audit=audit):
        new = u + 0.1 * np.sin(3 * u) * weights
        new[1:-1] += 0.2 * (u[2:] - 2 * u[1:-1] + u[:-2])
        u[:] = new
        t = t + 0.1 * u[5]
        total += (u * u).mean() * t
    return total + (u ** 3).mean()

def with_branches(u, scheme, storage=None):
    u = u.copy()
    for step in checkpointed(range(12), scheme, storage=storage):
        u *= 0.95
        if u[150] < 0.6:
            break
    return (u ** 2).sum()

def in_place(u, scheme, storage=None):
    for step in checkpointed(range(6), scheme, storage=storage):
        u *= 1.01 + 0.1 * weights
    return (u ** 2).mean()

def nested(u, scheme, storage=None):
    for step in checkpointed(range(4), scheme, storage=storage):
        for inner in checkpointed(range(4), scheme, storage=storage):
            u = u + 0.1 * np.sin(u)
        u = u * 0.9
    return (u ** 2).mean()
"""

INPUTS = [np.sin(np.linspace(0, 6, 600)), np.random.default_rng(0).normal(size=600)]
BOUNDS = [1e-2, 1e-4, 1e-6, 1e-8]


@pytest.fixture(scope="module")
def program(load_once):
    """The program with and without the import hook, loaded once."""
    return load_once("program_with_loss", PROGRAM)


def storage(bound):
    return HDF5Storage(compression=Lossy(absolute=bound))


@pytest.mark.parametrize("name", ["flow", "nested", "in_place"])
@pytest.mark.parametrize("u", INPUTS, ids=["smooth", "noise"])
def test_the_error_of_the_gradient_goes_to_zero_with_the_bound(program, name, u):
    function = getattr(program.rewritten, name)
    value, exact = value_and_grad(function)(u, Revolve(3))
    errors = []
    for bound in BOUNDS:
        found = value_and_grad(function)(u, Revolve(3), storage(bound))
        assert found[0] == value == getattr(program.plain, name)(u.copy(), Revolve(3))
        errors.append(np.linalg.norm(found[1] - exact) / np.linalg.norm(exact))
    assert all(0 < error < 100 * bound for error, bound in zip(errors, BOUNDS, strict=True))
    assert all(later < earlier / 10 for earlier, later in pairwise(errors))


@pytest.mark.parametrize(
    "scheme", [StoreAll(), Mixed(4), Multistage(1, 3), Auto("20 MB"), Auto("20 MB", disk="20 MB")], ids=repr
)
def test_every_kind_of_scheme(program, scheme):
    function, u = program.rewritten.flow, INPUTS[0]
    value, exact = value_and_grad(function)(u, Revolve(20))
    for kept in (storage(1e-7), TieredStorage(MemoryStorage(), storage(1e-7))):
        found = value_and_grad(function)(u, scheme, kept)
        assert found[0] == value
        assert np.linalg.norm(found[1] - exact) < 1e-5 * np.linalg.norm(exact)


@pytest.mark.parametrize("scheme", [Revolve(2), Mixed(4)], ids=repr)
@pytest.mark.parametrize("name", ["flow", "nested", "in_place"])
def test_the_program_s_arrays_are_what_they_were(program, name, scheme):
    """To the last bit, although snapshots of them were restored."""
    weights, u = program.rewritten.weights, INPUTS[1].copy()
    before = weights.copy()
    grad(getattr(program.rewritten, name))(u, scheme, storage(1e-1))
    assert np.array_equal(weights, before)
    assert np.array_equal(u, INPUTS[1])


def test_an_audit_has_nothing_to_compare(program):
    found = grad(program.rewritten.flow)(INPUTS[0], Revolve(2), storage(1e-6), audit=True)
    assert np.array_equal(found, grad(program.rewritten.flow)(INPUTS[0], Revolve(2), storage(1e-6)))


def test_another_way_through_the_step_is_still_refused(program):
    """A snapshot with so much loss lies on the other side of a threshold."""
    function, u = program.rewritten.with_branches, INPUTS[0].copy()
    exact = grad(function)(u, Revolve(1))
    found = grad(function)(u, Revolve(1), storage(1e-9))
    assert np.linalg.norm(found - exact) < 1e-6 * np.linalg.norm(exact)
    with pytest.raises(ReplayError, match=r"took another way .*, or the snapshots, .* need a smaller bound$"):
        grad(function)(u, Revolve(1), storage(10.0))
