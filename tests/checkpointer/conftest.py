"""What the tests of the runtime share: programs given as text, loaded with and without the import hook."""

import importlib.util
import itertools
import sys
import textwrap
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from checkpointer import install_import_hook, value_and_grad

_numbers = itertools.count()


@pytest.fixture
def load(tmp_path, monkeypatch):
    """A function that loads a program twice: ``.rewritten`` under the hook, and ``.plain`` as it stands."""
    monkeypatch.syspath_prepend(tmp_path)
    loaded = []

    def load(source: str) -> SimpleNamespace:
        name = f"program_{next(_numbers)}"
        path = tmp_path / f"{name}.py"
        path.write_text(textwrap.dedent(source))
        with install_import_hook(name):
            rewritten = importlib.import_module(name)
        loaded.append(name)
        return SimpleNamespace(rewritten=rewritten, plain=_plain(f"{name}_plain", path), path=path)

    yield load
    for name in loaded:
        sys.modules.pop(name, None)


def _plain(name: str, path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def check():
    """A function that proves a gradient against the plain program at one input."""

    def check(program, name, x, *args, rtol=1e-7, atol=1e-9, seed=0):
        rewritten, plain = getattr(program.rewritten, name), getattr(program.plain, name)
        direction = np.random.default_rng(seed).normal(size=np.shape(x))
        value, gradient = value_and_grad(rewritten)(np.copy(x), *args)
        again_value, again = value_and_grad(rewritten)(np.copy(x), *args)
        assert value == plain(np.copy(x), *args) == rewritten(np.copy(x), *args) == again_value
        assert np.array_equal(gradient, again)
        expected = central(lambda e: plain(x + e * direction, *args))
        assert np.sum(gradient * direction) == pytest.approx(expected, rel=rtol, abs=atol)

    return check


def central(function, step=1e-3):
    """The derivative at zero by central differences of sixth order."""
    weights = {1: 45, 2: -9, 3: 1}
    return sum(w * (function(k * step) - function(-k * step)) for k, w in weights.items()) / (60 * step)


def real_sum(value, weights):
    """A real number made of everything that a function returned."""
    parts = value if isinstance(value, tuple | list) else [value]
    parts = [part for part in parts if isinstance(part, np.ndarray | np.generic | float | complex)]
    return sum(np.sum(np.real(weight * part)) for weight, part in zip(weights, parts, strict=False))


@pytest.fixture
def agree():
    """A function that proves the gradient of a function of arrays, with respect to each, against differences."""

    def agree(function, original, arrays, rng, *, rtol=2e-6, fixed=()):
        value = original(*map(np.copy, arrays))
        parts = value if isinstance(value, tuple | list) else [value]
        weights = [
            rng.normal(size=np.shape(part))
            + (1j * rng.normal(size=np.shape(part)) if np.iscomplexobj(part) else 0)
            for part in parts
            if isinstance(part, np.ndarray | np.generic | float | complex)
        ]
        for place, array in enumerate(arrays):
            if place in fixed or np.asarray(array).dtype.kind not in "fc":
                continue

            def scalar(x, run=function, place=place):
                given = [x if n == place else np.copy(other) for n, other in enumerate(arrays)]
                return real_sum(run(*given), weights)

            direction = rng.normal(size=array.shape)
            if np.iscomplexobj(array):
                direction = direction + 1j * rng.normal(size=array.shape)
            value, gradient = value_and_grad(scalar)(array.copy())
            assert value == scalar(array.copy(), original)
            h = 1e-3
            at = [scalar(array + k * h * direction, original) for k in (-2, -1, 1, 2)]
            expected = (8 * (at[2] - at[1]) - (at[3] - at[0])) / (12 * h)
            got = np.sum(np.real(gradient * direction))
            assert got == pytest.approx(expected, rel=rtol, abs=1e-8), f"argument {place}"

    return agree
