"""Small natural programs: the value is the plain program's to the bit, and the gradient agrees with differences."""

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import numpy as np
import pytest

from checkpointer import Online, Periodic, Revolve, StoreAll, value_and_grad
from checkpointer.hook import TransformingLoader

FOLDER = Path(__file__).parent / "corpus"
SCHEMES = {
    "revolve1": Revolve(1),
    "revolve3": Revolve(3),
    "periodic": Periodic(2),
    "storeall": StoreAll(),
    "online": Online(2),
}


def _load(name, loader):
    spec = importlib.util.spec_from_file_location(
        name, FOLDER / f"{name.rpartition('_of_')[2]}.py", loader=loader
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for their module
    spec.loader.exec_module(module)
    return module


def _modules(theme):
    path = str(FOLDER / f"{theme}.py")
    plain, rewritten = f"plain_of_{theme}", f"rewritten_of_{theme}"
    return (
        _load(plain, SourceFileLoader(plain, path)),
        _load(rewritten, TransformingLoader(rewritten, path)),
    )


MODULES = {path.stem: _modules(path.stem) for path in sorted(FOLDER.glob("*.py"))}


def _programs():
    for theme, (plain, _) in MODULES.items():
        for name, member in vars(plain).items():
            code = getattr(member, "__code__", None)
            if code is not None and code.co_varnames[:2] == ("u", "scheme"):
                for scheme in _schemes(theme, name):
                    yield pytest.param(theme, name, SCHEMES[scheme], id=f"{theme}-{name}-{scheme}")


def _schemes(theme, name):
    if name.startswith("online_"):
        return ["online", "storeall"]
    return ["revolve1", "revolve3", "storeall"] if theme == "implicit" else SCHEMES


def _difference(program, u, direction, scheme):
    """The derivative in one direction by central differences of the fourth order."""
    h = 1e-4

    def along(step):
        return float(program(u + step * direction, scheme))

    return (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)


@pytest.mark.parametrize(("theme", "name", "scheme"), list(_programs()))
def test_value_and_gradient(theme, name, scheme):
    plain, rewritten = (getattr(module, name) for module in MODULES[theme])
    rng = np.random.default_rng(1)
    for _ in range(2):  # the second input meets what the first one left behind
        u = rng.uniform(0.2, 1.3, size=10)
        direction = rng.normal(size=10)
        expected = plain(u.copy(), scheme)
        value, gradient = value_and_grad(rewritten)(u.copy(), scheme)
        again, gradient_again = value_and_grad(rewritten)(u.copy(), scheme)
        assert type(value) is type(expected)
        assert value == expected
        assert again == expected
        assert rewritten(u.copy(), scheme) == expected
        np.testing.assert_array_equal(gradient_again, gradient)
        difference = _difference(plain, u, direction, scheme)
        np.testing.assert_allclose(gradient @ direction, difference, rtol=1e-6, atol=1e-8)
