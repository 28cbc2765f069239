"""Coverage, profilers and tracers attribute to the lines of the user's file what they would in the plain program."""

import cProfile
import itertools
import json
import os
import pstats
import subprocess
import sys
import textwrap
import tracemalloc

import numpy as np
import pytest

from checkpointer import grad

SCRIPT = """\
import sys

import numpy as np

from checkpointer import Revolve, checkpointed, grad
import parts


def simulate(u, steps, hot=False):
    t = 0.0
    for step in checkpointed(range(steps), Revolve(snapshots=2)):
        if step % 2:
            u = u * 1.5
        elif hot:
            u = u + 1
            continue
        else:
            u = u * 0.5
        if step > 100:
            break
        t = (
            t
            + np.sum(u)
        )
    else:
        t = t * 2
    n = 3
    while checkpointed(n > 0):
        n -= 1
        if n == 1:
            t = t * 1.1
    return t


def found(items):
    for number, item in checkpointed(enumerate(items)):
        if item > 1:
            return number
    else:
        return None


def never(u):
    for step in checkpointed(range(3), Revolve(1)):
        u = u * 2
    return u


if __name__ == "__main__":
    u = np.ones(3)
    if "grad" in sys.argv:
        grad(simulate)(u, 5)
    else:
        simulate(u, 5)
    found([1, 2])
    total = 0
    # checkpointer: Revolve(2)
    for part in parts.each(total):
        total = total + part
"""

PARTS = """\
from checkpointer import checkpointed


class Parts:
    def each(self, x):
        def nested(y):
            for step in checkpointed(range(2)):
                y = y + 1
            return y

        for step in checkpointed([1, 2]):
            x = nested(x)
            if x < 0:
                x = -x
        return [x]


each = Parts().each
"""


def measured(folder, name, *program, branches):
    """What coverage.py measures of a process, by file: executed and missing lines and branches."""
    environment = {**os.environ, "COVERAGE_FILE": str(folder / name), "COVERAGE_CORE": "ctrace"}
    coverage = [sys.executable, "-m", "coverage"]
    branch = ["--branch"] if branches else []
    files = f"--include={folder}/*"
    for command in (
        [*coverage, "run", *branch, files, *program],
        [*coverage, "json", "-q", "-o", f"{name}.json"],
    ):
        finished = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr
    report = json.loads((folder / f"{name}.json").read_text())["files"]
    return {
        file: {kind: found for kind, found in of.items() if kind.endswith(("_lines", "_branches"))}
        for file, of in report.items()
    }


def test_coverage(tmp_path):
    """Lines and branches of a script and of a module beside it are those of the plain program."""
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "parts.py").write_text(PARTS)
    plain = measured(tmp_path, "plain", "script.py", branches=True)
    run = ["-m", "checkpointer", "run", "script.py"]
    transformed = measured(tmp_path, "transformed", *run, branches=True)
    assert plain["script.py"]["missing_branches"]
    assert plain["parts.py"]["missing_lines"]
    assert set(plain) == set(transformed) == {"script.py", "parts.py"}
    for file, expected in plain.items():
        for kind in expected:
            assert (file, kind, transformed[file][kind]) == (file, kind, expected[kind])
    differentiated = measured(tmp_path, "grad", *run, "grad", branches=True)["script.py"]
    other, own = (
        1 + SCRIPT.split("\n").index(line)
        for line in ("        simulate(u, 5)", "        grad(simulate)(u, 5)")
    )
    assert set(differentiated["missing_lines"]) ^ set(plain["script.py"]["missing_lines"]) == {other, own}


LOOPS = """
import numpy as np
from checkpointer import Revolve, checkpointed

def simulate(u, steps):
    kept = []
    for step in checkpointed(range(steps), Revolve(1)):
        u = rate(u)
        kept.append(np.zeros(10_000))
    else:
        u = u + 1
    return u, kept

def rate(u):
    return u * 1.5

def value(u, steps):
    for step in checkpointed(range(steps), Revolve(1)):
        u = rate(u)
    return np.sum(u)
"""


