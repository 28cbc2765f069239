"""What a consumer measured of a loop: the ground on which `Auto` chooses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """What one step and one snapshot of a loop cost on this machine.

    Attributes
    ----------
    first_bytes : int
        Memory of the first snapshot, and of what all snapshots come to share later, such as a stored history.
    snapshot_bytes : int
        Memory of each further snapshot.
    disk_bytes : int
        Bytes of a snapshot that shares nothing.
    tape_bytes : int
        Memory of the tape of one step that is kept.
    working_bytes : int
        The most memory that reversing one step takes, its tape included.
    step, reverse : float
        Seconds for a plain step; for a step under the tape and the way back through it.
    write, read : tuple of float
        Seconds for a snapshot written, and read, on each level.
    available : int
        Bytes of memory that were available to the process.
    keep : float
        Seconds that it takes besides to keep the tape of a step while others run: memory that has to be new.
    """

    first_bytes: int
    snapshot_bytes: int
    disk_bytes: int
    tape_bytes: int
    working_bytes: int
    step: float
    reverse: float
    write: tuple[float, ...]
    read: tuple[float, ...]
    available: int
    keep: float = 0.0
