"""Dumps: in the file stands what the unmarked program holds at each step, and how its result depends on that."""

import gc
import importlib.util
import os
import shutil
import subprocess
import sys
import tracemalloc
import warnings
from types import SimpleNamespace

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
    install_import_hook,
    value_and_grad,
    vjp,
)
from checkpointer.storage import DumpFile

SCHEMES = [Revolve(1), Revolve(3), StoreAll(), Mixed(2), Online(2), Periodic(3)]
ENGINES = ["h5netcdf", *(["netcdf4"] if importlib.util.find_spec("netCDF4") else [])]
ONLINE = [Online(1), Online(3), StoreAll()]

PROGRAM = """
import numpy as np
from checkpointer import Revolve, checkpointed

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

def in_comments(u):
    # checkpointer: Revolve(2), dump=Dump("comment.h5", every=2)
    for i in range(5):
        u = u * 1.1
    # checkpointer: Online(2), dump=Dump("while.h5", variables=["u"])
    while u[0] < 3:
        u = u * 1.5
    return u.sum()

def nested(u, inner, outer):
    for i in checkpointed(range(3), Revolve(2), dump=outer):
        for j in checkpointed(range(2), Revolve(2), dump=inner):
            u = u * 1.1
    return u.sum()

def two_loops(u, first, second):
    for i in checkpointed(range(3), Revolve(2), dump=first):
        u = u * 2
    for i in checkpointed(range(4), Revolve(2), dump=second):
        u = u * 3
    return u.sum()

def forced(forcing, dump):
    x = 0.5
    for i, a in checkpointed(enumerate(forcing), Revolve(2), dump=dump):
        x = x * a
    return x

def changing(u, dump):
    log, states, shape, kind, table = [], [u], u, 0.0, {}
    wide = np.zeros(2, np.longdouble)
    for i in checkpointed(range(4), Revolve(2), dump=dump):
        u = u * 1.1
        log.append(u[0])
        states = states + [u]
        shape = np.append(shape, u[0])
        kind = kind + 1j * u[0]
        wide = wide + 1
        table[i] = u
        if i == 2:
            after = np.arange(3)
    return u.sum() + log[-1] + states[-1].sum() + shape.sum() + abs(kind) + after[0]

def vanishing(u, dump):
    extra = u * 2
    for i in checkpointed(range(4), Revolve(2), dump=dump):
        u = u * 1.1
        if i == 2:
            extra = None
    return u.sum()

def kinds(u, dump):
    single, half, flags = u.astype(np.float32), u.astype(np.float16), u > 0.5
    swapped = u.astype(">f8")
    for i in checkpointed(range(3), Revolve(2), dump=dump):
        single = single * np.float32(0.5)
        half = half * np.float16(0.5)
        flags = ~flags
        swapped = swapped * 2
    return np.float64(single.sum()) + np.float64(half.sum()) + swapped.sum() + flags.sum()

def constant(u, dump):
    c = np.ones(3)
    for i in checkpointed(range(3), Revolve(2), dump=dump):
        c = c * 2
    return u.sum() * c.sum()

def ticking(u, dump):
    for i in checkpointed(range(6), Revolve(1), dump=dump):
        u = u * (1 + other.tick())
    return u.sum()

def large(u, dump):
    u = u.copy()
    for i in checkpointed(range(6), Revolve(1), dump=dump):
        u *= 0.5
        u += 1
    return u.sum()

def decay(rate, u, dump):
    for i in checkpointed(range(4), Revolve(2), dump=dump):
        u = u - rate * u
    return u.sum()

def failing(u, dump):
    for i in checkpointed(range(6), Revolve(2), dump=dump):
        u = u * 1.1 / (i != 3 or 1 / 0)
    return u.sum()

class Model2:
    def __init__(self, u):
        self.u = u

def called_alike(u, dump):
    pair = {"a": Model2(u), "b": Model2(u * 2)}
    def inside(i, model):
        return model.u * pair["b"].u[0]
    for i in checkpointed(range(3), Revolve(2), dump=dump):
        u = inside(i, pair["a"]) + u
    return u.sum()
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


class Dumped:
    """What stands in a dump, complex numbers put together."""

    def __init__(self, path):
        self.state, self.adjoint = {}, {}
        with h5py.File(path) as file:
            self.attributes = dict(file.attrs)
            self.steps = file["step"][:].tolist()
            for label, dataset in file.items():
                name = dataset.attrs.get("variable")
                if name is not None and not label.endswith("_imag"):
                    found = dataset[:]
                    if label.endswith("_real"):
                        found = found + 1j * file[label.removesuffix("real") + "imag"][:]
                    if dataset.attrs.get("dtype") == "bool":
                        found = found.astype(bool)
                    (self.adjoint if "_adjoint" in label else self.state)[name] = found


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The program, rewritten and as it stands."""
    folder = tmp_path_factory.mktemp("dumped")
    path = folder / "dumped_program.py"
    path.write_text(PROGRAM)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(folder)
        with install_import_hook("dumped_program"):
            rewritten = importlib.import_module("dumped_program")
        del sys.modules["dumped_program"]
        plain = importlib.import_module("dumped_program")
        del sys.modules["dumped_program"]
    return SimpleNamespace(rewritten=rewritten, plain=plain)


