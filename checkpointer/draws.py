"""Drawing random numbers while something is differentiated.

Arrays of random numbers are constants, but the program may write to them, so the tape watches them. Where the parameters of
a distribution are differentiated, so is the number drawn, for the same stream of bits: ``rng.normal(mu, sigma)`` is
``mu + sigma * z`` with the ``z`` that the generator draws at this point. Shuffles and choices only move elements.

NumPy itself draws, so the values and the generator's state afterwards are those of the undifferentiated program.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from checkpointer import creation
from checkpointer.boxes import constant, is_traced, is_varied, plain, plain_nested, result, traced_in
from checkpointer.containers import RandomState
from checkpointer.generators import GENERATORS, WatchedGenerator
from checkpointer.memory import summed_to
from checkpointer.refusals import refuse
from checkpointer.tape import active

Draw = Callable[..., Any]

_STATE = frozenset(("get_state", "set_state", "seed", "spawn", "bytes", "tomaxint"))
DRAWS = frozenset(
    name for kind in GENERATORS for name in dir(kind) if not name.startswith("_") and name not in _STATE
) - {"bit_generator"}
"""The methods of generators that draw something."""

LOCATION, SCALE = "location", "scale"
PARAMETERS: dict[str, tuple[dict[str, float], tuple[str, ...]]] = {
    "normal": ({"loc": 0.0, "scale": 1.0}, (LOCATION, SCALE)),
    "laplace": ({"loc": 0.0, "scale": 1.0}, (LOCATION, SCALE)),
    "logistic": ({"loc": 0.0, "scale": 1.0}, (LOCATION, SCALE)),
    "gumbel": ({"loc": 0.0, "scale": 1.0}, (LOCATION, SCALE)),
    "uniform": ({"low": 0.0, "high": 1.0}, ("low", "high")),
    "exponential": ({"scale": 1.0}, (SCALE,)),
    "rayleigh": ({"scale": 1.0}, (SCALE,)),
}
"""Distributions that are a standard one stretched and moved: the standard one's parameters, and what each of them does."""

_SLOPES: dict[str, Callable[[Any], Any]] = {
    LOCATION: np.ones_like,
    SCALE: lambda z: z,
    "low": lambda z: 1 - z,
    "high": lambda z: z,
}


def made(generator: Any) -> Any:
    """A generator that has just been made, watched if something is being differentiated."""
    return generator if active.tape is None else WatchedGenerator(generator)


def watching(method: Any) -> Any:
    """A method of a generator, if it draws anything, as one whose arrays the tape watches."""
    name = getattr(method, "__name__", "")
    if name == "spawn":
        return lambda n_children: list(map(made, method(n_children)))
    if name not in DRAWS:
        return method

    @functools.wraps(method)
    def draw(*args: Any, **kwargs: Any) -> Any:
        if active.tape is None:
            return method(*args, **kwargs)
        return _drawn(method, name, *_with_out_by_name(name, args, kwargs))

    return draw


_OUT = {"random": 2, "standard_normal": 2, "standard_exponential": 3, "standard_gamma": 3}
"""Where ``out`` stands among the arguments."""


