"""``checkpointer show``."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from checkpointer.cli.main import cli

MODEL = '''\
"""Two loops."""

import numpy as np

from checkpointer import Online, Revolve, checkpointed

nu = 0.1


class Model:
    def __init__(self, u):
        self.u = u

    def run(self, steps):
        """The first."""
        for step in checkpointed(range(steps), Revolve(snapshots=2)):
            self.u += nu * np.sin(self.u)
            # the end of the step
        return self.u


def relax(u, tol):
    work = np.empty_like(u)

    def residual():
        return abs(u).max()

    while checkpointed(residual() > tol, Online(snapshots=2)):
        smooth(u, work)
        u, work = work, u
    return u


def smooth(old, new):
    new[:] = old / 2


def unmarked(u):
    return float(u[0])
'''


@pytest.fixture
def model(tmp_path):
    file = tmp_path / "model.py"
    file.write_text(MODEL, encoding="utf-8")
    return file


def on_terminal(*arguments, cwd, **environment):
    """What the command writes to a terminal, and its exit code."""
    parent, child = pty.openpty()
    given = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "24", **environment}
    given = {name: value for name, value in given.items() if value is not None}
    process = subprocess.Popen(
        [sys.executable, "-m", "checkpointer", *arguments],
        cwd=cwd,
        env=given,
        stdin=child,
        stdout=child,
        stderr=child,
    )
    os.close(child)
    pieces = []
    while True:
        try:
            piece = os.read(parent, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(parent)
    return b"".join(pieces).decode().replace("\r\n", "\n"), process.wait()


@pytest.fixture
def show(model, tmp_path, monkeypatch):
    """``show("model.py")``: what the command prints, in this process."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        finished = CliRunner().invoke(cli, ["show", *arguments])
        assert finished.exit_code == code, finished.output
        return finished.output

    return call


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]", "", text)


# In a pipe


def test_it_prints_the_adjoint_and_writes_nothing(checkpointer, heat, tmp_path):
    finished = checkpointer("show", "heat.py")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith("# Adjoint of heat.py, written by checkpointer ")
    assert "for step in range(steps)  Revolve(snapshots=2)" in finished.stdout
    assert "        u[1:-1] += 0.25 * (u[2:] - 2 * u[1:-1] + u[:-2])\n" in finished.stdout
    compile(finished.stdout, "shown.py", "exec")
    assert [path.name for path in tmp_path.iterdir()] == ["heat.py"]


def test_it_is_what_rewrite_writes(checkpointer, heat, tmp_path):
    checkpointer("rewrite", "heat.py")
    assert checkpointer("show", "heat.py").stdout == (tmp_path / "heat_adjoint.py").read_text("utf-8")


def test_names_and_comments_in_any_script(checkpointer, heat):
    heat.write_text("# Wärme — 熱\n" + heat.read_text("utf-8"), encoding="utf-8")
    assert "# Wärme — 熱\n" in checkpointer("show", "heat.py").stdout


def test_one_function_with_the_sweeps_of_its_loops(show):
    shown = show("model.py:relax")
    assert re.findall(r"^ *(?:def|class) (\w+)", shown, re.MULTILINE) == [
        "relax",
        "residual",
        "relax_loop1_step",
        "relax_loop1_forward",
        "relax_loop1_reverse",
    ]
    assert shown.startswith(
        "# loop 2  model.py:28  while residual() > tol  Online(snapshots=2)\n\n\n# model.py:22\n"
    )
    compile(shown, "shown.py", "exec")


def test_a_method_a_nested_function_and_one_without_loops(show):
    method = show("model.py:Model.run")
    assert "\n# model.py:14\n@differentiable\ndef run(self, steps):\n" in method
    assert "        # the end of the step\n" in method
    nested = show("model.py:relax.residual")
    assert nested == "def residual():\n    return abs(u).max()\n"
    assert show("model.py:unmarked") == ("# model.py:38\ndef unmarked(u):\n    return as_float(u[0])\n")