@pytest.fixture
def run(program, monkeypatch):
    """Run the plain program, watched."""

    def run(function, u, steps=8, **change):
        plain = Plain(STATE[function].split(), **change)
        monkeypatch.setattr(program.plain, "checkpointed", plain)
        result = getattr(program.plain, function)(np.copy(u), None, None, steps)
        return result, plain.states

    return run


def rows(last, every):
    return sorted({*range(0, last + 1, every), last})


def check_states(dumped, states, every, names):
    last = len(states) - 1
    assert dumped.steps == rows(last, every)
    assert dumped.attributes["status"] == "complete"
    assert dumped.state.keys() == set(names)
    for name, found in dumped.state.items():
        for row, number in enumerate(dumped.steps):
            expected = states[number][name]
            if expected is None:
                assert np.isnan(found[row]).all()
            else:
                assert found[row].dtype == expected.dtype
                assert found[row].tobytes() == expected.tobytes(), (name, number)


def check_adjoints(dumped, function, u, run):
    """Each adjoint in one random direction against differences of sixth order."""
    _, states = run(function, u)
    for name, found in dumped.adjoint.items():
        for row, number in enumerate(dumped.steps):
            at = states[number][name]
            if at is None:
                assert np.isnan(found[row]).all()
                continue
            is_number = name in CONSTANT or at.ndim == 0
            constant = np.broadcast_to(CONSTANT.get(name, False) if number else is_number, at.shape)
            assert np.isnan(found[row]).tolist() == constant.tolist()
            draw = np.random.default_rng(row)
            direction = draw.normal(size=at.shape)
            if at.dtype.kind == "c":
                direction = direction + 1j * draw.normal(size=at.shape)
            direction = np.where(constant, 0, direction)[()]
            got = np.sum((np.where(constant, 0, found[row]) * direction).real)
            expected = differences(run, function, u, at=number, name=name, direction=direction)
            assert got == pytest.approx(expected, rel=1e-7, abs=1e-8), (name, number)


def differences(run, function, u, *, direction, **change):
    h, weights = 1e-3, {1: 45, 2: -9, 3: 1}
    moved = {k: run(function, u, shift=k * h * direction, **change)[0] for k in (-3, -2, -1, 1, 2, 3)}
    return sum(w * (moved[k] - moved[-k]) for k, w in weights.items()) / (60 * h)


INPUTS = [np.linspace(0.2, 1.0, 4), np.array([0.9, -0.3, 0.5, 0.1])]


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("function", STATE)
def test_states_and_adjoints(program, run, tmp_path, function, at):
    """Under one scheme against the plain program, under the others against that."""
    u, names = INPUTS[at], STATE[function].split()
    value, states = run(function, u)
    differentiated = value_and_grad(getattr(program.rewritten, function))
    first, *others = ONLINE if function == "until" else SCHEMES
    assert differentiated(u, first, Dump(tmp_path / "first.h5", every=3))[0] == value
    dumped = Dumped(tmp_path / "first.h5")
    check_states(dumped, states, 3, names)
    assert dumped.adjoint.keys() == {*names} - NO_ADJOINT
    check_adjoints(dumped, function, u, run)
    for number, scheme in enumerate(others):
        every = 1 + number % 2 * 3
        path = tmp_path / f"{number}.h5"
        differentiated(u, scheme, Dump(path, every=every))
        other = Dumped(path)
        check_states(other, states, every, names)
        both = sorted({*dumped.steps} & {*other.steps})
        assert len(both) > 1
        for name, found in dumped.adjoint.items():
            here, there = (
                each[[steps.index(step) for step in both]]
                for each, steps in ((found, dumped.steps), (other.adjoint[name], other.steps))
            )
            np.testing.assert_allclose(there, here, rtol=1e-12, atol=1e-300)


