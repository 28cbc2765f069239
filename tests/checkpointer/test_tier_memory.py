"""Snapshots on disk take no memory: the resident peak of a process is what docs/memory.md says."""

import errno
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from checkpointer import install_import_hook

ROOT = Path(__file__).parents[2]
BEYOND = {"in_place": 10.2, "new_arrays": 9.3, "swapped": 6.3}
"""States beside those that `Multistage` holds in memory, at most, as the page has them."""
_AROUND = 0.8
"""States of 2 MiB that the interpreter and HDF5 may take for themselves."""


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks into /proc")
@pytest.mark.parametrize("name", BEYOND)
def test_the_resident_peak(name, tmp_path):
    command = [sys.executable, ROOT / "benchmarks" / "tier_memory.py", "--mib=2", "--steps=36", "4,30"]
    finished = subprocess.run(
        [*command, "--here", "--loops", name, "--folder", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "500000"},  # as it is for arrays of 64 MiB
    )
    assert finished.stderr == ""
    assert 4 + BEYOND[name] - 2 < float(finished.stdout) < 4 + BEYOND[name] + _AROUND
    assert os.listdir(tmp_path) == []


def test_the_example_of_the_page(tmp_path, monkeypatch):
    """As it is, and with a disk that breaks at the last read."""
    page = (ROOT / "docs" / "memory.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "example_of_memory.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    reads, last = [], None
    read = os.preadv

    def breaking(*args):
        reads.append(args)
        if len(reads) == last:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(*args)

    monkeypatch.setattr(os, "preadv", breaking)
    good = imported("example_of_memory")
    assert good.gradient.shape == (1000,)
    last = len(reads)
    reads.clear()
    bad = imported("example_of_memory")
    assert len(reads) == last
    assert bad.value == good.value
    assert bad.gradient is None


def imported(name):
    """The module under the import hook, forgotten at once."""
    with install_import_hook(name):
        module = importlib.import_module(name)
    del sys.modules[name]
    return module


def test_the_page_has_these_numbers():
    rows = re.findall(
        r"^\| `(\w+)` .*\| ([\d.]+) \|$", (ROOT / "docs" / "memory.md").read_text("utf-8"), re.MULTILINE
    )
    assert {name: float(number) for name, number in rows} == BEYOND
