"""What docs/commands.md shows is run, in the order of the page, and prints what the page says."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from checkpointer.cli.main import COMMANDS
from checkpointer.cli.outcomes import Status

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text("utf-8")

PLACE = re.compile(r"^@@ -\d+,\d+ \+\d+,\d+ @@$", re.MULTILINE)
"""Where in the generated module a difference is: that may change with what is generated."""


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def bash(tmp_path):
    """``bash(script)``: all that it prints, in a folder with the page's ``heat.py``."""
    (tmp_path / "heat.py").write_text(blocks("python")[0])
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"

    def call(script):
        return subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    return call


def test_the_sessions(bash):
    """All of them in one shell; marks in its output tell which command printed what."""
    shown = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks("console")), re.MULTILINE)
    assert len(shown) > 10
    script = "\n".join(f"{command}\ncode=$?; echo '=-='; (exit $code)" for command, _ in shown)
    printed = [PLACE.sub("@@", text) for text in bash(script).stdout.split("=-=\n")]
    expected = [(command, PLACE.sub("@@", text)) for command, text in shown]
    assert [*zip([command for command, _ in shown], printed, strict=False)] == expected


def test_the_hook(invoke, heat, tmp_path):
    (hook,) = yaml.safe_load(blocks("yaml")[0])["repos"][0]["hooks"]
    assert (hook["language"], hook["pass_filenames"]) == ("system", False)
    (tmp_path / "src").mkdir()
    heat.rename(tmp_path / "src/heat.py")
    program, *arguments = shlex.split(hook["entry"])
    assert program == "checkpointer"
    assert invoke(*arguments).exit_code == 1
    assert invoke("rewrite", "src").exit_code == 0
    assert invoke(*arguments).exit_code == 0


def test_nothing_is_forgotten():
    assert sorted(re.findall(r"^\| \[?`checkpointer (\w+) ", PAGE, re.MULTILINE)) == sorted(COMMANDS)
    for status in set(Status) - {Status.UNMARKED}:
        assert f"`{status.value}`" in " ".join(PAGE.split())
