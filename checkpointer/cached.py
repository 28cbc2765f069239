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
import time
from collections.abc import Callable
from types import CodeType

from checkpointer.code_objects import remade
from checkpointer.errors import TransformError
from checkpointer.version import VERSION

_HEAD = b"CKPcode\n"
_MADE_BY, _TEXT, _STATE, _CHECKSUM = (slice(start, start + 8) for start in range(len(_HEAD), 40, 8))
_BODY = _CHECKSUM.stop
_LEFT_BEHIND = 3600.0
"""Seconds after which an unfinished file can belong to nobody who is still writing it."""
_SETTLED = 2_000_000_000
"""Nanoseconds after which another change of a file has another time, by whatever clock the file system keeps."""
_IMPORTED = time.time_ns()


def code_at(path: str, read: Callable[[str], bytes]) -> CodeType:
    """The code object of a source file, transformed: the cached one, or one that is made and cached now.

    The file is not even read, if it is known by its times, size and number to be what it was.

    Parameters
    ----------
    path : str
        Where it lies. The code object says that it is from there, also if it was cached elsewhere.
    read : callable
        Reads a file.

    Raises
    ------
    SyntaxError
        If the file is not Python, as Python itself raises it.
    TransformError
        If a marked loop cannot be rewritten.
    """
    state = _state(path)  # before it is read: what changes later has another state
    stored = _stored(path)
    if stored is not None and state is not None and stored[_STATE] == state:
        code = _code_in(stored, path)
        if code is not None:
            return code
    return _checked(read(path), path, stored, state)


def code_of(data: bytes, path: str) -> CodeType:
    """The code object of these contents of a file; the same as `code_at` in all else."""
    return _checked(data, path, _stored(path), None)


def _checked(data: bytes, path: str, stored: bytes | None, state: bytes | None) -> CodeType:
    """The cached code, if it was made from these contents, or code that is made and cached now."""
    text = importlib.util.source_hash(data)
    code = _code_in(stored, path) if stored is not None and stored[_TEXT] == text else None
    known = code is not None
    if code is None:
        code = compiled(data, path)
    if not known or state is not None:
        _save(code, path, text, state)
    return code


def compiled(data: bytes, path: str) -> CodeType:
    """The code object of a source file, transformed now; it raises what `code_at` raises."""
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


def _made_by(path: str) -> bytes | None:
    """What tells code from that of other versions, other Pythons and files of other names."""
    made_by = maker()
    # the name is in what the rewriter writes; two files may have one cache: a script `heat.sim` and a module `heat.py`
    return made_by and importlib.util.source_hash(made_by + os.fsencode(os.path.basename(path)))


def _state(path: str) -> bytes | None:
    """What changes when the file changes; None while it is so new that another change could go unnoticed.

    A program may set the time of a change back, but not that of the change of the file's entry, which is the system's.
    """
    if os.name != "posix":
        return None
    try:
        file = os.stat(path)
    except OSError:
        return None
    if time.time_ns() - max(file.st_mtime_ns, file.st_ctime_ns) < _SETTLED:
        return None
    facts = (file.st_mtime_ns, file.st_ctime_ns, file.st_size, file.st_ino)
    return importlib.util.source_hash(repr(facts).encode())


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
    rewriter, ours = _folder("checkpointer.transforms"), os.path.dirname(__file__)
    return [
        *(os.path.join(rewriter, name) for name in sorted(os.listdir(rewriter)) if name.endswith(".py")),
        *(os.path.join(ours, name) for name in ("code_objects.py", "compiled.py", "stepping.py")),
        os.path.join(_folder("checkpointer.schemes"), "catalogue.py"),  # the names that a comment may use
        os.path.join(_folder("libcst"), "_version.py"),
    ]


def _folder(package: str) -> str:
    """Where a package lies, which is not imported to find out."""
    spec = importlib.util.find_spec(package)
    (folder,) = spec.submodule_search_locations  # type: ignore[union-attr, misc]
    return folder


def _stored(path: str) -> bytes | None:
    """The cache of a source file; None if there is none, or it is not ours, or another maker's."""
    place, made_by = cache_of(path), _made_by(path)
    if place is None or made_by is None:
        return None
    try:
        with open(place, "rb") as file:
            stored = file.read()
    except OSError:
        return None
    return stored if stored.startswith(_HEAD + made_by) else None


def _code_in(stored: bytes, path: str) -> CodeType | None:
    """The code object in a cache; None if it is damaged."""
    body = memoryview(stored)[_BODY:]
    if stored[_CHECKSUM] != importlib.util.source_hash(body):
        return None
    code = marshal.loads(body)
    return _at(path, code) if isinstance(code, CodeType) else None


def _save(code: CodeType, path: str, text: bytes, state: bytes | None) -> None:
    """Write a cache file, whole or not at all; silently not, where that is impossible."""
    place, made_by = cache_of(path), _made_by(path)
    if place is None or made_by is None or sys.dont_write_bytecode:
        return
    body = marshal.dumps(code)
    unfinished = f"{place}.{os.urandom(8).hex()}"  # ranks on several nodes may have the same process number
    try:
        mode = os.stat(path).st_mode & 0o666 | 0o200  # who may not read the source may not read its code
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            checksum = importlib.util.source_hash(body)
            file.write(b"".join([_HEAD, made_by, text, state or bytes(8), checksum, body]))
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
    return remade(code, lambda each: each.replace(co_filename=path))
