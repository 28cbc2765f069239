"""``checkpointer rewrite``: differences, standard input, line ends, encodings and modes, to the byte."""

import codecs
import doctest
import os
import shutil
import signal
import stat
import subprocess
import sys

import pytest

from checkpointer import errors
from checkpointer.cli import diffs, outcomes

OLD = "# Adjoint of heat.py, written by checkpointer 0.0.1. Change heat.py, not this file.\nold\fold"


def patched(folder, difference):
    """The folder after ``patch``."""
    subprocess.run(["patch", "--silent"], cwd=folder, input=difference, check=True)
    assert not list(folder.glob("*.orig")), "it was applied somewhere else than it says"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.skipif(shutil.which("patch") is None, reason="there is no patch here")
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("before", [None, OLD, OLD + "\n\n"])
def test_patch_makes_of_a_difference_what_would_be_written(invoke, heat, tmp_path, before, ends):
    heat.write_text(heat.read_text(), newline=ends)
    out = tmp_path / "heat_adjoint.py"
    if before is not None:
        out.write_text(before, newline=ends)
    finished = invoke("rewrite", "heat.py", "--diff")
    status = "missing" if before is None else "out of date"
    assert (finished.exit_code, finished.stderr) == (0, f"heat_adjoint.py is {status}\n")
    assert out.exists() == (before is not None)
    by_patch = patched(tmp_path, finished.stdout_bytes)
    if out.exists():
        out.unlink()
    invoke("rewrite", "heat.py")
    assert by_patch["heat_adjoint.py"] == out.read_bytes()
    assert finished.stdout_bytes.count(b"\n") > 20


def test_what_is_printed_is_compared_with_its_source(invoke, heat, tmp_path):
    finished = invoke("rewrite", "heat.py", "--diff", "-o", "-")
    assert finished.stdout.startswith("--- heat.py\n+++ heat.py\n@@ ")
    made = invoke("rewrite", "heat.py", "-o", "-").stdout_bytes
    assert patched(tmp_path, finished.stdout_bytes) == {"heat.py": made}


def test_check_and_diff_together(invoke, heat):
    finished = invoke("rewrite", "heat.py", "--diff", "--check")
    assert finished.exit_code == 1
    assert finished.stdout.startswith("--- /dev/null\n+++ heat_adjoint.py\n")
    invoke("rewrite", "heat.py")
    finished = invoke("rewrite", "heat.py", "--diff", "--check")
    assert (finished.exit_code, finished.stdout, finished.stderr) == (
        0,
        "",
        "heat_adjoint.py is up to date\n",
    )


def test_names_with_blanks_in_a_difference():
    assert diffs.diff(b"a\n", b"b\n", "a b.py").startswith(b"--- a b.py\t\n+++ a b.py\t\n@@")


def test_standard_input(checkpointer, heat, tmp_path):
    made = checkpointer("rewrite", "heat.py", "-o", "-").stdout
    finished = checkpointer("rewrite", "-", "--stdin-filename", "there/heat.py", input=heat.read_text())
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, made, "")
    assert [path.name for path in tmp_path.iterdir()] == ["heat.py"]


def test_standard_input_to_a_file(invoke, heat, tmp_path):
    for option, said in [("--check", 1), ("--quiet", 0), ("--check", 0)]:
        assert invoke("rewrite", option, "-", "-o", "made.py", input=heat.read_text()).exit_code == said
    assert "# Adjoint of <stdin>, written by" in (tmp_path / "made.py").read_text()
    finished = invoke("rewrite", "-", "--stdin-filename", "bad.py", input="x = = 1\n")
    assert (finished.exit_code, finished.stdout) == (1, "")
    assert "Error: bad.py:1: not Python: invalid syntax\n" in finished.stderr
    finished = invoke("rewrite", "-", input="x = 1\n")
    assert "Error: no loop is marked in <stdin>: " in finished.stderr


def test_line_ends_and_byte_order_marks_are_those_of_the_source(invoke, checkpointer, heat, tmp_path):
    plain = invoke("rewrite", "heat.py", "-o", "-").stdout_bytes
    source = heat.read_bytes()
    out = tmp_path / "heat_adjoint.py"
    for mark in (b"", codecs.BOM_UTF8):
        for ends in (b"\r\n", b"\r", b"\n"):
            heat.write_bytes(mark + source.replace(b"\n", ends))
            assert invoke("rewrite", "heat.py").exit_code == 0  # and what was written before is known again
            assert out.read_bytes() == mark + plain.replace(b"\n", ends)
            compile(out.read_bytes(), "made.py", "exec")
    heat.write_bytes(codecs.BOM_UTF8 + source.replace(b"\n", b"\r\n"))
    invoke("rewrite", "heat.py")
    assert checkpointer("heat_adjoint.py", program=()).stdout == "[0.25 0.5  0.25] []\n"
    assert invoke("rewrite", "heat_adjoint.py").stderr.count("CKP115") == 1


def test_a_name_that_the_encoding_of_the_file_cannot_write(invoke, heat, tmp_path):
    file = tmp_path / "熱.py"
    file.write_bytes(("# coding: latin-1\n" + heat.read_text().replace("Heat.", "Wärme.")).encode("latin-1"))
    assert invoke("rewrite", file.name).exit_code == 0
    made = (tmp_path / "熱_adjoint.py").read_bytes()
    assert b"# Adjoint of \\u71b1.py, written by checkpointer " in made
    assert "Wärme.".encode("latin-1") in made
    compile(made, "made.py", "exec")
    assert invoke("rewrite", "--check", file.name).exit_code == 0


def test_what_can_be_executed_stays_so(invoke, heat, tmp_path):
    heat.write_text("#!/usr/bin/env python\n" + heat.read_text())
    heat.chmod(0o755)
    mask = os.umask(0o027)
    try:
        assert invoke("rewrite", "heat.py").exit_code == 0
    finally:
        os.umask(mask)
    out = tmp_path / "heat_adjoint.py"
    assert stat.S_IMODE(out.stat().st_mode) == 0o750
    assert out.read_text().startswith("#!/usr/bin/env python\n# Adjoint of heat.py, ")


def test_what_is_read_only_stays_as_it_is(invoke, heat, tmp_path):
    out = tmp_path / "heat_adjoint.py"
    out.write_text(OLD)
    out.chmod(0o444)
    finished = invoke("rewrite", "heat.py")
    assert finished.exit_code == 1
    assert finished.stderr == "Error: cannot write heat_adjoint.py: it is read-only\n"
    assert out.read_text() == OLD
    assert stat.S_IMODE(out.stat().st_mode) == 0o444
    assert sorted(path.name for path in tmp_path.iterdir()) == ["heat.py", "heat_adjoint.py"]


def test_an_interrupt_while_it_waits_for_standard_input(tmp_path):
    program = (  # says when it is about to wait
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from checkpointer.cli import source; read = source.from_standard_input\n"
        "source.from_standard_input = lambda: print('waits', flush=True) or read()\n"
        "from checkpointer.cli.main import main; sys.argv[1:] = ['rewrite', '-']; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "waits\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.strip()) == (1, "Aborted!")


@pytest.mark.parametrize("module", [diffs, outcomes, errors])
def test_docstring_examples(module):
    failed, tried = doctest.testmod(module)
    assert tried
    assert failed == 0
