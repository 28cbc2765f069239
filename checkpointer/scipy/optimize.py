"""Drop-in ``scipy.optimize``: its methods iterate on plain values, and refuse differentiated ones."""

from typing import Any as _Any

import scipy.optimize as _original

from checkpointer.scipy.aware import drop_in as _drop_in

_INSTEAD = (
    "it iterates on plain values until a tolerance is met: write the iteration (Newton's, for example) in the rewritten"
    " module, or wrap the call with autograd.extend.primitive and give it the rule of the implicit function theorem"
)

__all__ = list(_original.__all__)

globals().update(_drop_in(_original, {}, _INSTEAD))


def __getattr__(name: str) -> _Any:
    return getattr(_original, name)
