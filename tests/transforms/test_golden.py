"""What the rewriter writes, as files to be read.

With CHECKPOINTER_UPDATE_GOLDEN=1 the files rewrite themselves, and every test whose file changed fails once, so that
somebody reads the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from checkpointer.transforms import Rewritten, rewrite_source

GOLDEN = Path(__file__).with_name("golden")
NAMES = sorted(path.stem for path in GOLDEN.glob("*.py") if not path.name.endswith(".out.py"))
UPDATE = "CHECKPOINTER_UPDATE_GOLDEN"


def rewrite(name: str) -> Rewritten:
    path = GOLDEN / f"{name}.py"
    return rewrite_source(path.read_text("utf-8"), str(path), ["Online", "Revolve"], version="0.1.0")


@pytest.mark.parametrize("name", NAMES)
def test_golden(name):
    expected_file = GOLDEN / f"{name}.out.py"
    expected = expected_file.read_text("utf-8") if expected_file.exists() else ""
    code = rewrite(name).code
    if code != expected and os.environ.get(UPDATE):
        expected_file.write_text(code, "utf-8")
        pytest.fail(f"{expected_file.name} was rewritten; review the difference")
    assert code == expected, f"run the tests once with {UPDATE}=1 and review the difference"


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_the_output_has_a_line_of_the_source(name):
    rewritten = rewrite(name)
    source = (GOLDEN / f"{name}.py").read_text("utf-8").splitlines()
    emitted = rewritten.code.splitlines()
    assert len(rewritten.source_lines) == len(emitted)
    assert set(rewritten.source_lines) <= set(range(1, len(source) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_every_line_that_was_kept_points_at_itself(name):
    """Lines that occur once before and once after the rewriting are the same line."""
    rewritten = rewrite(name)
    source = [line.strip() for line in (GOLDEN / f"{name}.py").read_text("utf-8").splitlines()]
    emitted = [line.strip() for line in rewritten.code.splitlines()]
    kept = [line for line in source if line and source.count(line) == emitted.count(line) == 1]
    assert len(kept) >= 2
    for line in kept:
        if line.startswith(("global ", "nonlocal ")):
            continue  # moved to the top of the step
        assert rewritten.source_lines[emitted.index(line)] == source.index(line) + 1, line


@pytest.mark.parametrize("name", NAMES)
def test_output_compiles_and_is_deterministic(name):
    code = rewrite(name).code
    compile(code, name, "exec")
    assert rewrite(name).code == code


@pytest.mark.parametrize("name", NAMES)
def test_no_comment_is_lost_but_the_marks(name):
    source = (GOLDEN / f"{name}.py").read_text("utf-8")
    code = rewrite(name).code
    for comment in [line[line.index("#") :] for line in source.splitlines() if "#" in line]:
        assert (comment in code) != comment.startswith("# checkpointer:")
