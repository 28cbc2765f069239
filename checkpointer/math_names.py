"""The names of `checkpointer.math` for ``from math import sin``: they accept traced numbers at all times."""

import math as _math

from checkpointer.dropin import names_of as _names_of
from checkpointer.elementary import REPLACEMENTS as _REPLACEMENTS

__all__ = [_name for _name in dir(_math) if not _name.startswith("_")]

globals().update(_names_of(_math) | _REPLACEMENTS)
