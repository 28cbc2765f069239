"""Drop-in ``scipy.sparse.linalg``. The rules are in `checkpointer.scipy.sparse_linalg_rules` and `.factors`.

An iterative solver stops at a tolerance, so what it computes is not the solution, and the derivative of the solution is not
its derivative to rounding: refused.
"""

from typing import Any as _Any

import scipy.sparse.linalg as _original

from checkpointer.scipy.aware import drop_in as _drop_in
from checkpointer.scipy.factors import factorized as _factorized
from checkpointer.scipy.factors import spilu as _spilu
from checkpointer.scipy.factors import splu as _splu
from checkpointer.scipy.sparse_linalg_rules import RULES as _RULES

_INSTEAD = (
    "it stops at a tolerance, or has no rule: use spsolve or splu, write the iteration in the rewritten module, or wrap the"
    " call with autograd.extend.primitive and give it a rule with defvjp"
)

__all__ = list(_original.__all__)

globals().update(
    _drop_in(_original, _RULES, _INSTEAD) | {"factorized": _factorized, "spilu": _spilu, "splu": _splu}
)


def __getattr__(name: str) -> _Any:
    return getattr(_original, name)
