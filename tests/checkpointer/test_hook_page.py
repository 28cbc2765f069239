"""What docs/hook.md shows is run, by the tools that it names: Python, the commands, and pytest in a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "hook.md").read_text("utf-8")
HEAT, PROGRAM, CONFTEST, TESTS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def call(tmp_path):
    """``call("-m", "pytest", hook="heat")``: the finished process, in a folder with what the page shows."""
    for name, text in {"heat": HEAT, "program": PROGRAM, "conftest": CONFTEST, "test_heat": TESTS}.items():
        (tmp_path / f"{name}.py").write_text(text)

    def call(*arguments, **variables):
        return subprocess.run(
            [sys.executable, "-W", "error", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTEST_ADDOPTS": "", **variables},
            capture_output=True,
            text=True,
        )

    return call


def test_the_program(call):
    finished = call("program.py")
    assert finished.stderr == ""
    numbers = [float(number) for number in finished.stdout.strip("[]\n").split()]
    assert numbers == pytest.approx([0.125] * 4, abs=1e-3)


def test_the_tests(call):
    finished = call("-m", "pytest", "-q", "-p", "no:cacheprovider", "--doctest-modules")
    assert finished.stdout.splitlines()[-1].startswith("2 passed"), finished.stdout


def test_the_tests_by_the_environment(call, tmp_path):
    (tmp_path / "conftest.py").unlink()
    finished = call("-m", "pytest", "-q", "-p", "no:cacheprovider", CHECKPOINTER_HOOK="heat")
    assert finished.stdout.splitlines()[-1].startswith("2 passed"), finished.stdout


MARKED = """\
import numpy as np
import pytest
from checkpointer import NotRewrittenError, checkpointed, grad


def simulate(u):
    for step in checkpointed(range(3)):
        u = 0.5 * u
    return np.sum(u)


def test_it_is_not_transformed():
    with pytest.raises(NotRewrittenError):
        grad(simulate)(np.ones(1))


def test_a_failure_shows_what_was_compared():
    assert simulate(np.ones(1)) == 1 + 1
"""


def test_a_test_module_that_the_hook_names(call, tmp_path):
    """It stays pytest's, with readable failures; a gradient is refused."""
    (tmp_path / "test_marked.py").write_text(MARKED)
    finished = call(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_marked.py", CHECKPOINTER_HOOK="test_marked"
    )
    assert finished.stdout.splitlines()[-1].startswith("1 failed, 1 passed"), finished.stdout
    assert "assert np.float64(0.125) == (1 + 1)" in finished.stdout
