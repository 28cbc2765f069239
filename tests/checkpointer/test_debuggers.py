"""Breakpoints, single steps and post mortems in the user's file, with pdb as a process of its own."""

import os
import pdb
import re
import subprocess
import sys
import textwrap
from io import StringIO

import numpy as np
import pytest

from checkpointer import ReplayError, TraceError, grad, value_and_grad

SCRIPT = """\
import sys
import numpy as np
from checkpointer import Revolve, checkpointed, grad, replaying


def simulate(u, steps):
    c = 0.25
    u = u.copy()
    for step in checkpointed(range(steps), Revolve(snapshots=1)):
        v = u[2:] - 2 * u[1:-1] + u[:-2]
        u[1:-1] += c * v
    return u[1]


if __name__ == "__main__":
    u = np.array([0.0, 1.0, 4.0, 0.0])
    print(grad(simulate)(u, 4) if "grad" in sys.argv else simulate(u, 4))
"""


@pytest.fixture
def script(tmp_path):
    file = tmp_path / "heat.py"
    file.write_text(SCRIPT)
    return file


def debugged(folder, program, commands, **options):
    """What pdb prints, in pieces between its prompts, and what the process wrote to standard error."""
    finished = subprocess.run(
        [sys.executable, *program],
        cwd=folder,
        input="\n".join(textwrap.dedent(commands).split("\n")),
        env={**os.environ, "NO_COLOR": "1", "PYTHON_COLORS": "0"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )
    return [piece.strip() for piece in finished.stdout.split("(Pdb) ")], finished.stderr


def test_a_session_is_the_one_of_the_plain_program(script):
    """Breakpoints by line and by condition, printing, single steps, listing, assigning; word by word."""
    commands = """\
        b heat.py:10
        c
        p step, u, c
        until
        p v
        !v = v * 2
        n
        p u, step
        l 6,12
        b heat.py:11, step == 2
        cl 1
        c
        p step, v
        u
        d
        !c = 1.0
        n
        cl 2
        c
        """
    plain, _ = debugged(script.parent, ["-m", "pdb", "heat.py"], commands)
    mine, errors = debugged(script.parent, ["-m", "pdb", "-m", "checkpointer", "run", "heat.py"], commands)
    assert errors == ""
    plain, mine = plain[1:19], mine[1:19]
    assert plain[4] == "array([ 2., -7.])"
    for number, (one, other) in enumerate(zip(plain, mine, strict=True)):
        if number == 13:  # one up from a step is the loop's caller in checkpointer
            continue
        assert other.replace("simulate.<step>()", "simulate()") == one


def test_breakpoint_in_a_differentiated_step(tmp_path):
    """It is hit when the step runs first, and when it runs again; what is typed is no part of the program."""
    (tmp_path / "heat.py").write_text(SCRIPT.replace("        v =", "        breakpoint()\n        v ="))
    first = "p step, replaying()\np float(u[1])\np u.sum() > 0\nc\n"
    pieces, errors = debugged(
        tmp_path, ["-m", "checkpointer", "run", "heat.py", "grad"], first * 10 + "c\n" * 10
    )
    assert errors == ""
    stops = [piece for piece in pieces if piece.startswith("(")]
    assert stops[:4] == ["(0, False)", "(1, False)", "(2, False)", "(3, False)"]
    assert set(stops[4:]) == {"(0, True)", "(1, True)", "(2, True)"}
    shown = [piece for piece in pieces if "heat.py(11)" in piece]
    assert all(
        piece.endswith("heat.py(11)simulate.<step>()\n-> v = u[2:] - 2 * u[1:-1] + u[:-2]") for piece in shown
    )
    assert any("CKP204" in piece for piece in pieces)
    undisturbed = subprocess.run(
        [sys.executable, "-c", "import heat, numpy as np; heat.breakpoint = lambda: None;"
         "u = np.array([0.0, 1.0, 4.0, 0.0]);"
         "print([(heat.simulate(u + d, 4) - heat.simulate(u - d, 4)) / 2 for d in np.eye(4)])"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    expected = [float(number) for number in re.findall(r"\((.*?)\)", undisturbed.stdout)]
    found = [float(number) for number in re.findall(r"[\d.]+", pieces[-1][pieces[-1].rindex("[") :])]
    np.testing.assert_allclose(found, expected)


def test_a_breakpoint_that_skips_what_is_computed_again(script):
    commands = "b heat.py:10, not replaying()\n" + "c\np step\n" * 4 + "c\nq\n"
    program = ["-m", "pdb", "-m", "checkpointer", "run", "heat.py", "grad"]
    pieces, errors = debugged(script.parent, program, commands)
    assert errors == ""
    assert [piece for piece in pieces if piece in "01234" and piece] == ["0", "1", "2", "3"]
    assert "The program exited" in pieces[10]


def test_post_mortem(script):
    """The debugger stops in the user's frame; one up is the loop, then the call."""
    script.write_text(SCRIPT.replace("c * v", "c * v / (2 > step or not replaying())"))
    script.write_text(
        script.read_text().replace("import sys\n", "import sys, warnings\nwarnings.simplefilter('error')\n")
    )
    program = ["-m", "pdb", "-m", "checkpointer", "run", "heat.py", "grad"]
    pieces, errors = debugged(script.parent, program, "c\np step\nu\nu\nq\n")
    assert errors.startswith("Traceback (most recent call last):")
    assert "RuntimeWarning: divide by zero" in errors
    assert "In step 2 of the loop at heat.py:10, while it was computed again for the reverse sweep" in errors
    assert "Entering post mortem" in pieces[1]
    assert pieces[1].endswith(
        "heat.py(12)simulate.<step>()\n-> u[1:-1] += c * v / (2 > step or not replaying())"
    )
    assert pieces[2] == "2"
    assert pieces[3].endswith("-> for step in checkpointed(range(steps), Revolve(snapshots=1)):")
    assert pieces[4].endswith('-> print(grad(simulate)(u, 4) if "grad" in sys.argv else simulate(u, 4))')


def test_quitting_ends_the_program_without_a_traceback(script):
    program = ["-m", "pdb", "-m", "checkpointer", "run", "heat.py", "grad"]
    pieces, errors = debugged(script.parent, program, "b heat.py:10\nc\nc\nc\nc\nq\nq\n")
    assert errors == ""
    assert "Traceback" not in "".join(pieces)


def test_a_program_that_ended_is_started_again_with_its_arguments(script):
    pieces, err = debugged(
        script.parent, ["-m", "pdb", "-m", "checkpointer", "run", "heat.py", "grad"], "c\nc\nq"
    )
    assert sum("Exit status: 0" in piece for piece in pieces) == 2, pieces
    assert "Usage" not in err


@pytest.fixture
def program(load):
    return load(SCRIPT)


def debugger(commands, out):
    made = pdb.Pdb(stdin=StringIO(commands), stdout=out, nosigint=True, readrc=False)
    made.use_rawinput = False
    return made


def session(commands, run):
    """A session of pdb in this process, which tracing by the tests' own tools would disturb."""
    before = sys.gettrace()
    try:
        debugger(commands, StringIO()).runcall(run)
    finally:
        sys.settrace(before)


def test_a_variable_that_is_changed_in_a_step_changes_the_program(program):
    """Undifferentiated, the change is made. Differentiated, the step that is computed again is not the one that was."""
    path, u = program.path, np.array([0.0, 1.0, 4.0, 0.0])
    commands = f"tbreak {path}:11, step == 1\nc\n!u[1] = 100.0\nc\n"
    values = []
    session(commands, lambda: values.append(program.rewritten.simulate(u, 2)))
    session(commands, lambda: values.append(program.plain.simulate(u, 2)))
    assert values[0] == values[1] > 50
    with pytest.raises(ReplayError, match=r"u .*step"):
        session(commands, lambda: value_and_grad(program.rewritten.simulate)(u, 4))


@pytest.mark.parametrize("name", ["_pydevd_bundle.pydevd_vars", "pudb.debugger", "bdb"])
def test_what_other_debuggers_evaluate_is_no_part_of_the_program_either(name):
    evaluate = eval("lambda call: call()", {"__name__": name})

    def function(u, run):
        with pytest.raises(TraceError, match="CKP204"):
            run(lambda: float(u[0]))
        return np.sum(u)

    assert grad(function)(np.ones(1), evaluate) == 1.0
    with pytest.raises(TraceError, match="CKP204"):
        grad(function)(np.ones(1), lambda call: call())


def test_post_mortem_of_an_error_on_the_way_back(load):
    program = load("""
        import numpy as np
        from checkpointer import Revolve, checkpointed
        def simulate(u):
            for step in checkpointed(range(3), Revolve(1)):
                u = u + 0.1 * np.arccosh(1 + 0 * u)
            return np.sum(u)
    """)
    with pytest.raises(RuntimeWarning) as caught:
        grad(program.rewritten.simulate)(np.ones(2))
    out = StringIO()
    made = debugger("q\n", out)
    made.reset()
    made.interaction(None, caught.value.__traceback__)
    assert f"{program.path}(5)simulate.<reverse sweep>()" in out.getvalue()
    assert "-> for step in checkpointed(range(3), Revolve(1)):" in out.getvalue()


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal")
def test_a_terminal(script):
    """breakpoint() while steps are computed again: the prompt and what is typed are seen, though the step is silent."""
    import pty

    stop = "print('heard', step)\n        breakpoint() if replaying() and step == 1 else 0\n        "
    script.write_text(SCRIPT.replace("        v =", f"        {stop}v ="))
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "checkpointer", "run", "heat.py", "grad"],
        cwd=script.parent, stdin=terminal, stdout=terminal, stderr=terminal,
        env={**os.environ, "TERM": "dumb", "PYTHON_COLORS": "0"},
    )  # fmt: skip
    os.close(terminal)
    seen = b""
    typed = [b"p step, replaying()\n", b"w\n", b"cl\ny\n", b"c\n"] + [b"c\n"] * 5
    while True:
        try:
            piece = os.read(controller, 4096)
        except OSError:
            break
        if not piece:
            break
        seen += piece
        while typed and seen.count(b"(Pdb) ") > 9 - len(typed):
            os.write(controller, typed.pop(0))
    assert process.wait(60) == 0
    os.close(controller)
    text = seen.decode()
    assert text.count("heard") == 4
    assert "(1, True)" in text
    assert "-> u[1:-1] += c * v" not in text
    assert re.search(r"heat.py\(\d+\)<module>\(\)", text)
