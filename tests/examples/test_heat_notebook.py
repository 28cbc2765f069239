"""The example in a notebook, executed by a Jupyter kernel."""

import itertools
import json
import re
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "heat.ipynb"


def text_of(cell):
    """What a cell printed."""
    return "".join("".join(output["text"]) for output in cell["outputs"] if output["output_type"] == "stream")


@pytest.fixture(scope="module")
def executed(run_notebook):
    cells = run_notebook(NOTEBOOK.read_text("utf-8"))
    for cell in cells:
        for output in cell["outputs"]:
            assert output["output_type"] != "error", output["evalue"]
    return cells


def test_no_outputs_are_stored():
    """They would be out of date one day."""
    for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_the_gradient_passes_its_own_test(executed):
    """Half the step, a quarter of the remainder."""
    (printed,) = [text for text in map(text_of, executed) if "remainder" in text]
    remainders = [float(number) for number in re.findall(r"remainder = (\S+)", printed)]
    assert len(remainders) == 4
    for larger, smaller in itertools.pairwise(remainders):
        assert larger / smaller == pytest.approx(4, rel=0.05)


def test_the_picture(executed):
    *_, last = executed
    assert any("image/png" in output.get("data", {}) for output in last["outputs"])
