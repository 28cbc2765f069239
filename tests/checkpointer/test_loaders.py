"""Transformed modules, wherever they come from, are modules like others to all of Python's tools."""

import copy
import doctest
import functools
import importlib
import importlib.resources
import inspect
import pickle
import subprocess
import sys
import traceback
import typing
import zipfile

import numpy as np
import pytest

from checkpointer import TransformError, grad, install_import_hook, value_and_grad
from checkpointer.loaders import TransformingLoader, TransformingZipLoader

MODEL = '''\
"""A model."""

import functools

import numpy as np

from checkpointer import Revolve, checkpointed


def traced(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        return function(*args, **kwargs)

    return call


def simulate(u: np.ndarray, steps: "int" = 2, *, fail: bool = False) -> "np.float64":
    """Half of it every step.

    >>> simulate(np.ones(2), 1)
    np.float64(1.0)
    >>> from checkpointer import grad
    >>> grad(simulate)(np.ones(2), 1)
    array([0.5, 0.5])
    """
    u = u.copy()
    for step in checkpointed(range(steps), Revolve(snapshots=2)):
        u *= 0.5
        if fail:
            raise ValueError("no")
    return np.sum(u)


@traced
def wrapped(u, steps):
    """Wrapped by another decorator."""
    for step in checkpointed(range(steps), Revolve(snapshots=2)):
        u = 0.5 * u
    return np.sum(u)


class Model:
    """Holds a marked loop."""

    def __init__(self, factor):
        self.factor = factor

    def run(self, u):
        """Three steps."""
        for step in checkpointed(range(3), Revolve(snapshots=1)):
            u = u * self.factor
        return np.sum(u)
'''
PLACES = ("file", "package", "namespace", "zip", "package in zip", "namespace in zip")


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("model", "pack", "space"):
            del sys.modules[name]


def put(folder, place, text=MODEL):
    """Write the model at a place that is then on sys.path; its name and what its file will be called."""
    in_zip = place.endswith("zip")
    files = {"file": "model.py", "zip": "model.py"}.get(place)
    inside = files or ("pack/inner/model.py" if place.startswith("package") else "space/model.py")
    top = folder / ("all.zip" if in_zip else "")
    contents = {inside: text}
    if inside.startswith("pack"):
        contents.update({"pack/__init__.py": "import numpy as np\n", "pack/inner/__init__.py": ""})
        contents["pack/data.txt"] = "data"
    if in_zip:
        with zipfile.ZipFile(top, "w") as archive:
            if inside.startswith("space"):
                archive.writestr("space/", "")
            for path, content in contents.items():
                archive.writestr(path, content)
    else:
        for path, content in contents.items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_text(content)
    sys.path.insert(0, str(top))
    importlib.invalidate_caches()
    return inside.removesuffix(".py").replace("/", "."), str(top / inside)


@pytest.mark.parametrize("place", PLACES)
def test_places(tmp_path, place):
    name, path = put(tmp_path, place)
    with install_import_hook(name.partition(".")[0]):
        model = importlib.import_module(name)
    assert isinstance(model.__loader__, TransformingZipLoader if "zip" in place else TransformingLoader)
    assert (model.__file__, model.__spec__.origin, model.__spec__.name) == (path, path, name)
    assert inspect.getsource(model) == MODEL
    assert inspect.getsource(model.Model) == MODEL[MODEL.index("class Model") :]
    assert inspect.getsource(model.wrapped).startswith("@traced\ndef wrapped(u, steps):")
    value, gradient = value_and_grad(model.simulate)(np.arange(3.0), 4)
    assert value == 3 / 16
    np.testing.assert_array_equal(gradient, np.full(3, 1 / 16))
    with pytest.raises(ValueError, match="no") as caught:
        grad(model.simulate)(np.ones(1), fail=True)
    frames = [f for f in traceback.extract_tb(caught.value.__traceback__) if f.filename == path]
    assert frames[-1].line == 'raise ValueError("no")'
    if name.startswith("pack"):
        assert importlib.resources.files("pack").joinpath("data.txt").read_text() == "data"
        assert sys.modules["pack"].np.__name__ == "checkpointer.numpy"


@pytest.mark.parametrize("place", ["file", "zip"])
def test_a_refusal_and_a_syntax_error_name_the_file(tmp_path, place):
    name, path = put(tmp_path, place, MODEL.replace("u *= 0.5", "yield u"))
    with install_import_hook(name), pytest.raises(TransformError) as caught:
        importlib.import_module(name)
    assert (caught.value.filename, caught.value.text) == (path, "        yield u")
    (tmp_path / "all.zip").unlink(missing_ok=True)
    name, path = put(tmp_path, place, "x = = 1\n")
    with install_import_hook(name), pytest.raises(SyntaxError) as wrong:
        importlib.import_module(name)
    assert (wrong.value.filename, wrong.value.lineno) == (path, 1)