U = INPUTS[0]


def test_the_gradient_is_the_same_and_the_first_row_holds_it(program, tmp_path):
    for u in INPUTS:
        plain = value_and_grad(program.rewritten.in_place)(u, Revolve(2), None)
        path = tmp_path / f"{u[0]}.h5"
        dumped = value_and_grad(program.rewritten.in_place)(u, Revolve(2), Dump(path, every=5))
        assert dumped[0] == plain[0]
        assert dumped[1].tobytes() == plain[1].tobytes() == Dumped(path).adjoint["u"][0].tobytes()


@pytest.mark.parametrize(
    "scheme", [Auto(), HRevolve(Level(1), Level(2, write=1, read=1))], ids=["Auto", "HRevolve"]
)
def test_a_trial_and_a_second_level(program, run, tmp_path, scheme):
    _, states = run("in_place", U)
    grad(program.rewritten.in_place)(U, StoreAll(), Dump(tmp_path / "a.h5"))
    grad(program.rewritten.in_place)(U, scheme, Dump(tmp_path / "b.h5"))
    dumped = Dumped(tmp_path / "b.h5")
    check_states(dumped, states, 1, STATE["in_place"].split())
    for name, found in Dumped(tmp_path / "a.h5").adjoint.items():
        np.testing.assert_allclose(dumped.adjoint[name], found, rtol=1e-12)


def test_a_parameter_that_is_differentiated(program, tmp_path):
    """It is the same at all steps; its adjoint at step n is what the steps from n on make of it."""
    gradient = grad(program.rewritten.decay)(0.3, U, Dump(tmp_path / "a.h5"))
    dumped = Dumped(tmp_path / "a.h5")
    assert dumped.state["rate"].tolist() == [0.3] * 5
    expected = [-(4 - n) * 0.7**3 * U.sum() for n in range(5)]
    assert dumped.adjoint["rate"] == pytest.approx(expected)
    assert dumped.adjoint["rate"][0] == gradient


def test_audit(program, tmp_path, monkeypatch):
    monkeypatch.setenv("CHECKPOINTER_AUDIT", "1")
    gradient = grad(program.rewritten.in_place)(U, Revolve(2), Dump(tmp_path / "a.h5", every=3))
    assert Dumped(tmp_path / "a.h5").adjoint["u"][0].tobytes() == gradient.tobytes()


@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize("function", ["in_place", "until"])
def test_loops_of_no_step_and_of_one(program, run, tmp_path, steps, function):
    _, states = run(function, U, steps)
    gradient = grad(getattr(program.rewritten, function))(
        U, Online(1), Dump(tmp_path / "a.h5", every=2), steps
    )
    dumped = Dumped(tmp_path / "a.h5")
    check_states(dumped, states, 2, STATE[function].split())
    assert len(dumped.steps) == steps + 1
    np.testing.assert_allclose(dumped.adjoint["u"][0], gradient)


# --- the file ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_xarray_opens_it_without_options(program, tmp_path, engine):
    path = tmp_path / "adjoint.h5"
    dump = Dump(path, every=3, dims={"u": ["x"], "un": ["x"]}, compression="gzip")
    gradient = grad(program.rewritten.swapped)(U, Revolve(2), dump)
    dumped = Dumped(path)
    with xarray.open_dataset(path, engine=engine) as ds:
        assert ds.step.values.tolist() == [0, 3, 6, 8]
        assert ds.u.dims == ds.un_adjoint.dims == ("step", "x")
        assert ds.turned.dims == ds.turned_adjoint.dims == ("step", "turned_0", "turned_1")
        assert set(ds.coords) == {"step"}
        assert (ds.u_adjoint + 0.5 * ds.un_adjoint).sel(step=0).values == pytest.approx(gradient)
        for name, found in dumped.state.items():
            assert ds[name].values.tobytes() == found.tobytes()
            assert ds[f"{name}_adjoint"].values.tobytes() == dumped.adjoint[name].tobytes()
        assert (ds.u - ds.un).dims == ("step", "x")
        assert ds.u_adjoint.attrs == {"long_name": "adjoint of u: dJ/du before the step", "variable": "u"}
        assert ds.u.attrs == {"long_name": "u before the step", "variable": "u"}
        assert ds.attrs["scheme"] == "Revolve(snapshots=2)"
        assert ds.attrs["loop"] == f"{program.plain.__file__}:{line_of_the_loop_in('def swapped')}"
        assert ds.attrs["status"] == "complete"


