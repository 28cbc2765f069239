"""The shape of the repository: what is packaged is what is there, and who imports whom."""

import ast
import importlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
MAPPING = SETUPTOOLS["package-dir"]
"""Import name -> folder, for the packages that are not in ``checkpointer/`` itself."""
INSIDE = {"checkpointer.mpi4py": "checkpointer/mpi4py", "checkpointer.scipy": "checkpointer/scipy"}
"""What lies in ``checkpointer/``: a folder ``scipy`` at the top would hide SciPy from whatever runs there."""
FOLDERS = {"checkpointer": "checkpointer", **MAPPING, **INSIDE}
LEAVES = ("schemes", "storage", "transforms")
BELOW = ("errors", "lazy")
"""The modules that everything may import."""
OPTIONAL = "IPython click h5py hdf5plugin libcst matplotlib mpi4py rich scipy xxhash".split()


def python_files(folder):
    """The folder's own files; what is behind links is another folder's."""
    top = ROOT / folder
    found = []
    for place, folders, files in os.walk(top):
        folders[:] = [
            name
            for name in folders
            if name != "__pycache__"
            and not (Path(place) / name).is_symlink()
            and f"{folder}/{name}" not in INSIDE.values()
        ]
        found += [Path(place) / name for name in sorted(files) if name.endswith(".py")]
    return found


SOURCES = [(package, path) for package, folder in FOLDERS.items() for path in python_files(folder)]
IDS = [str(path.relative_to(ROOT)) for _, path in SOURCES]


def module_name(package, path):
    parts = path.relative_to(ROOT / FOLDERS[package]).with_suffix("").parts
    return ".".join([package, *(part for part in parts if part != "__init__")])


def imports(path):
    """All modules that a file names in an import, also those in functions, with the number of leading dots."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level
            yield from ((f"{node.module}.{alias.name}", node.level) for alias in node.names)


def is_in(name, package):
    return name == package or name.startswith(package + ".")


def test_packages_mapping_folders_and_links_are_the_same():
    """A nested package that is missing in one of them works in an editable install, and is not in the wheel."""
    on_disk = {
        f"checkpointer.{folder.name}": folder.name
        for folder in ROOT.iterdir()
        if (folder / "__init__.py").is_file() and folder.name not in ("checkpointer", "tests")
    }
    links = {
        f"checkpointer.{path.name}": path for path in (ROOT / "checkpointer").iterdir() if path.is_symlink()
    }
    assert on_disk == MAPPING
    assert sorted(SETUPTOOLS["packages"]) == sorted(FOLDERS)
    assert sorted(links) == sorted(MAPPING)
    for name, link in links.items():
        assert os.readlink(link) == f"../{MAPPING[name]}"


@pytest.mark.parametrize("package", FOLDERS)
def test_no_packages_below_the_listed_ones(package):
    below = {path.parent for path in python_files(FOLDERS[package])}
    assert below == {ROOT / FOLDERS[package]}


def test_the_type_checkers_and_coverage_know_every_folder():
    assert sorted(PYPROJECT["tool"]["coverage"]["run"]["source"]) == sorted(
        {*FOLDERS.values()} - {*INSIDE.values()}
    )
    seen_by_pyright = PYPROJECT["tool"]["pyright"]["include"]
    assert {"checkpointer", *(f"checkpointer/{folder}" for folder in MAPPING.values())} <= set(
        seen_by_pyright
    )


@pytest.mark.parametrize(("package", "path"), SOURCES, ids=IDS)
def test_imports_are_absolute(package, path):
    """A relative import between the packages would give classes a second identity."""
    assert [name for name, dots in imports(path) if dots] == []
    inside = [name for name, _ in imports(path) if name.partition(".")[0] in MAPPING.values()]
    assert inside == [], "write checkpointer.schemes, not schemes"


@pytest.mark.parametrize("leaf", LEAVES)
def test_leaves_import_nothing_of_ours_but_themselves_and_what_lies_below_them(leaf):
    for path in python_files(leaf):
        for name, _ in imports(path):
            allowed = any(is_in(name, f"checkpointer.{part}") for part in (leaf, *BELOW))
            assert allowed or not is_in(name, "checkpointer"), f"{path} imports {name}"


def test_only_the_hook_the_codemod_and_the_commands_import_the_rewriter():
    for path in python_files("checkpointer"):
        for name, _ in imports(path):
            if is_in(name, "checkpointer.transforms") or is_in(name, "libcst"):
                assert path.name in (
                    "cells.py",
                    "codemod.py",
                    "compiled.py",
                    "decorator.py",
                    "hook.py",
                    "meanings.py",
                    "showing.py",
                    "stepping.py",
                ), f"{path} imports {name}"


def test_who_imports_ipython():
    for package, path in SOURCES:
        for name, _ in imports(path):
            if is_in(name, "IPython"):
                assert path.name in ("displays.py", "notebook.py"), f"{path} imports {name}"
            if is_in(name, "checkpointer.notebook"):
                assert module_name(package, path) == "checkpointer", f"{path} imports {name}"


def test_the_runtime_does_not_import_the_commands():
    for path in python_files("checkpointer"):
        for name, _ in imports(path):
            if is_in(name, "checkpointer.cli") or is_in(name, "click"):
                assert path.name == "__main__.py", f"{path} imports {name}"


def test_only_the_storage_knows_of_hdf5():
    for package, path in SOURCES:
        for name, _ in imports(path):
            assert not is_in(name, "h5py") or package == "checkpointer.storage", f"{path} imports {name}"


@pytest.mark.parametrize(
    "name",
    [
        "checkpointer",
        "checkpointer.hook",
        "checkpointer.numpy",
        "checkpointer.runtime",
        "checkpointer.storage",
    ],
)
def test_import_is_light(name):
    """Neither the rewriter nor the commands nor optional packages are loaded before they are needed."""
    heavy = [*OPTIONAL, "checkpointer.transforms", "checkpointer.cli"]
    program = (
        f"import sys, {name}; checkpointer.HDF5Storage(); print(*[n for n in {heavy} if n in sys.modules])"
    )
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stdout.strip()) == (0, ""), finished.stderr


@pytest.mark.parametrize(("package", "path"), SOURCES, ids=IDS)
def test_every_module_can_be_imported(package, path):
    importlib.import_module(module_name(package, path))


def test_modules_are_those_of_this_checkout():
    """Tests that ran against another installation would prove nothing."""
    for package, folder in FOLDERS.items():
        found = importlib.import_module(package).__file__
        assert os.path.realpath(found) == str((ROOT / folder / "__init__.py").resolve())