@pytest.fixture(scope="module")
def program(load_once):
    return load_once("profiled", LOOPS)


def line_of(text, which=0):
    return [number for number, line in enumerate(LOOPS.split("\n"), 1) if line == text][which]


def test_a_profile(program):
    profile = cProfile.Profile()
    profile.runcall(program.rewritten.simulate, np.ones(2), 7)
    stats = pstats.Stats(profile).stats
    path, loop = str(program.path), line_of("    for step in checkpointed(range(steps), Revolve(1)):")
    mine = {key[1:]: calls[0] for key, calls in stats.items() if key[0] == path}
    assert mine == {
        (line_of("def simulate(u, steps):"), "simulate"): 1,
        (loop, "simulate.<step>"): 7,
        (line_of("def rate(u):"), "rate"): 7,
    }


def test_a_profile_of_a_gradient(program):
    """Four steps with one snapshot: 4 of the first sweep, 2 + 1 computed again to come to a step, 3 to reverse it."""
    profile = cProfile.Profile()
    profile.runcall(grad(program.rewritten.value), np.ones(2), 4)
    stats = pstats.Stats(profile).stats
    calls = {key[2]: calls[0] for key, calls in stats.items() if key[0] == str(program.path)}
    steps = calls.pop("value.<step>")
    assert calls == {"value": 1, "rate": steps, "value.<forward sweep>": 1, "value.<reverse sweep>": 1}
    assert steps == 4 + 3 + 3


def lines_passed(path, function, *args):
    passed = []

    def local(frame, event, _):
        if event == "line":
            passed.append((frame.f_lineno, frame.f_locals.get("step")))
        return local

    before = sys.gettrace()
    sys.settrace(lambda frame, event, _: local if frame.f_code.co_filename == path else None)
    try:
        function(*args)
    finally:
        sys.settrace(before)
    return passed


def test_a_tracer_passes_the_lines_in_the_order_of_a_loop(program):
    path = str(program.path)
    plain = lines_passed(path, program.plain.simulate, np.ones(2), 3)
    mine = lines_passed(path, program.rewritten.simulate, np.ones(2), 3)
    numbers = [
        [line for line, _ in itertools.groupby(line for line, _ in passed)] for passed in (plain, mine)
    ]
    assert numbers[0] == numbers[1]
    assert len(numbers[0]) > 15


def test_allocations(program):
    """Memory that a step allocates belongs to its line."""
    places = []
    for function in (program.plain.simulate, program.rewritten.simulate):
        tracemalloc.start()
        try:
            kept = function(np.ones(2), 5)
            top = tracemalloc.take_snapshot().statistics("lineno")[0]
        finally:
            tracemalloc.stop()
        del kept
        places.append((top.traceback[0].filename, top.traceback[0].lineno))
    line = line_of("        kept.append(np.zeros(10_000))")
    assert places == [(str(program.path), line)] * 2


def test_the_dump_of_faulthandler(tmp_path):
    """A crash in a step, in the middle of a sweep, shows the line of the step."""
    (tmp_path / "crash.py").write_text(
        textwrap.dedent("""\
            import faulthandler
            import numpy as np
            from checkpointer import Revolve, checkpointed, grad, replaying
            faulthandler.enable()
            def simulate(u):
                for step in checkpointed(range(4), Revolve(1)):
                    u = u * 2
                    if replaying():
                        faulthandler._sigsegv()
                return np.sum(u)
            grad(simulate)(np.ones(2))
        """)
    )
    finished = subprocess.run(
        [sys.executable, "-m", "checkpointer", "run", "crash.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert finished.returncode < 0 or sys.platform == "win32"
    dump = [line for line in finished.stderr.split("\n") if "crash.py" in line]
    assert dump[0].endswith('crash.py", line 9 in simulate.<step>')
    assert dump[-1].endswith('crash.py", line 11 in <module>')
