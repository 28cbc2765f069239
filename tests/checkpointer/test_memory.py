"""Adjoints in memory: views of the adjoint are views of the value, whatever the layout."""

import numpy as np
import pytest

from checkpointer.errors import TraceError
from checkpointer.memory import Memory, NumberMemory, flipped, root_of

BASES = [
    np.arange(24.0).reshape(4, 6),
    np.asfortranarray(np.arange(24.0).reshape(4, 6)),
    np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2),
]
VIEWS = [
    lambda a: a,
    lambda a: a[1:],
    lambda a: a[::-1],
    lambda a: a.T,
    lambda a: a[..., ::2],
    lambda a: a[1],
    lambda a: a.T[1:, ::-1],
    lambda a: a[None, 0],
]


@pytest.mark.parametrize("base", BASES, ids=["C", "F", "permuted"])
@pytest.mark.parametrize("view", VIEWS)
def test_what_is_added_to_a_view_arrives_at_its_places_in_the_base(base, view):
    base = base.copy(order="K") if base.base is None else np.ascontiguousarray(base)
    memory = Memory(base, varied=True)
    part = view(base)
    contribution = np.random.default_rng(0).normal(size=part.shape)
    memory.add(part, contribution)
    memory.add(part, contribution)
    expected = np.zeros(base.shape)
    view(expected)[...] = 2 * contribution
    assert np.array_equal(memory.adjoint(base), expected)
    assert np.array_equal(memory.adjoint(part), 2 * contribution)


def test_an_array_that_is_handed_over_is_not_copied():
    base = np.zeros((3, 4))
    memory = Memory(base, varied=True)
    contribution = np.ones((3, 4))
    memory.add(base, contribution, owned=True)
    assert np.shares_memory(memory.adjoint(base), contribution)
    memory = Memory(base, varied=True)
    memory.add(base, contribution)
    assert not np.shares_memory(memory.adjoint(base), contribution)


def test_overlapping_views_add_up():
    base = np.arange(5.0)
    memory = Memory(base, varied=True)
    memory.add(np.broadcast_to(base, (3, 5)), np.ones((3, 5)))
    memory.add(np.lib.stride_tricks.sliding_window_view(base, 2), np.ones((4, 2)))
    assert memory.adjoint(base).tolist() == [4.0, 5.0, 5.0, 5.0, 4.0]


def test_real_and_imaginary_parts_are_views_of_the_adjoint():
    base = np.zeros(3, complex)
    memory = Memory(base, varied=True)
    memory.add(base.imag, np.array([1.0, 2.0, 3.0]))
    memory.add(base.real[1:], np.array([5.0, 7.0]))
    assert memory.adjoint(base).tolist() == [1j, 5 + 2j, 7 + 3j]
    assert flipped(memory.adjoint(base)).tolist() == [-1j, 5 - 2j, 7 - 3j]


def test_arrays_that_nothing_differentiated_was_written_to_have_no_adjoint():
    base = np.zeros(3)
    memory = Memory(base, varied=False)
    memory.add(base, np.ones(3))
    assert memory.take(base) is None
    assert not Memory(np.zeros(3, int), varied=True).varied


def test_taking_the_adjoint_clears_it():
    base = np.zeros(3)
    memory = Memory(base, varied=True)
    memory.add(base, np.ones(3))
    assert memory.take(base).tolist() == [1.0] * 3
    assert memory.take(base) is None
    number = NumberMemory()
    number.add(1.0, np.array([2.0]))
    number.add(1.0, 3.0 + 5j)
    assert number.take(1.0) == 5.0
    assert number.take(1.0) is None


def test_memory_that_is_not_dense_is_refused():
    raw = bytearray(80)
    gaps = np.ndarray((3,), float, raw, 0, (24,))
    with pytest.raises(TraceError, match="CKP202"):
        Memory(gaps, varied=True).adjoint(gaps)


def test_the_root_of_a_view():
    base = np.zeros((4, 4))
    assert root_of(base) is base
    assert root_of(base[1:].T[2]) is base
    assert root_of(np.lib.stride_tricks.sliding_window_view(base[0], 2)) is base
    assert root_of(np.broadcast_to(base[0], (2, 4))) is base
