"""Source text in, source text out: rewrite marked loops so that they can be differentiated.

This folder knows neither NumPy nor the runtime; it reads and writes Python.
"""

from checkpointer.transforms.codes import TITLES as REFUSALS
from checkpointer.transforms.codes import WARNINGS
from checkpointer.transforms.lint import Finding, lint_source
from checkpointer.transforms.names import LoopNames
from checkpointer.transforms.pipeline import LoopInfo, Rewritten, rewrite_source

__all__ = [
    "REFUSALS",
    "WARNINGS",
    "Finding",
    "LoopInfo",
    "LoopNames",
    "Rewritten",
    "lint_source",
    "rewrite_source",
]
