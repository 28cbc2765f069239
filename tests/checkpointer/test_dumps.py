"""Dumps: in the file stands what the unmarked program holds at each step, and how its result depends on that."""

import contextlib
import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

from checkpointer import (
    ArgumentError,
    Auto,
    Dump,
    HRevolve,
    Level,
    Mixed,
    Online,
    Periodic,
    ReplayError,
    Revolve,
    StorageError,
    StoreAll,
    checkpointed,
    grad,
    value_and_grad,
    vjp,
)
from checkpointer.storage import DumpFile

SCHEMES = [Revolve(1), Revolve(3), StoreAll(), Mixed(2), Online(2), Periodic(3)]
ONLINE = [Online(1), Online(3), StoreAll()]

PROGRAM = """
import numpy as np
from checkpointer import checkpointed

mu = 0.05

class Model:
    def __init__(self, u):
        self.u = u.copy()
        self.t = 0.0
        self.parts = {"left": u[:2] * 2, "steps": 0}

class Slotted:
    __slots__ = ("v", "w")

def in_place(u, scheme, dump, steps=8):
    u, c = u.copy(), np.linspace(1, 2, u.size)
    work = np.zeros_like(u)
    for i in checkpointed(range(steps), scheme, dump=dump):
        work[1:-1] = mu * c[1:-1] * (u[2:] - 2 * u[1:-1] + u[:-2])
        u -= work * u
        work[0] = u[i % u.size]
    return (u * u).sum() + work[0]

def swapped(u, scheme, dump, steps=8):
    u = u.copy()
    un, big = u * 0.5, np.zeros((3, u.size + 1)).T
    row, turned = big[1:, 1], big[::-2]
    for i in checkpointed(range(steps), scheme, dump=dump):
        un[1:-1] = u[1:-1] + 0.2 * (u[2:] - 2 * u[1:-1] * u[1:-1] + u[:-2])
        row += un
        turned[0] = turned[0] + un[1]
        u, un = un, u
    return (u * u).sum() + (big * big).sum() * un[0]

def objects(u, scheme, dump, steps=8):
    model, slotted, weights = Model(u), Slotted(), [0.5, 1.5]
    slotted.v = u[::-1]
    pair = (u * 3, [u * 4])
    for i in checkpointed(range(steps), scheme, dump=dump):
        model.u = np.sin(model.u) + model.t * slotted.v
        model.t += 0.1 * model.u[0] * weights[1]
        model.parts["left"] = model.parts["left"] * model.u[:2]
        model.parts["steps"] += 1
        weights[0] = weights[0] * model.u[1]
        slotted.v = slotted.v * weights[0] + 0.1 * pair[0]
        pair = (pair[0] * 0.5, [pair[1][0] * slotted.v])
    return (model.u * slotted.v).sum() * model.t + model.parts["left"].sum() + pair[1][0].sum()

def history(u, scheme, dump, steps=8):
    h = np.zeros((steps + 1, u.size))
    h[0] = u
    for n in checkpointed(range(steps), scheme, dump=dump):
        h[n + 1] = np.cos(h[n]) * h[n // 2]
    return (h * h).sum()

def complex_numbers(u, scheme, dump, steps=8):
    z, numbers = u * (1 + 0.5j), [1j, 2.0 + 0j]
    part = z.imag
    for i in checkpointed(range(steps), scheme, dump=dump):
        z *= np.exp(0.1j * z) + 0.1 * numbers[0]
        numbers[0] = numbers[0] * z[1]
        part += 0.1
    return np.sum(np.abs(z) ** 2) + np.abs(numbers[0]) ** 2 + np.sum(z * z).imag

def late(u, scheme, dump, steps=8):
    index, mask = np.arange(u.size), u > 0.5
    for i in checkpointed(range(steps), scheme, dump=dump):
        flux = np.diff(u) * 2
        u = u + 0.1 * np.concatenate([flux, flux[:1]]) * np.where(mask, 1.0, u)
        index = np.roll(index, 1)
        mask = u[index] > 0.4
        if i == 6:
            break
    return (u * u).sum() + flux[0]

def until(u, scheme, dump, steps=8):
    u, clock = u.copy(), [0.0, 0.1]
    while checkpointed(clock[0] < 0.1 * steps - 0.05, scheme, dump=dump):
        u[:] = u + clock[1] * np.cos(u) * (clock[0] + 1)
        clock[0] = min(clock[0] + clock[1] * (1 + u[0] ** 2), 0.1 * steps)
    return (u * u).sum() * (clock[0] + 2)
"""

STATE = {
    "in_place": "c mu u work",
    "swapped": "row turned u un",
    "objects": "model.parts['left'] model.t model.u pair[0] slotted.v pair[1][0] weights",
    "history": "h",
    "complex_numbers": "numbers part z",
    "late": "flux index mask u",
    "until": "clock u",
}
NO_ADJOINT = {"mu", "index", "mask"}
CONSTANT = {"weights": [False, True], "numbers": [False, True], "clock": [False, True]}
"""Numbers in lists that stay what they are."""


