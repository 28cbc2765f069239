"""Messages of arrays from one rank to another: `Send`, `Recv` and their kin, in a differentiated call.

Each operation has two forms: one for the sweeps, where arrays are plain and mpi4py does the work, and one for the tape,
where the message is received into new memory and then written to the program's array, as any other value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpi4py import MPI

from checkpointer.active import active
from checkpointer.boxes import is_traced
from checkpointer.mpi4py.buffers import Buffer
from checkpointer.mpi4py.exchange import Received, Sent, exchange_of
from checkpointer.mpi4py.private import key_of
from checkpointer.mpi4py.requests import SweepRequest, TracedRequest
from checkpointer.mpi4py.waiting import until

WAYS = {
    "Isend": MPI.Comm.Isend,
    "Issend": MPI.Comm.Issend,
    "Irsend": MPI.Comm.Isend,  # a receive that is repeated may be late
    "Ibsend": MPI.Comm.Isend,  # the program's buffer may be too small for more
}
"""Operation that begins to send -> mpi4py's."""
_MOST = 2**61 - 1


def noted(comm: Any, rank: int, tag: int, size: int | None) -> None:
    """Note that this rank sends a message of so many bytes to another one, or, if that is None, receives one from it."""
    traffic = active.traffic
    key = key_of(comm)
    if size is None:
        traffic.events += 1
    else:
        traffic.count(size)
    for frame in traffic.frames:
        if frame.again:
            continue
        log = frame.log
        side = log.received if size is None else log.sent
        sums = side.setdefault((key, rank), [0, 0])
        sums[0] += 1
        sums[1] = (sums[1] + _mixed(frame.step, tag)) % _MOST


def _mixed(step: int, tag: int) -> int:
    """A number for a step and a tag; sums of such numbers hardly agree by chance."""
    return (step * 0x9E3779B97F4A7C15 + tag * 0xC2B2AE3D27D4EB4F + 1) ** 3 % _MOST


def expected(comm: Any, source: int, tag: int) -> tuple[int, int, list[Any] | None]:
    """Where a message comes from and its tag, as far as it is known; where it is to be noted, if it is not."""
    if source != MPI.ANY_SOURCE and tag != MPI.ANY_TAG:
        return source, tag, None
    cell, known = active.traffic.cell()
    return (*cell[0], None) if known else (source, tag, cell)


def probed(comm: Any, source: int, tag: int) -> tuple[int, int]:
    """Wait for a message, and tell where it comes from and its tag; the same one, when this runs again."""
    source, tag, cell = expected(comm, source, tag)
    if cell is not None:
        status = MPI.Status()
        until(lambda: MPI.Comm.Iprobe(comm, source, tag, status))
        cell[0] = source, tag = status.source, status.tag
    return source, tag


# --- in the sweeps --------------------------------------------------------------------------------------------------


def begin_send(way: str, comm: Any, buf: Any, dest: int, tag: int) -> SweepRequest:
    request = SweepRequest(WAYS[way](comm, buf, dest, tag))
    if dest != MPI.PROC_NULL:
        noted(comm, dest, tag, bytes_of(buf))
    return request


def bytes_of(buf: Any) -> int:
    """How many bytes a buffer argument names."""
    if not isinstance(buf, list | tuple):
        return memoryview(buf).nbytes if buf is not None else 0
    array, *rest = buf
    count = next((part for part in rest if isinstance(part, int)), None)
    datatype = next((part for part in rest if isinstance(part, MPI.Datatype)), None)
    if count is None:
        return memoryview(array).nbytes
    return count * (memoryview(array).itemsize if datatype is None else datatype.size)


def begin_receive(comm: Any, buf: Any, source: int, tag: int) -> SweepRequest:
    if source == MPI.PROC_NULL:
        return SweepRequest(MPI.Comm.Irecv(comm, buf, source, tag))
    source, tag, cell = expected(comm, source, tag)

    def note(status: Any) -> None:
        if cell is not None:
            cell[0] = status.source, status.tag
        noted(comm, status.source, status.tag, None)

    request = SweepRequest(MPI.Comm.Irecv(comm, buf, source, tag), note)
    active.traffic.pending.append(request)
    return request


# --- on the tape ----------------------------------------------------------------------------------------------------


def begin_traced_send(way: str, comm: Any, buf: Any, dest: int, tag: int) -> TracedRequest:
    if dest == MPI.PROC_NULL:
        return TracedRequest(None)
    buffer = Buffer(buf, way)
    content = buffer.content()
    request = WAYS[way](comm, content, dest, tag)
    exchange_of(active.tape).keep(request, content)
    noted(comm, dest, tag, content.nbytes)
    if buffer.differentiable:
        part = buffer.part()
        node = part._node if is_traced(part) else None
        Sent(active.tape, comm, dest, tag, node, content.dtype)
    return TracedRequest(request)