def line_of_the_loop_in(function):
    lines = PROGRAM.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(function))
    return 1 + next(number for number in range(start, len(lines)) if "for i in" in lines[number])


def test_complex_numbers_follow_the_gradients_convention(program, tmp_path):
    """dJ/d(real part) - i dJ/d(imaginary part), as the gradient functions have it."""
    path = tmp_path / "a.h5"
    z = np.array([0.3 + 0.1j, -0.2 + 0.4j, 0.1 - 0.2j])
    gradient = grad(program.rewritten.complex_numbers)(z, Revolve(2), Dump(path, variables=["z"]))
    with xarray.open_dataset(path, engine="h5netcdf") as ds:
        assert set(ds) == {"z_real", "z_imag", "z_adjoint_real", "z_adjoint_imag"}
        found = ds.z_adjoint_real.values[0] + 1j * ds.z_adjoint_imag.values[0]
        assert (
            ds.z_adjoint_imag.attrs["long_name"] == "adjoint of z: -dJ/d(imaginary part of z) before the step"
        )
    assert found * (1 + 0.5j) == pytest.approx(gradient)  # z is u * (1 + 0.5j) at first


def test_types(program, tmp_path):
    path = tmp_path / "a.h5"
    grad(program.rewritten.kinds)(U, Dump(path))
    with xarray.open_dataset(path, engine="h5netcdf") as ds:
        assert (ds.single.dtype, ds.single_adjoint.dtype, ds.half.dtype) == (np.float32,) * 3
        assert (ds.flags.dtype, ds.swapped.dtype) == (bool, np.float64)
        assert ds.flags.values.tolist() == [(U > 0.5).tolist(), (U <= 0.5).tolist()] * 2
        assert ds.half.values[3].tolist() == (U.astype(np.float16) / 8).tolist()
        assert ds.half_adjoint.values[0].tolist() == [0.125] * 4
        assert ds.swapped_adjoint.values[0].tolist() == [8.0] * 4
        assert "flags_adjoint" not in ds


def test_one_half_only(program, tmp_path):
    grad(program.rewritten.in_place)(U, Revolve(2), Dump(tmp_path / "a.h5", state=False, variables=["u"]))
    grad(program.rewritten.in_place)(U, Revolve(2), Dump(tmp_path / "b.h5", adjoint=False, variables=["u"]))
    grad(program.rewritten.in_place)(U, Revolve(2), Dump(tmp_path / "c.h5", variables=["u"]))
    adjoint, state, both = (Dumped(tmp_path / f"{name}.h5") for name in "abc")
    assert (list(adjoint.state), list(state.adjoint)) == ([], [])
    assert adjoint.attributes["status"] == state.attributes["status"] == "complete"
    assert adjoint.adjoint["u"].tobytes() == both.adjoint["u"].tobytes()
    assert state.state["u"].tobytes() == both.state["u"].tobytes()


def test_a_name_that_the_file_needs_itself(load, tmp_path):
    program = load("""
        from checkpointer import Revolve, checkpointed

        def f(u, dump):
            step, u_adjoint, u_0 = 0.1, u * 2, u * 3
            for i in checkpointed(range(3), Revolve(2), dump=dump):
                u = u + step * u_adjoint * u_0
            return u.sum()
    """).rewritten
    path = tmp_path / "a.h5"
    gradient = grad(program.f)(U, Dump(path))
    with xarray.open_dataset(path, engine="h5netcdf") as ds:
        assert ds.step.values.tolist() == [0, 1, 2, 3]
        assert ds.step_.values.tolist() == [0.1] * 4
        found = {(ds[name].attrs["variable"], ds[name].attrs["long_name"]): ds[name].values for name in ds}
    assert found["u_adjoint", "u_adjoint before the step"].tolist() == [(U * 2).tolist()] * 4
    total = found["u", "adjoint of u: dJ/du before the step"][0]
    total = total + 2 * found["u_adjoint", "adjoint of u_adjoint: dJ/du_adjoint before the step"][0]
    total = total + 3 * found["u_0", "adjoint of u_0: dJ/du_0 before the step"][0]
    assert total == pytest.approx(gradient)


# --- which loop, and how often -----------------------------------------------------------------------------------------


