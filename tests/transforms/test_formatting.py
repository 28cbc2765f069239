"""What is written stays as it is under black and ruff, and ruff finds nothing in it, wherever that holds of the source.

The sources are the golden files, the examples, a sixth of ``tests/programs`` (all of them with CHECKPOINTER_ALL_PROGRAMS=1)
and what stands here, formatted first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from checkpointer.transforms import rewrite_source

black = pytest.importorskip("black")
ROOT = Path(__file__).parents[2]
NAMES = ["Online", "Revolve"]

TRICKY = {
    "long_names": """\
from checkpointer import Revolve, checkpointed


def integrate_the_shallow_water_equations_with_a_leapfrog_scheme_and_a_filter(state):
    for count_of_the_steps_that_were_made_since_the_beginning_of_the_run in checkpointed(
        range(8), Revolve(snapshots=2)
    ):
        state = state * 0.5
    return state
""",
    "conditions": """\
import math

from checkpointer import Online, checkpointed


def run(seen, x, y):
    while checkpointed(x in seen, Online(2)):
        x += 1
    while checkpointed(not math.isclose(x, y), Online(2)):
        x += (y - x) / 2
    while checkpointed(x is not None, Online(2)):
        x = None
    while checkpointed(x == y, Online(2)):
        y += 1
    while checkpointed(y != 7 or x, Online(2)):
        y = 7
    while checkpointed(y == 7, Online(2)):
        y = 8
    return x, y
""",
    "wrapped_conditions": """\
from checkpointer import Online, checkpointed


def run(k, u, seen):
    while checkpointed(not (k >= 4 or u.size < 3), Online(2)):
        k += 1
    while checkpointed((k in seen), Online(2)):
        k += 1
    while checkpointed(not (rest := k - 4), Online(2)):
        k += rest
    while checkpointed(
        not (
            k >= 4
            and u.sum() > 1234567890123456789012345678901234567890
            or u.max() > 1234567890123456789012345
        ),
        Online(2),
    ):
        k += 1
    while checkpointed(
        k >= 4
        and u.sum() > 1234567890123456789012345678901234567890
        or u.max() > 1234567890123456789012345,
        Online(2),
    ):
        k += 1
    return k
""",
    "blocks": """\
from checkpointer import Online, checkpointed


def run(u, seen, k):
    if k:
        # a comment
        for _ in checkpointed(range(3), Online(2)):
            u = u * 1.5
    else:
        for _ in checkpointed(range(3), Online(2)):
            u = u * 1.5
    with open("x") as file:
        # checkpointer: Online(2)
        for _ in range(3):
            u = u * file
    for k in checkpointed(range(3), Online(2)):
        for _ in checkpointed(seen, Online(2)):
            u = u * k
    while checkpointed(u < 3, Online(2)):
        # a comment
        for _ in checkpointed(seen, Online(2)):
            u = u * k
    match k:
        case 1:
            while checkpointed(u < 3, Online(2)):
                fresh = 3
                u = u * fresh
    return u, fresh


if __name__ == "__main__":
    for step in checkpointed(range(3), Online(2)):
        u = run(step, [], 0)
    if step:

        def other(u):
            for _ in checkpointed(range(3), Online(2)):
                u = u * 1.5
            return u
""",
    "items": """\
import os
import sys
from math import cos, sin

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy import linalg
from scipy.sparse.linalg import spsolve

from checkpointer import Online, Revolve, checkpointed

from . import sibling


def run(pairs, u):
    for name, (a, b) in checkpointed(pairs, Revolve(2)):
        u = u * a
    for k, v in checkpointed(enumerate(pairs)):
        pass
    print(os, sys, sin, cos, np, scipy, linalg, spsolve, sibling, Online)
    return u
""",
    "only_standard": """\
import math
import os


# checkpointer: Revolve(snapshots=2)
for step in range(3):
    print(math.pi, os.sep, step)


def after():
    import math

    return math.tau
""",
    "no_imports": """\
def run(x):
    # checkpointer: Revolve(snapshots=2)
    for i in range(3):
        x = x * i
    return x
""",
    "first_and_last": '''\
"""A script."""

import numpy as np

from checkpointer import checkpointed

total = np.zeros(3)
# a comment

# and another
for step in checkpointed(range(3)):

    # in front of the first statement
    total += step
    # behind the last
else:
    # nothing went wrong
    print(total)

# the end
''',
    "declarations": """\
import numpy as np

from checkpointer import checkpointed

count = 0
u = np.zeros(3)


