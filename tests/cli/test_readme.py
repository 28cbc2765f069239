"""What the README shows is run, and what it states is true."""

import html
import re
import runpy
import tomllib
from pathlib import Path

import pytest

import checkpointer as package
from checkpointer.schemes import SCHEMES, Revolve, simulate

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PICTURES = runpy.run_path(str(ROOT / "docs/pictures/make.py"))


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


def test_the_commands():
    """They stand in the README as .ci/run looks for them, and name extras that exist."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for line in re.findall(r"^pip install .*$", README, re.MULTILINE):
        (named,) = re.findall(r'"\.\[([\w,]+)\]" && ', line)
        assert set(named.split(",")) <= extras.keys()
        assert (
            f"'pip install {line.removeprefix('pip install ').split(' && ')[0]} && '"
            in (ROOT / ".ci/run").read_text()
        )
    assert len(re.findall(r"^pip install .*$", README, re.MULTILINE)) == 3


def words_of(picture):
    """The texts in an SVG file, without blanks, which the version of rich decides about."""
    return re.sub(
        r"\s", "", html.unescape(re.sub(r"<style>.*?</style>|<[^>]*>", "", picture, flags=re.DOTALL))
    )


@pytest.mark.parametrize("name", PICTURES["COMMANDS"])
def test_pictures_show_what_the_commands_print(name):
    assert f"](docs/pictures/{name})" in README
    shown = (ROOT / "docs/pictures" / name).read_text("utf-8")
    assert "final_energy_loop1_reverse" in words_of(shown)
    assert words_of(shown) == words_of(PICTURES["picture_of"](name)), "python docs/pictures/make.py"


def test_captured_output_is_that_of_pages_whose_tests_run_it():
    runs, debugging = ((ROOT / "docs" / page).read_text("utf-8") for page in ("runs.md", "debugging.md"))
    _, *captured = re.findall(r"^```text\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert len(captured) == 2
    for text in captured:
        assert re.sub(r"first\.py:9 ", "heat.py:10 ", text) in runs
    assert block("console") in debugging
