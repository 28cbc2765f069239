"""How the tests of the commands call them: as real processes, in a folder of their own."""

import os
import pty
import subprocess
import sys

import pytest
from click.testing import CliRunner

from checkpointer.cli import colours
from checkpointer.cli.main import cli

HEAT = '''\
"""Heat."""

import sys

import numpy as np

from checkpointer import Revolve, checkpointed, grad


def simulate(u, steps):
    """Explicit Euler."""
    u = u.copy()
    for step in checkpointed(range(steps), Revolve(snapshots=2)):
        u[1:-1] += 0.25 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return u[1]


if __name__ == "__main__":
    print(grad(simulate)(np.ones(3), 1), sys.argv[1:])
'''


@pytest.fixture
def heat(tmp_path):
    """A file with a marked loop, ``heat.py`` in the folder in which the commands run."""
    file = tmp_path / "heat.py"
    file.write_text(HEAT, encoding="utf-8")
    return file


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    """``invoke("lint", "heat.py")``: the finished command, run in this process, which is quicker."""
    monkeypatch.chdir(tmp_path)
    for name in colours.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")

    def call(*arguments, **options):
        return CliRunner().invoke(cli, [str(argument) for argument in arguments], **options)

    return call


@pytest.fixture(name="read_to_the_end")
def fixture_read_to_the_end():
    return read_to_the_end


def read_to_the_end(terminal):
    """All that our end of a pseudo-terminal is sent."""
    shown = b""
    try:
        while data := os.read(terminal, 1 << 16):
            shown += data
    except OSError:  # so Linux says that nobody holds the other end any more
        pass
    os.close(terminal)
    return shown.decode().replace("\r\n", "\n")


@pytest.fixture
def terminal(tmp_path):
    """``terminal("lint", "heat.py")``: the exit code, and what a terminal is sent by a real process."""

    def call(*arguments, **environment):
        ours, theirs = pty.openpty()
        inherited = {name: value for name, value in os.environ.items() if name not in colours.VARIABLES}
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "checkpointer", *map(str, arguments)],
            cwd=tmp_path,
            env={**inherited, "TERM": "xterm-256color", "COLUMNS": "120", **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        shown = read_to_the_end(ours)
        return process.wait(), shown

    return call


@pytest.fixture
def checkpointer(tmp_path):
    """``checkpointer("run", "heat.py")``: the finished process."""

    def call(*arguments, program=("-m", "checkpointer"), **options):
        environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"}
        environment.update(options.pop("environment", {}))
        return subprocess.run(
            [sys.executable, "-W", "error", *program, *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
            **options,
        )

    return call


def assert_one_message(finished, message, code=1):
    """The process failed, and said why in one message without a traceback."""
    assert finished.returncode == code, finished.stderr
    assert finished.stdout == ""
    assert "Traceback" not in finished.stderr
    assert message in finished.stderr
    assert finished.stderr.count("Error:") == 1


@pytest.fixture(name="assert_one_message")
def fixture_assert_one_message():
    return assert_one_message
