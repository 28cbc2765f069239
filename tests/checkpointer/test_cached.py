"""The cache of transformed code: where it lies, when it is used, and that nothing wrong ever comes out of it."""

import ast
import importlib.util
import os
import py_compile
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from checkpointer import TransformError, cached
from checkpointer.cached import cache_of, code_at, code_of

TEXT = b"""\
import numpy as np

from checkpointer import Revolve, checkpointed


def simulate(u, steps):
    for step in checkpointed(range(steps), Revolve(snapshots=2)):
        u = 0.5 * u
    return np.sum(u)
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def writes(monkeypatch):
    """Also where the tests run in an environment that writes no bytecode."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)


@pytest.fixture
def made(monkeypatch):
    """The paths of the files that were transformed, instead of taken from the cache."""
    paths = []
    compiled = cached.compiled
    monkeypatch.setattr(cached, "compiled", lambda data, path: paths.append(path) or compiled(data, path))
    return paths


@pytest.fixture
def heat(tmp_path):
    file = tmp_path / "heat.py"
    file.write_bytes(TEXT)
    return str(file)


def test_the_second_time_it_comes_from_the_cache(heat, made):
    first = code_of(TEXT, heat)
    assert made == [heat]
    second = code_of(TEXT, heat)
    assert made == [heat]
    assert first == second
    assert "simulate_loop1_reverse" in second.co_names
    cache = Path(cache_of(heat))
    assert cache.parent == Path(heat).parent / "__pycache__"
    assert cache.name == f"heat.{sys.implementation.cache_tag}.opt-checkpointer.pyc"
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]


