"""Which tape records in this thread, and where loops note the storage sessions that they open and the work they do."""

import threading
from typing import Any


class _Active(threading.local):
    tape: Any = None  # the Tape that records, or None
    sessions: Any = None  # the Sessions of the differentiated call, or None
    run: Any = None  # the Run of the differentiated call, or None
    traffic: Any = None  # the Traffic of the differentiated call, or None


active = _Active()
