"""Requests: what `Isend` and `Irecv` return in a differentiated call, and how they are waited for.

In the sweeps of a loop a request is one of mpi4py's own (`SweepRequest`), so that compiled code takes it. On the tape it
is a `TracedRequest`: a message that is received becomes part of the program's arrays when the program waits for it, and
compiled code, which would not do that, does not take it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from mpi4py import MPI

from checkpointer.active import active
from checkpointer.mpi4py.waiting import finish, until
from checkpointer.refusals import refuse


def told(status: Any, source: Any) -> None:
    """Let the program's status say what one of ours says."""
    if status is not None and source is not None:
        status.source, status.tag, status.error = source.source, source.tag, source.error
        status.Set_elements(MPI.BYTE, source.Get_count(MPI.BYTE))


class Waiting:
    """What both kinds have in common: the ways to ask whether a request is done.

    Subclasses have `_done`, which asks MPI, `_complete`, which is called once it is, and `_over`.
    """

    __slots__ = ()

    @property
    def over(self) -> bool:
        """Whether nobody has to wait for it any more."""
        return bool(self == MPI.REQUEST_NULL)

    def _wait(self, status: Any = None) -> Any:
        """Wait until it is done."""
        raise NotImplementedError

    def _done(self, status: Any) -> bool:
        """Ask whether it is done, without waiting."""
        raise NotImplementedError

    def _test(self, status: Any = None) -> bool:
        """Whether it is done: when this runs again, it is as often as the first time."""
        cell, known = active.traffic.cell()
        if not known:
            cell[0] = bool(self._done(status))
        elif cell[0]:
            self._wait(status)
        return bool(cell[0])


class SweepRequest(Waiting, MPI.Request):
    """One of mpi4py's, whose waits are asked again and again."""

    __slots__ = ("_final", "_note")

    _final: Any
    _note: Callable[[Any], None] | None

    def __new__(cls, request: Any, note: Callable[[Any], None] | None = None) -> SweepRequest:
        self = super().__new__(cls, request)
        self._note = note
        self._final = None
        return self

    def _done(self, status: Any) -> bool:
        if self != MPI.REQUEST_NULL:
            final = MPI.Status()
            if not MPI.Request.Test(self, final):
                return False
            self._final = final
            if self._note is not None:
                self._note(final)
        told(status, self._final)
        return True

    def _wait(self, status: Any = None) -> Literal[True]:
        until(lambda: self._done(status))
        return True

    def Wait(self, status: Any = None) -> Literal[True]:  # noqa: N802  mpi4py's name
        return self._wait(status)

    def Test(self, status: Any = None) -> bool:  # noqa: N802
        return self._done(status) if active.traffic is None else self._test(status)


class TracedRequest(Waiting):
    """A request on the tape.

    Parameters
    ----------
    request : Request
        mpi4py's.
    complete : function, optional
        Takes the status of a message that has arrived, and returns what ``wait`` returns.
    """

    def __init__(self, request: Any, complete: Callable[[Any], Any] | None = None) -> None:
        self._request = request
        self._complete = complete
        self._result: Any = None
        self._final: Any = None

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return MPI.Request

    @property
    def pending(self) -> bool:
        """Whether a message is still to be received."""
        return self._complete is not None

    def _done(self, status: Any) -> bool:
        if self._request is not None:
            final = MPI.Status()
            if not self._request.Test(final):
                return False
            self._finished(final)
        told(status, self._final)
        return True

    def _wait(self, status: Any = None) -> bool:
        until(lambda: self._done(status))
        return True

    def _finished(self, final: Any) -> None:
        self._request = None
        self._final = final
        complete, self._complete = self._complete, None
        if complete is not None:
            self._result = complete(final)

    def Wait(self, status: Any = None) -> bool:  # noqa: N802
        return self._wait(status)

    def Test(self, status: Any = None) -> bool:  # noqa: N802
        return self._test(status)

    def wait(self, status: Any = None) -> Any:
        self._wait(status)
        return self._result

    def test(self, status: Any = None) -> Any:
        done = self._test(status)
        return done, self._result if done else None

    def Free(self) -> None:  # noqa: N802
        if self.pending:
            raise self._refusal("Free")
        self._request = None

    free = Free

    def Cancel(self) -> None:  # noqa: N802
        if self._request is not None:
            raise self._refusal("Cancel")

    cancel = Cancel

    def __eq__(self, other: object) -> bool:
        return self is other or (self._request is None and other == MPI.REQUEST_NULL)

    def __bool__(self) -> bool:
        return self._request is not None

    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        if hasattr(MPI.Request, name):
            raise self._refusal(name)
        raise AttributeError(f"'mpi4py.MPI.Request' object has no attribute {name!r}")

    def _refusal(self, name: str) -> Exception:
        return refuse(
            "CKP227",
            f"Request.{name} in code that is differentiated",
            "wait for the request: Wait, Test, Waitall, Waitany, Waitsome and Testall are known",
        )


