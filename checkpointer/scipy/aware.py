"""SciPy's functions on traced values: run on the concrete ones, recorded with a rule, or refused by name.

SciPy's functions hand their arguments to compiled code and take no part in NumPy's protocols, so each drop-in module of
`checkpointer.scipy` offers *aware* functions in the place of the originals. One more Python call and one test is all
that they cost where nothing is differentiated, which does not show beside what SciPy itself does; so there is
one form for ``linalg.solve`` and for ``from scipy.linalg import solve``.

A rule is written for a `Call`. It computes the value with SciPy itself, and records for each argument that may be
differentiated a *pullback*: the transpose of the derivative, without conjugates, which is autograd's convention.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from checkpointer.active import active
from checkpointer.arrays import TracedArray
from checkpointer.boxes import constant, is_traced, is_varied, result, results, view_of
from checkpointer.containers import DROPPED, is_sparse
from checkpointer.creation import asarray
from checkpointer.errors import TraceError
from checkpointer.refusals import refuse
from checkpointer.state import State
from checkpointer.tape import Tape, keep

Pullback = Callable[[Any], Any]
Rule = Callable[["Call"], Any]

INSTEAD = (
    "write it with functions that have a derivative rule, or wrap it with autograd.extend.primitive and give it a rule"
    " with defvjp"
)


class Rules(dict[str, tuple[frozenset[str], Rule]]):
    """The rules of one SciPy module by the function's name, each with the arguments that may be differentiated."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__()
        self.module = module

    def rule(self, names: str, arguments: str) -> Callable[[Rule], Rule]:
        """Register a rule for functions of the module that are there in this version of SciPy."""

        def register(rule: Rule) -> Rule:
            for name in names.split():
                if hasattr(self.module, name):
                    self[name] = (frozenset(arguments.split()), rule)
            return rule

        return register


def drop_in(
    original: ModuleType, rules: Mapping[str, tuple[frozenset[str], Rule]], instead: str = INSTEAD
) -> dict[str, Any]:
    """The names of a module with aware functions in the place of its own.

    Classes stay what they are, for ``isinstance``; ufuncs reach the tape by themselves.
    """
    names = {name: getattr(original, name) for name in dir(original) if not name.startswith("__")}
    for name, value in names.items():
        if callable(value) and not isinstance(value, type | np.ufunc):
            label = f"{original.__name__}.{name}"
            names[name] = aware(value, label, *rules.get(name, (frozenset(), None)), instead=instead)
    return names


def aware(
    original: Callable[..., Any],
    label: str,
    arguments: frozenset[str] = frozenset(),
    rule: Rule | None = None,
    *,
    instead: str = INSTEAD,
) -> Callable[..., Any]:
    """``original``, which also accepts traced values where it has a rule, and otherwise refuses differentiated ones."""

    @functools.wraps(original)
    def function(*args: Any, **kwargs: Any) -> Any:
        tape = active.tape
        if tape is None:
            return original(*args, **kwargs)
        if not any(map(is_varied, traced_values((args, kwargs)))):
            if any(_depends(arg) for arg in (*args, *kwargs.values())):
                raise _refusal(label, "was given a function that depends on a value", instead)
            return _constant(tape, original, label, args, kwargs)
        if rule is None:
            raise _refusal(label, "was called on a value", instead)
        call = Call(original, label, arguments, args, kwargs)
        return call.overwritten(rule(call))

    return function


def _constant(tape: Tape, original: Callable[..., Any], label: str, args: Any, kwargs: Any) -> Any:
    """A call without differentiated values."""
    sources = list(traced_values((args, kwargs)))
    if not sources or not _may_write(original):
        return adopted(tape, original(*concrete(args), **concrete(kwargs)), sources)
    call = Call(original, label, frozenset(), args, kwargs)
    output = next((name for name in ("output", "out") if is_traced(call.given.get(name))), None)
    if output is None:
        return call.overwritten(adopted(tape, call.run(), sources))
    target = call.given[output]
    call.given[output] = target._value.copy()
    target[...] = call.run()
    return target