def test_marks_in_comments(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gradient = grad(program.rewritten.in_comments)(U)
    first, second = Dumped("comment.h5"), Dumped("while.h5")
    assert first.steps == [0, 2, 4, 5]
    assert first.adjoint["u"][0].tobytes() == gradient.tobytes()
    assert second.steps == list(range(len(second.steps)))
    assert second.state["u"][-1][0] >= 3 > second.state["u"][-2][0]
    assert second.state["u"][0].tobytes() == first.state["u"][-1].tobytes()
    assert second.adjoint["u"][0] == pytest.approx(first.adjoint["u"][-1], rel=1e-15)


def test_a_call_that_is_not_differentiated_writes_nothing(program, tmp_path):
    assert program.rewritten.in_place(U, Revolve(2), Dump(tmp_path / "a.h5")) > 0
    assert list(tmp_path.iterdir()) == []


def test_a_loop_into_which_nothing_differentiated_goes(program, tmp_path):
    with pytest.warns(
        UserWarning, match=r"a.h5' is not written: nothing that is differentiated goes into this loop"
    ):
        grad(program.rewritten.constant)(U, Dump(tmp_path / "a.h5"))
    assert list(tmp_path.iterdir()) == []


def test_nested_loops(program, tmp_path):
    dump = Dump(tmp_path / "a.h5")
    with pytest.raises(
        ArgumentError, match=r"dumped_program.py:\d+ runs in a step of another marked loop.* around it"
    ):
        grad(program.rewritten.nested)(U, dump, None)
    grad(program.rewritten.nested)(U, None, dump)
    assert Dumped(tmp_path / "a.h5").adjoint["u"][:, 0] == pytest.approx(1.1 ** np.array([6, 4, 2, 0]))


def test_runs_of_one_loop(program, tmp_path):
    """Each run is refused a file that exists, replaces it, or has one of its own: nothing is lost without a word."""
    differentiated = value_and_grad(program.rewritten.in_place)
    one = Dump(tmp_path / "one.h5", variables=["u"])
    differentiated(INPUTS[0], Revolve(2), one)
    first = (tmp_path / "one.h5").read_bytes()
    with pytest.raises(StorageError, match=r"one.h5 exists.*overwrite=True.*-{run}.h5"):
        differentiated(INPUTS[1], Revolve(2), one)
    assert (tmp_path / "one.h5").read_bytes() == first
    last = Dump(tmp_path / "one.h5", variables=["u"], overwrite=True)
    differentiated(INPUTS[1], Revolve(2), last)
    assert Dumped(tmp_path / "one.h5").state["u"][0].tolist() == INPUTS[1].tolist()
    for u in INPUTS:
        differentiated(u, Revolve(2), Dump(tmp_path / "all-{run}.h5"))
    for run, u in enumerate(INPUTS, 1):
        dumped = Dumped(tmp_path / f"all-{run}.h5")
        assert dumped.state["u"][0].tolist() == u.tolist()
        assert dumped.attributes["run"] == run


def test_two_loops_in_one_gradient(program, tmp_path):
    two_loops = grad(program.rewritten.two_loops)
    path = tmp_path / "one.h5"
    with pytest.raises(StorageError, match=r"another run of a loop in the same gradient.*{run}"):
        two_loops(U, Dump(path, overwrite=True), Dump(path, overwrite=True))
    both = Dump(tmp_path / "{run}.h5")
    two_loops(U, both, both)
    assert Dumped(tmp_path / "1.h5").adjoint["u"][:, 0].tolist() == [81 * 8, 81 * 4, 81 * 2, 81]
    assert Dumped(tmp_path / "2.h5").adjoint["u"][:, 0].tolist() == [81, 27, 9, 3, 1]


def test_replaced_or_removed_before_the_way_back(program, tmp_path):
    dump = Dump(tmp_path / "a.h5", overwrite=True)
    _, first = vjp(program.rewritten.in_place, U, Revolve(2), dump)
    _, second = vjp(program.rewritten.in_place, INPUTS[1], Revolve(2), dump)
    with pytest.raises(StorageError, match=r"is another file now.*a path of its own"):
        first(1.0)
    second(1.0)
    assert Dumped(tmp_path / "a.h5").attributes["status"] == "complete"
    _, third = vjp(program.rewritten.in_place, U, Revolve(2), dump)
    assert Dumped(tmp_path / "a.h5").attributes["status"] == "first sweep complete"
    (tmp_path / "a.h5").unlink()
    with pytest.raises(StorageError, match="somebody removed it before the adjoint could be written"):
        third(1.0)


def test_an_old_reader_keeps_what_it_reads(program, tmp_path):
    dump = Dump(tmp_path / "a.h5", overwrite=True)
    for u in INPUTS:
        grad(program.rewritten.in_place)(u, Revolve(2), dump)
        if u is U:
            reader = xarray.open_dataset(tmp_path / "a.h5", engine="h5netcdf")
    with reader:
        assert reader.u.values[0].tolist() == U.tolist()


# --- which variables -----------------------------------------------------------------------------------------------------


def test_what_the_loop_goes_over_is_not_dumped(program, tmp_path):
    grad(program.rewritten.forced)(np.array([2.0, 3.0, 5.0]), Dump(tmp_path / "a.h5"))
    dumped = Dumped(tmp_path / "a.h5")
    assert {name: found.tolist() for name, found in dumped.state.items()} == {"x": [0.5, 1, 3, 15]}
    assert dumped.adjoint["x"].tolist() == pytest.approx([np.nan, 15, 5, 1], nan_ok=True)


def test_what_changes_its_form_is_left_out_and_named(program, tmp_path):
    path = tmp_path / "a.h5"
    with pytest.warns(UserWarning, match="does not show all of this loop's state") as found:
        grad(program.rewritten.changing)(U, Dump(path))
    said = str(found[0].message)
    for text in (
        "log (its length changes)",
        "states (its length changes)",
        "table (its length changes)",
        "shape (its shape changes, from (4,) to (5,))",
        "kind (its type changes, from float64 to complex128)",
        f"wide (netCDF-4 has no type for its {np.dtype(np.longdouble)})",
        "after (it is not there from the start, and integers have no value for that)",
    ):
        assert text in said
    assert found[0].filename.endswith("dumped_program.py")
    dumped = Dumped(path)
    assert dumped.state.keys() == {"u"}
    assert dumped.attributes["left_out"].replace("; ", ", ") in said
    for engine in ENGINES:
        with xarray.open_dataset(path, engine=engine) as ds:  # nothing refers to what was taken out
            assert set(ds) == {"u", "u_adjoint"}
    grad(program.rewritten.changing)(U, Dump(tmp_path / "b.h5", variables=["u"]))  # and no warning


def test_what_vanishes_is_nan_and_named(program, tmp_path):
    with pytest.warns(UserWarning, match=r"extra \(it is not there in 2 rows\)"):
        grad(program.rewritten.vanishing)(U, Dump(tmp_path / "a.h5"))
    dumped = Dumped(tmp_path / "a.h5")
    assert np.isnan(dumped.state["extra"]).all(axis=1).tolist() == [False, False, False, True, True]
    assert dumped.adjoint["extra"][:3].tolist() == [[0.0] * 4] * 3
    assert np.isnan(dumped.adjoint["extra"][3:]).all()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            ["v"],
            r"variables names 'v', but the loop at .*:\d+ has no such variable; it has kind, shape, states\[0\], u, wide",
        ),
        (["shape"], r"shape cannot be dumped: its shape changes"),
        (["log"], r"log cannot be dumped: its length changes"),
        (["states[0]"], r"states\[0\] cannot be dumped: the length of states changes"),
        (
            ["u", "log.x"],
            r"variables names 'log.x', which cannot be dumped .*no array, float or list of numbers has this name",
        ),
    ],
)
def test_variables_that_cannot_be_dumped(program, tmp_path, variables, message):
    with pytest.raises(ArgumentError, match=message):
        grad(program.rewritten.changing)(U, Dump(tmp_path / "a.h5", variables=variables))
    assert list(tmp_path.iterdir()) == []  # the corrected call can use the name


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ({"u": ["x", "y"]}, r"dims\['u'\] names 2 axes, x, y, but u has the shape \(4,\)"),
        ({"u": ["x"], "big": ["x"]}, "dims names 'big', but the loop"),
        ({"turned": ["x", "y"], "u": ["x"], "row": ["y"]}, "calls an axis of .* 'y', which has the length"),
    ],
)
def test_dims_that_do_not_fit(program, tmp_path, dims, message):
    with pytest.raises(ArgumentError, match=message):
        grad(program.rewritten.swapped)(U, Revolve(2), Dump(tmp_path / "a.h5", dims=dims))
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_two_variables_have(load, tmp_path):
    """That of the loop's own function has the name; of two others none."""
    program = load("""
        from checkpointer import Revolve, checkpointed

        c = 5.0

        def other():
            c, d = 7.0, 1.0
            return lambda u: u * c * d, lambda: d

        def another():
            d = 2.0
            return lambda u: u * d * globals_c()

        def globals_c():
            return c

        def f(u, dump):
            first, second = other()[0], another()
            def inside(c):
                def step(u):
                    for i in checkpointed(range(3), Revolve(2), dump=dump):
                        u = second(first(u)) * c
                    return u
                return step
            return inside(0.1)(u).sum()
    """).rewritten
    with pytest.warns(UserWarning, match=r"d \(several variables of the program are called so\)"):
        grad(program.f)(U, Dump(tmp_path / "a.h5"))
    dumped = Dumped(tmp_path / "a.h5")
    assert dumped.state.keys() == {"c", "u"}
    assert dumped.state["c"].tolist() == [0.1] * 4


