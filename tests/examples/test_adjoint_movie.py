"""The example of a dump: its gradient, and the picture that it makes of the file."""

import h5py
import numpy as np
import pytest

from checkpointer import Dump, Revolve, StoreAll, value_and_grad

N, STEPS = 24, 40


@pytest.fixture(scope="module")
def movie(load_example):
    return load_example("adjoint_movie", rewritten=True)


@pytest.fixture(scope="module")
def original(load_example):
    return load_example("adjoint_movie", rewritten=False)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("scheme", [Revolve(1), Revolve(5), StoreAll()], ids=repr)
def test_states_and_adjoints_belong_together(movie, original, tmp_path, scheme, seed):
    """What is heard is linear in the state, so that state times adjoint is the same at every step: what is heard."""
    draw = np.random.default_rng(seed)
    p, direction = draw.normal(size=(2, N, N))
    value, gradient = value_and_grad(movie.heard)(p, STEPS, scheme, Dump(tmp_path / "a.h5", every=7))
    assert value == original.heard(p, STEPS, scheme, None)
    assert np.sum(gradient * direction) == pytest.approx(original.heard(direction, STEPS, scheme, None))
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["step"][:].tolist() == [0, 7, 14, 21, 28, 35, 40]
        for row, step in enumerate(file["step"]):
            assert file["p"][row].tobytes() == original.simulate(p, step, scheme, None).tobytes()
            product = sum(np.sum(file[name][row] * file[f"{name}_adjoint"][row]) for name in ("p", "old"))
            assert product == pytest.approx(value)


def test_strip(movie, original, tmp_path):
    dump = Dump(tmp_path / "a.h5", every=10, variables=["p"])
    value_and_grad(movie.heard)(original.bump(N, 0.2, 0.45, 0.1), STEPS, Revolve(3), dump)
    original.save_strip(tmp_path / "strip.png", tmp_path / "a.h5")
    assert (tmp_path / "strip.png").read_bytes().startswith(b"\x89PNG")
