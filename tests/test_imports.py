"""What an import loads, and that all that the packages offer is there all the same."""

import ast
import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import checkpointer

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "checkpointer": "checkpointer",
    "checkpointer.schemes": "schemes",
    "checkpointer.storage": "storage",
}
"""Those that import what they offer on demand -> their folder."""

RARE = (
    "checkpointer.compiled",
    "checkpointer.dumps",
    "checkpointer.hook",
    "checkpointer.resume",
    "checkpointer.schemes.planning",
    "checkpointer.storage.background",
    "checkpointer.storage.hdf5_base",
    "checkpointer.transforms",
    "h5py",
    "numpy.f2py",
    "numpy.ma",
    "numpy.testing",
    "psutil",
    "subprocess",
)
"""What only some programs need."""


def output_of(program):
    """What a program prints that runs in a fresh interpreter."""
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.split()


def declared(package):
    """The names that type checkers see in a package: name -> the module that it is imported from."""
    tree = ast.parse((ROOT / PACKAGES[package] / "__init__.py").read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    names = {}
    for statement in block.body:
        for alias in statement.names:
            assert alias.asname == alias.name, "only 'import x as x' offers x to others"
            names[alias.name] = statement.module
    return names


def test_the_package_itself_loads_nothing():
    loaded = output_of(
        "import sys; before = set(sys.modules); import checkpointer; print(*sorted(set(sys.modules) - before))"
    )
    ours = [name for name in loaded if name.startswith("checkpointer")]
    assert ours == ["checkpointer", "checkpointer.lazy", "checkpointer.version"]
    assert "numpy" not in loaded


@pytest.mark.parametrize(
    "statement",
    [
        "from checkpointer import Revolve, checkpointed, value_and_grad",
        "import checkpointer.numpy, checkpointer.math, checkpointer.runtime",
    ],
)
def test_a_program_loads_neither_the_rules_nor_what_only_some_programs_need(statement):
    """The first tape loads the rules, among them `checkpointer.functions`."""
    rare = [*RARE, "checkpointer.dispatch", "checkpointer.functions"]
    found = f"[name for name in {rare} if name in sys.modules]"
    assert output_of(f"import sys\n{statement}\nprint(*{found})") == []


def test_a_gradient_loads_the_rules_and_nothing_that_only_some_programs_need():
    program = (
        "import sys, numpy as np\n"
        "from checkpointer import grad\n"
        "print(*grad(lambda u: np.sum(np.sin(u[::2]) ** 2 + np.linalg.norm(u)))(np.array([3.0, 4.0])))\n"
        f"print(*[name for name in ['checkpointer.functions', *{RARE}] if name in sys.modules])"
    )
    # sin(6) + 3 / 5 and 4 / 5: the norm, 5, is added to the one item that is summed
    first, second, *loaded = output_of(program)
    assert float(first) == pytest.approx(-0.27941549819892586 + 0.6, rel=1e-14)
    assert float(second) == pytest.approx(0.8, rel=1e-14)
    assert loaded == ["checkpointer.functions"]


@pytest.mark.parametrize("package", PACKAGES)
def test_what_type_checkers_see_is_what_there_is(package):
    module = importlib.import_module(package)
    names = declared(package)
    for name, home in names.items():
        if home == package:
            assert getattr(module, name) is importlib.import_module(f"{package}.{name}")
        else:
            assert getattr(module, name) is getattr(importlib.import_module(home), name)
    offered = {name for name, home in names.items() if home != package}
    assert set(module.__all__) - {"__version__"} == offered
    assert len(module.__all__) == len(set(module.__all__))
    assert set(module.__all__) | set(names) <= set(dir(module))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_name_is_that_of_a_module(package):
    """Importing the module would put it in the place of what the package offers under its name."""
    modules = {path.stem for path in (ROOT / PACKAGES[package]).glob("*.py")}
    assert modules & {name for name, home in declared(package).items() if home != package} == set()


def test_all_of_it_by_a_star():
    program = (
        "from checkpointer import *\n"
        "offered = set(globals())\n"
        "import checkpointer\n"
        "print(*sorted(set(checkpointer.__all__) - offered), __version__)"
    )
    assert output_of(program) == [checkpointer.__version__]


def test_subpackages_are_attributes():
    program = (
        "import checkpointer\n"
        "print(checkpointer.schemes.predict(checkpointer.Revolve(2), 3).advances)\n"
        "print(checkpointer.storage.verify.__name__, checkpointer.errors.StorageError is checkpointer.StorageError)"
    )
    assert output_of(program)[1:] == ["verify", "True"]


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match=r"^module 'checkpointer' has no attribute 'Revolv'$") as caught:
        _ = checkpointer.Revolv
    assert (caught.value.name, caught.value.obj) == ("Revolv", checkpointer)  # for "Did you mean: 'Revolve'?"
    with pytest.raises(ImportError, match=r"^cannot import name 'Revolv' from 'checkpointer'"):
        from checkpointer import Revolv  # noqa: F401
    program = "import checkpointer; checkpointer.Revolv"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert finished.stderr.splitlines()[-1] == (
        "AttributeError: module 'checkpointer' has no attribute 'Revolv'. Did you mean: 'Revolve'?"
    )


def test_pickles_name_where_a_class_lives():
    scheme = checkpointer.Revolve(snapshots=3)
    assert pickle.loads(pickle.dumps(scheme)) == scheme
    assert pickle.loads(pickle.dumps(checkpointer.value_and_grad)) is checkpointer.value_and_grad


def test_any_module_may_be_the_first():
    """Traced arrays and what they dispatch to need each other: no order of imports may matter."""
    names = [
        f"{package}.{path.stem}"
        for package, folder in PACKAGES.items()
        for path in sorted((ROOT / folder).glob("*.py"))
        if not path.stem.startswith("__")
    ]
    assert len(names) > 120
    program = (
        "import os, h5py, libcst, autograd.numpy\n"  # which takes time, and has nothing to do with it
        f"for name in {names}:\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        try:\n"
        "            __import__(name)\n"
        "        except BaseException as error:\n"
        "            print(f'{name}: {error!r}', flush=True)\n"
        "        os._exit(0)\n"
        "    assert os.waitpid(child, 0)[1] == 0, name\n"
    )
    assert output_of(program) == []


def test_first_uses_in_several_threads():
    program = (
        "import threading, numpy as np, checkpointer\n"
        "start, results = threading.Barrier(8), []\n"
        "def differentiate():\n"
        "    start.wait()\n"
        "    results.append(checkpointer.grad(lambda u: np.sum(u ** 3))(np.array([2.0]))[0])\n"
        "def load():\n"
        "    start.wait()\n"
        "    from checkpointer import numpy, runtime, schemes\n"
        "    results.append(float(numpy.asarray([12.0])[0]))\n"
        "threads = [threading.Thread(target=work) for work in (differentiate, load) * 4]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "print(*results)"
    )
    assert output_of(program) == ["12.0"] * 8
