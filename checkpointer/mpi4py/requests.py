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
        """Whether the program knows that it is done. MPI may have been asked before, for several requests at once."""
        raise NotImplementedError

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
        if cell[0]:
            self._wait(status)
        return bool(cell[0])

    def _taken(self) -> Any:
        """The object that it brought, once: mpi4py forgets it then, too."""
        return None

    def wait(self, status: Any = None) -> Any:
        """mpi4py's method of this name."""
        self.Wait(status)  # type: ignore[attr-defined]  # subclasses have it, or inherit mpi4py's
        return self._taken()

    def test(self, status: Any = None) -> tuple[bool, Any]:
        """mpi4py's method of this name."""
        return (True, self._taken()) if self.Test(status) else (False, None)  # type: ignore[attr-defined]


class SweepRequest(Waiting, MPI.Request):
    """One of mpi4py's, whose waits are asked again and again.

    ``note`` takes the status of a message that has arrived, and returns what ``wait`` returns.
    """

    __slots__ = ("_final", "_note", "_noticed", "_result")

    _final: Any
    _note: Callable[[Any], Any] | None
    _noticed: bool
    _result: Any

    def __new__(cls, request: Any, note: Callable[[Any], Any] | None = None) -> SweepRequest:
        self = super().__new__(cls, request)
        self._note = note
        self._final = self._result = None
        self._noticed = False
        return self

    @property
    def over(self) -> bool:
        return self._noticed

    def _done(self, status: Any) -> bool:
        if self != MPI.REQUEST_NULL:
            final = MPI.Status()
            if not MPI.Request.Test(self, final):
                return False
            self._final = final
            if self._note is not None:
                self._result = self._note(final)
        told(status, self._final)
        return True

    def _wait(self, status: Any = None) -> Literal[True]:
        until(lambda: self._done(status))
        self._noticed = True
        return True

    def _taken(self) -> Any:
        result, self._result = self._result, None
        return result

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
        self._noticed = False

    @property
    def over(self) -> bool:
        return self._noticed

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
        self._noticed = True
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

    def _taken(self) -> Any:
        result, self._result = self._result, None
        return result

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
    return [result_of(request, _status(statuses, number)) for number, request in enumerate(requests)]


def result_of(request: Any, status: Any = None) -> Any:
    """Wait for a request of any kind, and return the object that it brought."""
    if _ours(request):
        return request.wait(status)

    def ask() -> tuple[Any] | None:
        done, message = request.test(status)
        return (message,) if done else None

    return until(ask)[0]


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

    def first() -> int:
        # and no other: one that is asked and is done is over, and the next call would pass it by
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


# --- the same with the objects that they brought ---------------------------------------------------------------------


def _check_known(requests: Sequence[Any], name: str) -> None:
    """Refuse requests from before the differentiated call: asking whether they are done would lose their objects."""
    if not all(_ours(request) or request == MPI.REQUEST_NULL for request in requests):
        raise refuse(
            "CKP227",
            f"Request.{name} of a request that was made before the differentiated call began",
            "wait for it before, or call its own wait()",
        )


def any_result(requests: Sequence[Any], status: Any = None) -> tuple[int, Any]:
    """``Request.waitany``."""
    _check_known(requests, "waitany")
    number = wait_any(requests, status)
    return number, None if number == MPI.UNDEFINED else result_of(requests[number])


def any_result_now(requests: Sequence[Any], status: Any = None) -> tuple[int, bool, Any]:
    """``Request.testany``."""
    _check_known(requests, "testany")
    number, flag = ask_any(requests, status)
    return number, flag, None if number == MPI.UNDEFINED else result_of(requests[number])


def some_results(requests: Sequence[Any], statuses: Any = None) -> tuple[list[int] | None, list[Any] | None]:
    """``Request.waitsome``."""
    return _some_results(requests, statuses, wait=True)


def some_results_now(
    requests: Sequence[Any], statuses: Any = None
) -> tuple[list[int] | None, list[Any] | None]:
    """``Request.testsome``."""
    return _some_results(requests, statuses, wait=False)


def _some_results(
    requests: Sequence[Any], statuses: Any, *, wait: bool
) -> tuple[list[int] | None, list[Any] | None]:
    _check_known(requests, "waitsome" if wait else "testsome")
    numbers = _some(requests, statuses, wait=wait)
    return numbers, None if numbers is None else [result_of(requests[number]) for number in numbers]


def all_results_now(requests: Sequence[Any], statuses: Any = None) -> tuple[bool, list[Any] | None]:
    """``Request.testall``."""
    _check_known(requests, "testall")
    flag = ask_all(requests, statuses)
    return flag, [result_of(request) for request in requests] if flag else None


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
        "waitany": any_result,
        "waitsome": some_results,
        "testall": all_results_now,
        "testany": any_result_now,
        "testsome": some_results_now,
    }
    for name, function in ours.items():
        setattr(Request, name, staticmethod(_function(name, function)))


def _function(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    original = getattr(MPI.Request, name)

    def call(requests: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        if active.traffic is None:
            return original(requests, *args, **kwargs)
        return function(requests, *args, **kwargs)

    return call


_functions()
