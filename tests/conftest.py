"""What tests in several folders use."""

import json
import os
import subprocess
import sys

import pytest

EXECUTE = """
import json, sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.reads(sys.stdin.read(), as_version=4)
NotebookClient(notebook, timeout=300, kernel_name="python3", allow_errors=True).execute()
sys.stdout.write(nbformat.writes(notebook))
"""


@pytest.fixture(scope="session")
def run_notebook(tmp_path_factory):
    """``run_notebook(text)``: the notebook's code cells, executed by a real Jupyter kernel; errors stay in their outputs."""

    def run(text):
        folder = tmp_path_factory.mktemp("jupyter")
        own = {name: str(folder / name) for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
        finished = subprocess.run(
            [sys.executable, "-c", EXECUTE],
            cwd=folder,
            env={**os.environ, **own, "PYDEVD_DISABLE_FILE_VALIDATION": "1", "PYTHONIOENCODING": "utf-8"},
            input=text,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        return [cell for cell in json.loads(finished.stdout)["cells"] if cell["cell_type"] == "code"]

    return run