@functools.lru_cache(maxsize=512)
def _may_write(function: Callable[..., Any]) -> bool:
    """Whether a function has an option that lets it write to an argument."""
    try:
        names = signature(function).parameters
    except (TypeError, ValueError):
        return False
    return any(name in ("output", "out") or name.startswith("overwrite_") for name in names)


def _refusal(label: str, what: str, instead: str) -> TraceError:
    return refuse(
        "CKP201",
        f"{label} {what} that is being differentiated, and no derivative rule for it is known",
        instead,
    )


def _depends(value: Any) -> bool:
    """Whether a function that is handed to SciPy can reach something that is being differentiated."""
    if isinstance(value, functools.partial):
        return any(map(is_varied, traced_values((value.args, value.keywords)))) or _depends(value.func)
    if not isinstance(value, FunctionType | MethodType):
        return False
    return any(is_varied(leaf.value) for leaf in State([value], []).survey(lenient=True).leaves)


def adopted(tape: Tape, value: Any, sources: Sequence[Any] = ()) -> Any:
    """A result that no derivative flows through, its arrays watched by the tape because somebody may write to them."""
    if type(value) is np.ndarray and value.dtype.kind in "biufc":
        view = view_of(value, sources)
        return constant(tape, value) if view is None else view
    if type(value) in (tuple, list):
        return type(value)(adopted(tape, item, sources) for item in value)
    if is_sparse(value):
        value.data = adopted(tape, value.data, sources)
    return value


# --- what is traced in the arguments ----------------------------------------------------------------------------


def traced_values(value: Any) -> Iterator[Any]:
    """The traced values in nested lists, tuples and dicts, and in sparse matrices among them."""
    if is_traced(value):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from traced_values(item)
    elif type(value) is dict:  # a dok_matrix is one as well
        for item in value.values():
            yield from traced_values(item)
    elif isinstance(value, np.ndarray) and value.dtype == object:
        yield from traced_values(value.ravel().tolist())
    elif is_sparse(value):
        yield from traced_values(value.data)
        yield from traced_values(getattr(vars(value).get(DROPPED), "values", None))


def concrete(value: Any) -> Any:
    """Without traced values: those replaced by what they hold, through lists, tuples, dicts and sparse matrices."""
    if is_traced(value):
        return value._value
    kind = type(value)
    if kind in (list, tuple):
        return kind(map(concrete, value))
    if kind is dict:
        return {key: concrete(item) for key, item in value.items()}
    if is_sparse(value):
        return unwatched(value)
    return value


def unwatched(matrix: Any) -> Any:
    """A sparse matrix as SciPy knows it. It shares the arrays of one that the tape watches.

    SciPy may sort the arrays of a compressed matrix behind the scenes, so one that is not in order is copied.
    """
    if not is_traced(vars(matrix).get("data")):
        return matrix
    made = object.__new__(type(matrix))
    vars(made).update({key: value for key, value in vars(matrix).items() if key != DROPPED})
    made.data = matrix.data._value
    in_order = made.format in ("coo", "dia") or made.has_canonical_format
    return made if in_order else made.copy()


# --- a call with differentiated arguments ------------------------------------------------------------------------


@functools.lru_cache(maxsize=512)
def signature(function: Callable[..., Any]) -> inspect.Signature:
    """The signature, found once."""
    return inspect.signature(function)


_SEQUENCES = frozenset("arrs blocks c_and_lower c_or_cr diagonals lu_and_piv mats".split())
"""Arguments that are several arrays; every other list is one array for SciPy."""