# --- arguments and failures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": 3}, "path must be a path, such as 'adjoint.h5', but is 3"),
        ({"path": ""}, "path must be a path"),
        ({"every": 0}, "every must be a number of steps, at least 1, but is 0"),
        ({"every": 2.0}, "every must be .*2.0"),
        ({"every": True}, "every must be .*True"),
        ({"variables": "u"}, r"variables must be names, such as \[\"u\", \"v\"\], but is 'u'"),
        ({"variables": []}, "variables must be names"),
        ({"variables": ["u", "u"]}, "variables has a name twice"),
        ({"dims": ["x"]}, "dims must be a dict"),
        ({"dims": {"u": ["step"]}}, "no axis can be called 'step'"),
        (
            {"variables": ["u"], "dims": {"v": ["x"]}},
            r"dims names 'v', which is not among variables \('u',\)",
        ),
        ({"state": 1}, "state must be True or False, but is 1"),
        ({"state": False, "adjoint": False}, "there is nothing to write"),
        ({"compression": "zip"}, "compression must be None or \"gzip\", but is 'zip'"),
        ({"overwrite": "yes"}, "overwrite must be True or False"),
    ],
)
def test_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        Dump(**{"path": "a.h5", **arguments})


def test_the_argument_of_the_mark_and_how_it_looks():
    with pytest.raises(
        ArgumentError, match=r"dump must be a Dump, such as Dump\(\"adjoint.h5\", every=100\), but is 'a.h5'"
    ):
        checkpointed(range(3), Revolve(1), dump="a.h5")
    dump = Dump("a.h5", every=np.int64(2), variables=["u"], overwrite=True)
    assert repr(dump) == "Dump('a.h5', every=2, variables=('u',), overwrite=True)"
    assert eval(repr(dump)) == dump
    assert hash(dump) == hash(eval(repr(dump)))


