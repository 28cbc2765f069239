"""``checkpointer rewrite`` of several files and of folders: which files, to where, and what is said."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

BAD = "from checkpointer import checkpointed\ndef f():\n    for i in checkpointed([1]):\n        yield i\n"


def tree(folder):
    """All files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def write(tmp_path, heat):
    """``write("src/a.py", text)``; a marked loop unless something else is given."""

    def call(path, text=None):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(heat.read_text() if text is None else text)
        return file

    return call


def test_what_is_left_out_of_a_folder(invoke, write, tmp_path):
    for wanted in ("a.py", "build/__init__.py", "build/b.py", "deep/er/c.py"):
        write(f"src/{wanted}")
    for unwanted in (
        ".hidden/a.py",
        ".hidden.py",
        "__pycache__/a.py",
        "env/pyvenv.cfg",
        "env/lib/a.py",
        "conda/conda-meta/history",
        "conda/a.py",
        "dist/a.py",
        "node_modules/a.py",
        "thing.egg-info/a.py",
        "notes.txt",
    ):
        write(f"src/{unwanted}")
    os.mkfifo(tmp_path / "src/pipe.py")  # who opens it waits for ever
    write("src/plain.py", "import numpy as np\n")
    write("src/template.py", "{{ no python, and no mark }}\n")
    write("elsewhere/linked.py")
    (tmp_path / "src/link").symlink_to("../elsewhere")
    before = tree(tmp_path)
    finished = invoke("rewrite", "src")
    assert finished.exit_code == 0
    made = ["a", "build/__init__", "build/b", "deep/er/c"]
    assert tree(tmp_path) == sorted([*before, *(f"src/{name}_adjoint.py" for name in made)])
    assert finished.stderr.splitlines() == [
        *(f"wrote src/{name}_adjoint.py" for name in made),
        "wrote 4 files",
    ]
    again = invoke("rewrite", "src", "src/a.py")
    assert (again.exit_code, again.stdout, again.stderr) == (0, "", "4 files are up to date\n")


def test_what_does_not_change_is_not_touched(invoke, write, tmp_path):
    write("a.py")
    b = write("b.py")
    invoke("rewrite", "a.py", "b.py")
    for name in ("a", "b"):
        os.utime(tmp_path / f"{name}_adjoint.py", (1, 1))
    b.write_text(b.read_text() + "\nmore = 1\n")
    finished = invoke("rewrite", "a.py", "b.py")
    assert finished.stderr == "wrote b_adjoint.py\nwrote 1 file, 1 was up to date\n"
    assert (tmp_path / "a_adjoint.py").stat().st_mtime == 1
    assert (tmp_path / "b_adjoint.py").stat().st_mtime > 1
    assert invoke("rewrite", "a.py").stderr == "a_adjoint.py is up to date\n"
    assert invoke("rewrite", "--quiet", "a.py", "b.py").stderr == ""


def test_all_that_fails_is_told_and_the_rest_is_written(invoke, write, tmp_path):
    write("a.py")
    write("bad.py", BAD)
    write("plain.py", "x = 1\n")
    write("taken.py")
    write("taken_adjoint.py", "# mine\n")
    finished = invoke("rewrite", "a.py", "bad.py", "plain.py", "nowhere.py", "taken.py")
    assert finished.exit_code == 1
    for message in (
        "Error: bad.py:4: CKP101 ",
        "Error: no loop is marked in plain.py: ",
        "Error: cannot read nowhere.py: no such file or directory\n",
        "Error: cannot write taken_adjoint.py: it exists and checkpointer did not write it",
    ):
        assert finished.stderr.count(message) == 1
    assert finished.stderr.endswith("\nwrote 1 file, 4 failed\n")
    assert (tmp_path / "a_adjoint.py").exists()
    assert (tmp_path / "taken_adjoint.py").read_text() == "# mine\n"
    assert not (tmp_path / "bad_adjoint.py").exists()


def test_a_folder_without_marks(invoke, write):
    write("src/plain.py", "x = 1\n")
    finished = invoke("rewrite", "src")
    assert (finished.exit_code, finished.stderr) == (0, "no loop is marked in src: nothing to do\n")