class Call:
    """One call of a SciPy function with differentiated values among its arguments.

    ``call["a"]`` is the concrete value of an argument, safe to be kept until the way back.
    """

    def __init__(
        self,
        original: Callable[..., Any],
        label: str,
        arguments: frozenset[str],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.original = original
        self.label = label
        self._bound = signature(original).bind(*args, **kwargs)
        self._bound.apply_defaults()
        self.given: dict[str, Any] = self._bound.arguments
        self._trials: dict[str, Any] = {}
        for name, value in self.given.items():
            target = name.removeprefix("overwrite_")
            if target != name and value:
                self._spare(name, target)
            elif type(value) in (list, tuple) and name in arguments - _SEQUENCES:
                self.given[name] = asarray(value)
            elif name not in arguments and any(map(is_varied, traced_values(value))):
                raise refuse(
                    "CKP201",
                    f"{label} was given a value that is being differentiated as {name!r}, for which it has no rule",
                    INSTEAD,
                )

    def _spare(self, option: str, name: str) -> None:
        """Let SciPy overwrite a copy of an argument; what becomes of it is written to the argument by `overwritten`."""
        target = self.given.get(name)
        if type(target) is TracedArray:
            self._trials[name] = target._value.copy(order="K")
        else:
            self.given[option] = False

    def overwritten(self, made: Any) -> Any:
        """The result, and the arguments as SciPy leaves them where it is allowed to overwrite them."""
        for name, trial in self._trials.items():
            target = self.given[name]
            if type(made) is TracedArray and np.may_share_memory(made._value, trial):
                target[...] = made  # SciPy returns the argument itself
                made = target
            elif trial.tobytes() != target._value.tobytes():
                target[...] = trial
        return made

    def __getitem__(self, name: str) -> Any:
        given = self.given[name]
        if isinstance(given, tuple):
            return tuple(keep(concrete(part)) for part in given)
        return given._value if is_traced(given) else keep(concrete(given))

    def run(self) -> Any:
        """What SciPy computes."""
        given = dict(self.given)
        self.given.update(self._trials)
        try:
            return self.original(*concrete(self._bound.args), **concrete(self._bound.kwargs))
        finally:
            self.given.update({name: given[name] for name in self._trials})

    def refuse(self, what: str, instead: str) -> TraceError:
        """The refusal of a way to call the function, to be raised."""
        return refuse("CKP201", f"{self.label} {what}, on a value that is being differentiated", instead)

    def need(self, instead: str, **options: Any) -> None:
        """Refuse options that have other values than these."""
        for name, expected in options.items():
            given = self.given.get(name, expected)
            if given is not expected and (isinstance(given, np.ndarray) or given != expected):
                raise self.refuse(f"with {name}={given!r}", instead)

    def record(self, value: Any, **pullbacks: Pullback) -> Any:
        """Record ``value`` as the function of the named arguments, each with its pullback."""
        for name in pullbacks:
            given = self.given[name]
            assert is_traced(given) or not any(map(is_varied, traced_values(given))), f"{name} is no array"
        return record(value, *((self.given[name], pullback) for name, pullback in pullbacks.items()))


def record(value: Any, *terms: tuple[Any, Pullback]) -> Any:
    """``value`` as a function of several inputs, given with their pullbacks; those without a derivative do not count."""
    varied = [(x, pullback) for x, pullback in terms if is_varied(x)]
    tape = active.tape
    if not varied:
        return adopted(tape, value)
    nodes = [x._node for x, _ in varied]

    def pullbacks(g: Any) -> list[Any]:
        return [pullback(g) for _, pullback in varied]

    if isinstance(value, tuple | list):
        return results(tape, value, pullbacks, nodes)
    if isinstance(value, np.ndarray) and view_of(value, [x for x, _ in varied]) is not None:
        value = value.copy()  # the function returned its argument
    return result(tape, value, pullbacks, nodes)


def once(pullback: Pullback) -> Pullback:
    """A pullback that several arguments share: it is computed once for each adjoint."""
    last: list[Any] = [None, None]

    @functools.wraps(pullback)
    def remembered(g: Any) -> Any:
        if last[0] is not g:
            last[:] = g, pullback(g)
        return last[1]

    return remembered


def with_value(value: Any, traced: Any) -> Any:
    """``traced``, which NumPy's functions computed from traced values, with the bits of SciPy's own value."""
    if not is_varied(traced):
        return adopted(active.tape, value)
    return record(value, (traced, lambda g: g))
