"""Which tape records in this thread."""

import threading
from typing import Any


class _Active(threading.local):
    tape: Any = None  # the Tape that records, or None


active = _Active()
