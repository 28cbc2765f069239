"""A run of ranks.py, which draws as many as one likes."""

import importlib.util
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("resumed_ranks", Path(__file__).with_name("ranks.py"))
runs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runs)


@pytest.mark.skipif(bool(runs.harness.missing()), reason=runs.harness.missing())
def test_killed_and_resumed():
    """On two ranks that exchange halos: of each start, all are killed or one is."""
    chosen = 2, ["--loop=halo", "--scheme=Revolve(5)", "--n=2000", "--steps=30", "--every=0.02"]
    outcome, counts = runs.killed_and_resumed("a", kills=2, chosen=chosen)
    assert outcome == "right"
    assert counts["killed"] <= 2
