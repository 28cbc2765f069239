"""What is logged, at which level, and that nothing is printed unasked."""

import logging
import os
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from checkpointer import HDF5Storage, Revolve, StoreAll, grad
from checkpointer.schemes import simulate

PROGRAM = """
import numpy as np
from checkpointer import checkpointed

def nested(u, outer, inner, storage=None):
    for step in checkpointed(range(5), outer, storage=storage):
        for part in checkpointed(range(2), inner):
            u = u - 0.01 * u * u
    return np.sum(u)

def constant(u, scheme):
    total = 0.0
    for step in checkpointed(range(6), scheme):
        total += 0.5
    return total * np.sum(u)
"""
U = np.array([0.9, 0.4, 0.7])


@pytest.fixture(scope="module")
def program(load_once):
    return load_once("logging_program", PROGRAM).rewritten


def logged(caplog, level):
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_one_line_for_each_loop_that_was_reversed(program, caplog):
    caplog.set_level(logging.INFO, "checkpointer")
    for _ in range(2):
        grad(program.nested)(U, Revolve(2), Revolve(1))
    cost = simulate(Revolve(2), 5)
    for line in logged(caplog, logging.INFO):
        assert re.fullmatch(
            rf"logging_program\.py:\d+: 5 steps took [\d.]+ m?s; {cost.advances} plain steps and 5 reversed"
            rf" \(each run {cost.recompute_factor:.2f} times on average\) under Revolve\(snapshots=2\), at most 2 held",
            line,
        )
    assert len(caplog.records) == 2


def test_details_for_who_looks_for_them(program, caplog):
    """Each action of each schedule, and each run of an inner loop."""
    caplog.set_level(logging.DEBUG, "checkpointer")
    grad(program.nested)(U, StoreAll(), Revolve(1))
    lines = logged(caplog, logging.DEBUG)
    assert sum(" 2 steps took " in line for line in lines) == 5
    saved = [
        line for line in lines if re.search(r"py:6: Snapshot\(step=\d, slot=\d\) took [\d.e-]+ ms$", line)
    ]
    assert len(saved) == simulate(StoreAll(), 5).snapshots
    assert len([line for line in lines if re.search(r"py:6: Reverse\(step=\d\) took", line)]) == 5


def test_a_loop_through_which_no_derivative_flows(program, caplog):
    caplog.set_level(logging.DEBUG, "checkpointer")
    grad(program.constant)(U, Revolve(1))
    (line,) = logged(caplog, logging.DEBUG)
    assert line.endswith(": runs as it stands, as nothing that is differentiated goes into it")


def test_durable_points_and_how_a_run_goes_on(program, caplog, tmp_path):
    caplog.set_level(logging.DEBUG, "checkpointer")
    grad(program.nested)(U, Revolve(2), Revolve(1), HDF5Storage(tmp_path / "run.h5", resume=True, every=0))
    assert any("a durable point in " in line for line in logged(caplog, logging.DEBUG))


SCRIPT = """
import numpy as np
from checkpointer import Revolve, checkpointed, grad

def f(u):
    for step in checkpointed(range(6), Revolve(2)):
        u = u - 0.01 * u * u
    return np.sum(u)

grad(f)(np.ones(3))
"""


@pytest.mark.parametrize(
    ("level", "expected"), [(None, 0), ("warning", 0), ("INFO", 1), ("debug", 20)], ids=str
)
def test_the_environment_asks_for_it(tmp_path, level, expected):
    (tmp_path / "heat.py").write_text(textwrap.dedent(SCRIPT))
    environment = {name: value for name, value in os.environ.items() if name != "CHECKPOINTER_LOG"}
    if level:
        environment["CHECKPOINTER_LOG"] = level
    finished = run("-m", "checkpointer", "run", "heat.py", cwd=tmp_path, env=environment)
    assert finished.returncode == 0
    lines = finished.stderr.splitlines()
    assert len(lines) == expected if expected < 2 else len(lines) >= expected, finished.stderr
    if lines:
        assert re.match(r"\d\d:\d\d:\d\d checkpointer: heat\.py:6: 6 steps took ", lines[-1])


def test_a_level_that_there_is_not():
    finished = run("-c", "import checkpointer.runtime", env={**os.environ, "CHECKPOINTER_LOG": "verbose"})
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1] == (
        "checkpointer.errors.ArgumentError: CHECKPOINTER_LOG must be one of debug, info, warning, but is 'verbose'"
    )


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False, **options
    )
