"""What ranks have measured of a loop's first step: all choose by the same numbers, and so the same scheme."""

from __future__ import annotations

import dataclasses
import socket
from typing import Any

from checkpointer.active import active
from checkpointer.mpi4py.agreement import everyones, together
from checkpointer.schemes import Measurement
from checkpointer.traffic import LoopLog


def agreed(log: LoopLog, mine: Measurement) -> Measurement:
    """The most of what any rank has measured, and the least of the memory, which ranks of one machine share.

    Parameters
    ----------
    log : LoopLog
        Of the loop. All ranks of the largest communicator that its first step used have to run the loop.
    mine : Measurement
        What this rank has measured.

    Raises
    ------
    RankError
        If not all ranks have come to the end of the first step.
    """
    comm = _largest(log)
    together(comm, f"the trial of the first step of the loop {log.name}, whose scheme is chosen by Auto")
    found = everyones((socket.gethostname(), mine), comm)
    hosts = [host for host, _ in found]
    available = min(measured.available // hosts.count(host) for host, measured in found)
    worst = {
        field.name: _most([getattr(measured, field.name) for _, measured in found])
        for field in dataclasses.fields(Measurement)
    }
    return Measurement(**{**worst, "available": available})


def _largest(log: LoopLog) -> Any:
    """The largest communicator that a loop has used."""
    keys = list(log.collective) + [key for key, _ in (*log.sent, *log.received)]
    return max((active.traffic.communicators[key] for key in keys), key=lambda comm: comm.size)


def _most(values: list[Any]) -> Any:
    if isinstance(values[0], tuple):
        return tuple(map(max, zip(*values, strict=True)))
    return max(values)
