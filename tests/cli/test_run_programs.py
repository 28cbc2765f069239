"""``checkpointer run`` of modules, folders and zip files, and of programs that start processes of their own."""

import json
import sys
import textwrap
import zipfile

import click
import pytest

from checkpointer.cli import programs

FACTS = """\
import json, sys
import numpy as np
spec = __spec__ and [__spec__.name, __spec__.origin, __spec__.parent, __spec__.submodule_search_locations]
names = sorted({*globals()} - {"kinds"})
kinds = [np.__name__]
try:
    from helper import kind
    kinds.append(kind)
except ImportError:
    pass
print(json.dumps([sys.argv, sys.path, __name__, __file__, __package__, spec, names, sys.modules["__main__"].np is np]))
print(json.dumps(kinds))
sys.exit(3)
"""
HELPER = "import numpy as np\nkind = np.__name__\n"


@pytest.fixture
def files(tmp_path):
    """``files({path: text})`` writes files."""

    def write(contents):
        for path, text in contents.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(textwrap.dedent(text), encoding="utf-8")

    return write


@pytest.fixture
def every_form(files, tmp_path):
    """One program in all the forms that Python runs."""
    files(
        {
            "alone.py": FACTS,
            "helper.py": HELPER,
            "pack/__init__.py": "import sys, numpy as np\nprint(sys.argv)",
            "pack/__main__.py": FACTS,
            "pack/inner/deep.py": FACTS,
            "folder/__main__.py": FACTS,
            "folder/helper.py": HELPER,
        }
    )
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("__main__.py", FACTS)
        archive.writestr("helper.py", HELPER)


@pytest.mark.parametrize(
    "program",
    [
        ("-m", "alone"),
        ("-m", "pack"),
        ("-m", "pack.inner.deep"),
        ("folder",),
        ("all.zip",),
    ],
    ids=" ".join,
)
def test_the_program_sees_what_python_shows_it(checkpointer, every_form, program):
    by_python = checkpointer(*program, "--help", "-m", "x", program=())
    by_checkpointer = checkpointer("run", *program, "--help", "-m", "x")
    assert by_checkpointer.stderr == by_python.stderr == ""
    assert by_checkpointer.returncode == by_python.returncode == 3
    *facts, kinds = by_checkpointer.stdout.splitlines()
    *expected, plain = by_python.stdout.splitlines()
    assert facts == expected
    assert set(json.loads(plain)) == {"numpy"}
    assert set(json.loads(kinds)) == {"checkpointer.numpy"}
    assert len(kinds) > len(plain)


