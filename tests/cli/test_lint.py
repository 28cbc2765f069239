"""``checkpointer lint``: its output for people and programs, and its exit codes."""

import json
from functools import partial

import pytest

BAD = """\
import time

from checkpointer import Revolve, checkpointed


def simulate(u, steps):
    for step in checkpointed(range(steps), Revolve(snapshots=2)):
        u = u * time.time()
        yield u
"""

FOUND = """\
bad.py:8:17: CKP301 `time.time` gives something else each time, also when a step of the loop is computed again; what \
depends on it is refused then
    u = u * time.time()
            ^
    Instead: call it before the loop, or seed the generator there; what is only reported goes under \
`if not checkpointer.replaying():`
bad.py:9:9: CKP101 `yield` in a marked loop hands control to code outside of it in the middle of a step; the step cannot \
be repeated without that code
    yield u
    ^
    Instead: append the values to a list and return it, or move the `yield` behind the loop
1 refusal and 1 warning in 1 file
"""


@pytest.fixture
def lint(invoke):
    """``lint("bad.py")``: the finished command."""
    return partial(invoke, "lint")


@pytest.fixture
def bad(tmp_path):
    file = tmp_path / "bad.py"
    file.write_text(BAD)
    return file


def test_a_clean_file(lint, heat):
    finished = lint("heat.py")
    assert (finished.exit_code, finished.stdout, finished.stderr) == (0, "", "")
    finished = lint("--json", "heat.py")
    assert (finished.exit_code, json.loads(finished.stdout), finished.stderr) == (0, [], "")


def test_findings(checkpointer, bad, heat):
    finished = checkpointer("lint", "heat.py", "bad.py")
    assert (finished.returncode, finished.stdout, finished.stderr) == (1, FOUND, "")


def test_findings_for_programs(lint, bad):
    finished = lint("bad.py", "--json")
    assert (finished.exit_code, finished.stderr) == (1, "")
    first, second = json.loads(finished.stdout)
    assert {key: first[key] for key in ("file", "line", "column", "code", "severity", "text")} == {
        "file": "bad.py",
        "line": 8,
        "column": 17,
        "code": "CKP301",
        "severity": "warning",
        "text": "        u = u * time.time()",
    }
    assert (second["code"], second["severity"]) == ("CKP101", "refusal")
    assert all(finding["message"] and finding["instead"] for finding in (first, second))


def test_the_file_is_not_run_and_nothing_is_written(lint, tmp_path, bad):
    bad.write_text("raise SystemExit('it was run')\n")
    finished = lint("bad.py")
    assert (finished.exit_code, finished.stdout, finished.stderr) == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.py"]


def test_colours_on_a_terminal_only(lint, bad):
    coloured = lint("bad.py", color=True)
    assert "\x1b[31m\x1b[1mCKP101\x1b[0m" in coloured.output
    assert "\x1b[33m\x1b[1mCKP301\x1b[0m" in coloured.output
    assert "\x1b" not in lint("bad.py").output


def test_the_caret_behind_tabs(lint, bad):
    bad.write_text("from checkpointer import checkpointed\nif True:\n\tx = checkpointed([])\n")
    finished = lint("bad.py")
    assert finished.stdout.splitlines()[1:3] == ["    x = checkpointed([])", "        ^"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x = = 1\n", "bad.py:1:5: CKP100 syntax error: invalid syntax"),
        (b"x = '\xe9'\n", "bad.py:1:1: CKP100 not Python: "),
        (b"# coding: klingon\n", "bad.py:1:1: CKP100 not Python: unknown encoding: klingon"),
        (b"x\0\n", "bad.py:1:1: CKP100 syntax error: source code string cannot contain null bytes"),
    ],
)
def test_what_is_no_python(lint, bad, data, message):
    bad.write_bytes(data)
    finished = lint("bad.py")
    assert (finished.exit_code, finished.stderr) == (1, "")
    assert finished.stdout.startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.py"], "cannot read nowhere.py: no such file or directory"),
        (
            ["bad.py", "--stdin-filename", "good.py"],
            "--stdin-filename names what is read from standard input",
        ),
        ([], "Missing argument 'FILE...'"),
        (["--frobnicate", "bad.py"], "No such option"),
    ],
)
def test_misuse(lint, bad, arguments, message):
    finished = lint(*arguments)
    assert (finished.exit_code, finished.stdout) == (2, "")
    assert f"Error: {message}" in finished.stderr


def test_folders(lint, bad, heat, tmp_path):
    """The same files that `rewrite` takes."""
    (tmp_path / "src/.venv").mkdir(parents=True)
    bad.rename(tmp_path / "src/bad.py")
    for name in ("src/.venv/bad.py", "src/.bad.py"):
        (tmp_path / name).write_text(BAD)
    (tmp_path / "src/heat_adjoint.py").write_text(
        "# Adjoint of heat.py, written by checkpointer 0.1.0. Change heat.py\n"
    )
    finished = lint("src", "heat.py")
    assert (finished.exit_code, finished.stdout) == (1, FOUND.replace("bad.py", "src/bad.py"))
    assert lint("src/heat_adjoint.py").stdout.count("CKP115") == 1


def test_standard_input(lint, bad):
    finished = lint("-", input=BAD)
    assert (finished.exit_code, finished.stdout) == (1, FOUND.replace("bad.py", "<stdin>"))
    assert lint("-", "--stdin-filename", "bad.py", input=BAD).stdout == FOUND
