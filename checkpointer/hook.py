"""The import hook: modules whose marked loops are transformed while they load.

Nothing but the named modules is touched. The hook asks Python's own finders where a module is; if it is a source file,
the module gets a loader that rewrites it on its way to the compiler, or takes what was compiled the last time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType, TracebackType

from checkpointer import cached
from checkpointer.errors import ArgumentError
from checkpointer.loaders import TransformingLoader, TransformingZipLoader, transforming
from checkpointer.patterns import check_patterns, matches


class Selection:
    """Which modules are transformed: those that a pattern stands for, and those that lie in a folder."""

    def __init__(self, patterns: Sequence[str], folder: str | None = None) -> None:
        self.patterns = patterns
        self.folder = folder

    def __call__(self, spec: ModuleSpec) -> bool:
        """Whether the module of this spec is one of them."""
        return matches(spec.name, self.patterns) or (
            self.folder is not None and self._lies_in(self.folder, spec)
        )

    @staticmethod
    def _lies_in(folder: str, spec: ModuleSpec) -> bool:
        """Whether it was found in the folder by its own name; an environment that is kept there is not."""
        stem = os.path.join(folder, *spec.name.split("."))
        return spec.origin in (f"{stem}.py", os.path.join(stem, "__init__.py"))


class ImportHook:
    """A hook that `install_import_hook` has installed; as a context manager it uninstalls itself at the end."""

    def __init__(self, wanted: Callable[[ModuleSpec], bool]) -> None:
        self._wanted = wanted

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the other finders give, with a loader that transforms if the module is wanted."""
        if fullname.partition(".")[0] == "checkpointer":
            return None
        spec = self._found_by_others(fullname, path, target)
        return transforming(spec) if spec is not None and self._wanted(spec) else spec

    def _found_by_others(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        finders = list(sys.meta_path)
        # those before it were asked already
        behind = finders[finders.index(self) + 1 :] if self in finders else []
        for finder in behind:
            find_spec = getattr(finder, "find_spec", None)
            if find_spec is not None:
                spec: ModuleSpec | None = find_spec(fullname, path, target)
                if spec is not None:
                    return spec
        return None

    def install(self) -> ImportHook:
        """Put the hook in front of all finders."""
        sys.meta_path.insert(0, self)
        return self

    def uninstall(self) -> None:
        """Transform no further modules; those that were imported stay as they are. Does nothing the second time."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def __enter__(self) -> ImportHook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.uninstall()


def install_import_hook(*modules: str) -> ImportHook:
    """Transform the marked loops of these modules when they are imported.

    Parameters
    ----------
    *modules : str
        Dotted names. ``"pkg"`` stands for the module or package and everything below it. ``*``, ``?`` and
        ``[...]`` match as in a shell, and match dots too: ``"pkg.*"`` stands for everything below ``pkg``, but not
        for ``pkg`` itself.

    Returns
    -------
    ImportHook
        Call its ``uninstall()``, or use it in a ``with`` statement, to end the transformation of further imports.

    Raises
    ------
    ArgumentError
        If no module is named, a name is no dotted name, or such a module was imported before. A module
        that was imported through a hook already is not an error.

    Notes
    -----
    Modules of the named packages that have no source file (extension modules, bare bytecode) load as they are.
    A module that is not hooked may still be called from a marked loop.

    Examples
    --------
    >>> from checkpointer import install_import_hook
    >>> with install_import_hook("heat", "ocean.models.*"):
    ...     pass  # import heat
    """
    if not modules:
        raise ArgumentError('install_import_hook() was given no module: name at least one, such as "heat"')
    cached.maker()  # looks at the rewriter now, not while a module is imported
    return hook_of(modules, "install_import_hook()").install()


def hook_of(patterns: Sequence[str], given_to: str) -> ImportHook:
    """The hook for these patterns; ``given_to`` says in the message who was given what is refused."""
    check_patterns(patterns, given_to)
    _check_not_imported(patterns, given_to)
    return ImportHook(Selection(patterns))


def _check_not_imported(patterns: Sequence[str], given_to: str) -> None:
    for name, module in list(sys.modules.items()):
        matching = [pattern for pattern in patterns if matches(name, [pattern])]
        loader = getattr(getattr(module, "__spec__", None), "loader", None) if matching else None
        if not matching or isinstance(loader, (TransformingLoader, TransformingZipLoader)):
            continue
        if name == "__main__":
            raise ArgumentError(
                f"{given_to} was given the program itself, which is running already: start it with"
                " `checkpointer run FILE`, or move the marked loops to a module and hook that"
            )
        raise ArgumentError(
            f"{given_to} was given {matching[0]!r}, but {name!r} has been imported already and can no"
            f" longer be transformed: install the hook before importing {name}"
        )
