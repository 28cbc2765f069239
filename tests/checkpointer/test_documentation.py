"""What the pages in docs/ show is run."""

import re
from pathlib import Path

import numpy as np

from checkpointer import MemoryStorage, value_and_grad
from checkpointer.transforms import lint_source

DOCS = Path(__file__).parents[2] / "docs"


def examples(page):
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)


def test_the_example_of_replaying(load, tmp_path, monkeypatch):
    """The last step, which is recorded when it first runs, saves values that are being differentiated."""
    (example,) = examples("replay.md")
    assert lint_source(example, "example.py", []) == ()
    monkeypatch.chdir(tmp_path)
    program = load(example).rewritten
    value, gradient = value_and_grad(program.simulate)(np.ones(2), 201)
    assert sorted(path.name for path in tmp_path.glob("*.npy")) == ["u0.npy", "u100.npy", "u200.npy"]
    assert np.sum(np.load("u200.npy")) == value
    np.testing.assert_allclose(gradient, 0.99**201)


def test_the_example_of_the_background(load):
    (example,) = examples("background.md")
    assert lint_source(example, "example.py", []) == ()
    program = load(example).rewritten
    u = np.linspace(0.0, 1.0, 50) ** 2
    value, gradient = value_and_grad(program.simulate)(u, 40)
    program.storage = MemoryStorage()
    again, same = value_and_grad(program.simulate)(u, 40)
    assert value == again
    assert np.array_equal(gradient, same)
