"""Imports that something needs, though no statement of the rewritten file does, and their order where it may matter."""

import sys
import types

import pytest

from checkpointer.transforms import rewrite_source

LOOP = """
def run(u):
    for i in checkpointed(range(3), Revolve(2)):
        u = u * 2.0
    return u
"""


def written(head, **options):
    return rewrite_source(head + LOOP, "rod.py", ["Revolve"], version="1", **options).code


@pytest.mark.parametrize(
    "use",
    [
        '__all__ = ["run", "checkpointed"]',
        'mark = eval("checkpointed")',
        'import sys\n\nmark = getattr(sys.modules[__name__], "checkpointed")',
        "del checkpointed\nfrom checkpointer import checkpointed",
    ],
)
def test_a_mark_that_is_needed_otherwise_stays(use, monkeypatch):
    module = types.ModuleType("rod")
    monkeypatch.setitem(sys.modules, "rod", module)
    code = written(f"from checkpointer import Revolve, checkpointed\n{use}\n")
    exec(code, vars(module))
    assert module.run(1.0) == 8.0
    exec("from rod import *", {})
    assert callable(module.checkpointed)


def test_a_mark_that_nothing_needs_goes():
    source = '"""Uses checkpointed."""\n\nfrom checkpointer import Revolve, checkpointed\n'
    assert "import Revolve\n" in written(source)


def test_what_is_only_run_keeps_every_import():
    """Other modules may import the mark from there."""
    source = "from checkpointer import Revolve, checkpointed\n"
    assert source in written(source, line_length=None)


def imports(code):
    return [line for line in code.splitlines() if line.startswith(("import ", "from "))]


def test_numpy_is_not_loaded_before_what_came_first():
    """It may set a variable that NumPy reads when it is loaded."""
    source = (
        "from threads import limit\nimport numpy as np\n\nfrom checkpointer import Revolve, checkpointed\n"
    )
    assert imports(written(source))[0] == "from threads import limit"
    source = "import settings\n\nimport numpy as np\n\nfrom checkpointer import Revolve, checkpointed\n"
    assert imports(written(source))[0] == "import settings"


def test_imports_in_the_order_of_the_alphabet_stay_so():
    source = "import numpy as np\nfrom zarr import open\n\nfrom checkpointer import Revolve, checkpointed\n"
    found = imports(written(source))
    assert found[:2] == ["from checkpointer import Revolve", "from checkpointer import numpy as np"]
    assert found[-1] == "from zarr import open"
