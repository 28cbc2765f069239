"""What docs/storage.md shows is run."""

import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "storage.md").read_text("utf-8")


def test_the_example(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "example.py").write_text(example)
    command = [sys.executable, "-W", "error", "-m", "checkpointer", "run", "example.py"]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")
    gradient = np.array(finished.stdout.strip(" []\n").split(), float)
    u = np.eye(11)
    for _ in range(100):
        u[1:-1] += 0.2 * (u[2:] - 2 * u[1:-1] + u[:-2])
    np.testing.assert_allclose(gradient, 2 * u.T @ u @ np.linspace(0, 1, 11), rtol=1e-6)
    with h5py.File(tmp_path / "run.h5") as file:
        slot = file["loop-1/slot-0"]
        assert slot.attrs.keys() == {"step", "written", "standing", "names", "manifest"}
        assert "u" in slot["state"]
        assert slot["state/u"].attrs.keys() == {"checksum"}
        for name in [*slot.attrs, "checksum", "dtype", "format", "version", "pieces"]:
            assert name in PAGE
