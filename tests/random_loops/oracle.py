"""What a random program must do: the same value, the right gradient, the same side effects; or a refusal.

The plain program is the judge. Every evaluation of it runs in a fresh module, at two inputs one after the other, so that
what the first call leaves behind is there in the second. Its derivative comes from central differences of the sixth order
at several distances; where these do not agree among themselves (a kink or a jump lies between the points), a smaller
distance is tried, and in the end the program is set aside as invalid. The tolerance is what they disagree by.
"""

from __future__ import annotations

import inspect
import itertools
import linecache
import random
import sys
import types
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from checkpointer import (
    ArgumentError,
    Auto,
    BackgroundStorage,
    HDF5Storage,
    HRevolve,
    Level,
    MemoryStorage,
    Mixed,
    Multistage,
    Online,
    RefusedError,
    ReplayError,
    Revolve,
    Scheme,
    Storage,
    StoreAll,
    TieredStorage,
    TwoLevel,
    value_and_grad,
)
from checkpointer.compiled import compile_file

INPUTS = (
    np.array([0.31, -0.52, 0.83, 0.14, -0.27, 0.66]),
    np.array([-0.45, 0.38, 0.22, -0.91, 0.57, -0.13]),
)
DIRECTIONS = np.random.default_rng(11).normal(size=(2, 6))
DISTANCES = (2.0**-6, 2.0**-8, 2.0**-10, 2.0**-12, 2.0**-14, 2.0**-16)
WEIGHTS = {1: 45, 2: -9, 3: 1}
LARGEST = 1e6
TIERED = TieredStorage(MemoryStorage(), HDF5Storage())
ENDLESS = (
    (Online(1), None),
    (Online(3), None),
    (Auto(), None),
    (Auto(memory="1 MiB", disk="1 MiB"), None),
    (Auto(memory="64 MiB", disk="1 MiB", storage=TIERED), None),
    (TwoLevel(3, 1), TIERED),
    (TwoLevel(2, 1), None),
    (Online(2, disk_snapshots=2), TIERED),
    (Online(2), HDF5Storage()),
    (Online(3), BackgroundStorage(HDF5Storage(), buffers=1)),
)
KNOWN_LENGTH = (
    (Revolve(1), None),
    (Revolve(3), None),
    (Mixed(1), None),
    (Mixed(3), None),
    (Mixed(100), None),
    (Mixed(3), HDF5Storage()),
    (Multistage(1, 2), TIERED),
    (HRevolve(Level(1), Level(2, 2, 2)), TIERED),
    (Revolve(2), HDF5Storage()),
    (Multistage(1, 3), TieredStorage(MemoryStorage(), BackgroundStorage(HDF5Storage()))),
)
"""Schemes and storages, of which each program has some."""

_numbers = itertools.count()


@dataclass(frozen=True)
class Outcome:
    """``kind`` is "right", "refused", "invalid" or "wrong"; ``why`` the code of the refusal, or the reason."""

    kind: str
    why: str = ""
    message: str = ""


class _Invalid(Exception):
    pass


class _Wrong(Exception):
    pass


@dataclass
class Run:
    """What the two calls gave, and what the module looked like after each of them."""

    values: list[Any]
    gradients: list[Any]
    left: list[dict[str, str]]


