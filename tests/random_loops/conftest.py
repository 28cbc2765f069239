"""The modules of this folder import each other by their names, here as in ``run.py``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
