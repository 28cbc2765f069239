"""schemes/ and storage/ import the standard library, NumPy, what lies below; storage/ also what it writes files with."""

import ast
import importlib
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("folder", "libraries"), [("schemes", ()), ("storage", ("h5py", "hdf5plugin", "xxhash"))]
)
def test_imports(folder, libraries):
    root = Path(importlib.import_module(f"checkpointer.{folder}").__file__).parent
    for path in root.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module]
            for name in names:
                below = name in ("checkpointer.errors", "checkpointer.lazy")
                own = below or name.startswith(f"checkpointer.{folder}.")
                assert own or name.split(".")[0] in {"numpy", *libraries, *sys.stdlib_module_names}, (
                    f"{path.name} imports {name}"
                )
