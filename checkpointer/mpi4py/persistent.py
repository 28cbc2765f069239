"""Persistent requests: made once, before a loop mostly, and started in each step.

The request holds the program's buffer, which so belongs to the state of every loop that uses the request. As long as nothing
is differentiated it is MPI's own persistent request; in a differentiated call each start begins an ordinary message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from mpi4py import MPI

from checkpointer.active import active
from checkpointer.boxes import plain_nested
from checkpointer.containers import Held
from checkpointer.mpi4py.requests import Waiting, done, wait_for


class Prequest(Waiting, MPI.Prequest, Held):
    """mpi4py's class of this name.

    Parameters
    ----------
    request : Prequest
        mpi4py's.
    begin : str
        The communicator's method that begins the same message as an ordinary one.
    """

    def __new__(cls, request: Any, begin: str, comm: Any, buf: Any, rank: int, tag: int) -> Any:
        self = super().__new__(cls, request)
        self.begin = begin
        self.comm = comm
        self.buf = list(buf) if isinstance(buf, tuple) else buf
        self.rank = rank
        self.tag = tag
        self.running = None
        return self

    running: Any
    begin: str
    comm: Any
    buf: Any
    rank: int
    tag: int

    @property
    def over(self) -> bool:
        """Whether it is not started, or was waited for."""
        return self.running is None

    def _done(self, status: Any) -> bool:
        if self.running is not None:
            if not done(self.running, status):
                return False
            self.running = None
        return True

    def _wait(self, status: Any = None) -> Literal[True]:
        if self.running is not None:
            wait_for(self.running, status)
            self.running = None
        return True

    def Start(self) -> None:  # noqa: N802  mpi4py's name
        if active.traffic is None:
            super().Start()
        else:
            self.running = getattr(self.comm, self.begin)(self.buf, self.rank, self.tag)

    def Wait(self, status: Any = None) -> Literal[True]:  # noqa: N802
        return super().Wait(status) if active.traffic is None else self._wait(status)

    def Test(self, status: Any = None) -> bool:  # noqa: N802
        return super().Test(status) if active.traffic is None else self._test(status)

    @classmethod
    def Startall(cls, requests: Sequence[Any]) -> None:  # noqa: N802
        if active.traffic is None:
            MPI.Prequest.Startall(list(requests))
            return
        for request in requests:
            request.Start()


def _making(name: str, begin: str, *, receives: bool) -> Callable[..., Any]:
    original = getattr(MPI.Comm, name)

    def make(comm: Any, buf: Any, rank: int, tag: int) -> Any:
        return Prequest(original(comm, plain_nested(buf), rank, tag), begin, comm, buf, rank, tag)

    def sending(self: Any, buf: Any, dest: int, tag: int = 0) -> Any:
        return make(self, buf, dest, tag)

    def receiving(self: Any, buf: Any, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG) -> Any:
        return make(self, buf, source, tag)

    function = receiving if receives else sending
    function.__name__ = function.__qualname__ = name
    function.__doc__ = original.__doc__
    return function


MAKING = {
    "Send_init": _making("Send_init", "Isend", receives=False),
    "Bsend_init": _making("Bsend_init", "Ibsend", receives=False),
    "Rsend_init": _making("Rsend_init", "Irsend", receives=False),
    "Ssend_init": _making("Ssend_init", "Issend", receives=False),
    "Recv_init": _making("Recv_init", "Irecv", receives=True),
}
"""Methods of communicators that make a persistent request; they have them at all times."""