def test_what_is_read_from_the_cache_needs_no_rewriter(heat, tmp_path):
    program = (
        "import sys; sys.path.insert(0, '.'); import checkpointer; checkpointer.install_import_hook('heat'); import heat;"
        "print('libcst' in sys.modules, 'checkpointer.transforms' in sys.modules, heat.__cached__)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    printed = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert printed == [f"True True {cache_of(heat)}\n", f"False False {cache_of(heat)}\n"]


def test_another_text_of_the_same_size_and_time(heat, made):
    """Two edits within one tick of the file system's clock."""
    code_of(TEXT, heat)
    other = TEXT.replace(b"0.5", b"0.7")
    stat = os.stat(heat)
    Path(heat).write_bytes(other)
    os.utime(heat, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert code_of(other, heat) == cached.compiled(other, heat) != code_of(TEXT, heat)
    assert len(made) == 4


@pytest.fixture
def reads():
    """The paths of the files that were read, and a function that reads."""
    paths = []

    def read(path):
        paths.append(path)
        return Path(path).read_bytes()

    return paths, read


def test_a_file_that_is_known_is_not_read(heat, made, monkeypatch, reads):
    """A file that was changed just now is read once more, when a further change cannot have the same time."""
    paths, read = reads
    first = code_at(heat, read)
    code_at(heat, read)
    assert paths == [heat, heat]
    monkeypatch.setattr(cached, "_SETTLED", -(10**12))
    assert code_at(heat, read) == first
    assert len(paths) == 3
    assert code_at(heat, read) == code_of(TEXT, heat) == first
    assert len(paths) == 3
    assert made == [heat]


@pytest.mark.parametrize("how", ["written in place", "replaced", "damaged cache"])
def test_a_known_file_that_changes(heat, made, monkeypatch, reads, how, tmp_path):
    """Its size and its time remain as they were."""
    paths, read = reads
    monkeypatch.setattr(cached, "_SETTLED", -(10**12))
    code_at(heat, read)
    code_at(heat, read)
    assert paths == [heat]
    stat = os.stat(heat)
    other = TEXT.replace(b"0.5", b"0.7")
    if how == "written in place":
        Path(heat).write_bytes(other)
        os.utime(heat, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif how == "replaced":
        (tmp_path / "other.py").write_bytes(other)
        os.utime(tmp_path / "other.py", ns=(stat.st_atime_ns, stat.st_mtime_ns))
        os.replace(tmp_path / "other.py", heat)
    else:
        cache = Path(cache_of(heat))
        cache.write_bytes(flipped(cache.read_bytes(), 60))
        other = TEXT
    assert code_at(heat, read) == cached.compiled(other, heat)
    assert paths == [heat, heat]


def test_a_change_while_the_file_is_read(heat, made, monkeypatch):
    """What was known before it was read does not stand for what came then."""
    monkeypatch.setattr(cached, "_SETTLED", -(10**12))
    other = TEXT.replace(b"0.5", b"0.7")

    def read(path):
        data = Path(path).read_bytes()
        Path(path).write_bytes(other)
        return data

    assert code_at(heat, read) == cached.compiled(TEXT, heat)
    assert code_at(heat, lambda path: Path(path).read_bytes()) == cached.compiled(other, heat)


def test_another_name_for_the_same_text(heat, made):
    """What the rewriter writes names the file; a script may have the cache of the module beside it."""
    script = heat.replace(".py", ".script")
    Path(script).write_bytes(TEXT)
    assert cache_of(script) == cache_of(heat)
    code_of(TEXT, heat)
    assert code_of(TEXT, script).co_filename == script
    assert code_of(TEXT, heat).co_filename == heat
    assert made == [heat, script, heat]


@pytest.mark.parametrize("change", ["VERSION", "a file", "Python"])
def test_another_maker(heat, made, monkeypatch, change, tmp_path):
    """A new version, an edited rewriter (whose version stays), a new Python: each transforms anew."""
    edited = tmp_path / "rewriter.py"
    edited.write_text("x = 1\n")
    os.utime(edited, (1e9, 1e9))
    files = cached.files_of_maker()
    monkeypatch.setattr(cached, "files_of_maker", lambda: [*files, str(edited)])
    cached.maker.cache_clear()
    code_of(TEXT, heat)
    if change == "VERSION":
        monkeypatch.setattr(cached, "VERSION", "99.0")
    elif change == "a file":
        os.utime(edited, (1e9, 1e9 + 1))
    else:
        monkeypatch.setattr(importlib.util, "MAGIC_NUMBER", b"later")
    for _ in range(2):
        cached.maker.cache_clear()
        code_of(TEXT, heat)
    assert made == [heat, heat]
    cached.maker.cache_clear()


def test_a_rewriter_that_is_edited_while_the_process_runs(heat, made, monkeypatch, tmp_path):
    """The process may have imported what stood there before."""
    edited = tmp_path / "rewriter.py"
    edited.write_text("x = 1\n")
    os.utime(edited, (time.time() + 60, time.time() + 60))
    monkeypatch.setattr(cached, "files_of_maker", lambda: [str(edited)])
    cached.maker.cache_clear()
    code_of(TEXT, heat)
    assert not os.path.exists(cache_of(heat))
    cached.maker.cache_clear()


def test_the_files_of_the_maker_are_all_that_it_imports():
    """What decides about the code is compiled.py, with all of ours that it imports, and their imports in turn."""
    files = {os.path.realpath(path) for path in cached.files_of_maker()}
    pending, seen = [ROOT / "checkpointer" / "compiled.py"], set()
    while pending:
        path = pending.pop()
        if path in seen:
            continue
        seen.add(path)
        if path.match("schemes/*.py"):
            continue  # only the names of the schemes count, which stand in catalogue.py
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += (
                [f"{node.module}.{alias.name}" for alias in node.names]
                if names == [getattr(node, "module", None)]
                else []
            )
            pending += [file for name in names if (file := _file(name)) is not None]
    told = {"errors.py", "version.py"}  # refusals are not cached; the version is part of the key
    assert {
        str(path) for path in seen if path.parent.name != "checkpointer" or path.name not in told
    } <= files


def _file(name):
    parts = name.split(".")
    if parts[0] != "checkpointer" or len(parts) < 2:
        return None
    for place in (ROOT / "checkpointer", ROOT):
        for path in (
            place.joinpath(*parts[1:]).with_suffix(".py"),
            place.joinpath(*parts[1:], "__init__.py"),
        ):
            if path.is_file():
                return path.resolve()
    return None


def test_optimised_python_has_a_cache_of_its_own(heat):
    program = (
        "import sys; from checkpointer.cached import *; sys.dont_write_bytecode = False; sys.pycache_prefix = None;"
        f"text = b'assert 0'; code_of(text, {heat!r}); exec(code_of(text, {heat!r}));"
        f"print(cache_of({heat!r}))"
    )
    code_of(TEXT, heat)
    finished = subprocess.run(
        [sys.executable, "-OO", "-c", program], capture_output=True, text=True, check=True
    )
    plain = cache_of(heat)
    other = plain.replace("opt-checkpointer", "opt-checkpointer2")
    assert finished.stdout.strip() == other
    assert {str(path) for path in Path(plain).parent.iterdir()} == {plain, other}


def damages():
    yield "empty", lambda stored: b""
    yield "plain bytecode", lambda stored: plain_bytecode()
    yield "longer", lambda stored: stored + b"\0"
    yield "zeros", lambda stored: bytes(len(stored))
    for length in (1, 8, 15, 16, 23, 24, 31, 32, 39, 40, 41, 100, -100, -1):
        yield f"cut at {length}", lambda stored, length=length: stored[:length]
    for place in (0, 8, 16, 32, 40, 46, 200, -1):
        yield f"one bit at {place}", lambda stored, place=place: flipped(stored, place)


def flipped(stored, place):
    changed = bytearray(stored)
    changed[place] ^= 4
    return bytes(changed)


def plain_bytecode():
    return importlib.util.MAGIC_NUMBER + bytes(12) + b"\xe3" + bytes(40)


def test_a_damaged_cache_is_made_again(heat, made, monkeypatch):
    expected = code_of(TEXT, heat)
    cache = Path(cache_of(heat))
    whole = cache.read_bytes()
    monkeypatch.setattr(cached, "compiled", lambda data, path: made.append(path) or expected)
    kinds = list(damages())
    for kind, damage in kinds:
        assert damage(whole) != whole, kind
        cache.write_bytes(damage(whole))
        assert code_of(TEXT, heat) == expected, kind
        assert cache.read_bytes() == whole, kind
    assert len(made) == 1 + len(kinds)


def test_what_is_no_code_object(heat, made):
    import marshal

    code_of(TEXT, heat)
    body = marshal.dumps("no code")
    Path(cache_of(heat)).write_bytes(cached._stored(heat)[:32] + importlib.util.source_hash(body) + body)
    assert code_of(TEXT, heat).co_filename == heat
    assert made == [heat, heat]


def test_pythons_own_bytecode_is_another_file(heat):
    plain = py_compile.compile(heat, doraise=True)
    before = Path(plain).read_bytes()
    code_of(TEXT, heat)
    assert Path(plain).read_bytes() == before
    assert plain != cache_of(heat)


def test_no_bytecode_is_written_where_python_writes_none(heat, made, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    code_of(TEXT, heat)
    code_of(TEXT, heat)
    assert made == [heat, heat]
    assert os.listdir(os.path.dirname(heat)) == ["heat.py"]
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    code_of(TEXT, heat)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # what is there is read all the same
    code_of(TEXT, heat)
    assert made == [heat, heat, heat]


def test_the_prefix_of_all_caches(heat, made, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "elsewhere"))
    code_of(TEXT, heat)
    code_of(TEXT, heat)
    assert made == [heat]
    assert cache_of(heat).startswith(str(tmp_path / "elsewhere"))
    assert not os.path.exists(os.path.join(os.path.dirname(heat), "__pycache__"))


def test_where_no_folder_can_be_made(heat, made):
    """As in a folder that may not be written to, whoever runs the test."""
    folder = os.path.join(os.path.dirname(heat), "__pycache__")
    Path(folder).write_text("a file")
    assert code_of(TEXT, heat) == code_of(TEXT, heat)
    assert made == [heat, heat]


def test_where_the_cache_cannot_be_replaced(heat, made):
    os.makedirs(cache_of(heat))
    assert code_of(TEXT, heat) == code_of(TEXT, heat)
    assert made == [heat, heat]
    assert os.listdir(os.path.dirname(cache_of(heat))) == [os.path.basename(cache_of(heat))]


def test_a_python_without_caches(heat, made, monkeypatch):
    monkeypatch.setattr(sys.implementation, "cache_tag", None)
    assert cache_of(heat) is None
    code_of(TEXT, heat)
    assert made == [heat]


@pytest.mark.parametrize("text", [b"x = = 1\n", b"from checkpointer import checkpointed\ncheckpointed\n"])
def test_a_refusal_is_not_cached(heat, text):
    for _ in range(2):
        with pytest.raises((SyntaxError, TransformError)):
            code_of(text, heat)
    assert os.listdir(os.path.dirname(heat)) == ["heat.py"]


def test_a_tree_that_was_moved(heat, made, tmp_path):
    """A code object knows its file; Python, too, corrects this when it reads its cache."""
    code_of(TEXT, heat)
    (tmp_path / "moved").mkdir()
    os.rename(heat, tmp_path / "moved" / "heat.py")
    os.rename(tmp_path / "__pycache__", tmp_path / "moved" / "__pycache__")
    code = code_of(TEXT, str(tmp_path / "moved" / "heat.py"))
    assert made == [heat]
    pending, count = [code], 0
    while pending:
        code = pending.pop()
        count += 1
        assert code.co_filename == str(tmp_path / "moved" / "heat.py")
        pending += [constant for constant in code.co_consts if isinstance(constant, type(code))]
    assert count == 5


def test_whoever_may_not_read_the_source_may_not_read_the_cache(heat):
    before = os.umask(0o022)
    try:
        os.chmod(heat, 0o600)
        code_of(TEXT, heat)
    finally:
        os.umask(before)
    assert os.stat(cache_of(heat)).st_mode & 0o777 == 0o600


def test_what_killed_writers_left_behind_is_removed(heat):
    code_of(TEXT, heat)
    cache = cache_of(heat)
    left, recent, other = (Path(f"{cache}.1-1"), Path(f"{cache}.2-2"), Path(cache).with_name("heat.txt"))
    for path in (left, recent, other):
        path.write_bytes(b"")
    for path in (left, other):
        os.utime(path, (0, 0))
    code_of(TEXT + b"\n", heat)
    assert not left.exists()
    assert recent.exists()
    assert other.exists()


def test_threads_that_write_it_at_once(heat, monkeypatch):
    texts = [b"x = %d\n" % number for number in range(4)]
    expected = {text: compile(text, heat, "exec") for text in texts}
    monkeypatch.setattr(cached, "compiled", lambda data, path: expected[data])
    ready = threading.Barrier(8)

    def run(number):
        ready.wait(timeout=60)
        turn = texts[number % 4 :] + texts[: number % 4]
        return all(code_of(text, heat) == expected[text] for text in turn * 20)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(run, range(8)))
    assert os.listdir(os.path.dirname(cache_of(heat))) == [os.path.basename(cache_of(heat))]


WRITER = """
import sys
from checkpointer import cached
sys.dont_write_bytecode, sys.pycache_prefix = False, None
path = sys.argv[1]
compiled = {text: compile(text, path, "exec") for text in (b"x = 1", b"x = 2")}
cached.compiled = lambda data, path: compiled[data]  # so that nearly all of the time is spent writing and reading
print("ready", flush=True)
sys.stdin.readline()
for turn in range(300):
    for text, code in compiled.items():
        assert cached.code_of(text, path) == code
"""


def test_processes_that_write_it_at_once(heat):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, heat], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=120)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert os.listdir(os.path.dirname(cache_of(heat))) == [os.path.basename(cache_of(heat))]


def test_writers_on_several_machines_may_have_the_same_numbers(heat, monkeypatch):
    """The ranks of an MPI program on a shared file system: one comes while another is about to be done."""
    code, replace = compile("x = 1", heat, "exec"), os.replace
    monkeypatch.setattr(cached, "compiled", lambda data, path: code)

    def interrupted(unfinished, place):
        monkeypatch.setattr(os, "replace", replace)
        assert code_of(b"x = 1", heat) == code
        assert os.path.exists(cache_of(heat))
        replace(unfinished, place)

    monkeypatch.setattr(os, "replace", interrupted)
    assert code_of(b"x = 1", heat) == code
    assert os.listdir(os.path.dirname(cache_of(heat))) == [os.path.basename(cache_of(heat))]
    monkeypatch.setattr(cached, "compiled", None)
    assert code_of(b"x = 1", heat) == code
