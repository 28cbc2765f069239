"""`transforms` is a leaf: the standard library, libcst and the errors are all it imports."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from checkpointer import transforms

FILES = sorted(Path(transforms.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_imports(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module or "")
    for module in imported:
        root = module.partition(".")[0]
        inside = module == "checkpointer.errors" or f"{module}.".startswith("checkpointer.transforms.")
        assert inside or root == "libcst" or root in sys.stdlib_module_names, module


def test_the_folder_was_found():
    assert {"pipeline.py", "fence.py", "outline.py"} <= {path.name for path in FILES}
