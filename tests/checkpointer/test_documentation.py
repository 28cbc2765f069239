"""What docs/replay.md shows is run."""

import re
from pathlib import Path

import numpy as np

from checkpointer import value_and_grad
from checkpointer.transforms import lint_source

PAGE = (Path(__file__).parents[2] / "docs" / "replay.md").read_text("utf-8")


def test_the_example_of_replaying(load, tmp_path, monkeypatch):
    """The last step, which is recorded when it first runs, saves values that are being differentiated."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert lint_source(example, "example.py", []) == ()
    monkeypatch.chdir(tmp_path)
    program = load(example).rewritten
    value, gradient = value_and_grad(program.simulate)(np.ones(2), 201)
    assert sorted(path.name for path in tmp_path.glob("*.npy")) == ["u0.npy", "u100.npy", "u200.npy"]
    assert np.sum(np.load("u200.npy")) == value
    np.testing.assert_allclose(gradient, 0.99**201)