def begin_traced_receive(comm: Any, buf: Any, source: int, tag: int) -> TracedRequest:
    if source == MPI.PROC_NULL:
        return TracedRequest(None)
    buffer = Buffer(buf, "Recv")
    made = buffer.blank()
    source, tag, cell = expected(comm, source, tag)
    entry = Received(active.tape, comm) if buffer.differentiable else None
    request = MPI.Comm.Irecv(comm, made, source, tag)

    def complete(status: Any) -> None:
        if cell is not None:
            cell[0] = status.source, status.tag
        noted(comm, status.source, status.tag, None)
        came = made[: status.Get_count(MPI.BYTE) // made.itemsize]
        buffer.store(came if entry is None else entry.arrived(status.source, status.tag, came))

    pending = TracedRequest(request, complete)
    active.traffic.pending.append(pending)
    return pending


# --- mpi4py's methods -----------------------------------------------------------------------------------------------


def _begin_send(way: str, comm: Any, buf: Any, dest: int, tag: int) -> Any:
    begin = begin_send if active.tape is None else begin_traced_send
    return begin(way, comm, buf, dest, tag)


def _begin_receive(comm: Any, buf: Any, source: int, tag: int) -> Any:
    begin = begin_receive if active.tape is None else begin_traced_receive
    return begin(comm, buf, source, tag)


def isend(self: Any, buf: Any, dest: int, tag: int = 0) -> Any:
    return _begin_send("Isend", self, buf, dest, tag)


def issend(self: Any, buf: Any, dest: int, tag: int = 0) -> Any:
    return _begin_send("Issend", self, buf, dest, tag)


def irsend(self: Any, buf: Any, dest: int, tag: int = 0) -> Any:
    return _begin_send("Irsend", self, buf, dest, tag)


def ibsend(self: Any, buf: Any, dest: int, tag: int = 0) -> Any:
    return _begin_send("Ibsend", self, buf, dest, tag)


def send(self: Any, buf: Any, dest: int, tag: int = 0) -> None:
    _begin_send("Isend", self, buf, dest, tag)._wait()


def bsend(self: Any, buf: Any, dest: int, tag: int = 0) -> None:
    """It waits for nobody, however much the program's own buffer takes."""
    if active.tape is None and dest != MPI.PROC_NULL:
        content = Buffer(buf, "Bsend").content()
        active.traffic.buffered.append(begin_send("Isend", self, content, dest, tag))
    else:
        _begin_send("Isend", self, buf, dest, tag)


def ssend(self: Any, buf: Any, dest: int, tag: int = 0) -> None:
    _begin_send("Issend", self, buf, dest, tag)._wait()


def irecv(self: Any, buf: Any, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG) -> Any:
    return _begin_receive(self, buf, source, tag)


def recv(
    self: Any, buf: Any, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG, status: Any = None
) -> None:
    _begin_receive(self, buf, source, tag)._wait(status)


def sendrecv(
    self: Any,
    sendbuf: Any,
    dest: int,
    sendtag: int = 0,
    recvbuf: Any = None,
    source: int = MPI.ANY_SOURCE,
    recvtag: int = MPI.ANY_TAG,
    status: Any = None,
) -> None:
    receiving = _begin_receive(self, recvbuf, source, recvtag)
    sending = _begin_send("Isend", self, sendbuf, dest, sendtag)
    receiving._wait(status)
    sending._wait()


def isendrecv(
    self: Any,
    sendbuf: Any,
    dest: int,
    sendtag: int = 0,
    recvbuf: Any = None,
    source: int = MPI.ANY_SOURCE,
    recvtag: int = MPI.ANY_TAG,
) -> Any:
    _begin_send("Isend", self, sendbuf, dest, sendtag)
    return _begin_receive(self, recvbuf, source, recvtag)


def sendrecv_replace(
    self: Any,
    buf: Any,
    dest: int,
    sendtag: int = 0,
    source: int = MPI.ANY_SOURCE,
    recvtag: int = MPI.ANY_TAG,
    status: Any = None,
) -> None:
    given = Buffer(buf, "Sendrecv_replace").content() if active.tape is None else buf
    sending = _begin_send("Isend", self, given, dest, sendtag)
    _begin_receive(self, buf, source, recvtag)._wait(status)
    sending._wait()


def probe(self: Any, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG, status: Any = None) -> bool:
    source, tag = probed(self, source, tag)
    until(lambda: MPI.Comm.Iprobe(self, source, tag, status))
    return True


def iprobe(self: Any, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG, status: Any = None) -> bool:
    def look() -> tuple[int, int] | None:
        found = MPI.Status()
        return (found.source, found.tag) if MPI.Comm.Iprobe(self, source, tag, found) else None

    found = active.traffic.decided(look)
    return found is not None and probe(self, found[0], found[1], status)


METHODS: dict[str, Callable[..., Any]] = {
    "Send": send,
    "Bsend": bsend,
    "Rsend": send,
    "Ssend": ssend,
    "Isend": isend,
    "Ibsend": ibsend,
    "Irsend": irsend,
    "Issend": issend,
    "Recv": recv,
    "Irecv": irecv,
    "Sendrecv": sendrecv,
    "Isendrecv": isendrecv,
    "Sendrecv_replace": sendrecv_replace,
    "Probe": probe,
    "Iprobe": iprobe,
    "probe": probe,
    "iprobe": iprobe,
}
"""Name in mpi4py -> what stands for it in a differentiated call."""
