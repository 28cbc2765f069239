"""Python's loaders of source files, which transform what they load."""

from __future__ import annotations

import importlib.util
import os
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType
from typing import Any
from zipimport import zipimporter

from checkpointer.cached import cache_of, code_at, compiled


class TransformingLoader(SourceFileLoader):
    """Loads a source file with its marked loops transformed.

    It leaves Python's own cache files alone, which hold what the plain file compiles to.
    """

    def get_code(self, fullname: str) -> CodeType:
        """The code object of the module; the user's file and lines are its own."""
        return code_at(self.get_filename(fullname), self.get_data)


class TransformingZipLoader(zipimporter):
    """Loads a source file that lies in a zip file with its marked loops transformed.

    It caches nothing: neither does Python, which compiles such a file at each import.
    """

    def __init__(self, found: zipimporter, path: str) -> None:
        super().__init__(os.path.join(found.archive, found.prefix))
        self.path = path

    def get_filename(self, fullname: str) -> str:
        """The file in the zip file, as a path behind that of the zip file."""
        return self.path

    def get_source(self, fullname: str) -> str:
        """The text of the module, in the encoding that it names."""
        return importlib.util.decode_source(self.get_data(self.path))

    def get_code(self, fullname: str) -> CodeType:
        """The code object of the module; the user's file and lines are its own."""
        return compiled(self.get_data(self.path), self.path)


def transforming(spec: ModuleSpec) -> ModuleSpec:
    """Have a module transformed when it loads, if a loader of Python's own would load it from its source."""
    loader: Any = spec.loader
    # a subclass belongs to another hook, whose work must not be lost
    if type(loader) is SourceFileLoader:
        spec.loader = TransformingLoader(loader.name, loader.path)
        spec.cached = cache_of(loader.path)
    elif type(loader) is zipimporter and spec.origin is not None:
        path = spec.origin.removesuffix("c")  # Python prefers a compiled file
        if _holds(loader, path):
            spec.origin = path
            spec.loader = TransformingZipLoader(loader, path)  # type: ignore[assignment]
    return spec


def _holds(loader: zipimporter, path: str) -> bool:
    try:
        loader.get_data(path)
    except OSError:
        return False
    return True