def test_a_safe_path(checkpointer, every_form):
    safe = {"PYTHONSAFEPATH": "1"}
    by_python = checkpointer("folder", program=(), environment=safe)
    by_checkpointer = checkpointer("run", "folder", environment=safe)
    assert by_checkpointer.stdout.splitlines()[0] == by_python.stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("module", "nowhere", "no module named nowhere"),
        ("module", "pack.nowhere.at.all", "no module named pack.nowhere.at.all"),
        ("module", "helper.py", "no module named helper.py; try 'helper', without .py"),
        (
            "module",
            "empty",
            "no module named empty.__main__; 'empty' is a package and cannot be directly executed",
        ),
        ("module", "math", "no code object available for math"),
        ("module", ".pack", "relative module names are not supported"),
        ("module", "wrong", "wrong.py:1: not Python"),
        ("script", "refused.py", "CKP110"),
        ("folder", "empty", "can't find '__main__' module in 'empty'"),
    ],
)
def test_what_cannot_be_run(files, monkeypatch, tmp_path, kind, name, message):
    files(
        {
            "empty/module.py": "",
            "pack/__init__.py": "",
            "helper.py": "",
            "wrong.py": "x = = 1\n",
            "refused.py": "from checkpointer import checkpointed\nx = checkpointed([1])\n",
        }
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(click.ClickException) as caught:
        getattr(programs, kind)(name)
    assert message in caught.value.message
    for imported in ("pack", "helper"):
        sys.modules.pop(imported, None)


def test_one_message_and_no_traceback(checkpointer, assert_one_message):
    assert_one_message(checkpointer("run", "-m", "nowhere.at.all"), "no module named nowhere.at.all")


def test_an_exception_while_the_package_is_imported(checkpointer, files):
    files(
        {
            "pack/__init__.py": "def f():\n    1 / 0\nf()\n",
            "pack/__main__.py": "",
            "missing/__init__.py": "import nowhere",
        }
    )
    finished = checkpointer("run", "-m", "pack")
    assert finished.returncode == 1
    assert finished.stderr.startswith("Traceback (most recent call last):\n  File ")
    assert "pack/__init__.py" in finished.stderr.splitlines()[1]
    assert finished.stderr.endswith("ZeroDivisionError: division by zero\n")
    finished = checkpointer("run", "-m", "missing.part")
    assert finished.stderr.endswith("ModuleNotFoundError: No module named 'nowhere'\n")


def test_modules_elsewhere(checkpointer, files, assert_one_message):
    files(
        {
            "script.py": """\
                import sys
                sys.path.append("lib")
                import far.deep, other
                print(far.np.__name__, far.deep.np.__name__, other.np.__name__, sys.argv[1:])
                """,
            "lib/far/__init__.py": "import numpy as np",
            "lib/far/deep.py": "import numpy as np",
            "lib/other.py": "import numpy as np",
        }
    )
    assert checkpointer("run", "script.py").stdout == "numpy numpy numpy []\n"
    finished = checkpointer("run", "--hook", "far.*", "--hook=oth?r", "script.py", "--hook", "x")
    assert finished.stdout == "numpy checkpointer.numpy checkpointer.numpy ['--hook', 'x']\n"
    finished = checkpointer("run", "--hook", "far.py", "script.py")
    assert_one_message(finished, "--hook was given 'far.py', which is no name of a module", code=2)


def test_the_script_is_cached(checkpointer, heat, tmp_path):
    written = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": ""}
    caches = []
    for _ in range(2):
        finished = checkpointer("run", "heat.py", environment=written)
        assert finished.stdout == "[0.25 0.5  0.25] []\n"
        (cache,) = (tmp_path / "__pycache__").iterdir()
        caches.append((cache.name, cache.stat().st_ino))
    assert caches[0][0].endswith(".opt-checkpointer.pyc")
    assert caches[0] == caches[1]


WORKERS = """\
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np

import beside
from checkpointer import Revolve, checkpointed, grad


def simulate(u):
    for step in checkpointed(range(3), Revolve(snapshots=2)):
        u = 0.5 * u
    return np.sum(u)


def work(function):
    here = multiprocessing.current_process().name != "MainProcess"
    return here, function.__module__, float(grad(function)(np.ones(2))[0])


def nested(function):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, (function,))


if __name__ == "__main__":
    for method in ("spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(pool.map(work, [simulate, beside.simulate]))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        print(pool.submit(nested, simulate).result())
"""
BESIDE = """\
import numpy as np


def simulate(u):
    # checkpointer: Revolve(snapshots=2)
    for step in range(2):
        u = 0.5 * u
    return np.sum(u)
"""


def test_workers_of_multiprocessing(checkpointer, files):
    """They run the script once more, under another name, and unpickle its functions and those of other modules."""
    files({"script.py": WORKERS, "beside.py": BESIDE})
    finished = checkpointer("run", "script.py")
    assert finished.stderr == ""
    both = "[(True, '__main__', 0.125), (True, 'beside', 0.25)]\n"
    assert finished.stdout.replace("__mp_main__", "__main__") == both * 2 + "(True, '__main__', 0.125)\n"


def test_workers_of_a_module(checkpointer, files):
    files(
        {"pack/__init__.py": "", "pack/work.py": WORKERS.replace("import beside", "from pack import beside")}
    )
    files({"pack/beside.py": BESIDE})
    finished = checkpointer("run", "-m", "pack.work")
    assert finished.stderr == ""
    assert finished.stdout.count("0.125") == 3
    assert finished.stdout.count("(True, 'pack.beside', 0.25)") == 2


def test_workers_of_a_script_that_installs_the_hook_itself(checkpointer, files):
    script = """\
        import multiprocessing
        import numpy as np
        from checkpointer import grad, install_import_hook

        install_import_hook("beside")
        import beside


        def work(function):
            return float(grad(function)(np.ones(2))[0])


        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.apply(work, (beside.simulate,)))
        """
    files({"script.py": script, "beside.py": BESIDE})
    finished = checkpointer("script.py", program=())
    assert (finished.stdout, finished.stderr) == ("0.25\n", "")
