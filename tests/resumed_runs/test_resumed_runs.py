"""A few runs of run.py, which draws as many as one likes."""

import importlib.util
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("resumed_runs", Path(__file__).with_name("run.py"))
runs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runs)


@pytest.mark.parametrize("seed", ["a", "b", "c"])
def test_killed_and_resumed(seed):
    outcome, counts = runs.killed_and_resumed(seed, kills=2)
    assert outcome == "right"
    assert counts["killed"] <= 2
