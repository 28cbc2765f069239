"""Drop-in ``scipy.fftpack``, whose functions have newer forms in ``scipy.fft``."""

from typing import Any as _Any

import scipy.fftpack as _original

from checkpointer.scipy.aware import drop_in as _drop_in

_INSTEAD = "use the function of the same name in scipy.fft"

__all__ = list(_original.__all__)

globals().update(_drop_in(_original, {}, _INSTEAD))


def __getattr__(name: str) -> _Any:
    return getattr(_original, name)
