"""The programs of ``tests/programs``: scientific code in many hands, differentiated as it stands.

Each file there is a program that runs without a rewriter. Its conventions are few:

- ``run(x, scheme)`` takes an array of controls and returns a number; a marked loop in it, or in what it calls, uses the
  scheme. It runs in place of the program's main part.
- ``CONTROLS`` is where it is differentiated: two inputs near it are drawn.
- ``LENGTH = "unknown"`` says that the number of steps is not known beforehand (``while`` loops, generators).
- ``STEP`` and ``RTOL`` are the step of the differences relative to the controls, and the tolerance, where a comment says
  why the usual ones do not serve. ``SINGLE = None``, likewise, leaves out single precision, and a number is its tolerance.
- ``COMPLEX = True`` says that all of it is analytic and accepts complex controls, so that the complex step serves, too.

The value has to be the plain program's to the last bit, and the gradient to agree with differences of the plain program.
"""

import ast
import functools
import importlib.util
import re
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import numpy as np
import pytest

from checkpointer import Online, Revolve, StoreAll, value_and_grad
from checkpointer.hook import TransformingLoader

FOLDER = Path(__file__).parent / "programs"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
KNOWN_LENGTH = {"revolve1": Revolve(1), "revolve3": Revolve(3), "storeall": StoreAll()}
UNKNOWN_LENGTH = {"online2": Online(2), "online5": Online(5), "storeall": StoreAll()}


@functools.cache
def load(name, kind):
    """A program as it stands (``plain``), or with its loops rewritten (``rewritten``)."""
    loader = {"plain": SourceFileLoader, "rewritten": TransformingLoader}[kind]
    name = f"{kind}_program_{name}"
    path = FOLDER / f"{name.partition('_program_')[2]}.py"
    spec = importlib.util.spec_from_file_location(name, path, loader=loader(name, str(path)))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def schemes(name):
    return UNKNOWN_LENGTH if getattr(load(name, "plain"), "LENGTH", None) == "unknown" else KNOWN_LENGTH


@functools.cache
def inputs(name):
    """Two inputs near the program's own."""
    rng = np.random.default_rng(7)
    controls = np.asarray(load(name, "plain").CONTROLS, float)
    return [controls * rng.uniform(0.95, 1.05, controls.shape) for _ in range(2)]


@functools.cache
def oracle(name, number):
    """The plain program's value at one input, and its derivatives in two directions by differences of sixth order."""
    program = load(name, "plain")
    x = inputs(name)[number]
    scheme = schemes(name)["storeall"]
    rng = np.random.default_rng(number)
    directions = [np.abs(x) * rng.choice([-1.0, 1.0], x.shape) * rng.uniform(0.5, 1, x.shape) for _ in range(2)]
    step = getattr(program, "STEP", 1e-4)

    def along(direction):
        weights = {1: 45, 2: -9, 3: 1}
        there = {k: program.run(x + k * step * direction, scheme) for k in (-3, -2, -1, 1, 2, 3)}
        return float(sum(w * (there[k] - there[-k]) for k, w in weights.items()) / (60 * step))

    return program.run(x.copy(), scheme), directions, [along(direction) for direction in directions]


CASES = [pytest.param(name, scheme, id=f"{name}-{scheme}") for name in NAMES for scheme in schemes(name)]


@pytest.mark.parametrize(("name", "scheme"), CASES)
def test_value_and_gradient(name, scheme):
    plain, rewritten = load(name, "plain"), load(name, "rewritten")
    scheme = schemes(name)[scheme]
    for number, x in enumerate(inputs(name)):  # the second input meets what the first one left behind
        expected, directions, derivatives = oracle(name, number)
        value, gradient = value_and_grad(rewritten.run)(x.copy(), scheme)
        assert type(value) is type(expected)
        assert value == expected
        assert rewritten.run(x.copy(), scheme) == expected
        if number == 0:
            value_again, again = value_and_grad(rewritten.run)(x.copy(), scheme)
            assert value_again == expected
            np.testing.assert_array_equal(again, gradient)
        found = [gradient @ direction for direction in directions]
        scale = np.abs(gradient) @ np.abs(directions[0])
        np.testing.assert_allclose(found, derivatives, rtol=getattr(plain, "RTOL", 1e-7), atol=1e-9 * scale)
        assert scale > 0


@pytest.mark.parametrize("name", NAMES)
def test_schemes_agree(name):
    """Schemes only differ in what they compute again, which is the same each time."""
    x = inputs(name)[0]
    run = value_and_grad(load(name, "rewritten").run)
    first, *others = [run(x.copy(), scheme)[1] for scheme in schemes(name).values()]
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-13, atol=1e-15 * np.abs(first).max())
