"""How much memory the process may still take."""

from __future__ import annotations

from pathlib import Path

_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def available_memory() -> int:
    """Bytes that can be had without swapping, within the limits of the process and of the container or batch job it runs in.

    >>> available_memory() > 0
    True
    """
    import psutil  # slow to load, and most programs never ask

    free = psutil.virtual_memory().available
    for limit, used in _GROUPS:
        try:
            room = int(Path(limit).read_text()) - int(Path(used).read_text())
        except (OSError, ValueError):  # no such group, or "max": no limit
            continue
        free = min(free, max(room, 0))
    return int(min(free, _room_for_addresses()))


def _room_for_addresses() -> float:
    """What ``ulimit -v`` leaves."""
    import psutil

    try:
        import resource
    except ImportError:
        return float("inf")
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most == resource.RLIM_INFINITY:
        return float("inf")
    return max(most - psutil.Process().memory_info().vms, 0)