def test_one_loop_and_one_sweep(show):
    loop = show("model.py", "--loop", "1")
    assert loop.startswith("# loop 1  model.py:16")
    assert re.findall(r"^def (\w+)", loop, re.MULTILINE) == [
        f"Model_run_loop1_{part}" for part in ("step", "forward", "reverse")
    ]
    assert "\nrun_loop(\n    Model_run_loop1_step,\n" in loop
    reverse = show("model.py", "--sweep", "reverse")
    assert re.findall(r"^def (\w+)", reverse, re.MULTILINE) == [
        "Model_run_loop1_reverse",
        "relax_loop1_reverse",
    ]
    step = show("model.py:relax", "--loop", "2", "--sweep", "step")
    assert re.findall(r"^def (\w+)", step, re.MULTILINE) == ["relax_loop1_step"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["model.py:Modle.run"],
            "there is no function or class `Modle.run` in model.py; did you mean `Model.run`?",
        ),
        (
            ["model.py:xyz"],
            "in model.py; it defines Model, Model.__init__, Model.run, relax, relax.residual, smooth",
        ),
        (
            ["model.py", "--loop", "3"],
            "there is no loop 3 in model.py: the numbers of its marked loops are 1, 2",
        ),
        (["model.py:relax", "--loop", "1"], "no loop 1 in `relax`: the numbers of its marked loops are 2"),
        (["model.py:smooth", "--sweep", "step"], "there is no marked loop in `smooth`"),
        (["model.py", "--json"], "--json is for the report"),
        (["model.py", "--report", "--sweep", "step"], "write one of them"),
    ],
)
def test_misuse(show, arguments, message):
    assert message in show(*arguments, code=2)


def test_a_colon_in_a_path_is_no_function(show, model, tmp_path):
    (tmp_path / "odd:name").write_bytes(model.read_bytes())
    assert "def relax(" in show("odd:name")
    assert r"cannot read C:\work\heat.py" in show(r"C:\work\heat.py", code=1)
    assert "cannot read C:heat.py" in show("C:heat.py", code=1)


# Colours and the pager


def test_a_terminal_gets_colours_and_the_lines_of_the_source(model, tmp_path):
    shown, code = on_terminal("show", "model.py:relax", "--no-pager", cwd=tmp_path, NO_COLOR=None)
    assert code == 0
    assert "\x1b[" in shown
    lines = plain(shown).splitlines()
    assert "22 def relax(u, tol):" in lines
    assert "23     work = np.empty_like(u)" in lines
    assert "29         smooth(u, work)" in lines
    uncoloured, _ = on_terminal("show", "model.py:relax", "--no-pager", cwd=tmp_path, NO_COLOR="1")
    assert "\x1b[" not in uncoloured
    assert uncoloured == plain(shown)


def test_colours_on_demand_in_a_pipe(checkpointer, model):
    coloured = checkpointer("show", "model.py", "--color").stdout
    assert "\x1b[" in coloured
    assert "\x1b[" not in checkpointer("show", "model.py", environment={"NO_COLOR": ""}).stdout
    assert "23     work = np.empty_like(u)" in plain(coloured).splitlines()


def test_the_pager_is_the_one_that_the_environment_names(model, tmp_path):
    pager = tmp_path / "pager.py"
    pager.write_text("import sys\nprint('PAGED', len(sys.stdin.read().splitlines()))\n")
    given = {"PAGER": f"{sys.executable} {pager}", "NO_COLOR": None}
    paged, code = on_terminal("show", "model.py", cwd=tmp_path, **given)
    assert code == 0
    assert re.fullmatch(r"PAGED \d{3}\n", paged)
    unpaged, _ = on_terminal("show", "model.py", "--no-pager", cwd=tmp_path, **given)
    assert "PAGED" not in unpaged
    assert "def relax(" in plain(unpaged)


@pytest.mark.skipif(shutil.which("less") is None, reason="less is not installed")
def test_less_keeps_the_colours_and_does_not_stay_for_a_short_text(model, tmp_path):
    """It would wait for a key if the text were longer than the screen, or if LESS did not say -F."""
    shown, code = on_terminal(
        "show", "model.py:unmarked", cwd=tmp_path, NO_COLOR=None, PAGER="less", LESS=None
    )
    assert code == 0
    assert "return as_float(u[0])" in plain(shown)
    assert "\x1b[34" in shown  # a keyword


# The report


def test_the_report_of_a_file(show):
    shown = show("model.py", "--report")
    assert shown == Path(__file__).with_name("report.txt").read_text("utf-8")


def test_the_report_of_a_function_for_programs(show):
    (report,) = json.loads(show("model.py:relax", "--report", "--json"))
    names = report.pop("names")
    assert report == {
        "file": "model.py",
        "loop": 2,
        "function": "relax",
        "line": 28,
        "header": "while residual() > tol",
        "scheme": "Online(snapshots=2)",
    }
    assert {row["name"]: row["roles"] for row in names} == {
        "u": ["carried", "returned"],
        "work": ["carried"],
        "tol": ["constant"],
    }
    assert all(row["why"] and row["line"] in (28, 29, 30) for row in names)


def test_the_report_on_a_terminal(model, tmp_path):
    shown, code = on_terminal("show", "model.py", "--report", "--loop", "2", cwd=tmp_path, NO_COLOR=None)
    assert code == 0
    assert "\x1b[1mloop 2" in shown
    assert max(len(line) for line in plain(shown).splitlines()) <= 100