@pytest.mark.parametrize("text", ["x = 1\n", "import checkpointer\n"])
def test_what_is_left_over(invoke, write, text):
    """A module whose source lost its marks is out of date too."""
    write("src/a.py")
    invoke("rewrite", "src")
    write("src/a.py", text)
    for option in ("--check", "--quiet"):
        finished = invoke("rewrite", option, "src")
        assert finished.exit_code == 1
        assert (
            "Error: src/a_adjoint.py is left over: no loop is marked in src/a.py any more" in finished.stderr
        )
    write("src/a_adjoint.py", "# mine\n")
    assert invoke("rewrite", "--check", "src").exit_code == 0


PACKAGE = {
    "ocean/__init__.py": "from ocean.model import simulate\n",
    "ocean/model.py": """\
        import numpy as np
        from checkpointer import Revolve, checkpointed
        from ocean.parts.stencil import laplacian

        def simulate(u, steps):
            for step in checkpointed(range(steps), Revolve(snapshots=2)):
                u = u + 0.1 * laplacian(u) + 0.01 * u**2
            return np.sum(u**2)
        """,
    "ocean/parts/__init__.py": "",
    "ocean/parts/stencil.py": """\
        import numpy as np

        def laplacian(u):
            out = np.zeros(u.size)  # can hold values that are differentiated only if it is rewritten
            out[1:-1] = u[2:] - 2 * u[1:-1] + u[:-2]
            return out
        """,
    "ocean/table.csv": "1,2\n",
}

GRADIENT = """\
import sys
import numpy as np
import ocean, ocean.model, checkpointer
print(ocean.__file__)
direction, h = np.cos(np.arange(9.0)), 1e-6
for u in (np.linspace(0, 1, 9) ** 2, np.linspace(2, 0, 9)):
    value, gradient = checkpointer.value_and_grad(ocean.simulate)(u, 13)
    ahead, behind = ocean.simulate(u + h * direction, 13), ocean.simulate(u - h * direction, 13)
    np.testing.assert_allclose(gradient @ direction, (ahead - behind) / (2 * h), rtol=1e-7)
    assert value == ocean.simulate(u, 13)
"""


@pytest.mark.parametrize("named", ["src", "src/ocean", "."])
def test_a_tree_that_can_be_imported_from(invoke, write, tmp_path, named):
    """A package has its name in the tree, whatever was named; and what is written there is not found again."""
    for path, text in PACKAGE.items():
        write(f"src/{path}", textwrap.dedent(text))
    (tmp_path / "heat.py").unlink()
    finished = invoke("rewrite", named, "-o", "build/made/")
    assert finished.exit_code == 0
    root = tmp_path / "build/made" / ("src" if named == "." else "")
    python = sorted(path for path in PACKAGE if path.endswith(".py"))
    assert tree(root) == python
    assert finished.stderr.endswith(
        "\nwrote 4 files\nnot copied, as they are no Python modules: src/ocean/table.csv\n"
    )
    assert invoke("rewrite", named, "-o", "build/made").stderr.startswith("4 files are up to date\n")
    if named == "src":
        ran = subprocess.run(
            [sys.executable, "-W", "error", "-c", GRADIENT],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stdout.strip()) == (0, str(root / "ocean/__init__.py")), ran.stderr


def test_a_tree_with_what_was_written_beside_its_source(invoke, write, tmp_path):
    write("pkg/__init__.py", "from pkg import heat_adjoint\n")
    write("pkg/heat.py")
    invoke("rewrite", "pkg")
    assert invoke("rewrite", "pkg", "-o", "out").exit_code == 0
    made = tmp_path / "out/pkg/heat_adjoint.py"
    assert made.read_bytes() == (tmp_path / "pkg/heat_adjoint.py").read_bytes()
    assert invoke("rewrite", "pkg", "-o", "out").stderr == "3 files are up to date\n"


def test_files_in_a_folder(invoke, write, tmp_path):
    """Also one without marks: what is written to a folder stands in for the original."""
    write("a.py", "import b\n")
    write("b.py")
    (tmp_path / "out").mkdir()
    assert invoke("rewrite", "a.py", "-o", "out").stderr == "wrote out/a.py\n"
    assert invoke("rewrite", "a.py", "b.py", "-o", "out").stderr == (
        "wrote out/b.py\nwrote 1 file, 1 was up to date\n"
    )
    assert "# Adjoint of a.py, written by checkpointer " in (tmp_path / "out/a.py").read_text()