def test_places_where_no_file_can_be(program, tmp_path):
    differentiated = grad(program.rewritten.in_place)
    with pytest.raises(
        StorageError, match=r"cannot make the dump \(.*none/a.h5\): No such file.*Make the folder first"
    ):
        differentiated(U, Revolve(2), Dump(tmp_path / "none" / "a.h5"))
    with pytest.raises(StorageError, match=r"cannot make the dump"):
        differentiated(U, Revolve(2), Dump(tmp_path, overwrite=True))
    (tmp_path / "other.txt").write_text("something else")
    with pytest.raises(StorageError, match=r"other.txt exists"):
        differentiated(U, Revolve(2), Dump(tmp_path / "other.txt"))
    assert (tmp_path / "other.txt").read_text() == "something else"
    folder = tmp_path / "sealed"
    folder.mkdir(mode=0o500)
    if not os.access(folder, os.W_OK):
        with pytest.raises(StorageError, match=r"Choose a path in a folder that you may write to"):
            differentiated(U, Revolve(2), Dump(folder / "a.h5"))


def test_a_gradient_that_is_refused_is_never_complete(program, tmp_path):
    program.rewritten.other = Ticks()
    with pytest.raises(ReplayError, match="u was something else"):
        grad(program.rewritten.ticking)(U, Dump(tmp_path / "a.h5"))
    dumped = Dumped(tmp_path / "a.h5")
    assert dumped.attributes["status"] == "first sweep complete"
    assert not np.isnan(dumped.state["u"]).any()
    assert np.isnan(dumped.adjoint["u"][0]).all()


class Ticks:
    """Held by reference, as a clock would be."""

    __module__ = "logging"
    count = 0

    def tick(self):
        self.count += 1
        return 0.1 if self.count < 8 else 0.2


