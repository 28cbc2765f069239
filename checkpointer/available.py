"""How much memory the process may still take."""

from __future__ import annotations

from pathlib import Path

import psutil

_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def available_memory() -> int:
    """Bytes that can be had without swapping, and within the limit of the container or batch job that this runs in.

    >>> available_memory() > 0
    True
    """
    free = psutil.virtual_memory().available
    for limit, used in _GROUPS:
        try:
            room = int(Path(limit).read_text()) - int(Path(used).read_text())
        except (OSError, ValueError):  # no such group, or "max": no limit
            continue
        free = min(free, max(room, 0))
    return int(free)
