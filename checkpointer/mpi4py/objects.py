"""Messages of objects from one rank to another: `send`, `recv` and their kin, in a differentiated call.

A message is what mpi4py makes of an object, its pickle in bytes, sent and received by non-blocking operations so that no
rank waits for ever. On the tape there is an envelope in the place of the object (`checkpointer.mpi4py.parcels`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpi4py
import numpy as np
from mpi4py import MPI

from checkpointer.active import active
from checkpointer.mpi4py.exchange import Received, Sent, exchange_of
from checkpointer.mpi4py.parcels import deposit, layout_of, opened, packed
from checkpointer.mpi4py.point_to_point import WAYS, expected, noted
from checkpointer.mpi4py.requests import SweepRequest, TracedRequest
from checkpointer.mpi4py.waiting import finish, until
from checkpointer.tape import Tape, TapeNode

# --- entries of the tape --------------------------------------------------------------------------------------------


class SentObject(Sent):
    """A message with leaves through which a derivative flows: their adjoints come back together."""

    def __init__(self, tape: Tape, comm: Any, rank: int, tag: int, nodes: list[TapeNode]) -> None:
        self.layout = layout_of(nodes)
        super().__init__(tape, comm, rank, tag, None, self.layout.dtype)
        self.nodes = nodes

    def reverse(self) -> None:
        vector = self.exchange.receive(self.comm, self.rank, self.tag, self.number, self.dtype)
        if vector is not None:
            deposit(self.nodes, self.layout.apart(vector))


class ReceivedObject(Received):
    """A message that was received. Whether an adjoint goes back is known when it has arrived."""

    nodes: list[TapeNode]

    def arrived(self, rank: int, tag: int, made: Any) -> Any:
        """The object, given its envelope."""
        self.rank, self.tag = rank, tag
        content, self.nodes = opened(self.tape, made)
        if self.nodes:
            self.tape.entries.append(self)
        else:
            self.exchange.forget_received(self)
        return content

    def reverse(self) -> None:
        adjoints = [node.memory.take(node.value) for node in self.nodes]
        nothing = all(adjoint is None for adjoint in adjoints)
        self.send_back(None if nothing else layout_of(self.nodes).vector(adjoints))


# --- beginning to send and to receive -------------------------------------------------------------------------------


def begin_send(way: str, comm: Any, given: Any, dest: int, tag: int) -> Any:
    tape = active.tape
    if dest == MPI.PROC_NULL:
        return SweepRequest(MPI.Request()) if tape is None else TracedRequest(None)
    if tape is None:
        data = MPI.pickle.dumps(given)
        request = SweepRequest(WAYS[way](comm, [data, MPI.BYTE], dest, tag))
        noted(comm, dest, tag, len(data))
        return request
    parcel = packed(given)
    data = MPI.pickle.dumps(parcel.envelope)
    sending = WAYS[way](comm, [data, MPI.BYTE], dest, tag)
    exchange_of(tape).keep(sending, data)
    noted(comm, dest, tag, len(data))
    if parcel.nodes:
        SentObject(tape, comm, dest, tag, parcel.nodes)
    return TracedRequest(sending)


def begin_receive(comm: Any, buf: Any, source: int, tag: int) -> Any:
    tape = active.tape
    if source == MPI.PROC_NULL:
        return SweepRequest(MPI.Request()) if tape is None else TracedRequest(None)
    data = bytearray(_room(buf) if tape is None else 2 * _room(buf) + 4096)  # an envelope takes more
    source, tag, cell = expected(comm, source, tag)
    complete = _completing(comm, data, cell)
    request = MPI.Comm.Irecv(comm, [data, MPI.BYTE], source, tag)
    pending = SweepRequest(request, complete) if tape is None else TracedRequest(request, complete)
    active.traffic.pending.append(pending)
    return pending


def _room(buf: Any) -> int:
    """How many bytes to provide for a message that has not arrived: no less than mpi4py does."""
    if buf is None:
        return max(int(getattr(mpi4py.rc, "irecv_bufsz", 0)), 65536)
    return int(buf) if isinstance(buf, int) else memoryview(buf).nbytes


def _completing(comm: Any, data: Any, cell: list[Any] | None) -> Callable[[Any], Any]:
    """What makes an object of a message, given its status."""
    entry = None if active.tape is None else ReceivedObject(active.tape, comm)

    def complete(status: Any) -> Any:
        if cell is not None:
            cell[0] = status.source, status.tag
        noted(comm, status.source, status.tag, None)
        came = MPI.pickle.loads(memoryview(data)[: status.Get_count(MPI.BYTE)])
        return came if entry is None else entry.arrived(status.source, status.tag, came)

    return complete


def receive(comm: Any, source: int, tag: int, status: Any) -> Any:
    """Wait for an object of any size."""
    if source == MPI.PROC_NULL:
        return MPI.Comm.recv(comm, None, source, tag, status)
    source, tag, cell = expected(comm, source, tag)
    final = MPI.Status() if status is None else status
    message = until(lambda: MPI.Comm.Improbe(comm, source, tag, final))
    data = np.empty(final.Get_count(MPI.BYTE), np.uint8)
    complete = _completing(comm, data, cell)
    finish(message.Irecv([data, MPI.BYTE]), final)
    return complete(final)


# --- mpi4py's methods -----------------------------------------------------------------------------------------------


def isend(self: Any, obj: Any, dest: int, tag: int = 0) -> Any:
    return begin_send("Isend", self, obj, dest, tag)


def issend(self: Any, obj: Any, dest: int, tag: int = 0) -> Any:
    return begin_send("Issend", self, obj, dest, tag)


def ibsend(self: Any, obj: Any, dest: int, tag: int = 0) -> Any:
    return begin_send("Ibsend", self, obj, dest, tag)


def send(self: Any, obj: Any, dest: int, tag: int = 0) -> None:
    begin_send("Isend", self, obj, dest, tag)._wait()


def ssend(self: Any, obj: Any, dest: int, tag: int = 0) -> None:
    begin_send("Issend", self, obj, dest, tag)._wait()


def bsend(self: Any, obj: Any, dest: int, tag: int = 0) -> None:
    request = begin_send("Ibsend", self, obj, dest, tag)
    if active.tape is None:
        active.traffic.buffered.append(request)


def irecv(self: Any, buf: Any = None, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG) -> Any:
    return begin_receive(self, buf, source, tag)


def recv(
    self: Any, buf: Any = None, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG, status: Any = None
) -> Any:
    return receive(self, source, tag, status)


def sendrecv(
    self: Any,
    sendobj: Any,
    dest: int,
    sendtag: int = 0,
    recvbuf: Any = None,
    source: int = MPI.ANY_SOURCE,
    recvtag: int = MPI.ANY_TAG,
    status: Any = None,
) -> Any:
    sending = begin_send("Isend", self, sendobj, dest, sendtag)
    received = receive(self, source, recvtag, status)
    sending._wait()
    return received


METHODS: dict[str, Callable[..., Any]] = {
    "send": send,
    "bsend": bsend,
    "ssend": ssend,
    "isend": isend,
    "ibsend": ibsend,
    "issend": issend,
    "recv": recv,
    "irecv": irecv,
    "sendrecv": sendrecv,
}
"""Name in mpi4py -> what stands for it in a differentiated call."""
