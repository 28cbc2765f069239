"""The progress bar and the summary in a real Jupyter kernel, in which no widgets are installed."""

import re

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = [
    """\
%load_ext checkpointer
import numpy as np
import checkpointer
from checkpointer import Revolve, checkpointed, grad""",
    """\
%%checkpointer
def simulate(u):
    for step in checkpointed(range(6), Revolve(2), progress=True):
        u = u - 0.01 * u * u
        print("in step", step)
    return np.sum(u)""",
    "gradient = grad(simulate)(np.ones(3))",
    "checkpointer.last_run()",
    """\
%%checkpointer
def fails(u):
    for step in checkpointed(range(6), Revolve(2), progress=True):
        u = u / [1.0, 2.0][step]
    return np.sum(u)

grad(fails)(np.ones(3))""",
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    client = NotebookClient(
        nbformat.v4.new_notebook(cells=cells),
        timeout=120,
        allow_errors=True,
        resources={"metadata": {"path": str(tmp_path_factory.mktemp("notebook"))}},
    )
    return [cell.outputs for cell in client.execute().cells]


def test_the_bars_stand_below_the_cell(outputs):
    """With the last that was shown of each."""
    printed = "".join(output.text for output in outputs[2] if output.output_type == "stream")
    assert printed == "".join(f"in step {step}\n" for step in range(6))
    forward, reverse = [output.data for output in outputs[2] if output.output_type == "display_data"]
    assert re.fullmatch(r"Cell In\[2\]:3 forward: 6/6 steps in \d+\.\d s", forward["text/plain"])
    assert re.fullmatch(
        r"Cell In\[2\]:3 reverse: 6/6 reversed, 3/3 recomputed in \d+\.\d s", reverse["text/plain"]
    )
    assert forward["text/html"].startswith('<div><progress value="6" max="6"></progress> ')
    assert reverse["text/html"].startswith('<div><progress value="9" max="9"></progress> ')


def test_the_summary_is_a_table(outputs):
    (shown,) = outputs[3]
    assert shown.data["text/html"].startswith("<p>simulate: forward ")
    assert ">Revolve(snapshots=2)</td>" in shown.data["text/html"]


def test_a_bar_of_a_loop_that_fails_shows_how_far_it_came(outputs):
    bar, error = outputs[4]
    assert re.search(r" forward: 2/6 steps in ", bar.data["text/plain"])
    assert '<progress value="2" max="6">' in bar.data["text/html"]
    assert error.ename == "IndexError"