def judge(source: str, *, endless: bool = False) -> Outcome:
    """Run a program in all the ways in which it must agree with itself."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return _judged(source, endless=endless)
        except _Invalid as error:
            return Outcome("invalid", str(error))
        except _Wrong as error:
            return Outcome("wrong", str(error))


def _judged(source: str, *, endless: bool) -> Outcome:
    name = f"random_loop_{next(_numbers)}.py"
    linecache.cache[name] = (
        len(source),
        None,
        source.splitlines(keepends=True),
        name,
    )  # for the refusals' texts
    single = "float32" in source
    plain = compile(source, name, "exec", dont_inherit=True)
    expected = _plain_run(plain, INPUTS)
    try:
        rewritten = compile_file(source.encode(), name)
    except RefusedError as error:
        return Outcome("refused", error.code, str(error))
    schemes = [(StoreAll(), None), *_chosen_for(source, endless=endless)]
    names = set(expected.left[0])
    _compare(expected, _run(rewritten, INPUTS, lambda f: f, StoreAll(), names), "undifferentiated")
    runs = []
    for scheme, storage in schemes:
        try:
            run = _run(rewritten, INPUTS, _with_gradient, scheme, names, storage)
        except (RefusedError, ReplayError, ArgumentError) as error:
            if runs:
                raise _Wrong(f"with {scheme} and {storage}, but not with {schemes[0][0]}: {error}") from error
            why = error.code if isinstance(error, RefusedError) else type(error).__name__
            return Outcome("refused", why, str(error))
        _compare(expected, run, f"differentiated with {scheme} and {storage}")
        runs.append(run)
    for (scheme, storage), run in zip(schemes, runs, strict=True):
        for ours, first in zip(run.gradients, runs[0].gradients, strict=True):
            if not np.allclose(ours, first, rtol=1e-12, atol=1e-14, equal_nan=True):
                raise _Wrong(
                    f"the gradients with {scheme} and {storage} differ from those with {schemes[0][0]}: {ours} and {first}"
                )
    judged = compile(_in_double_precision(source), name, "exec", dont_inherit=True) if single else plain
    if single:
        _check_twin(expected, _plain_run(judged, INPUTS))
    for number, gradient in enumerate(runs[0].gradients):
        for direction in DIRECTIONS:
            _check_gradient(judged, number, direction, gradient, single=single)
    return Outcome("right")


def _chosen_for(source: str, *, endless: bool) -> list[tuple[Scheme, Storage | None]]:
    """Some schemes for a program: with others, other ones; for the same always the same."""
    schemes = ENDLESS if endless else ENDLESS + KNOWN_LENGTH
    return random.Random(source).sample(schemes, 2)


# --- running -------------------------------------------------------------------------------------------------------------


def _run(
    code: types.CodeType,
    inputs: Any,
    how: Callable[..., Any],
    scheme: Any,
    names: set[str] | None = None,
    storage: Any = None,
) -> Run:
    """Load the module and call it at each input."""
    module = types.ModuleType(f"random_loop_{next(_numbers)}")
    sys.modules[module.__name__] = module  # where dataclasses look for their module
    try:
        random.seed(3)
        np.random.seed(3)
        exec(code, module.__dict__)
        run = Run([], [], [])
        for x in inputs:
            value = how(module.f)(x.copy(), scheme, storage)
            if how is _with_gradient:
                value, gradient = value
                run.gradients.append(gradient)
            run.values.append(value)
            if names is None or names:
                run.left.append(_portrait(module, names))
        return run
    finally:
        del sys.modules[module.__name__]


def _with_gradient(function: Any) -> Any:
    return value_and_grad(function)


def _plain_run(code: types.CodeType, inputs: Any, names: set[str] | None = None) -> Run:
    try:
        run = _run(code, inputs, lambda f: f, StoreAll(), names)
    except Exception as error:
        raise _Invalid(f"{type(error).__name__}: {error}"[:60]) from error
    for value in run.values:
        if not np.isrealobj(value) or not np.isfinite(value) or abs(value) > LARGEST:
            raise _Invalid("not finite, or large")
    return run


def _compare(expected: Run, run: Run, how: str) -> None:
    for number, (value, wanted) in enumerate(zip(run.values, expected.values, strict=True)):
        if type(value) is not type(wanted) or value != wanted:
            raise _Wrong(f"value {number}, {how}: {value!r} and not {wanted!r}")
    for number, (left, wanted) in enumerate(zip(run.left, expected.left, strict=True)):
        for name, text in wanted.items():
            if left.get(name) != text:
                raise _Wrong(f"{name} after call {number}, {how}, is {left.get(name)} and not {text}")


# --- derivatives ---------------------------------------------------------------------------------------------------------


def _check_gradient(
    code: types.CodeType, number: int, direction: Any, gradient: Any, *, single: bool
) -> None:
    scale = float(np.sum(np.abs(gradient * direction)))
    if not np.isfinite(scale):
        raise _Wrong(f"gradient {number} is not finite: {gradient}")
    difference, error = _difference(code, number, direction)
    found = float(np.sum(gradient * direction, dtype=float))
    tolerance = 10 * error + 1e-8 * scale + 1e-10
    if single:
        tolerance += 3e-5 * (scale + abs(difference)) + 3e-6
    if abs(found - difference) > tolerance:
        raise _Wrong(f"gradient {number}: {found} and not {difference} ± {error} (the differences)")


def _difference(code: types.CodeType, number: int, direction: Any) -> tuple[float, float]:
    """The derivative in one direction, and what it may be wrong by."""

    def central(distance: float) -> float:
        return sum(w * (along(k * distance) - along(-k * distance)) for k, w in WEIGHTS.items()) / (
            60 * distance
        )

    def along(step: float) -> float:
        inputs = list(INPUTS[: number + 1])
        inputs[number] = inputs[number] + step * direction
        return float(_plain_run(code, inputs, set()).values[number])

    centre = abs(along(0.0))
    best = (0.0, np.inf)
    before = central(DISTANCES[0])
    for distance in DISTANCES[1:]:
        here = central(distance)
        error = abs(here - before) + 4e-16 * (centre + 1) / distance
        if error < best[1]:
            best = (here, error)
        if error < 1e-8 * (1 + abs(here)):
            return here, error
        before = here
    if best[1] > 1e-5 * (1 + abs(best[0])):
        raise _Invalid("no derivative: a kink, a jump, or chaos")
    return best


def _in_double_precision(source: str) -> str:
    return source.replace("float32", "float64")


def _check_twin(expected: Run, twin: Run) -> None:
    """Single precision must not have taken another branch than double precision does."""
    for value, exact in zip(expected.values, twin.values, strict=True):
        if abs(value - exact) > 1e-4 * (1 + abs(exact)):
            raise _Invalid("another way in single precision")


# --- side effects --------------------------------------------------------------------------------------------------------


def _portrait(module: types.ModuleType, names: set[str] | None) -> dict[str, str]:
    """All that the module's globals hold, with the aliases among arrays and objects, as text by their names.

    ``names`` are those of the plain program, since a rewritten one has more; None stands for all.
    """
    painter = _Painter()
    found = {
        name: painter.paint(value)
        for name, value in sorted(vars(module).items())
        if (name in names if names is not None else _is_users(name, value, module.__name__))
    }
    _, words, position, *rest = np.random.get_state()
    found["the legacy generator"] = f"{hash(words.tobytes())} {position} {rest}"
    found["the standard generator"] = str(hash(random.getstate()))
    return found


def _is_users(name: str, value: Any, module: str) -> bool:
    """Whether a global is data, a function or a class of the program's own."""
    if isinstance(value, types.FunctionType | type):
        return value.__module__ == module
    return not name.startswith("__") and isinstance(
        value, np.ndarray | np.generic | float | int | list | dict
    )


