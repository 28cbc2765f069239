"""Hooks that the environment asks for, installed when Python starts: ``checkpointer.pth`` calls `install`.

``CHECKPOINTER_HOOK="heat, ocean.models.*"`` is for programs that nobody wants to edit. ``CHECKPOINTER_RUN`` is our own:
by it ``checkpointer run`` tells the processes that `multiprocessing` starts afresh what is transformed in the
program whose functions they are to run.

Whatever is wrong here must not keep Python from starting, and programs that have nothing to do with it must not notice
it: it is reported, and nothing is imported before a module is wanted but what looks at its name.
"""

from __future__ import annotations

import functools
import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from types import CodeType

from checkpointer.errors import ArgumentError
from checkpointer.hook import ImportHook, Selection, hook_of
from checkpointer.loaders import TransformingLoader

HOOK = "CHECKPOINTER_HOOK"
RUN = "CHECKPOINTER_RUN"
_WORKERS = ("from multiprocessing.spawn import", "from multiprocessing.forkserver import")


@functools.cache
def install() -> None:
    """Install the hooks that the environment asks for, once: in a virtual environment Python reads a .pth file twice."""
    try:
        patterns = [pattern for each in os.environ.get(HOOK, "").split(",") if (pattern := each.strip())]
        if patterns:
            hook_of(patterns, HOOK).install()
        if RUN in os.environ and any(argument.startswith(_WORKERS) for argument in sys.orig_argv):
            _install_run(os.environ[RUN])
    except (ArgumentError, KeyError, TypeError, ValueError) as error:
        print(f"checkpointer: {error}. Nothing is transformed.", file=sys.stderr)


def tell_workers(selection: Selection, script: str | None) -> None:
    """Have the same transformed in the processes that this one starts by `multiprocessing`.

    Parameters
    ----------
    selection : Selection
        What is transformed here.
    script : str, optional
        The file of the program, which such a process runs again, under another name, to find its functions.
    """
    import json

    told = {"patterns": selection.patterns, "folder": selection.folder, "script": script}
    os.environ[RUN] = json.dumps(told)


def _install_run(told: str) -> None:
    """Transform what `checkpointer run` told to."""
    import json

    run = json.loads(told)
    ImportHook(Selection(run["patterns"], run["folder"])).install()
    script = run["script"]
    if script is not None:
        sys.path_hooks.insert(0, lambda path: _ScriptFinder(path, script))


class _ScriptFinder:
    """Finds the script, transformed, for `runpy.run_path`, by which a worker of `multiprocessing` runs it."""

    def __init__(self, path: str, script: str) -> None:
        if path != script:
            raise ImportError(f"{path} is not the script")
        self._loader = _ScriptLoader("__main__", script)

    def find_spec(self, fullname: str, target: object = None) -> ModuleSpec | None:
        """The spec of the script, which is asked for as ``__main__``."""
        if fullname != "__main__":
            return None
        self._loader.spec = spec_from_file_location(fullname, self._loader.path, loader=self._loader)
        return self._loader.spec


class _ScriptLoader(TransformingLoader):
    spec: ModuleSpec | None = None

    def get_code(self, fullname: str) -> CodeType:
        """The code of the script, which loses its name: a worker of this worker has to find it by its path, too."""
        if self.spec is not None:
            self.spec.name = None  # type: ignore[assignment]
        return super().get_code(fullname)