KILLED = """
import os, resource, signal, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from checkpointer import Dump, Revolve, checkpointed, grad, replaying, transform

if sys.argv[3] == "full":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

@transform
def f(u, dump):
    for i in checkpointed(range(20), Revolve(3), dump=dump):
        u = u * 1.1
        if i == 9 and sys.argv[3] == ("again" if replaying() else "first"):
            os.kill(os.getpid(), signal.SIGKILL)
    return u.sum()

grad(f)(np.linspace(0, 1, 10_000), Dump(sys.argv[2], every=2, adjoint=sys.argv[3] != "full"))
"""


def execute(tmp_path, how):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(tmp_path), str(tmp_path / "a.h5"), how]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_process_that_is_killed_leaves_what_it_had(tmp_path):
    assert execute(tmp_path, "first").returncode == -9
    u = np.linspace(0, 1, 10_000)
    with xarray.open_dataset(tmp_path / "a.h5", engine="h5netcdf") as ds:
        assert ds.step.values.tolist() == [0, 2, 4, 6, 8]
        assert ds.u.values[-1] == pytest.approx(u * 1.1**8)
        assert ds.attrs["status"] == "first sweep running"
    (tmp_path / "a.h5").unlink()
    assert execute(tmp_path, "again").returncode == -9
    with xarray.open_dataset(tmp_path / "a.h5", engine="h5netcdf") as ds:
        assert ds.step.values.tolist() == list(range(0, 21, 2))
        written = ~np.isnan(ds.u_adjoint.values).any(axis=1)
        assert written.tolist() == sorted(written)
        assert 0 < written.sum() < 11
        assert ds.u_adjoint.values[-1].tolist() == [1.0] * 10_000
        assert ds.attrs["status"] == "first sweep complete"


def test_a_full_disk(tmp_path):
    finished = execute(tmp_path, "full")
    assert finished.returncode == 1
    last, note = finished.stderr.strip().splitlines()[-2:]
    assert note == "In step 10 of the loop at killed.py:13, in the forward sweep"
    assert "StorageError: cannot write the dump" in last
    assert "File too large" in last
    assert "Make room, choose another disk, or write less: every=" in last


def test_a_program_that_fails(program, tmp_path):
    """What was written can be read, and is no complete dump."""
    with pytest.raises(ZeroDivisionError):
        grad(program.rewritten.failing)(U, Dump(tmp_path / "a.h5"))
    dumped = Dumped(tmp_path / "a.h5")
    assert dumped.steps == [0, 1, 2, 3]
    assert dumped.state["u"][3] == pytest.approx(U * 1.1**3)
    assert dumped.attributes["status"] == "first sweep running"


def test_warnings_come_once(program, tmp_path):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        for _ in range(3):
            grad(program.rewritten.vanishing)(U, Dump(tmp_path / "a.h5", overwrite=True))
    assert len(found) == 1


def test_huge_variables_are_cut_into_chunks(tmp_path):
    file = DumpFile(str(tmp_path / "a.h5"), overwrite=False, compression=None, dims={}, attributes={})
    file.define("u", (3, 40_000, 30_001), np.dtype(float), adjoint=False)
    file.define("t", (), np.dtype(float), adjoint=False)
    file.close()
    with h5py.File(tmp_path / "a.h5") as found:
        assert found["u"].chunks[0] == 1
        assert 2**26 < np.prod(found["u"].chunks) * 8 <= 2**28
        assert found["t"].chunks == (1024,)


@pytest.mark.parametrize("left", [3, 10])
def test_a_disk_that_gets_full_leaves_what_was_written(program, tmp_path, monkeypatch, left):
    """In the first sweep, with 3 rows written, and in the reverse one, with all 9 states and one adjoint."""
    free = iter([10**9] * left)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=next(free, 1000)))
    with pytest.raises(
        StorageError, match=r"cannot write the dump of .* MB \(.*a.h5\): No space left on device"
    ):
        grad(program.rewritten.in_place)(U, Revolve(2), Dump(tmp_path / "a.h5"))
    with xarray.open_dataset(tmp_path / "a.h5", engine="h5netcdf") as ds:
        assert ds.step.values.tolist() == list(range(min(left, 9)))
        assert not np.isnan(ds.u.values).any()
        if left > 9:
            assert np.isnan(ds.u_adjoint.values).any(axis=1).tolist() == [True] * 8 + [False]


def test_no_more_than_a_state_is_held(program, tmp_path):
    u = np.linspace(0, 1, 500_000)

    def peak(dump):
        gc.collect()
        tracemalloc.start()
        try:
            grad(program.rewritten.large)(u, dump)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(None)
    assert peak(Dump(tmp_path / "a.h5")) < peak(None) + 1.2 * u.nbytes
