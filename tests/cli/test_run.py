"""``checkpointer run``: as ``python FILE ARGS``, with the marked loops transformed."""

import re
import signal
import subprocess
import sys
import textwrap

import pytest

FACTS = """\
import json, os, sys
import numpy as np
print(json.dumps([
    sys.argv, sys.path, __name__, __file__, __package__, __doc__, __spec__, __cached__,
    __loader__.__class__.__name__, sys.modules["__main__"].np is np, __builtins__.__name__, sorted(globals()),
]))
"""


@pytest.fixture
def script(tmp_path):
    """``script(text, path)`` writes a file."""

    def write(text, path="script.py"):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    return write


def test_it_runs_a_script_with_its_loops_transformed(checkpointer, heat, tmp_path):
    finished = checkpointer("run", "heat.py", "--help", "-o", "--", "x y", "--")
    assert finished.stderr == ""
    assert finished.returncode == 0
    assert finished.stdout == "[0.25 0.5  0.25] ['--help', '-o', '--', 'x y', '--']\n"
    assert [path.name for path in tmp_path.iterdir()] == ["heat.py"]


@pytest.mark.parametrize(
    "path", ["script.py", "folder/script.py", "{here}/folder/script.py", "link/script.py"]
)
def test_the_script_sees_what_python_shows_it(checkpointer, script, tmp_path, path):
    script(FACTS)
    script(FACTS, "folder/script.py")
    (tmp_path / "link").symlink_to("folder")
    path = path.format(here=tmp_path)
    by_python = checkpointer(path, "--a", "b", program=())
    by_checkpointer = checkpointer("run", path, "--a", "b")
    assert by_checkpointer.stderr == by_python.stderr == ""
    assert by_checkpointer.stdout == by_python.stdout


def test_modules_beside_the_script_are_transformed(checkpointer, heat, script, tmp_path):
    script("from heat import simulate\n", "models/__init__.py")
    script("import numpy as np\nkind = np.__name__\n", "models/inner/deep.py")
    script("import numpy as np\nkind = np.__name__\n", "environment/lib/elsewhere.py")
    script(
        """
        import sys
        sys.path.append("environment/lib")
        import elsewhere, heat, models, models.inner.deep
        import numpy as np
        from checkpointer import grad
        print(grad(models.simulate)(np.ones(3), 1), models.inner.deep.kind, elsewhere.kind)
        """
    )
    finished = checkpointer("run", "script.py")
    assert finished.stderr == ""
    assert finished.stdout == "[0.25 0.5  0.25] checkpointer.numpy numpy\n"


def test_a_loop_at_the_top_level_of_a_script(checkpointer, script):
    script(
        """
        import numpy as np
        from checkpointer import Revolve, checkpointed
        u = np.ones(2)
        for step in checkpointed(range(3), Revolve(1)):
            u *= 2
        print(u, step)
        """
    )
    assert checkpointer("run", "script.py").stdout == "[8. 8.] 2\n"


@pytest.mark.parametrize(
    ("statement", "code", "output"),
    [
        ("sys.exit()", 0, ""),
        ("sys.exit(0)", 0, ""),
        ("sys.exit(7)", 7, ""),
        ("sys.exit('no such model')", 1, "no such model\n"),
        ("raise SystemExit(3)", 3, ""),
        ("os._exit(9)", 9, ""),
    ],
)
def test_exit_codes(checkpointer, script, statement, code, output):
    script(f"import os, sys\n{statement}\n")
    finished = checkpointer("run", "script.py")
    assert (finished.returncode, finished.stderr) == (code, output)


@pytest.mark.parametrize(
    "program",
    [
        "def f():\n    raise ValueError('wrong')\n\n\nf()\n",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise KeyError('then')\n",
        "import helper\nhelper.f()\n",
        "raise EOFError('at the end')\n",
        "raise ExceptionGroup('all', [ValueError('one'), ValueError('two')])\n",
        "import click\nraise click.ClickException('the script uses click, too')\n",
        "import click\nraise click.Abort\n",
        "import sys\nsys.excepthook = lambda *_: print('mine', file=sys.stderr)\nraise ValueError\n",
        "import helper\nhelper.nothing\n",
        "import nowhere\n",
        "import atexit\natexit.register(print, 'last')\nraise ValueError\n",
    ],
)
def test_an_uncaught_exception_is_reported_as_python_does(checkpointer, script, program):
    script(program)
    script("def f():\n    raise ValueError('help')\n", "helper.py")
    by_python = checkpointer("script.py", program=())
    by_checkpointer = checkpointer("run", "script.py")
    assert by_checkpointer.returncode == by_python.returncode == 1
    assert by_checkpointer.stdout == by_python.stdout
    assert by_checkpointer.stderr == by_python.stderr


def test_the_traceback_of_a_step_shows_the_users_lines(checkpointer, script):
    file = script(
        """\
        import numpy as np
        from checkpointer import Revolve, checkpointed
        u = np.ones(2)
        for step in checkpointed(range(3), Revolve(1)):
            u = u + np.ones(step + 2)
        """
    )
    finished = checkpointer("run", "script.py")
    assert finished.returncode == 1
    assert re.sub(r" +[~^]+\n", "", finished.stderr) == (
        "Traceback (most recent call last):\n"
        f'  File "{file}", line 4, in <module>\n    for step in checkpointed(range(3), Revolve(1)):\n'
        f'  File "{file}", line 5, in <step>\n    u = u + np.ones(step + 2)\n'
        "ValueError: operands could not be broadcast together with shapes (2,) (3,) \n"
        "In step 1 of the loop at script.py:4\n"
    )


def test_a_refused_mark_in_a_module_beside_the_script(checkpointer, script):
    script("import helper\n")
    script("from checkpointer import checkpointed\nx = checkpointed([1])\n", "helper.py")
    finished = checkpointer("run", "script.py")
    assert finished.returncode == 1
    assert "helper.py:2: CKP110" in finished.stderr
    assert "/transforms/" not in finished.stderr


@pytest.mark.parametrize("arguments", ["snapshots=0", "snapshots=-1", "snapshots=1.5"])
def test_bad_numbers_of_snapshots(checkpointer, script, arguments):
    script(f"# checkpointer: Revolve({arguments})\nfor i in range(3):\n    pass\n")
    finished = checkpointer("run", "script.py")
    assert finished.returncode == 1
    assert 'script.py", line 2, in <module>' in finished.stderr
    assert "ArgumentError: " in finished.stderr.splitlines()[-1]
    assert "snapshots" in finished.stderr.splitlines()[-1]


def test_something_that_is_no_scheme(checkpointer, script):
    script("from checkpointer import checkpointed\nfor i in checkpointed([1], 8):\n    pass\n")
    finished = checkpointer("run", "script.py")
    assert finished.returncode == 1
    assert "ArgumentError: scheme must be one of" in finished.stderr.splitlines()[-1]


def test_safe_path(checkpointer, script):
    script("import sys\nprint(sys.path)\n")
    safe = {"PYTHONSAFEPATH": "1"}
    by_python = checkpointer("script.py", program=(), environment=safe)
    assert checkpointer("run", "script.py", environment=safe).stdout == by_python.stdout


def test_an_interrupt(tmp_path, script):
    script(
        """
        import signal, time
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process ignores it
        print("ready", flush=True)
        time.sleep(600)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "checkpointer", "run", "script.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert 'script.py", line ' in errors
    assert errors.endswith("KeyboardInterrupt\n")
