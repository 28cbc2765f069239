"""`checkpointer.show`: functions of every kind, classes, modules."""

import importlib.util
import io
import linecache
import re
import subprocess
import sys
import textwrap
import types

import pytest

import checkpointer
from checkpointer import ArgumentError, show
from checkpointer.hook import TransformingLoader

FILE = """\
import functools

import numpy as np

import checkpointer
from checkpointer import Revolve, checkpointed


def simulate(u, steps):
    for step in checkpointed(range(steps), Revolve(snapshots=2)):
        u = u + 0.1 * np.sin(u)
    return float(u.sum())


@checkpointer.transform
def decorated(u, steps):
    for step in checkpointed(range(steps), Revolve(snapshots=2)):
        u = u * 2
    return u


class Model:
    def run(self, steps):
        for step in checkpointed(range(steps)):
            self.u = step
        return self.u

    @staticmethod
    @functools.wraps(simulate)
    def wrapped(*args):
        return simulate(*args)


def outer(factor):
    def inner(u):
        for step in checkpointed(range(3), Revolve(snapshots=2)):
            u = u * factor
        return u

    return inner


def unmarked(u):
    return float(u)
"""

CELL = """\
def simulate(u, steps):
    for step in checkpointed(range(steps), Revolve(snapshots=2)):
        u = u + 0.1 * np.sin(u)
    return u
"""


@pytest.fixture(params=[None, TransformingLoader], ids=["plain", "hooked"])
def module(request, tmp_path):
    """The file above, as it stands and as the import hook loads it."""
    path = tmp_path / "shown.py"
    path.write_text(FILE)
    loader = request.param("shown", str(path)) if request.param else None
    spec = importlib.util.spec_from_file_location("shown", path, loader=loader)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def shown(subject, **options):
    file = io.StringIO()
    assert show(subject, file=file, **options) is None
    return file.getvalue()


def functions(code):
    return re.findall(r"^ *(?:def|class) (\w+)", code, re.MULTILINE)


@pytest.mark.parametrize("name", ["simulate", "decorated"])
def test_a_function_as_written_decorated_and_hooked(module, name):
    code = shown(getattr(module, name))
    assert functions(code) == [name, *(f"{name}_loop1_{part}" for part in ("step", "forward", "reverse"))]
    line = FILE.splitlines().index(f"def {name}(u, steps):") + 1
    assert f"\n# shown.py:{line}\n" in code
    assert ("return as_float(u.sum())" in code) == (name == "simulate")
    compile(code, "shown.py", "exec")


def test_methods_nested_functions_and_what_is_wrapped(module):
    assert functions(shown(module.Model.run))[:2] == ["run", "Model_run_loop1_step"]
    assert shown(module.Model().run) == shown(module.Model.run)
    assert functions(shown(module.outer(2.0)))[:2] == ["inner", "outer_inner_loop1_step"]
    assert shown(module.Model.wrapped) == shown(module.simulate)
    assert shown(module.Model).startswith("# loop 3  shown.py:24")


def test_a_module_and_parts(module):
    code = shown(module)
    assert code.startswith("# Adjoint of shown.py")
    assert shown(module, loop=4, sweep="step") == shown(module.outer(1.0), sweep="step")
    assert functions(shown(module, sweep="reverse")) == [
        f"{stem}_loop1_reverse" for stem in ("simulate", "decorated", "Model_run", "outer_inner")
    ]
    assert shown(module.unmarked).endswith("def unmarked(u):\n    return as_float(u)\n")


def cell(text, name, **given):
    """The globals of a notebook after a cell was run that is known to nobody but `linecache`, as IPython has it."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    namespace = {"__name__": "__main__", **given}
    exec(compile(text, name, "exec"), namespace)
    return namespace


def test_a_function_of_a_cell_whose_imports_were_in_another():
    import numpy as np

    given = {"checkpointed": checkpointer.checkpointed, "Revolve": checkpointer.Revolve, "np": np}
    plain = cell(CELL, "<ipython-input-1>", **given)
    code = shown(plain["simulate"])
    assert functions(code)[:2] == ["simulate", "simulate_loop1_step"]
    decorated = cell("@transform\n" + CELL, "<ipython-input-2>", transform=checkpointer.transform, **given)
    after = (
        shown(decorated["simulate"]).replace("input-2>:3", "input-1>:2").replace("input-2>:2", "input-1>:1")
    )
    assert after == code


def test_a_method_of_a_cell_that_is_transformed():
    given = {"checkpointed": checkpointer.checkpointed, "transform": checkpointer.transform}
    text = (
        "class A:\n    @transform\n    def run(self):\n        for self.x in checkpointed(range(3)):\n"
        "            self.y = sum([self.x])\n"
    )
    code = shown(cell(text, "<ipython-input-3>", **given)["A"].run, sweep="step")
    assert functions(code) == ["A_run_loop1_step"]
    assert "self.y = sum_of([self.x])\n" in code


def test_refusals(module, tmp_path):
    with pytest.raises(ArgumentError, match=r"show\(\) was given 3: only a function .* a class or a module"):
        show(3)
    with pytest.raises(ArgumentError, match="only a function"):
        show(lambda u: u)
    with pytest.raises(ArgumentError, match="has no source in Python"):
        show(sys)
    with pytest.raises(
        ArgumentError, match="sweep must be one of 'step', 'forward', 'reverse', but is 'back'"
    ):
        show(module, sweep="back")
    with pytest.raises(ArgumentError, match=r"there is no loop 2 in `simulate`: .* are 1"):
        show(module.simulate, loop=2)
    with pytest.raises(ArgumentError, match=r"no loop is marked in .*: write `for"):
        show(textwrap)
    with pytest.raises(ArgumentError, match=r"no loop is marked in .*: write `for"):
        show(textwrap.dedent)
    (tmp_path / "shown.py").write_text("\n" + FILE)
    with pytest.raises(ArgumentError, match="no longer does: load it anew if it has changed"):
        show(module.simulate)
    exec(compile("def nowhere(): pass", "<nowhere>", "exec"), namespace := {})
    with pytest.raises(ArgumentError, match="cannot find the source of <nowhere>"):
        show(namespace["nowhere"])
    assert isinstance(module, types.ModuleType)


def test_a_program_prints_plain_text_into_a_pipe_and_colours_on_demand(tmp_path):
    (tmp_path / "program.py").write_text(FILE + "\n\ncheckpointer.show(simulate, sweep='step')\n")
    printed = [
        subprocess.run(
            [sys.executable, "program.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        ).stdout
        for environment in ({"NO_COLOR": "1"}, {"FORCE_COLOR": "1"})
    ]
    assert printed[0].endswith("    nonlocal u\n    u = u + 0.1 * np.sin(u)\n")
    assert "\x1b[" in printed[1]
    assert re.sub(r"\x1b\[[0-9;]*m", "", printed[1]).splitlines()[-1] == "11     u = u + 0.1 * np.sin(u)"
