"""The command as a whole: help, version, misuse, and failures that all commands share."""

import platform
from importlib.metadata import version

import numpy
import pytest

from checkpointer.schemes import SCHEMES
from checkpointer.version import VERSION

COMMANDS = [
    "rewrite",
    "run",
    "show",
]  # what takes a file, but lint, which has exit codes of its own: test_lint.py
ALL = [*COMMANDS, "lint", "plan", "completion"]


@pytest.mark.parametrize(
    "program", [("-m", "checkpointer"), ("-c", "from checkpointer.cli.main import main; main()")]
)
def test_version(checkpointer, program):
    finished = checkpointer("--version", program=program)
    assert (finished.returncode, finished.stderr) == (0, "")
    first, second = finished.stdout.splitlines()
    assert first == f"checkpointer {VERSION}"
    assert second == (
        f"Python {platform.python_version()}, numpy {numpy.__version__}, autograd {version('autograd')},"
        f" libcst {version('libcst')}"
    )


def test_help_names_every_command(checkpointer):
    finished = checkpointer("--help")
    assert finished.returncode == 0
    for command in ALL:
        assert f"\n  {command} " in finished.stdout


@pytest.mark.parametrize("command", ALL)
def test_every_command_shows_an_example(checkpointer, command):
    finished = checkpointer(command, "--help")
    assert finished.returncode == 0
    assert f"\n    checkpointer {command} " in finished.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["frobnicate"], "No such command 'frobnicate'\n"),
        (["rewriet"], "No such command 'rewriet'; did you mean `rewrite`?\n"),
        (["rewrite", "--outptu", "x"], "--output"),
        (["completion", "tcsh"], "'tcsh'"),
        (["--frobnicate"], "No such option"),
        (["rewrite"], "Missing argument 'FILE...'"),
        (["show"], "Missing argument 'FILE[:FUNCTION]'"),
        (["run"], "Missing argument 'PROGRAM'"),
        (["rewrite", "heat.py", "--frobnicate"], "No such option"),
        (["rewrite", "heat.py", "-o"], "requires an argument"),
        (["show", "heat.py", "other.py"], "unexpected extra argument"),
        (["run", "--frobnicate", "heat.py"], "No such option"),
    ],
)
def test_misuse(checkpointer, heat, arguments, message, assert_one_message):
    assert_one_message(checkpointer(*arguments), message, code=2)


BAD_FILES = {
    "no Python": (b"x = 1\ny = = 2\n", "bad.py:2: not Python: invalid syntax\n    y = = 2\n        ^\n"),
    "no loop around": (b"\nbreak\n", "bad.py:2"),
    "indentation": (b"if x:\ny\n", "bad.py:2: not Python: expected an indented block"),
    "not UTF-8": (b"x = '\xe9'\n", "not Python: (unicode error) 'utf-8' codec can't decode byte 0xe9"),
    "unknown encoding": (b"# coding: klingon\n", "not Python: unknown encoding: klingon"),
    "null bytes": (b"x\0\n", "not Python: source code string cannot contain null bytes"),
    "unknown scheme": (
        b"# checkpointer: Revolv(snapshots=3)\nfor i in range(3):\n    pass\n",
        "bad.py:1: CKP114 unknown scheme `Revolv`; did you mean `Revolve`?\n"
        "    # checkpointer: Revolv(snapshots=3)\n    ^\n"
        f"Instead: name one of {', '.join(sorted(SCHEMES))}",
    ),
    "no loop": (b"from checkpointer import checkpointed\nx = checkpointed([1])\n", "bad.py:2: CKP110"),
    "refused": (
        b"from checkpointer import checkpointed\ndef f():\n    for i in checkpointed([1]):\n        yield i\n",
        "bad.py:4: CKP101 `yield` in a marked loop",
    ),
}


@pytest.mark.parametrize(
    ("command", "name"),
    [
        *(("rewrite", name) for name in BAD_FILES),
        ("show", "no Python"),
        ("run", "no Python"),
        ("run", "refused"),
    ],
)
def test_bad_files(checkpointer, tmp_path, command, name, assert_one_message):
    data, message = BAD_FILES[name]
    (tmp_path / "bad.py").write_bytes(data)
    assert_one_message(checkpointer(command, "bad.py"), message)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.py"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_file(checkpointer, tmp_path, command, assert_one_message):
    assert_one_message(
        checkpointer(command, "nowhere.py"), "cannot read nowhere.py: no such file or directory\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_directory(checkpointer, tmp_path, assert_one_message):
    """`rewrite` and `lint` take one, and `run` does if there is a program in it."""
    (tmp_path / "folder").mkdir()
    assert_one_message(checkpointer("show", "folder"), "cannot read folder: is a directory\n")
    assert_one_message(checkpointer("run", "folder"), "can't find '__main__' module in 'folder'\n")


@pytest.mark.parametrize("command", ["rewrite", "show"])
@pytest.mark.parametrize("text", ["", "import numpy as np\nfor i in range(3):\n    pass\n"])
def test_nothing_marked(checkpointer, tmp_path, command, text, assert_one_message):
    (tmp_path / "plain.py").write_text(text)
    assert_one_message(
        checkpointer(command, "plain.py"), "no loop is marked in plain.py: write `for ... in checkpointed("
    )
    assert [path.name for path in tmp_path.iterdir()] == ["plain.py"]
