"""A few runs of ranks.py, which draws as many as one likes."""

import importlib.util
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("resumed_ranks", Path(__file__).with_name("ranks.py"))
runs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runs)


@pytest.mark.skipif(bool(runs.harness.missing()), reason=runs.harness.missing())
@pytest.mark.parametrize(
    ("seed", "chosen"),
    [
        ("a", (2, ["--loop=halo", "--scheme=Revolve(5)", "--n=20000", "--steps=60", "--every=0.02"])),
        (
            "b",
            (
                3,
                [
                    "--loop=alone",
                    "--scheme=Multistage(2, 4)",
                    "--n=200",
                    "--steps=30",
                    "--every=0",
                    "--tiers",
                ],
            ),
        ),
    ],
)
def test_killed_and_resumed(seed, chosen):
    outcome, counts = runs.killed_and_resumed(seed, kills=2, chosen=chosen)
    assert outcome == "right"
    assert counts["killed"] <= 2
