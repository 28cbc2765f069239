"""Drop-in ``math``: the functions of the standard module. A rewritten module imports it in the place of ``math``.

While something is differentiated, its functions accept traced numbers too (`checkpointer.elementary`).
"""

import math as _math

from checkpointer.dropin import register as _register
from checkpointer.elementary import REPLACEMENTS as _REPLACEMENTS

_register(globals(), _math, _REPLACEMENTS)
