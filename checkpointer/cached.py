"""Transformed code, cached as Python caches bytecode: in ``__pycache__``, under a name of its own.

A cache file holds the code object of one source file, together with a key and a checksum. The key is made of
everything that the code depends on: the text of the file, Python, checkpointer, and the files of the rewriter, which change
from one edit to the next in a checkout whose version stays the same. A file whose key or checksum is not the right one is
not used but replaced. Nothing here imports the rewriter unless something is really transformed.
"""

from __future__ import annotations

import functools
import importlib.util
import marshal
import os
import sys
import threading
import time
from types import CodeType

from checkpointer.errors import TransformError
from checkpointer.version import VERSION

_HEAD = b"CKPcode\n"
_KEY = slice(len(_HEAD), len(_HEAD) + 8)
_CHECKSUM = slice(_KEY.stop, _KEY.stop + 8)
_LEFT_BEHIND = 3600.0
"""Seconds after which an unfinished file can belong to nobody who is still writing it."""
_IMPORTED = time.time_ns()


def code_of(data: bytes, path: str) -> CodeType:
    """The code object of a source file, transformed: the cached one, or one that is made and cached now.

    Parameters
    ----------
    data : bytes
        The contents of the file.
    path : str
        Where it lies. The code object says that it is from there, also if it was cached elsewhere.

    Raises
    ------
    SyntaxError
        If the file is not Python, as Python itself raises it.
    TransformError
        If a marked loop cannot be rewritten.
    """
    place, key = cache_of(path), _key(data, path)
    code = _load(place, key) if place and key else None
    if code is not None:
        return _at(path, code)
    code = compiled(data, path)
    if place and key and not sys.dont_write_bytecode:
        _save(place, key, code, path)
    return code


def compiled(data: bytes, path: str) -> CodeType:
    """The code object of a source file, transformed now; it raises what `code_of` raises."""
    from checkpointer.compiled import compile_file  # imports the rewriter, which only now is needed

    try:
        return compile_file(data, path)
    except TransformError as error:
        raise error.with_traceback(None) from None  # the rewriter's own frames say nothing to the user


def cache_of(path: str) -> str | None:
    """Where the transformed code of a source file is cached; None if this Python caches nothing.

    >>> import os
    >>> os.path.basename(cache_of("heat.py"))  # doctest: +SKIP
    'heat.cpython-311.opt-checkpointer.pyc'
    """
    level = sys.flags.optimize or ""
    try:
        return importlib.util.cache_from_source(path, optimization=f"checkpointer{level}")
    except NotImplementedError:
        return None


def _key(data: bytes, path: str) -> bytes | None:
    """What tells this file's code from that of every other file, version and Python."""
    made_by = maker()
    # the name is in what the rewriter writes; two files may have one cache: a script `heat` and a module `heat.py`
    return made_by and importlib.util.source_hash(
        b"\0".join([made_by, os.fsencode(os.path.basename(path)), data])
    )


@functools.cache
def maker() -> bytes | None:
    """What makes the code: Python, checkpointer, and the files of the rewriter as they are now.

    None, so that nothing is cached, if they cannot be seen, or were edited after this process had started, which may
    have imported them before that. They are looked at once in a process: by the hook, when it is installed.
    """
    try:
        files = [os.stat(path) for path in files_of_maker()]
    except (OSError, ImportError, ValueError, AttributeError):  # packed in a zip file, for example
        return None
    if max(file.st_mtime_ns for file in files) > _IMPORTED:
        return None
    facts = [VERSION, importlib.util.MAGIC_NUMBER, sys.flags.optimize]
    return repr(facts + [(file.st_size, file.st_mtime_ns) for file in files]).encode()


def files_of_maker() -> list[str]:
    """The files that decide what is made of a user's file."""
    rewriter = _folder("checkpointer.transforms")
    return [
        *(os.path.join(rewriter, name) for name in sorted(os.listdir(rewriter)) if name.endswith(".py")),
        os.path.join(os.path.dirname(__file__), "compiled.py"),
        os.path.join(os.path.dirname(__file__), "stepping.py"),
        os.path.join(_folder("checkpointer.schemes"), "catalogue.py"),  # the names that a comment may use
        os.path.join(_folder("libcst"), "_version.py"),
    ]


def _folder(package: str) -> str:
    """Where a package lies, which is not imported to find out."""
    spec = importlib.util.find_spec(package)
    (folder,) = spec.submodule_search_locations  # type: ignore[union-attr, misc]
    return folder


def _load(place: str, key: bytes) -> CodeType | None:
    """The code object of a cache file; None if there is none, or it is another file's, damaged, or not ours."""
    try:
        with open(place, "rb") as file:
            stored = file.read()
    except OSError:
        return None
    body = memoryview(stored)[_CHECKSUM.stop :]
    if not stored.startswith(_HEAD + key) or stored[_CHECKSUM] != importlib.util.source_hash(body):
        return None
    code = marshal.loads(body)
    return code if isinstance(code, CodeType) else None


def _save(place: str, key: bytes, code: CodeType, path: str) -> None:
    """Write a cache file, whole or not at all; silently not, where that is impossible."""
    body = marshal.dumps(code)
    unfinished = f"{place}.{os.getpid()}-{threading.get_ident()}"
    try:
        mode = os.stat(path).st_mode & 0o666 | 0o200  # who may not read the source may not read its code
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(b"".join([_HEAD, key, importlib.util.source_hash(body), body]))
        os.replace(unfinished, place)
    except OSError:
        _remove(unfinished)
    _clear(place)


def _clear(place: str) -> None:
    """Remove what writers of this cache file left behind when they were killed."""
    folder, name = os.path.split(place)
    latest = time.time() - _LEFT_BEHIND
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(f"{name}.") and entry.stat().st_mtime < latest:
                    _remove(entry.path)
    except OSError:
        pass


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def _at(path: str, code: CodeType) -> CodeType:
    """The same code, from this file: a cache may have moved with its source."""
    if code.co_filename == path:
        return code
    constants = tuple(_at(path, each) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_filename=path, co_consts=constants)