def _with_out_by_name(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    place = _OUT.get(name, len(args))
    return args[:place], {**kwargs, "out": args[place]} if len(args) > place else kwargs


def _drawn(draw: Draw, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if is_traced(kwargs.get("out")):
        return _drawn_into(draw, name, args, kwargs)
    traced = list(traced_in((args, kwargs)))
    if not traced:
        value = draw(*args, **kwargs)
        return value if kwargs.get("out") is not None else constant(active.tape, value)
    if name in _MOVERS and is_traced(args[0] if args else None):
        return _MOVERS[name](draw, *args, **kwargs)
    if name == "shuffle":  # a list, whose items change places
        return draw(*args, **kwargs)
    if name == "choice":
        return _choice(draw, creation.array(args[0]), *args[1:], **kwargs)
    if not any(map(is_varied, traced)):
        return constant(active.tape, draw(*plain_nested(args), **plain_nested(kwargs)))
    if name not in PARAMETERS:
        raise refuse(
            "CKP201",
            f"random.{name} was given a value that is being differentiated, and how its draws depend on that is not known",
            "write it with numbers drawn from a standard distribution, such as mu + sigma * rng.standard_normal(n)",
        )
    return _stretched(draw, name, args, kwargs)


def _drawn_into(draw: Draw, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``out=`` an array that the tape watches."""
    out = kwargs["out"]
    rest = {key: value for key, value in kwargs.items() if key != "out"}
    if name != "permuted" and len(args) <= (name == "standard_gamma"):
        rest["size"] = np.shape(out)
    out[...] = _drawn(draw, name, args, rest)
    return out


def _stretched(draw: Draw, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What is drawn from a distribution with parameters, as a function of them."""
    standard, roles = PARAMETERS[name]
    names = (*standard, "size")
    given: dict[str, Any] = {**standard, **dict(zip(names, args, strict=False)), **kwargs}
    state = RandomState(draw.__self__)  # type: ignore[attr-defined]
    before = state.content()
    value = draw(*plain_nested(args), **plain_nested(kwargs))
    after = state.content()
    state.restore(before)
    z = draw(**standard, size=np.shape(value))
    state.restore(after)
    varied = [
        (given[key], _SLOPES[role](z))
        for key, role in zip(standard, roles, strict=True)
        if is_varied(given[key])
    ]

    def pullback(g: Any) -> list[Any]:
        return [summed_to(g * slope, np.shape(parameter._value)) for parameter, slope in varied]

    return result(active.tape, value, pullback, [parameter._node for parameter, _ in varied])


# --- what only moves elements --------------------------------------------------------------------------------------


def _order(draw: Draw, array: Any, axis: int) -> Any:
    """The order in which ``shuffle`` or ``permutation`` puts the entries along an axis."""
    order = np.arange(np.shape(array)[axis])
    permuted = draw(order)
    return order if permuted is None else permuted


def _shuffle(draw: Draw, x: Any, axis: int = 0) -> None:
    x[...] = np.take(x, _order(draw, x, axis), axis=axis)


def _permutation(draw: Draw, x: Any, axis: int = 0) -> Any:
    return np.take(x, _order(draw, x, axis), axis=axis)


def _permuted(draw: Draw, x: Any, axis: int | None = None) -> Any:
    places = draw(np.arange(np.size(x)).reshape(np.shape(x)), axis=axis)
    return np.take(x, places)


def _choice(draw: Draw, a: Any, *args: Any, axis: int = 0, **kwargs: Any) -> Any:
    if any(map(is_varied, traced_in((args, kwargs)))):
        raise refuse(
            "CKP201",
            "random.choice was given probabilities that are being differentiated, and what it chooses jumps with them",
            "choose with probabilities that are constants",
        )
    places = draw(np.shape(a)[axis], *plain_nested(args), **plain_nested(kwargs))
    return a[places] if np.ndim(a) == 1 else np.take(a, places, axis=axis)


_MOVERS: dict[str, Callable[..., Any]] = {
    "shuffle": _shuffle,
    "permutation": _permutation,
    "permuted": _permuted,
    "choice": _choice,
}


# --- numpy.random itself -------------------------------------------------------------------------------------------


class _Kind:
    """A class of generators: those that are made while something is differentiated are watched."""

    def __init__(self, original: type) -> None:
        self._original = original

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return made(self._original(*args, **kwargs))

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, self._original)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def __or__(self, other: Any) -> Any:
        return self._original | other

    def __mro_entries__(self, bases: Any) -> tuple[type, ...]:
        return (self._original,)


@functools.wraps(np.random.default_rng)
def default_rng(seed: Any = None) -> Any:  # noqa: D103
    return made(np.random.default_rng(plain(seed)))


def _legacy() -> dict[str, Draw]:
    """The functions of ``np.random``, methods of a generator that the module keeps."""
    functions = {name: getattr(np.random, name, None) for name in (*DRAWS, "ranf", "sample")}
    return {name: watching(function) for name, function in functions.items() if callable(function)}


FUNCTIONS: dict[str, Draw] = {**_legacy(), "default_rng": default_rng}
REPLACEMENTS: dict[str, Any] = {**FUNCTIONS, **{kind.__name__: _Kind(kind) for kind in GENERATORS}}