class _Painter:
    """Writes a value as text; what was met before is named by its number."""

    def __init__(self) -> None:
        self.seen: dict[int, int] = {}
        self.alive: list[Any] = []

    def paint(self, value: Any) -> str:
        if isinstance(value, np.generic | float | int | complex | str | None):
            return f"{type(value).__name__} {value!r}"
        if id(value) in self.seen:
            return f"#{self.seen[id(value)]}"
        self.seen[id(value)] = len(self.seen)
        self.alive.append(value)
        return f"#{len(self.seen) - 1} {type(value).__name__} {self.inside(value)}"

    def inside(self, value: Any) -> str:
        if isinstance(value, np.ndarray):
            base = "" if value.base is None else f" of {self.paint(value.base)}"
            return f"{value.dtype}{value.shape} {value.tolist()}{base}"
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key!r}: {self.paint(part)}" for key, part in value.items()) + "}"
        if isinstance(value, list | tuple | deque):
            return "[" + ", ".join(map(self.paint, value)) + "]"
        if isinstance(value, types.FunctionType):
            return self.paint(inspect.unwrap(value).__defaults__)
        if isinstance(value, type):
            return self.paint({key: part for key, part in vars(value).items() if _is_data(key, part)})
        slots = [
            (name, getattr(value, name)) for name in getattr(value, "__slots__", ()) if hasattr(value, name)
        ]
        return self.paint({**getattr(value, "__dict__", {}), **dict(slots)})


def _is_data(name: str, part: Any) -> bool:
    return not name.startswith("__") and isinstance(part, np.ndarray | np.generic | float | int | list | dict)