def _ours(request: Any) -> bool:
    return isinstance(type(request), type) and issubclass(type(request), Waiting)


def wait_for(request: Any, status: Any = None) -> Any:
    """Wait for a request of any kind."""
    if _ours(request):
        request._wait(status)
    else:
        finish(request, status)


def done(request: Any, status: Any = None) -> bool:
    """Ask a request of any kind, without a note for the replay."""
    return bool(request._done(status) if _ours(request) else request.Test(status))


def is_over(request: Any) -> bool:
    """Whether nobody waits for the request any more."""
    return bool(request.over if _ours(request) else request == MPI.REQUEST_NULL)


# --- several requests ------------------------------------------------------------------------------------------------


def _status(statuses: Any, number: int) -> Any:
    if statuses is None:
        return None
    while len(statuses) <= number:
        statuses.append(MPI.Status())
    return statuses[number]


def wait_all(requests: Sequence[Any], statuses: Any = None) -> bool:
    """``Request.Waitall``."""
    for number, request in enumerate(requests):
        wait_for(request, _status(statuses, number))
    return True


def results(requests: Sequence[Any], statuses: Any = None) -> list[Any]:
    """``Request.waitall``."""
    return [request.wait(_status(statuses, number)) for number, request in enumerate(requests)]


def wait_any(requests: Sequence[Any], status: Any = None) -> int:
    """``Request.Waitany``: the same one, when it runs again."""
    number = active.traffic.decided(lambda: _first_done(requests))
    if number != MPI.UNDEFINED:
        wait_for(requests[number], status)
    return int(number)


def _first_done(requests: Sequence[Any]) -> int:
    waiting = [number for number, request in enumerate(requests) if not is_over(request)]
    if not waiting:
        return MPI.UNDEFINED

    def first() -> int:  # and no other: whoever is asked and is done is over, and would not be returned by the next call
        return next((number + 1 for number in waiting if done(requests[number])), 0)

    return int(until(first)) - 1


def ask_any(requests: Sequence[Any], status: Any = None) -> tuple[int, bool]:
    """``Request.Testany``."""

    def ask() -> tuple[int, bool]:
        waiting = [number for number, request in enumerate(requests) if not is_over(request)]
        if not waiting:
            return MPI.UNDEFINED, True
        ready = next((number for number in waiting if done(requests[number])), None)
        return (MPI.UNDEFINED, False) if ready is None else (ready, True)

    number, flag = active.traffic.decided(ask)
    if number != MPI.UNDEFINED:
        wait_for(requests[number], status)
    return number, flag


def wait_some(requests: Sequence[Any], statuses: Any = None) -> list[int] | None:
    """``Request.Waitsome``."""
    return _some(requests, statuses, wait=True)


def ask_some(requests: Sequence[Any], statuses: Any = None) -> list[int] | None:
    """``Request.Testsome``."""
    return _some(requests, statuses, wait=False)


def _some(requests: Sequence[Any], statuses: Any, *, wait: bool) -> list[int] | None:
    def ask() -> list[int] | None:
        waiting = [number for number, request in enumerate(requests) if not is_over(request)]
        if not waiting:
            return None

        def ready() -> list[int]:
            return [number for number in waiting if done(requests[number])]

        return list(until(ready)) if wait else ready()

    numbers: list[int] | None = active.traffic.decided(ask)
    for place, number in enumerate(numbers or ()):
        wait_for(requests[number], _status(statuses, place))
    return numbers


def ask_all(requests: Sequence[Any], statuses: Any = None) -> bool:
    """``Request.Testall``."""

    def ask() -> bool:
        found = [done(request) for request in requests]  # every one is asked
        return all(found)

    flag = active.traffic.decided(ask)
    if flag:
        wait_all(requests, statuses)
    return bool(flag)


class _AnyRequest(type):
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, MPI.Request)


class Request(MPI.Request, metaclass=_AnyRequest):
    """``MPI.Request`` of the drop-in module while something is differentiated; its functions take requests of all kinds."""

    __slots__ = ()


def _functions() -> None:
    ours: dict[str, Callable[..., Any]] = {
        "Waitall": wait_all,
        "Waitany": wait_any,
        "Waitsome": wait_some,
        "Testall": ask_all,
        "Testany": ask_any,
        "Testsome": ask_some,
        "waitall": results,
    }
    for name in [*ours, "waitany", "waitsome", "testall", "testany", "testsome"]:
        setattr(Request, name, staticmethod(_function(name, ours.get(name))))


def _function(name: str, function: Callable[..., Any] | None) -> Callable[..., Any]:
    original = getattr(MPI.Request, name)

    def call(requests: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        if active.traffic is None:
            return original(requests, *args, **kwargs)
        if function is None:
            raise refuse(
                "CKP227",
                f"Request.{name} in code that is differentiated",
                f"call the upper-case Request.{name.capitalize()}, or wait for each request",
            )
        return function(requests, *args, **kwargs)

    return call


_functions()
