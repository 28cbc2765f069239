"""The codemod, by libcst's own test class and by its own command on real files."""

import codecs
import subprocess
import sys
import textwrap

import pytest
from libcst.codemod import CodemodTest

from checkpointer.codemod import AdjointCommand
from checkpointer.version import VERSION

MARKED = """\
import numpy as np

from checkpointer import Revolve, checkpointed


def simulate(u, steps):
    for step in checkpointed(range(steps), Revolve(snapshots=2)):
        u = u + 0.1 * np.sin(u)
    return np.sum(u)
"""
PLAIN = "import numpy as np\n\n\ndef double(x):\n    return np.multiply(2, x)\n"
REFUSED = MARKED.replace("u = u + 0.1 * np.sin(u)", "yield u")
HEADER = f"written by checkpointer {VERSION}. Change the original, which version control has, not this file."


class TestAdjointCommand(CodemodTest):
    TRANSFORM = AdjointCommand

    def test_files_without_marks_stay_as_they_are(self):
        self.assertCodemod(PLAIN, PLAIN)
        spoken_of = f"# checkpointer is not used here\n{PLAIN}"
        self.assertCodemod(spoken_of, spoken_of)

    def test_drop_ins_are_imported_on_request(self):
        after = f"# Adjoint of <stdin>, {HEADER}\n" + PLAIN.replace(
            "import numpy as np", "from checkpointer import numpy as np"
        )
        self.assertCodemod(PLAIN, after, drop_ins=True)

    def test_what_is_refused_is_skipped(self):
        self.assertCodemod(REFUSED, REFUSED, expected_skip=True)
        ours = f"# Adjoint of heat.py, {HEADER}\nx = 1  # checkpointer\n"
        self.assertCodemod(ours, ours, expected_skip=True)


@pytest.fixture
def codemod(tmp_path):
    """``codemod("-j", "2", "src")``: the finished command."""

    def call(*arguments):
        program = ["-m", "libcst.tool", "codemod", "-x", "checkpointer.codemod.AdjointCommand", "--no-format"]
        return subprocess.run(
            [sys.executable, *program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return call


GRADIENT = """\
import importlib, numpy as np
from checkpointer import grad
for name in {names}:
    simulate = importlib.import_module(name).simulate
    for u in (np.linspace(0, 1, 5), np.linspace(2, -1, 5)):
        ahead, behind = simulate(u + 1e-6, 9), simulate(u - 1e-6, 9)
        np.testing.assert_allclose(np.sum(grad(simulate)(u, 9)), (ahead - behind) / 2e-6, rtol=1e-7)
"""


def test_the_real_command_in_parallel(codemod, tmp_path):
    """More than four files: libcst gives every worker four."""
    names = [f"model{number}" for number in range(6)]
    for name in names:
        (tmp_path / f"{name}.py").write_text(MARKED)
    windows = codecs.BOM_UTF8 + MARKED.replace("\n", "\r\n").encode()
    (tmp_path / "model1.py").write_bytes(windows)
    (tmp_path / "plain.py").write_text(PLAIN)
    (tmp_path / "refused.py").write_text(REFUSED)
    finished = codemod("-j", "2", ".")
    assert finished.returncode == 0, finished.stderr
    assert "Transformed 7 files successfully" in finished.stderr
    assert "Skipped codemodding" in finished.stderr
    assert "refused.py:8: CKP101 `yield` in a marked loop" in finished.stderr
    assert (tmp_path / "plain.py").read_text() == PLAIN
    assert (tmp_path / "refused.py").read_text() == REFUSED
    assert (tmp_path / "model0.py").read_text().startswith(f"# Adjoint of model0.py, {HEADER}\n")
    made = (tmp_path / "model1.py").read_bytes()
    assert made.startswith(codecs.BOM_UTF8)
    assert made.count(b"\r\n") == made.count(b"\n") > 20
    program = textwrap.dedent(GRADIENT).format(names=names)
    subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=tmp_path, check=True)


def test_a_second_time_and_a_difference(codemod, tmp_path):
    (tmp_path / "a.py").write_text(MARKED)
    shown = codemod("--unified-diff", "--", "a.py")
    assert "+# Adjoint of a.py, " in shown.stdout
    assert (tmp_path / "a.py").read_text() == MARKED
    codemod("a.py")
    made = (tmp_path / "a.py").read_text()
    assert "CKP115 this file was written by checkpointer" in codemod("a.py").stderr
    assert (tmp_path / "a.py").read_text() == made
