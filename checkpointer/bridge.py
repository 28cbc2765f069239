"""Transformed functions inside autograd: ``autograd.grad`` of a function with marked loops."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import autograd  # noqa: F401  whole, before any part of it: see lazy.py
from autograd.extend import defvjp_argnums, primitive
from autograd.tracer import Box

from checkpointer import trees
from checkpointer.boxes import is_traced
from checkpointer.differentiation import Call
from checkpointer.errors import ArgumentError
from checkpointer.tracebacks import trim, trimming

F = TypeVar("F", bound=Callable[..., Any])


def differentiable(function: F) -> F:
    """Let autograd differentiate a function with marked loops as one operation.

    The rewriter puts this decorator on each function with a marked loop. Without autograd's boxes among the arguments
    the function is called as it is.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        function = call.__wrapped__  # type: ignore[attr-defined]  # which IPython's %autoreload replaces
        try:
            if any(type(arg) in Box.types and not is_traced(arg) for arg in (*args, *kwargs.values())):
                return _through_autograd(function, args, kwargs)
            return function(*args, **kwargs)
        except BaseException as error:
            trim(error)
            raise

    return _wrapping(call, function)


def _wrapping(call: Callable[..., Any], function: F) -> F:
    """What `functools.update_wrapper` does to a function that ``def`` has just made, in a third of the time.

    Where many loops are marked, it is much of what loading them takes longer than loading the plain file.
    """
    call.__dict__.update(function.__dict__)
    call.__wrapped__ = function  # type: ignore[attr-defined]
    call.__module__ = function.__module__
    call.__name__ = function.__name__
    call.__qualname__ = function.__qualname__
    call.__doc__ = function.__doc__
    call.__annotations__ = function.__annotations__
    if sys.version_info >= (3, 12):
        call.__type_params__ = function.__type_params__
    return call  # type: ignore[return-value]


class _Run:
    """One call from inside autograd: autograd's rule needs the pullback that belongs to the value."""

    def __init__(
        self,
        function: Callable[..., Any],
        places: list[int | str],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ):
        self.function = function
        self.places = places
        self.args = args
        self.kwargs = kwargs
        self.pullback: Callable[[Any], Any] | None = None

    def __call__(self, *values: Any) -> Any:
        args = list(self.args)
        kwargs = dict(self.kwargs)
        for place, value in zip(self.places, values, strict=True):
            (args if isinstance(place, int) else kwargs)[place] = value  # type: ignore[index]
            if (
                any(type(leaf) in Box.types for _, leaf in trees.leaves(value, ""))
                or type(value) in Box.types
            ):
                raise twice()
        call = Call(self.function, tuple(args), kwargs, self.places, from_autograd=True)
        self.pullback = call.pullback
        return call.value


def twice() -> Exception:
    """The refusal of a second derivative."""
    return ArgumentError(
        "autograd differentiates this function twice: second derivatives through marked loops are not available yet"
    )


@primitive  # type: ignore[untyped-decorator]
def _call(run: _Run, *values: Any) -> Any:
    return run(*values)


def _rule(
    argnums: tuple[int, ...], ans: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Callable[[Any], Any]:
    run: _Run = args[0]
    if any(type(arg) in Box.types for arg in args):
        raise twice()
    pullback = run.pullback
    assert pullback is not None

    @trimming
    def pull(g: Any) -> list[Any]:
        adjoints = pullback(g)
        return [adjoints[number - 1] for number in argnums]

    return pull


defvjp_argnums(_call, _rule)


def _through_autograd(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    places: list[int | str] = [number for number, arg in enumerate(args) if type(arg) in Box.types]
    places += [name for name, value in kwargs.items() if type(value) in Box.types]
    boxes = [args[place] if isinstance(place, int) else kwargs[place] for place in places]
    return _call(_Run(function, places, args, kwargs), *boxes)
