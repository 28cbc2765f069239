"""What the pages in docs/ show is run."""

import doctest
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from checkpointer import MemoryStorage, install_import_hook, last_run, value_and_grad
from checkpointer.cli.main import cli
from checkpointer.transforms import lint_source

DOCS = Path(__file__).parents[2] / "docs"


def examples(page):
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)


def test_the_example_of_replaying(load, tmp_path, monkeypatch):
    """The last step, which is recorded when it first runs, saves values that are being differentiated."""
    (example,) = examples("replay.md")
    assert lint_source(example, "example.py", []) == ()
    monkeypatch.chdir(tmp_path)
    program = load(example).rewritten
    value, gradient = value_and_grad(program.simulate)(np.ones(2), 201)
    assert sorted(path.name for path in tmp_path.glob("*.npy")) == ["u0.npy", "u100.npy", "u200.npy"]
    assert np.sum(np.load("u200.npy")) == value
    np.testing.assert_allclose(gradient, 0.99**201)


def test_the_example_of_resuming(tmp_path):
    """It is started twice; the second time the file has the result."""
    (example,) = examples("resume.md")
    (tmp_path / "example.py").write_text(example)
    printed = [
        subprocess.run(
            [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        for _ in range(2)
    ]
    assert printed[0].returncode == 0, printed[0].stderr
    assert printed[0].stdout == printed[1].stdout
    assert (tmp_path / "heat-run.h5").exists()


def test_the_example_of_dumps(tmp_path, monkeypatch):
    page = (DOCS / "dumps.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (session,) = re.findall(r"```pycon\n(.*?)```", page, re.DOTALL)
    assert lint_source(example, "example.py", []) == ()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dumps_example.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    with install_import_hook("dumps_example"):
        names = vars(importlib.import_module("dumps_example"))
    del sys.modules["dumps_example"]
    test = doctest.DocTestParser().get_doctest(session, names, "docs/dumps.md", "docs/dumps.md", 0)
    assert doctest.DocTestRunner().run(test) == doctest.TestResults(0, 5)


def test_the_example_of_the_background(load):
    (example,) = examples("background.md")
    assert lint_source(example, "example.py", []) == ()
    program = load(example).rewritten
    u = np.linspace(0.0, 1.0, 50) ** 2
    value, gradient = value_and_grad(program.simulate)(u, 40)
    program.storage = MemoryStorage()
    again, same = value_and_grad(program.simulate)(u, 40)
    assert value == again
    assert np.array_equal(gradient, same)


def test_the_adjoint_that_is_read(tmp_path, monkeypatch):
    source, adjoint = examples("reading.md")
    (report,) = re.findall(r"```text\n(.*?)```", (DOCS / "reading.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "heat.py").write_text(source, "utf-8")
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(cli, ["show", "heat.py"]).output
    assert shown.partition("\n")[2] == adjoint.partition("\n")[2]  # the first line names a version
    assert CliRunner().invoke(cli, ["show", "heat.py", "--report"]).output == report


def test_the_examples_of_runs(tmp_path, monkeypatch, capsys):
    """The summary, the line of the log and the bars, but for the times."""
    page = (DOCS / "runs.md").read_text("utf-8")
    program, several, reported = examples("runs.md")
    summary, _, report, bars, logged = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    assert lint_source(program, "heat.py", []) == ()
    (tmp_path / "heat.py").write_text(program)
    finished = subprocess.run(
        [sys.executable, "-m", "checkpointer", "run", "heat.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "CHECKPOINTER_LOG": "info"},
    )
    assert without_times(finished.stdout) == without_times(summary)
    *lines, line = finished.stderr.splitlines()  # more than two, if the machine is slow
    forward, reverse = (
        [line for line in lines if sweep in line][-1] for sweep in (" forward: ", " reverse: ")
    )
    assert without_times(line) == without_times(logged.rstrip())
    shown, on_the_way = bars.splitlines()
    assert re.search(r"[\d/]+ steps", shown)[0] == re.search(r"[\d/]+ steps", forward)[0]
    assert re.search(r"/\d+ recomputed", on_the_way)[0] == re.search(r"/\d+ recomputed", reverse)[0]
    monkeypatch.syspath_prepend(tmp_path)
    with install_import_hook("heat"):
        names = vars(importlib.import_module("heat"))
    del sys.modules["heat"]
    capsys.readouterr()
    exec(several, names)
    assert capsys.readouterr().out.startswith("3 calls, the first of final_energy: forward ")
    assert last_run().loops[0].cost.steps == 50
    (tmp_path / "rod.py").write_text(reported)
    with install_import_hook("rod"):
        importlib.import_module("rod")
    del sys.modules["rod"]
    assert capsys.readouterr().out == report


def without_times(text):
    """With one number and unit for every time, and one space for several."""
    times = re.sub(r"[\d.]+(e\+\d+)? (s|ms|µs)\b", "1 s", re.sub(r"\d\d:\d\d:\d\d", "12:00:00", text))
    return re.sub(r" +", " ", times)


def test_the_sessions_of_debugging(tmp_path):
    """Every command of the page prints what the page shows; what is typed is what stands behind the debugger's prompt."""
    page = (DOCS / "debugging.md").read_text("utf-8")
    for name, program in zip(("heat.py", "law.py"), examples("debugging.md"), strict=True):
        assert lint_source(program, name, []) == ()
        (tmp_path / name).write_text(program)
    sessions = re.findall(r"```console\n\$ (.*?)\n(.*?)```", page, re.DOTALL)
    assert len(sessions) == 3
    for command, shown in sessions:
        module = command.replace("checkpointer run", "-m checkpointer run").removeprefix("python ")
        module = module.replace("-m -m", "-m")
        typed = re.findall(r"^\(Pdb\) (.*)\n", shown, re.MULTILINE)
        finished = subprocess.run(
            [sys.executable, *module.split()],
            cwd=tmp_path,
            input="".join(f"{line}\n" for line in typed),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        pieces = finished.stdout.replace(f"{tmp_path}{os.sep}", "").split("(Pdb) ")
        found = pieces[0] if not typed else "".join(
            f"(Pdb) {line}\n{piece}" for line, piece in zip(typed, pieces[1:], strict=False)
        )  # fmt: skip
        if typed:  # quitting begins the program anew, in front of its first line
            shown, found = shown.partition("(Pdb) quit")[0], found.partition("(Pdb) quit")[0]
        assert lines(found) == lines(shown)


def lines(text):
    return [line.rstrip() for line in text.split("\n") if not re.fullmatch(r"[\s~^]+", line)]
