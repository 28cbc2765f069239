"""``checkpointer rewrite``: the module is there and whole, or nothing has changed."""

import os
import stat
import sys

import pytest

GRADIENT = "[0.25 0.5  0.25]"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_it_writes_a_module_beside_the_file(checkpointer, heat, tmp_path):
    before = heat.read_bytes()
    finished = checkpointer("rewrite", "heat.py")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "wrote heat_adjoint.py\n")
    assert names(tmp_path) == ["heat.py", "heat_adjoint.py"]
    assert heat.read_bytes() == before
    ran = checkpointer("heat_adjoint.py", "--option", program=())
    assert ran.stdout == f"{GRADIENT} ['--option']\n"


def test_the_module_can_be_imported(checkpointer, heat, tmp_path):
    checkpointer("rewrite", "heat.py")
    program = "import heat_adjoint as h, numpy as np; print(h.grad(h.simulate)(np.ones(3), 1))"
    assert checkpointer(program=("-c", program)).stdout == f"{GRADIENT}\n"


def test_output(checkpointer, heat, tmp_path):
    (tmp_path / "build").mkdir()
    finished = checkpointer("rewrite", "heat.py", "-o", "build/heat.py")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "wrote build/heat.py\n")
    assert names(tmp_path / "build") == ["heat.py"]
    assert names(tmp_path) == ["build", "heat.py"]


def test_standard_output(checkpointer, heat, tmp_path):
    written = checkpointer("rewrite", "heat.py", "-o", "-")
    assert written.stdout == checkpointer("show", "heat.py").stdout
    assert names(tmp_path) == ["heat.py"]


def test_it_is_the_same_on_every_run(checkpointer, heat, tmp_path):
    checkpointer("rewrite", "heat.py", environment={"PYTHONHASHSEED": "1"})
    first = (tmp_path / "heat_adjoint.py").read_bytes()
    checkpointer("rewrite", "heat.py", environment={"PYTHONHASHSEED": "2"})
    assert (tmp_path / "heat_adjoint.py").read_bytes() == first


def test_it_replaces_what_it_wrote_before(checkpointer, heat, tmp_path):
    out = tmp_path / "heat_adjoint.py"
    out.write_text(
        "#!/usr/bin/env python\n# Adjoint of heat.py, written by checkpointer 0.0.1. Change heat.py.\nold\n"
    )
    out.chmod(0o750)
    assert checkpointer("rewrite", "heat.py").returncode == 0
    assert "old" not in out.read_text("utf-8")
    assert stat.S_IMODE(out.stat().st_mode) == 0o750


def test_a_new_file_has_the_permissions_of_any_new_file(checkpointer, heat, tmp_path):
    checkpointer("rewrite", "heat.py", umask=0o027)
    assert stat.S_IMODE((tmp_path / "heat_adjoint.py").stat().st_mode) == 0o640


def test_a_link_stays_a_link(checkpointer, heat, tmp_path):
    (tmp_path / "build").mkdir()
    (tmp_path / "heat_adjoint.py").symlink_to("build/there.py")
    assert checkpointer("rewrite", "heat.py").returncode == 0
    assert (tmp_path / "heat_adjoint.py").is_symlink()
    assert (tmp_path / "build" / "there.py").is_file()


def test_it_never_replaces_a_file_that_it_did_not_write(checkpointer, heat, tmp_path, assert_one_message):
    out = tmp_path / "heat_adjoint.py"
    out.write_text("# my own\n")
    finished = checkpointer("rewrite", "heat.py")
    assert_one_message(finished, "cannot write heat_adjoint.py: it exists and checkpointer did not write it")
    assert out.read_text() == "# my own\n"
    assert names(tmp_path) == ["heat.py", "heat_adjoint.py"]


@pytest.mark.parametrize("out", ["heat.py", "./heat.py", "link.py"])
def test_it_never_replaces_the_file_itself(checkpointer, heat, tmp_path, out, assert_one_message):
    (tmp_path / "link.py").symlink_to("heat.py")
    before = heat.read_bytes()
    assert_one_message(checkpointer("rewrite", "heat.py", "-o", out), "it is FILE itself; choose another OUT")
    assert heat.read_bytes() == before


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("nowhere/out.py", "cannot write nowhere/out.py: no such file or directory\n"),
        ("heat.py/out.py", "cannot write heat.py/out.py: not a directory\n"),
        ("folder", "cannot write folder/heat.py: it is a directory\n"),
        ("locked/out.py", "cannot write locked/out.py: permission denied\n"),
        ("x" * 300, "file name too long\n"),
    ],
)
def test_where_it_cannot_write(checkpointer, heat, tmp_path, out, message, assert_one_message):
    (tmp_path / "folder/heat.py").mkdir(parents=True)
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(0o500)
    if out.startswith("locked") and os.access(tmp_path / "locked", os.W_OK):
        pytest.skip("this user may write everywhere")
    assert_one_message(checkpointer("rewrite", "heat.py", "-o", out), message)
    assert names(tmp_path) == ["folder", "heat.py", "locked"]
    assert names(tmp_path / "folder/heat.py") == names(tmp_path / "locked") == []


def test_nothing_is_left_of_a_file_that_could_not_be_written_whole(
    checkpointer, heat, tmp_path, assert_one_message
):
    """A full disk, played by the limit on the size of a file that the process may write."""
    program = (
        "-c",
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
        "from checkpointer.cli.main import main; main()",
    )
    finished = checkpointer("rewrite", "heat.py", program=program)
    assert_one_message(finished, "cannot write heat_adjoint.py: file too large\n")
    assert names(tmp_path) == ["heat.py"]


def test_its_own_output_is_refused(checkpointer, heat, tmp_path, assert_one_message):
    checkpointer("rewrite", "heat.py")
    finished = checkpointer("rewrite", "heat_adjoint.py")
    assert_one_message(finished, "CKP115 this file was written by checkpointer")
    assert names(tmp_path) == ["heat.py", "heat_adjoint.py"]


def test_the_encoding_that_the_file_names(checkpointer, heat, tmp_path):
    text = "# -*- coding: latin-1 -*-\n" + heat.read_text().replace("Heat.", "Wärme.")
    heat.write_bytes(text.encode("latin-1"))
    assert checkpointer("rewrite", "heat.py").returncode == 0
    program = "import heat_adjoint; print(heat_adjoint.__doc__)"
    assert checkpointer(program=("-c", program)).stdout == "Wärme.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no such files on Windows")
def test_a_device(checkpointer, heat, assert_one_message):
    assert_one_message(
        checkpointer("rewrite", "heat.py", "-o", "/dev/null"), "it is no regular file; `-o -` writes"
    )
