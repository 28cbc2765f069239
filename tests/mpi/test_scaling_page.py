"""The model of docs/scaling.md predicts what the page shows; the messages it counts are those of `cases_burgers.py`."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = "python benchmarks/mpi_overhead.py --model 64 1024 4096"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    yield importlib.import_module("mpi_overhead")
    for name in ("mpi_overhead", "mpi_model"):
        sys.modules.pop(name)


def test_the_page_shows_what_the_command_prints(benchmark, monkeypatch, capsys):
    page = (ROOT / "docs" / "scaling.md").read_text("utf-8")
    shown = page.partition(f"`{COMMAND}` prints\n\n```text\n")[2].partition("```")[0]
    assert shown
    monkeypatch.setattr(sys, "argv", COMMAND.split()[1:])
    benchmark.main()
    assert capsys.readouterr().out == shown


def test_one_rank_is_the_measurement(benchmark):
    """Steps times their costs; the schedule of 20 steps and 10 snapshots has 28 plain ones, and moves 29 snapshots."""
    model = benchmark.mpi_model
    costs = model.Costs((32, 64), (1.0, 2.0), (3.0, 5.0), (7.0, 9.0), (11.0, 13.0), (1e3, 1e4, 1e5))
    found = model.predict(1, 64, 20, 10, costs)
    assert found.plain == pytest.approx(20 * 2)
    assert found.gradient == pytest.approx(28 * 5 + 20 * 9 + 29 * 13)
    with pytest.raises(ValueError, match="not of 128"):
        model.predict(1, 128, 20, 10, costs)


def test_neighbours(benchmark):
    model = benchmark.mpi_model
    assert [model.grid(ranks) for ranks in (1, 2, 6, 64, 97)] == [(1, 1), (2, 1), (3, 2), (8, 8), (97, 1)]
    assert [model.messages(ranks) for ranks in (1, 2, 4, 6, 9, 64)] == [0, 2, 4, 6, 8, 8]
