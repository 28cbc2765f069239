"""``CHECKPOINTER_HOOK``: programs that never mention checkpointer, in processes that Python starts itself."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from checkpointer import environment

MODEL = """\
import numpy as np


def simulate(u, steps):
    # checkpointer: Revolve(snapshots=2)
    for step in range(steps):
        u = 0.5 * u
    return np.sum(u)
"""
PROGRAM = """\
import subprocess, sys
import numpy as np
from autograd import grad

import model

print(grad(model.simulate)(np.ones(2), 3))
if sys.argv[1:]:
    print(subprocess.run([sys.executable, __file__], capture_output=True, text=True).stdout, end="")
"""


@pytest.fixture
def python(tmp_path):
    """``python("-c", "...", hook="model")``: the finished process, in a folder that holds the model."""
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "program.py").write_text(PROGRAM)

    def python(*arguments, hook=None, **more):
        variables = {**os.environ, **more}
        variables.pop("CHECKPOINTER_HOOK", None)
        if hook is not None:
            variables["CHECKPOINTER_HOOK"] = hook
        return subprocess.run(
            [sys.executable, "-W", "error", *arguments],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
        )

    return python


def test_it_is_installed_where_python_looks():
    """If this fails, install the checkout anew: `pip install -e .`."""
    installed = Path(sysconfig.get_path("purelib"), "checkpointer.pth")
    source = Path(__file__).parents[2] / "checkpointer.pth"
    assert installed.read_text() == source.read_text()
    assert source.read_text().count("\n") == 1


def test_a_program_that_mentions_nothing_and_its_child(python):
    finished = python("program.py", "with a child", hook=" ocean.*, model,")
    assert finished.stderr == ""
    assert finished.stdout == "[0.125 0.125]\n" * 2


def test_nothing_is_imported_before_a_module_is_wanted(python):
    code = "import sys; print(*{name.partition('.')[0] for name in sys.modules} & {'numpy', 'autograd', 'libcst', 'json'})"
    assert python("-c", code, hook="model").stdout == "\n"
    code = "import sys; print('checkpointer' in sys.modules)"
    assert python("-c", code).stdout == "False\n"
    assert python("-c", code, hook="model").stdout == "True\n"
    assert python("-c", code, hook=" , ").stdout == "True\n"


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ("model.py", "CHECKPOINTER_HOOK was given 'model.py', which is no name of a module"),
        ("model, ocean/deep", "CHECKPOINTER_HOOK was given 'ocean/deep', which is no name of a module"),
        ("__main__", "CHECKPOINTER_HOOK was given the program itself, which is running already"),
        ("site", "CHECKPOINTER_HOOK was given 'site', but 'site' has been imported already"),
    ],
)
def test_what_is_wrong_is_said_once_and_python_runs(python, hook, message):
    finished = python("-c", "import model; print(model.np.__name__)", hook=hook)
    assert (finished.returncode, finished.stdout) == (0, "numpy\n")
    assert finished.stderr.startswith(f"checkpointer: {message}")
    assert finished.stderr.endswith(". Nothing is transformed.\n")
    assert finished.stderr.count("checkpointer: ") == 1


def test_pip_runs_whatever_stands_there(python):
    finished = python("-m", "pip", "--version", hook="pip.py")
    assert finished.returncode == 0
    assert finished.stdout.startswith("pip ")


def test_beside_a_hook_of_the_program(python):
    code = "import checkpointer; checkpointer.install_import_hook('model'); import model; print(model.np.__name__)"
    assert python("-c", code, hook="model").stdout == "checkpointer.numpy\n"


def test_what_a_run_left_for_its_workers_is_not_for_others(python):
    """A Python that is started by a program under `checkpointer run` is an ordinary one."""
    told = '{"patterns": ["model"], "folder": null, "script": null}'
    finished = python("-c", "import model; print(model.np.__name__)", CHECKPOINTER_RUN=told)
    assert (finished.stdout, finished.stderr) == ("numpy\n", "")


@pytest.mark.parametrize("told", ["", "no json", "[]", "{}"])
def test_a_damaged_message_to_workers(monkeypatch, capsys, told):
    monkeypatch.setenv("CHECKPOINTER_RUN", told)
    monkeypatch.delenv("CHECKPOINTER_HOOK", raising=False)
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", "from multiprocessing.spawn import spawn_main"])
    before = list(sys.meta_path)
    environment.install.__wrapped__()
    assert sys.meta_path == before
    assert "Nothing is transformed" in capsys.readouterr().err
