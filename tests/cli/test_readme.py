"""What the README shows is run, and what it states is true."""

import re
import tomllib
from pathlib import Path

import pytest

import checkpointer as package
from checkpointer.schemes import SCHEMES, Revolve, simulate

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def block(language):
    """The first code block in a language."""
    return re.search(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)[1]


def test_the_first_example(checkpointer, tmp_path):
    (tmp_path / "first.py").write_text(block("python"), encoding="utf-8")
    finished = checkpointer("run", "first.py")
    assert finished.stderr == ""
    printed, shown = (
        [line.rsplit(maxsplit=1) for line in text.splitlines()] for text in (finished.stdout, block("text"))
    )
    assert [label for label, _ in printed] == [label for label, _ in shown]
    assert [float(number) for _, number in printed] == pytest.approx(
        [float(number) for _, number in shown], rel=1e-7
    )
    assert float(printed[1][1]) == pytest.approx(float(printed[2][1]), rel=1e-6)


def test_the_first_example_runs_as_plain_python_until_it_is_differentiated(checkpointer, tmp_path):
    (tmp_path / "first.py").write_text(block("python"), encoding="utf-8")
    finished = checkpointer("first.py", program=())
    assert finished.returncode == 1
    assert "NotRewrittenError" in finished.stderr


def test_what_the_first_example_costs():
    cost = simulate(Revolve(8), 1000)
    assert f"{cost.advances} plain steps" in README
    assert cost.peak == 8


def test_the_table_of_schemes():
    assert sorted(re.findall(r"^\| `(\w+)\(", README, re.MULTILINE)) == sorted(SCHEMES)


def test_all_commands_are_mentioned(checkpointer):
    for command in ("lint", "plan", "rewrite", "run", "show"):
        assert f"`checkpointer {command} " in README


def test_every_name_that_it_mentions_exists():
    for name in re.findall(r"checkpointer\.(\w+)", README):
        assert hasattr(package, name)


def test_links():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_two_commands():
    """They stand in the README as .ci/run looks for them, and name extras that exist."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for line in re.findall(r"^pip install .*$", README, re.MULTILINE):
        (extra,) = re.findall(r'"\.\[(\w+)\]" && ', line)
        assert extra in extras
        assert (
            f"'pip install {line.removeprefix('pip install ').split(' && ')[0]} && '"
            in (ROOT / ".ci/run").read_text()
        )
    assert len(re.findall(r"^pip install .*$", README, re.MULTILINE)) == 2
