"""What users of a shell expect of any command: colours, completion, pipes that end, a quick start, true examples."""

import io
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys

import click
import pytest
from click.shell_completion import get_completion_class

from checkpointer.cli.colours import VARIABLES as COLOUR_VARIABLES
from checkpointer.cli.colours import coloured
from checkpointer.cli.main import COMMANDS, cli
from checkpointer.schemes import SCHEMES

BIN = os.path.dirname(sys.executable)


def shell(script, folder, **environment):
    """A finished bash, in which ``checkpointer`` is the command of this environment."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", f"set -eo pipefail\n{script}"],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONWARNINGS": "error", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


BAD = "# checkpointer: Revolve(3)\nfor i in []:\n    yield i\n"
COLOURED = [
    (("lint", "bad.py"), "\x1b[31m\x1b[1mCKP1"),
    (("rewrite", "heat.py", "--diff"), "\x1b[32m+# Adjoint of heat.py, "),
    (("plan", "--steps", "9", "--snapshots", "3"), "\x1b[1;32mRevolve(snapshots=3)"),
]


@pytest.mark.parametrize(("arguments", "shown"), COLOURED, ids=["lint", "rewrite", "plan"])
def test_colours_on_a_terminal(terminal, invoke, heat, tmp_path, arguments, shown):
    (tmp_path / "bad.py").write_text(BAD)
    code, coloured = terminal(*arguments)
    assert code == (1 if arguments[0] == "lint" else 0)
    assert shown in coloured
    plain = invoke(*arguments).output
    assert [re.sub(r"\x1b\[[\d;]*m", "", line).rstrip() for line in coloured.splitlines()] == [
        line.rstrip() for line in plain.splitlines()
    ]


def test_no_colours_on_a_terminal(terminal, tmp_path):
    (tmp_path / "bad.py").write_text(BAD)
    _, shown = terminal("lint", "bad.py", NO_COLOR="1")
    assert "CKP1" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(("arguments", "shown"), COLOURED, ids=["lint", "rewrite", "plan"])
def test_colours_in_a_pipe_if_they_are_asked_for(invoke, heat, tmp_path, arguments, shown):
    (tmp_path / "bad.py").write_text(BAD)
    assert "\x1b" not in invoke(*arguments).stdout
    assert shown in invoke(*arguments, env={"FORCE_COLOR": "1"}).stdout
    assert "\x1b" not in invoke(*arguments, env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).stdout


@pytest.mark.parametrize(
    ("environment", "on_a_terminal", "in_a_pipe"),
    [
        ({}, True, False),
        ({"NO_COLOR": "", "FORCE_COLOR": "", "CLICOLOR_FORCE": ""}, True, False),
        ({"NO_COLOR": "0"}, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ({"FORCE_COLOR": "0", "CLICOLOR_FORCE": "0"}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"CLICOLOR_FORCE": "1", "TERM": "dumb"}, True, True),
        ({"TERM": "dumb"}, False, False),
        ({"CLICOLOR": "0"}, False, False),
        ({"CLICOLOR": "1"}, True, False),
    ],
)
def test_what_the_environment_says_of_colours(monkeypatch, environment, on_a_terminal, in_a_pipe):
    for name in (*COLOUR_VARIABLES, "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ours, theirs = pty.openpty()
    with os.fdopen(ours), os.fdopen(theirs, "w") as stream:
        assert coloured(stream) is on_a_terminal
    assert coloured(io.StringIO()) is in_a_pipe


def completed(*words):
    """What is offered for the last of the words."""
    complete = get_completion_class("bash")(cli, {}, "checkpointer", "_CHECKPOINTER_COMPLETE")
    return [(item.type, item.value) for item in complete.get_completions([*words[:-1]], words[-1])]


def test_what_is_completed():
    assert completed("") == [("plain", name) for name in COMMANDS]
    assert completed("--v") == [("plain", "--version")]
    assert completed("rewrite", "--ch") == [("plain", "--check")]
    assert completed("rewrite", "he") == [("file", "he")]
    assert completed("rewrite", "-o", "he") == [("file", "he")]
    assert completed("run", "he") == completed("run", "heat.py", "he") == [("file", "he")]
    assert completed("completion", "b") == [("plain", "bash")]
    assert completed("plan", "--scheme", "") == [("plain", name) for name in sorted(SCHEMES)]
    assert completed("plan", "--scheme", "Re") == [("plain", "Revolve")]


TYPED = """\
source <(checkpointer completion bash)
checkpointer rew\t--help
checkpointer plan --steps 9 --snapshots 3 --plot a.svg --scheme TwoL\t
checkpointer lint he\t --stdin-filename a
exit
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_completion_in_a_real_bash(heat, tmp_path, read_to_the_end):
    """Typed ahead into a terminal: bash reads on when what the tabs ask for is there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "TERM": "xterm",
            "COLUMNS": "200",
        },
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    os.write(ours, TYPED.encode())
    shown = read_to_the_end(ours)
    process.wait()
    assert "Usage: checkpointer rewrite [OPTIONS] FILE..." in shown
    assert "--scheme: no TwoLevel is in the plan" in shown
    assert "checkpointer lint heat.py" in shown


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_scripts_for_shells(invoke, tmp_path, name):
    finished = invoke("completion", name)
    assert finished.exit_code == 0
    assert f"_CHECKPOINTER_COMPLETE={name}_complete" in finished.stdout
    if shutil.which(name):
        (tmp_path / "script").write_text(finished.stdout)
        subprocess.run([name, "-n", "script"], cwd=tmp_path, check=True)


def test_help_and_completion_start_without_the_rewriter():
    heavy = [
        "numpy",
        "autograd",
        "h5py",
        "libcst",
        "rich",
        "checkpointer.compiled",
        "checkpointer.transforms",
    ]
    program = f"""if True:
        import os, sys
        from checkpointer.cli.main import cli
        for words in ["--help"], ["--version"], *([name, "--help"] for name in {[*COMMANDS]}):
            cli(words, standalone_mode=False)
        os.environ.update(_CHECKPOINTER_COMPLETE="bash_complete", COMP_WORDS="checkpointer rew", COMP_CWORD="1")
        try:
            cli(prog_name="checkpointer")
        finally:
            print(*[name for name in {heavy} if name in sys.modules], file=sys.stderr)
    """
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr.strip()) == (0, "")
    assert finished.stdout.endswith("\nplain,rewrite\n")


@pytest.mark.parametrize(
    "arguments",
    [("rewrite", "heat.py", "-o", "-"), ("plan", "--steps", "9", "--snapshots", "3"), ("--help",)],
)
def test_a_reader_who_has_seen_enough(heat, tmp_path, arguments):
    """As in front of `head`, which may end before all is written; here it has ended before anything is."""
    ours, theirs = os.pipe()
    os.close(ours)
    finished = subprocess.run(
        [sys.executable, "-m", "checkpointer", *arguments],
        cwd=tmp_path,
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(theirs)
    assert (finished.returncode, finished.stderr) == (1, "")


def test_the_list_of_commands():
    context = click.Context(cli)
    for name, text in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command.name == name
        assert command.get_short_help_str(limit=200).startswith(text)


def examples():
    """Command, and each example of its help."""
    for name in COMMANDS:
        text = cli.get_command(click.Context(cli), name).epilog
        shown = re.findall(rf"^  (checkpointer {name} .*?)(?:\s{{2,}}.*)?$", text, re.MULTILINE)
        assert shown, name
        yield from ((name, example) for example in shown)


@pytest.fixture
def examples_folder(heat, tmp_path):
    """What the examples speak of."""
    for path in ("src/heat.py", "ocean/model.py"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text(heat.read_text())
    (tmp_path / "build").mkdir()
    for path in ("burgers.py", "ocean/__init__.py", "ocean/__main__.py"):
        (tmp_path / path).write_text("import sys; print(sys.argv)\n")
    for folder in (".local/share/bash-completion/completions", ".zfunc", ".config/fish/completions"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(("name", "example"), [*examples()], ids=str)
def test_examples_in_help(invoke, examples_folder, name, example):
    """Those that only a shell understands are given to one."""
    if name == "run" or set("|<>*") & set(example):
        finished = shell(example, examples_folder, HOME=str(examples_folder), PAGER="cat")
        assert (finished.returncode, "Error" in finished.stderr) == (0, False), finished.stderr
    else:
        finished = invoke(*shlex.split(example)[1:])
        assert finished.exit_code == (1 if "--check" in example else 0), finished.stderr
        assert "Error" not in finished.stderr
