"""What Python can run, found and compiled with its marked loops transformed: a script, a module, a folder, a zip file."""

from __future__ import annotations

import builtins
import importlib.util
import os
import pkgutil
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

import click

from checkpointer.cached import code_of
from checkpointer.cli import source
from checkpointer.loaders import transforming


@dataclass(frozen=True)
class Program:
    """A program that is ready to run."""

    code: CodeType
    main: ModuleType
    """An empty ``__main__`` with the attributes that Python gives it."""
    argv0: str


def holds_main(path: str) -> bool:
    """Whether Python would look for a ``__main__.py`` in there: in a folder or a zip file."""
    return pkgutil.get_importer(path) is not None


def script(path: str) -> Program:
    """A program that is one file, as for ``python FILE``."""
    place = os.path.abspath(path)
    data = source.read(Path(path))
    with source.python_from(Path(path)):
        code = code_of(data, place)
    loader = SourceFileLoader("__main__", place)
    return Program(code, _main(__file__=place, __loader__=loader, __cached__=None), path)


def folder(path: str) -> Program:
    """A program that is a folder or a zip file with a ``__main__.py``, as for ``python FOLDER``."""
    finder = pkgutil.get_importer(os.path.abspath(path))
    spec = finder.find_spec("__main__") if finder else None
    if spec is None:
        raise click.ClickException(f"can't find '__main__' module in {path!r}")
    return _of_spec(transforming(spec), path)


def module(name: str) -> Program:
    """A program that is a module, or a package with a module ``__main__``, as for ``python -m NAME``.

    The packages that it lies in are imported.
    """
    spec = _found(name)
    if spec.submodule_search_locations is not None and not name.endswith(".__main__"):
        try:
            spec = _found(f"{name}.__main__")
        except click.ClickException as error:
            raise click.ClickException(
                f"{error.message}; {name!r} is a package and cannot be directly executed"
            ) from None
    return _of_spec(spec, spec.origin or name)


def _found(name: str) -> ModuleSpec:
    if name.startswith("."):
        raise click.ClickException("relative module names are not supported")
    package = name.rpartition(".")[0]
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise  # something that the package imports
        spec = None
    except ValueError:  # a module without a spec, such as `__main__`
        spec = None
    if spec is None:
        advice = f"; try {package!r}, without .py" if name.endswith(".py") else ""
        raise click.ClickException(f"no module named {name}{advice}")
    return spec


def _of_spec(spec: ModuleSpec, argv0: str) -> Program:
    get_code = getattr(spec.loader, "get_code", None)
    with source.python_from(Path(spec.origin or spec.name)):
        code = get_code(spec.name) if get_code else None
    if code is None:
        raise click.ClickException(f"no code object available for {spec.name}")
    main = _main(
        __file__=spec.origin,
        __loader__=spec.loader,
        __package__=spec.parent,
        __spec__=spec,
        __cached__=spec.cached,
    )
    return Program(code, main, argv0)


def _main(**attributes: object) -> ModuleType:
    main = ModuleType("__main__")
    vars(main).update(__builtins__=builtins, __annotations__={}, **attributes)
    return main