def test_a_tree_is_not_written_over_its_source_or_over_other_files(invoke, write, tmp_path):
    write("pkg/__init__.py", "")
    write("pkg/a.py")
    write("out/pkg/a.py", "# mine\n")
    finished = invoke("rewrite", "pkg", "-o", ".")
    assert finished.exit_code == 1
    assert finished.stderr.count("it is FILE itself") == 2
    finished = invoke("rewrite", "pkg", "-o", "out")
    assert finished.exit_code == 1
    assert "Error: cannot write out/pkg/a.py: it exists and checkpointer did not write it" in finished.stderr
    assert (tmp_path / "out/pkg/a.py").read_text() == "# mine\n"
    assert (tmp_path / "out/pkg/__init__.py").exists()


def statuses(finished):
    return {one["output"]: one["status"] for one in json.loads(finished.stdout)}


def test_check(invoke, write, tmp_path):
    write("src/a.py")
    b = write("src/b.py")
    write("src/c.py")
    invoke("rewrite", "src/a.py", "src/b.py")
    b.write_text(b.read_text() + "\nmore = 1\n")
    before = {path: (tmp_path / path).read_bytes() for path in tree(tmp_path)}
    finished = invoke("rewrite", "--check", "src")
    assert (finished.exit_code, finished.stdout) == (1, "")
    assert finished.stderr == (
        "src/b_adjoint.py is out of date\nsrc/c_adjoint.py is missing\n"
        "1 file is missing, 1 is out of date, 1 is up to date\n"
    )
    quiet = invoke("rewrite", "--check", "-q", "src")
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (1, "", "")
    assert statuses(invoke("rewrite", "--check", "--json", "src")) == {
        "src/a_adjoint.py": "up to date",
        "src/b_adjoint.py": "out of date",
        "src/c_adjoint.py": "missing",
    }
    assert {path: (tmp_path / path).read_bytes() for path in tree(tmp_path)} == before
    assert set(statuses(invoke("rewrite", "--json", "src")).values()) == {"up to date", "written"}
    finished = invoke("rewrite", "--check", "src")
    assert (finished.exit_code, finished.stderr) == (0, "3 files are up to date\n")


def test_check_tells_what_fails(invoke, write):
    write("bad.py", BAD)
    finished = invoke("rewrite", "--check", "--json", "bad.py")
    (told,) = json.loads(finished.stdout)
    assert finished.exit_code == 1
    assert (told["file"], told["output"], told["status"]) == ("bad.py", "bad_adjoint.py", "failed")
    assert told["message"].startswith("bad.py:4: CKP101 ")
    assert "Error: bad.py:4: CKP101 " in finished.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.py", "b.py", "-o", "-"], "-o - is for one FILE"),
        ([".", "-o", "-"], "-o - is for one FILE"),
        (["-", "a.py"], "FILE - is standard input, and stands alone"),
        (["a.py", "--stdin-filename", "b.py"], "--stdin-filename names what is read from standard input"),
        (["--check", "-"], "--check needs a file to look at"),
        (["--check", "a.py", "-o", "-"], "--check needs a file to look at"),
        (["--json", "--diff", "a.py"], "--json takes standard output for itself"),
        (["--json", "a.py", "-o", "-"], "--json takes standard output for itself"),
        (["a.py", "b.py", "-o", "a.py"], "several files are written to a folder, and a.py is none"),
        (["a.py", "sub/a.py", "-o", "out"], "a.py and sub/a.py would both be written to out/a.py"),
        (["--chekc", "a.py"], "--check"),
    ],
)
def test_misuse(invoke, write, tmp_path, arguments, message):
    for name in ("a.py", "b.py", "sub/a.py"):
        write(name)
    before = tree(tmp_path)
    finished = invoke("rewrite", *arguments)
    assert (finished.exit_code, finished.stdout) == (2, "")
    assert message in finished.stderr
    assert finished.stderr.count("Error: ") == 1
    assert tree(tmp_path) == before


def test_standard_output_that_is_full(heat, tmp_path):
    for command in (["rewrite", "heat.py", "-o", "-"], ["show", "heat.py"]):
        with open("/dev/full", "wb") as full:
            finished = subprocess.run(
                [sys.executable, "-m", "checkpointer", *command],
                cwd=tmp_path,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert finished.returncode == 1
        assert finished.stderr == "Error: cannot write to standard output: no space left on device\n"