def run(steps):
    global u, count

    for _ in checkpointed(range(steps)):
        u = u + 1
        for _ in checkpointed(range(2)):
            count += 1
    return u


def outer():
    total = 0.0

    def inner():
        nonlocal total
        for i in checkpointed(range(3)):
            total += i

    inner()
    return total


class Model:
    def __init__(self):
        self.u = 0.0

    @property
    def size(self):
        return 1

    def run(self):
        for self.u in checkpointed(range(3)):
            super().__init__()

        def helper():
            return self.u

        return helper
""",
}
"""Constructs whose emitted form a formatter or a linter might not like."""


def sources():
    """Name -> text."""
    found = dict(TRICKY)
    programs = sorted((ROOT / "tests/programs").glob("*.py"))
    if not os.environ.get("CHECKPOINTER_ALL_PROGRAMS"):
        programs = programs[::6]
    golden = [path for path in (ROOT / "tests/transforms/golden").glob("*.py") if ".out" not in path.name]
    for path in [*programs, *(ROOT / "examples").glob("*.py"), *golden]:
        found[path.stem] = path.read_text("utf-8")
    return found


def ruff(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "ruff", *arguments, "--isolated", "--no-cache", "."],
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def findings(folder):
    """(file, rule) -> how often."""
    found = json.loads(ruff("check", "--output-format=json", cwd=folder).stdout)
    return Counter((Path(finding["filename"]).name, finding["code"]) for finding in found)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The sources as ruff and black leave them, and what is made of each."""
    before = tmp_path_factory.mktemp("before")
    after = tmp_path_factory.mktemp("after")
    for name, text in sources().items():
        (before / f"{name}.py").write_text(text, "utf-8")
    ruff("check", "--fix", "--select=I001,F401", cwd=before)
    ruff("format", cwd=before)
    for path in sorted(before.glob("*.py")):
        text = path.read_text("utf-8")
        if black.format_str(text, mode=black.Mode()) != text:
            path.unlink()  # the two disagree
            continue
        (after / path.name).write_text(rewrite_source(text, path.name, NAMES, version="1").code, "utf-8")
    assert len(list(after.iterdir())) > 25
    assert all((after / f"{name}.py").exists() for name in TRICKY)
    return before, after


KNOWN = {"stommel_box.py"}
"""A line of the user's that `sum_of` makes too long stays as it is (docs/reading.md)."""


def test_ruff_formats_nothing_anew(folders):
    _, after = folders
    finished = ruff("format", "--diff", cwd=after)
    changed = {line[4:] for line in finished.stdout.splitlines() if line.startswith("--- ")}
    assert changed <= KNOWN, finished.stdout


def test_black_formats_nothing_anew(folders):
    _, after = folders
    changed = set()
    for path in sorted(after.glob("*.py")):
        text = path.read_text("utf-8")
        if black.format_str(text, mode=black.Mode()) != text:
            changed.add(path.name)
    assert changed <= KNOWN


def test_ruff_finds_nothing_new(folders):
    before, after = folders
    assert findings(after) - findings(before) == Counter()


def test_it_would_notice(folders, tmp_path):
    """The measure itself: what is not laid out so, or not used, is found."""
    _, after = folders
    text = (after / "conditions.py").read_text("utf-8")
    text = text.replace("import (\n    EXHAUSTED,", "import (EXHAUSTED,").replace("  # noqa: SIM201", "")
    (tmp_path / "conditions.py").write_text(text, "utf-8")
    assert "--- conditions.py" in ruff("format", "--diff", cwd=tmp_path).stdout
    assert {("conditions.py", "I001"), ("conditions.py", "SIM201")} <= set(findings(tmp_path))


def test_lines_of_the_users_own_length():
    text = TRICKY["items"]
    for length in (60, 100, 140):
        mode = black.Mode(line_length=length)
        source = black.format_str(text, mode=mode)
        code = rewrite_source(source, "items.py", NAMES, version="1", line_length=length).code
        assert black.format_str(code, mode=mode) == code


@pytest.mark.parametrize("indent", ["  ", "\t"])
def test_indentation_of_the_users_own(indent):
    text = TRICKY["conditions"].replace("    ", indent)
    code = rewrite_source(text, "conditions.py", NAMES, version="1").code
    compile(code, "conditions.py", "exec")
    assert f"\n{indent}run_while(\n{indent}{indent}run_loop1_step,\n" in code
    assert f"import (\n{indent}EXHAUSTED,\n" in code
