"""The commands in the examples' docstrings print what the docstrings say."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
CHECKPOINTER = [sys.executable, "-c", "from checkpointer.cli.main import main; main()"]


def execute(*command, folder):
    return subprocess.run(
        [*command],
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def documented_output(name):
    """The first indented block after the word "prints" in an example's docstring."""
    docstring = ast.get_docstring(ast.parse((EXAMPLES / name).read_text("utf-8")))
    _, _, rest = docstring.partition("prints")
    block = re.search(r"(?:^    .*\n)+", rest, re.MULTILINE)
    return [line[4:] for line in block[0].splitlines()]


def assert_same_text(line, expected):
    """Equal text, and numbers that are equal to eleven digits."""
    assert NUMBER.sub("#", line) == NUMBER.sub("#", expected)
    numbers = [float(number) for number in NUMBER.findall(line)]
    assert numbers == pytest.approx([float(number) for number in NUMBER.findall(expected)], rel=1e-11)


@pytest.mark.parametrize("name", ["heat.py", "box_model.py", "burgers.py", "adjoint_movie.py"])
def test_run_prints_what_the_docstring_says(name, tmp_path):
    finished = execute(*CHECKPOINTER, "run", str(EXAMPLES / name), folder=tmp_path)
    assert finished.stderr == ""
    assert finished.returncode == 0
    printed = finished.stdout.splitlines()
    expected = documented_output(name)
    assert len(printed) >= len(expected)
    for line, right in zip(printed, expected, strict=False):
        assert_same_text(line, right)


def test_burgers_saves_its_picture_where_it_is_told_to(tmp_path):
    options = ["--n", "16", "--steps", "4", "--snapshots", "2", "--picture", "here.png"]
    finished = execute(*CHECKPOINTER, "run", str(EXAMPLES / "burgers.py"), *options, folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert (tmp_path / "here.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("scheme", ["revolve", "periodic", "store-all"])
def test_heat_with_other_schemes(scheme, tmp_path):
    options = ["--steps", "50", "--scalar", "--scheme", scheme]
    finished = execute(*CHECKPOINTER, "run", str(EXAMPLES / "heat.py"), *options, folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith(f"50 steps, point by point, {scheme}\n")


@pytest.mark.parametrize("name", ["heat.py", "box_model.py", "burgers.py", "adjoint_movie.py"])
def test_plain_python(name, tmp_path):
    """Not rewritten, an example simulates; the gradient is refused with a hint."""
    command = [sys.executable, str(EXAMPLES / name), "--steps", "3"]
    plain = execute(*command, "--plain", folder=tmp_path)
    assert plain.returncode == 0, plain.stderr
    assert "gradient" not in plain.stdout

    refused = execute(*command, folder=tmp_path)
    assert refused.returncode == 1
    assert "NotRewrittenError" in refused.stderr
    assert list(tmp_path.iterdir()) == []
