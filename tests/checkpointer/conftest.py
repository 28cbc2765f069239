"""What the tests of the runtime share: programs given as text, loaded with and without the import hook."""

import importlib.util
import itertools
import sys
import textwrap
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from checkpointer import install_import_hook, state, value_and_grad

_numbers = itertools.count()


@pytest.fixture
def load(tmp_path, monkeypatch):
    """A function that loads a program twice: ``.rewritten`` under the hook, and ``.plain`` as it stands."""
    with _loader(tmp_path, monkeypatch) as loaded:
        yield lambda source: loaded(f"program_{next(_numbers)}", source)


@pytest.fixture(scope="module")
def load_once(tmp_path_factory):
    """The same for all tests of a module: a function of a name and the source."""
    with pytest.MonkeyPatch.context() as patch, _loader(tmp_path_factory.mktemp("program"), patch) as loaded:
        yield loaded


@contextmanager
def _loader(folder, patch):
    patch.syspath_prepend(folder)
    names = []

    def load(name: str, source: str) -> SimpleNamespace:
        names.extend((name, f"{name}_plain"))
        path = folder / f"{name}.py"
        path.write_text(textwrap.dedent(source))
        with install_import_hook(name):
            rewritten = importlib.import_module(name)
        return SimpleNamespace(rewritten=rewritten, plain=_plain(f"{name}_plain", path), path=path)

    yield load
    for name in names:
        sys.modules.pop(name, None)


def _plain(name: str, path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # where dataclasses look for it
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


@pytest.fixture
def visits(monkeypatch):
    """A function that counts how many values the walks of the state look at while another function runs."""
    visit, count = state._Walk._visit, 0

    def counted(*args):
        nonlocal count
        count += 1
        return visit(*args)

    monkeypatch.setattr(state._Walk, "_visit", counted)

    def visits(function):
        nonlocal count
        count = 0
        function()
        return count

    return visits


def central(function, step=1e-3):
    """The derivative at zero by central differences of sixth order."""
    weights = {1: 45, 2: -9, 3: 1}
    return sum(w * (function(k * step) - function(-k * step)) for k, w in weights.items()) / (60 * step)


def _parts(value):
    """The arrays and numbers in what a function returned."""
    if isinstance(value, tuple | list):
        for item in value:
            yield from _parts(item)
    elif value is not None:
        yield value


WEIGHTS = np.random.default_rng(7).uniform(0.5, 1.5, size=400)


def weighted(value):
    """A real number that depends on every element of the parts of ``value`` differently, on both parts if complex."""
    total, first = 0.0, 0
    for part in _parts(value):
        flat = np.ravel(part)
        weights = WEIGHTS[first : first + flat.size]
        if flat.dtype.kind == "c":
            total = total + np.sum(flat.real * weights) + np.sum(flat.imag * weights[::-1])
        elif flat.dtype.kind in "fiub":
            total = total + np.sum(flat * weights)
        first += flat.size
    return total


def plain_parts(value):
    return [np.array(getattr(part, "_value", part)) for part in _parts(value)]


@pytest.fixture
def check_call():
    """A function that proves one call: value and type to the last bit, derivative by central differences.

    ``call`` takes an array (or a number) and returns what the function under test returns. It is tried at two inputs, and
    once in single precision.
    """

    def check_call(call, x, *, single=True, rtol=1e-7, atol=1e-8, shift=0.05):
        gradients = []
        for at in (x, x + shift):
            direction = np.random.default_rng(0).normal(size=np.shape(at))
            gradient = _values_agree(call, at)
            gradients.append(gradient)
            expected = central(lambda e, at=at, d=direction: weighted(call(at + e * d)), step=3e-4)
            assert np.all(np.isfinite(gradient))
            assert np.sum(gradient * direction) == pytest.approx(expected, rel=rtol, abs=atol)
        if single:
            narrow = _values_agree(call, x.astype(np.float32))
            assert narrow.dtype == np.float32
            scale = np.max(np.abs(gradients[0])) + 1e-3
            assert np.max(np.abs(narrow - gradients[0])) < 5e-3 * scale

    return check_call


def _values_agree(call, at):
    seen = []

    def traced(u):
        value = call(u)
        seen.append((plain_parts(value), [part.__class__ for part in _parts(value)]))
        return weighted(value) + 0 * np.sum(u)

    _, gradient = value_and_grad(traced)(np.copy(at) if isinstance(at, np.ndarray) else at)
    value = call(np.copy(at) if isinstance(at, np.ndarray) else at)
    (found, classes) = seen[0]
    for part, kind, expected in zip(found, classes, _parts(value), strict=True):
        assert kind is expected.__class__
        assert part.dtype == np.asarray(expected).dtype
        assert np.array_equal(part, expected, equal_nan=part.dtype.kind in "fc")
    return gradient


@pytest.fixture
def check_constant():
    """A function that proves that no derivative flows through a call, and that its value is the plain one."""

    def check_constant(call, x):
        seen = []

        def traced(u):
            value = call(u)
            seen.append(value)
            assert not any(
                getattr(getattr(part, "_node", None), "memory", _None).varied for part in _parts(value)
            )
            return np.sum(u)

        _, gradient = value_and_grad(traced)(np.copy(x))
        assert np.all(gradient == 1)
        expected = call(np.copy(x))
        for part, plain in zip(_parts(seen[0]), _parts(expected), strict=True):
            assert part.__class__ is plain.__class__
            assert np.array_equal(getattr(part, "_value", part), plain)

    return check_constant


class _None:
    varied = False


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
