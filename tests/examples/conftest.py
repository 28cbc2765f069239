"""How the tests of the examples load them: as they stand, or rewritten by the import hook."""

import importlib
import sys
from pathlib import Path

import pytest

import checkpointer

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def load_example():
    """``load_example(name, rewritten=...)``: a fresh module each time, which stays out of sys.modules."""

    def load(name, *, rewritten):
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.syspath_prepend(EXAMPLES)
            sys.modules.pop(name, None)
            try:
                if rewritten:
                    with checkpointer.install_import_hook(name):
                        return importlib.import_module(name)
                return importlib.import_module(name)
            finally:
                sys.modules.pop(name, None)

    return load