class Plain:
    """Stands for ``checkpointed`` in the plain program: notes the variables before each step, and may change one."""

    def __init__(self, names, at=None, name="", shift=0.0):
        self.names = names
        self.at, self.name, self.shift = at, name, shift
        self.states = []

    def __call__(self, subject, scheme, dump):
        if isinstance(subject, bool | np.bool_):
            self.look(sys._getframe(1))
            return subject
        return self.items(subject)

    def items(self, subject):
        try:
            for item in subject:
                self.look(sys._getframe(1))
                yield item
        finally:  # also after a break
            self.look(sys._getframe(1))

    def look(self, frame):
        if self.at == len(self.states):
            self.change(frame)
        self.states.append({name: value(frame, name) for name in self.names})

    def change(self, frame):
        if isinstance(eval(self.name, frame.f_globals, frame.f_locals), np.ndarray):
            code = f"{self.name}[...] += shift"
        elif isinstance(eval(self.name, frame.f_globals, frame.f_locals), list):
            code = f"{self.name}[:] = [a + b for a, b in zip({self.name}, shift)]"
        else:
            code = f"{self.name} += shift"
        exec(code, frame.f_globals, {**frame.f_locals, "shift": self.shift})


def value(frame, name):
    try:
        return np.array(eval(name, frame.f_globals, frame.f_locals))
    except NameError:
        return None


def read(path, name, adjoint=""):
    """A variable of a dump, complex ones put together."""
    with xarray.open_dataset(path, engine="h5netcdf") as ds:
        if f"{name}{adjoint}_real" in ds:
            return ds[f"{name}{adjoint}_real"].values + 1j * ds[f"{name}{adjoint}_imag"].values
        return ds[name + adjoint].values


def names_in(path, adjoint):
    with xarray.open_dataset(path, engine="h5netcdf") as ds:
        return {ds[name].attrs["variable"] for name in ds if ("_adjoint" in name) == adjoint}


def names_of(function):
    return STATE[function].split()


@pytest.fixture
def program(load):
    return load(PROGRAM)


@pytest.fixture
def run(program, monkeypatch):
    """Run the plain program, watched."""

    def run(function, u, steps=8, **change):
        plain = Plain(names_of(function), **change)
        monkeypatch.setattr(program.plain, "checkpointed", plain)
        result = getattr(program.plain, function)(np.copy(u), None, None, steps)
        return result, plain.states

    return run


def rows(last, every):
    return sorted({*range(0, last + 1, every), last})


def check_states(path, states, every, names):
    last = len(states) - 1
    with xarray.open_dataset(path, engine="h5netcdf") as ds:
        assert ds.step.values.tolist() == rows(last, every)
        assert ds.attrs["status"] == "complete"
    assert names_in(path, adjoint=False) == set(names)
    for name in names:
        found = read(path, name)
        for row, number in enumerate(rows(last, every)):
            expected = states[number][name]
            if expected is None:
                assert np.isnan(found[row]).all()
            else:
                assert found[row].dtype == expected.dtype
                assert found[row].tobytes() == expected.tobytes(), (name, number)


def check_adjoints(path, function, u, run, last, every, names):
    """Each adjoint in one random direction against differences of sixth order."""
    _, states = run(function, u)
    for name in names:
        found = read(path, name, "_adjoint")
        for row, number in enumerate(rows(last, every)):
            at = states[number][name]
            if at is None:
                assert np.isnan(found[row]).all()
                continue
            is_number = name in CONSTANT or at.ndim == 0
            constant = np.broadcast_to(CONSTANT.get(name, False) if number else is_number, at.shape)
            assert np.isnan(found[row]).tolist() == constant.tolist()
            draw = np.random.default_rng(row)
            direction = draw.normal(size=at.shape) + (
                1j * draw.normal(size=at.shape) if at.dtype.kind == "c" else 0
            )
            direction = np.where(constant, 0, direction)[()]
            adjoint = np.where(constant, 0, found[row])
            h, weights = 1e-3, {1: 45, 2: -9, 3: 1}
            moved = {
                k: run(function, u, at=number, name=name, shift=k * h * direction)[0]
                for k in (-3, -2, -1, 1, 2, 3)
            }
            expected = sum(w * (moved[k] - moved[-k]) for k, w in weights.items()) / (60 * h)
            assert np.sum((adjoint * direction).real) == pytest.approx(expected, rel=1e-7, abs=1e-8), (
                name,
                number,
            )


INPUTS = [np.linspace(0.2, 1.0, 4), np.array([0.9, -0.3, 0.5, 0.1])]


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("function", STATE)
def test_states_and_adjoints(program, run, tmp_path, function, at):
    """Under one scheme against the plain program, under the others the same bytes."""
    u, names = INPUTS[at], names_of(function)
    value, states = run(function, u)
    path = tmp_path / "first.h5"
    schemes = ONLINE if function == "until" else SCHEMES
    assert value_and_grad(getattr(program.rewritten, function))(u, schemes[0], Dump(path, every=3))[0] == value
    check_states(path, states, 3, names)
    differentiated = [name for name in names if name not in NO_ADJOINT]
    assert names_in(path, adjoint=True) == set(differentiated)
    check_adjoints(path, function, u, run, len(states) - 1, 3, differentiated)
    for number, scheme in enumerate(schemes[1:]):
        other = tmp_path / f"{number}.h5"
        value_and_grad(getattr(program.rewritten, function))(u, scheme, Dump(other, every=1 + number % 2 * 3))
        check_states(other, states, 1 + number % 2 * 3, names)
        for name in differentiated:
            compare_rows(path, other, name)


def compare_rows(path, other, name):
    """What stands in both files for the same steps."""
    with h5py.File(path) as one, h5py.File(other) as two:
        _, here, there = np.intersect1d(one["step"], two["step"], return_indices=True)
    assert len(here) > 1
    np.testing.assert_allclose(
        read(other, name, "_adjoint")[there], read(path, name, "_adjoint")[here], rtol=1e-13, atol=1e-300
    )