def test_in_a_zip_file_the_source_counts(tmp_path):
    """Python prefers bytecode that lies beside it, and for bytecode alone there is nothing to transform."""
    import py_compile

    (tmp_path / "model.py").write_text("# -*- coding: latin-1 -*-\nimport numpy as np\nx = 'é'\n", "latin-1")
    (tmp_path / "pack.py").write_text("import numpy as np\n")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "model.py", "model.py")
        for name in ("model", "pack"):
            archive.write(
                py_compile.compile(tmp_path / f"{name}.py", tmp_path / f"{name}.pyc"), f"{name}.pyc"
            )
    sys.path.insert(0, str(tmp_path / "all.zip"))
    with install_import_hook("model", "pack"):
        import model
        import pack
    assert model.np.__name__ == "checkpointer.numpy"
    assert model.__file__.endswith("model.py")
    assert model.x == "é"
    assert "x = 'é'" in inspect.getsource(model)
    assert pack.np is np


@pytest.fixture
def model(tmp_path):
    name, _ = put(tmp_path, "file")
    with install_import_hook(name):
        return importlib.import_module(name)


def test_functions_look_as_they_were_written(model):
    assert str(inspect.signature(model.simulate)) == (
        "(u: numpy.ndarray, steps: 'int' = 2, *, fail: bool = False) -> 'np.float64'"
    )
    hints = {"u": np.ndarray, "steps": int, "fail": bool, "return": np.float64}
    assert typing.get_type_hints(model.simulate) == hints
    assert str(inspect.signature(model.wrapped)) == "(u, steps)"
    assert model.wrapped.__doc__ == "Wrapped by another decorator."
    assert (model.Model.run.__qualname__, model.Model.run.__module__) == ("Model.run", "model")
    other = functools.wraps(model.simulate)(lambda *args: model.simulate(*args))
    assert (other.__name__, other.__doc__) == ("simulate", model.simulate.__doc__)


def test_its_doctests_run(model):
    assert doctest.testmod(model) == doctest.TestResults(0, 3)


def test_copies(model):
    held = {"function": model.simulate, "model": model.Model(0.5)}
    copied = copy.deepcopy(held)
    assert copied["function"] is model.simulate
    assert copied["model"] is not held["model"]
    assert grad(copied["model"].run)(np.ones(1)) == 0.125


READER = """
import pickle, sys
import numpy as np
from checkpointer import grad, install_import_hook
install_import_hook("model")
simulate, wrapped, model, run, by_decorator = pickle.load(open("pickled", "rb"))
u = np.ones(1)
print(grad(simulate)(u, 3), grad(wrapped)(u, 3), grad(model.run)(u), grad(run)(u), grad(by_decorator)(u))
print(sys.modules["model"].simulate is simulate)
"""
DECORATED = """
import checkpointer
from checkpointer import checkpointed

@checkpointer.transform
def halves(u):
    for step in checkpointed(range(3)):
        u = 0.5 * u
    return u.sum()
"""


def test_pickles_are_read_in_another_process(model, tmp_path):
    (tmp_path / "pack.py").write_text(DECORATED)
    import pack

    it = model.Model(0.5)
    (tmp_path / "pickled").write_bytes(pickle.dumps([model.simulate, model.wrapped, it, it.run, pack.halves]))
    printed = subprocess.run(
        [sys.executable, "-c", READER], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert printed == "[0.125] [0.125] [0.125] [0.125] [0.125]\nTrue\n"


def test_reloading_takes_what_stands_in_the_file_now(tmp_path, monkeypatch):
    """With caches, and edits that leave size and time of the file as they are."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    name, path = put(tmp_path, "file")
    factors = ("0.5", "0.7", "0.5", "0.3")
    with install_import_hook(name):
        model = importlib.import_module(name)
        first = model.simulate
        for factor in factors:
            (tmp_path / "model.py").write_text(MODEL.replace("*= 0.5", f"*= {factor}"))
            importlib.reload(model)
            assert grad(model.simulate)(np.ones(1), 1) == float(factor)
            assert f"u *= {factor}" in inspect.getsource(model.simulate)
    assert grad(first)(np.ones(1), 1) == 0.5
    assert (model.__file__, model.__cached__) == (path, model.__loader__ and model.__spec__.cached)
