"""Drop-in ``scipy.sparse``. What matrices do with traced values is in `checkpointer.scipy.matrices`."""

from typing import Any as _Any

import scipy.sparse as _original

from checkpointer.scipy import matrices as _matrices  # noqa: F401  the methods of the matrices
from checkpointer.scipy import sparse_linalg as linalg
from checkpointer.scipy.aware import drop_in as _drop_in
from checkpointer.scipy.sparse_rules import RULES as _RULES

__all__ = list(_original.__all__)

globals().update(_drop_in(_original, _RULES) | {"linalg": linalg})


def __getattr__(name: str) -> _Any:
    return getattr(_original, name)
