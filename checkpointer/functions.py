"""NumPy's functions on traced values: what ``__array_function__`` answers.

Every function is run by NumPy itself on the concrete arrays. What follows depends on the function: a result that
shares memory with an argument is a view and needs no record; functions that only move elements (``MOVERS``) get their
pullback from moving indices the same way; functions with a rule of ours or of autograd's are recorded with it;
functions that are piecewise constant (``CONSTANT``) give constants; anything else is refused by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.core import primitive_vjps
from autograd.tracer import trace_primitives_map

from checkpointer import creation, rules, ufuncs
from checkpointer.arrays import TracedArray
from checkpointer.boxes import (
    constant,
    is_differentiable,
    is_traced,
    is_varied,
    plain_nested,
    refuse_objects,
    result,
    results,
    traced_in,
    view_of,
)
from checkpointer.indexing import copy, untraced_target
from checkpointer.refusals import refuse
from checkpointer.scalars import tape_of
from checkpointer.tape import Tape, keep
from checkpointer.ufuncs import is_foreign_box, maker_of

Handler = Callable[..., Any]


def _named(names: str) -> frozenset[Any]:
    return frozenset(getattr(np, name) for name in names.split() if hasattr(np, name))


CONSTANT = _named(
    "all allclose any argmax argmin argpartition argsort argwhere around array2string array_equal array_equiv array_repr"
    " array_str can_cast ceil common_type count_nonzero digitize empty_like fix flatnonzero floor"
    " isclose iscomplex iscomplexobj isfinite isin isinf isnan isneginf isposinf isreal isrealobj"
    " lexsort may_share_memory min_scalar_type nanargmax nanargmin ndim nonzero ones_like result_type rint round"
    " searchsorted shape shares_memory sign size trunc unravel_index ravel_multi_index zeros_like diag_indices_from"
    " tril_indices_from triu_indices_from"
)
"""Functions whose results depend on values only by steps, or not at all."""

REPORTS = _named("save savetxt savez savez_compressed")
"""Functions that write values to files, as ``print`` does; what is read from a file is a constant."""

MOVERS = _named(
    "append array_split block broadcast_arrays choose column_stack compress concat concatenate delete diagflat dstack"
    " extract flip hstack insert meshgrid resize row_stack select stack take take_along_axis unstack vstack rollaxis roll"
    " rot90 fliplr flipud moveaxis transpose swapaxes squeeze expand_dims ravel reshape repeat tile split"
    " matrix_transpose atleast_1d atleast_2d atleast_3d broadcast_to diagonal diag permute_dims"
    " hsplit vsplit dsplit"
) | {np.lib.stride_tricks.sliding_window_view}
"""Functions whose results hold elements of the arguments, each unchanged, and zeros."""

REDUCTIONS = _named("amax amin cumprod cumsum max mean min prod std sum var")
"""Functions whose options NumPy and autograd's rules order differently."""

REAL_TRANSFORMS = frozenset(
    (np.fft.rfft, np.fft.irfft, np.fft.rfft2, np.fft.irfft2, np.fft.rfftn, np.fft.irfftn)
)
"""Functions whose rule of autograd's is wrong for one of the norms."""

DATA_ARGUMENTS: dict[Any, tuple[int, ...]] = {
    np.append: (0, 1),
    np.insert: (0, 2),
    np.choose: (1,),
    np.compress: (1,),
    np.extract: (1,),
    np.select: (1, 2),
}
"""The arguments of a mover that elements come from, where that is not the first one alone."""

ALL_ARE_DATA = _named("broadcast_arrays meshgrid atleast_1d atleast_2d atleast_3d")

HANDLERS: dict[Any, Handler] = {}


def call(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What ``__array_function__`` of a traced value answers."""
    sources = list(traced_in((args, kwargs)))
    if any(is_foreign_box(value) for value in (*args, *kwargs.values())):
        return NotImplemented
    tape = tape_of(sources[0])
    for source in sources:
        tape_of(source)
    handler = HANDLERS.get(func)
    if handler is not None:
        return handler(*args, **kwargs)
    args, kwargs, out = _split_out(func, args, kwargs)
    value = _answer(tape, func, args, kwargs, sources)
    if out is None:
        return value
    if type(out) is not TracedArray:
        raise untraced_target(func.__name__)
    out[...] = value
    return out


def _answer(tape: Tape, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], sources: list[Any]) -> Any:
    value = func(*plain_nested(args), **plain_nested(kwargs))
    if func in REPORTS:
        return value
    if value is None:
        raise refuse(
            "CKP201",
            f"np.{func.__name__} writes to an array that the tape watches, and is not known to it",
            "assign to elements or slices of the array instead",
        )
    view = _as_views(value, sources)
    if view is not None:
        return view
    if any(map(is_varied, sources)):
        refuse_objects(value)
    if func in CONSTANT or not any(is_varied(source) for source in sources) or not is_differentiable(value):
        return constant(tape, value)
    if func in rules.RULES:
        return _ruled(tape, func, args, kwargs, value)
    if func in MOVERS:  # before autograd's rules: that of tile, for one, is wrong for some options
        return _moved(tape, func, args, kwargs, value, sources)
    if trace_primitives_map.get(func) in primitive_vjps:
        return _ruled(tape, func, args, kwargs, value)
    # what is left are autograd's own compositions of primitives, which record themselves
    composed = anp.__dict__.get(func.__name__)
    if (
        inspect.isfunction(composed)
        and not hasattr(composed, "fun")
        and composed.__module__ == anp.__name__ + ".numpy_wrapper"
    ):
        return composed(*args, **kwargs)
    raise refuse(
        "CKP201",
        f"np.{func.__name__} was called on a value that is being differentiated, and no derivative rule for it is known",
        f"write it with functions that have a rule, or wrap np.{func.__name__} with autograd.extend.primitive and give it"
        " one with defvjp",
    )


def _as_views(value: Any, sources: list[Any]) -> Any:
    """The result as views of traced arrays, if that is what NumPy returned."""
    if isinstance(value, np.ndarray):
        return view_of(value, sources)
    if isinstance(value, list | tuple) and value:
        views = [view_of(item, sources) for item in value]
        if all(view is not None for view in views):
            return type(value)(views)
    return None


@lru_cache(maxsize=512)
def _signature(func: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(func)
    except (TypeError, ValueError):
        return None


def _split_out(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], Any]:
    """Take ``out`` out of the arguments, wherever it was given."""
    if kwargs.get("out") is not None:
        kwargs = dict(kwargs)
        return args, kwargs, kwargs.pop("out")
    signature = _signature(func)
    parameters = signature.parameters.values() if signature else ()
    names = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    if "out" in names and names.index("out") < len(args):
        place = names.index("out")
        if args[place] is not None:
            return (*args[:place], None, *args[place + 1 :]), kwargs, args[place]
    if func is np.dot and len(args) == 3:
        return args[:2], kwargs, args[2]
    return args, kwargs, None


def _ruled(tape: Tape, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Any:
    """Record a function that has a rule."""
    args, kwargs = _positional(func, args, kwargs)
    if func in REAL_TRANSFORMS and kwargs.get("norm") == "forward":
        raise refuse(
            "CKP201", f"np.fft.{func.__name__} with norm='forward'", "divide by the number of points yourself"
        )
    if func in REDUCTIONS:
        args, kwargs = _reduction_options(func, args, kwargs)
    varied = tuple(number for number, arg in enumerate(args) if is_varied(arg))
    hidden = [
        arg for number, arg in enumerate(args) if number not in varied and any(map(is_varied, traced_in(arg)))
    ]
    if hidden or not varied or any(map(is_varied, traced_in(kwargs))):
        raise refuse(
            "CKP201",
            f"np.{func.__name__} was given a value that is being differentiated in an argument without a derivative rule",
            "pass it as the function's first array argument, or write the function with others",
        )
    kept = tuple(plain_nested(arg) if any(True for _ in traced_in(arg)) else keep(arg) for arg in args)
    try:
        vjp = maker_of(func)(varied, value, kept, plain_nested(kwargs))
    except (NotImplementedError, KeyError, TypeError) as error:
        raise refuse(
            "CKP201",
            f"np.{func.__name__} was called in a way that its derivative rule does not cover ({error})",
            "call it with fewer options, or write it with other functions",
        ) from error
    parents = tuple(args[number]._node for number in varied)
    if isinstance(value, tuple | list):
        return results(tape, value, vjp, parents)
    return result(tape, value, vjp, parents)


def _reduction_options(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The options of a reduction by name, since NumPy and the rules order them differently; some have no rule."""
    names = list(_signature(func).parameters)[1:]  # type: ignore[union-attr]
    options = {**dict(zip(names, args[1:], strict=False)), **kwargs}
    options = {
        name: value for name, value in options.items() if value is not None and value is not np._NoValue
    }
    options.pop("dtype", None)  # it is the result's, and the adjoint's with it
    if options.pop("where", True) is not True or "initial" in options:
        raise refuse(
            "CKP201", f"np.{func.__name__} with where= or initial=", f"write np.{func.__name__}(a[mask])"
        )
    return args[:1], options


def _positional(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, every: bool = False
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Traced keyword arguments (or every one) moved to their positions, where autograd looks for them."""
    moved = {name for name, value in kwargs.items() if every or is_traced(value)}
    if not moved:
        return args, kwargs
    signature = _signature(func)
    if signature is None:
        return args, kwargs
    bound = signature.bind(*args, **kwargs)
    parameters = enumerate(signature.parameters.values())
    places = [number for number, p in parameters if p.name in moved and p.kind is p.POSITIONAL_OR_KEYWORD]
    if not places:
        return args, kwargs
    bound.apply_defaults()
    names = list(signature.parameters)[: max(places) + 1]
    rest = {name: value for name, value in kwargs.items() if name not in names}
    return tuple(bound.arguments[name] for name in names), rest


# --- functions that only move elements ---------------------------------------------------------------------------


def _moved(
    tape: Tape, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any, sources: list[Any]
) -> Any:
    """Record a mover: the same function, run on the elements' numbers, says where each one went. Zero is no element."""
    args, kwargs = _positional(func, args, kwargs, every=True)
    data = range(len(args)) if func in ALL_ARE_DATA else DATA_ARGUMENTS.get(func, (0,))
    for number, arg in enumerate(args):
        if number not in data and any(map(is_varied, traced_in(arg))):
            raise refuse(
                "CKP201",
                f"np.{func.__name__} was told by a value that is being differentiated which elements to take",
                "take the elements by integers or masks",
            )
    unique = list({id(source): source for source in sources if is_varied(source)}.values())
    numbers: dict[int, Any] = {}
    first = 1
    for source in unique:
        shape = np.shape(source._value)
        size = np.size(source._value)
        numbers[id(source)] = np.arange(first, first + size).reshape(shape)
        first += size
    maps = func(
        *(
            _numbered(arg, numbers) if number in data else plain_nested(arg)
            for number, arg in enumerate(args)
        ),
        **plain_nested(kwargs),
    )
    several = isinstance(value, tuple | list)
    if any(np.asarray(moved).dtype.kind not in "iu" for moved in (maps if several else [maps])):
        raise refuse(
            "CKP201", f"np.{func.__name__} with these options", "write it with indexing or np.concatenate"
        )

    def pullback(g: Any) -> list[Any]:
        total = np.zeros(first, np.result_type(*(g if several else [g])))
        for moved, adjoint in zip(maps, g, strict=True) if several else [(maps, g)]:
            np.add.at(total, np.asarray(moved), adjoint)
        return [total[numbers[id(source)]] for source in unique]

    parents = tuple(source._node for source in unique)
    return results(tape, value, pullback, parents) if several else result(tape, value, pullback, parents)


def _numbered(arg: Any, numbers: dict[int, Any]) -> Any:
    """``arg`` with the numbers of its elements in the place of each varied array, and zeros in place of constants."""
    if id(arg) in numbers:
        return numbers[id(arg)]
    if isinstance(arg, list | tuple):
        return type(arg)(_numbered(item, numbers) for item in arg)
    return np.zeros(np.shape(plain_nested(arg)), np.intp)


# --- functions that need more than a rule -------------------------------------------------------------------------


def _handles(*functions: Any) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        for function in functions:
            HANDLERS[function] = handler
        return handler

    return register


def _target(array: Any, name: str) -> TracedArray:
    if type(array) is not TracedArray:
        raise untraced_target(f"np.{name}")
    return array


@_handles(np.copyto)
def _copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    target = _target(dst, "copyto")
    source_dtype = getattr(src, "dtype", None)
    if source_dtype is not None and not np.can_cast(source_dtype, target.dtype, casting):  # type: ignore[arg-type]
        raise TypeError(
            f"Cannot cast array data from {source_dtype!r} to {target.dtype!r} according to the rule '{casting}'"
        )
    if where is True:
        target[...] = src
        return
    mask = np.broadcast_to(plain_nested(where), target.shape)
    target[mask] = np.broadcast_to(src, target.shape)[mask]


@_handles(np.put)
def _put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    target = _target(a, "put")
    places = np.atleast_1d(plain_nested(ind)).ravel()
    if mode != "raise":
        places = places % target.size if mode == "wrap" else np.clip(places, 0, target.size - 1)
    v = creation.asarray(v)
    values = np.resize(v, places.shape) if np.size(v) != places.size else np.reshape(v, places.shape)
    target[np.unravel_index(places % target.size, target.shape)] = values


@_handles(np.place, np.putmask)
def _place(arr: Any, mask: Any, vals: Any) -> None:
    raise refuse(
        "CKP201",
        "np.place and np.putmask on an array that is being differentiated",
        "write a[mask] = values",
    )


@_handles(np.fill_diagonal)
def _fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    target = _target(a, "fill_diagonal")
    marks = np.zeros(target.shape, bool)
    np.fill_diagonal(marks, True, wrap=wrap)
    places = np.nonzero(marks)
    count = len(places[0])
    target[places] = val if np.ndim(val) == 0 else np.resize(val, (count,))


@_handles(np.copy)
def _copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    return copy(a, np.copy(a._value, order=order)) if type(a) is TracedArray else a  # type: ignore[call-overload]


@_handles(np.full_like)
def _full_like(a: Any, fill_value: Any, *args: Any, **kwargs: Any) -> Any:
    filled = np.empty_like(a, *args, **kwargs)
    filled[...] = fill_value
    return filled


@_handles(np.broadcast_to)
def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    value = np.broadcast_to(array._value, shape)
    view = view_of(value, [array])
    if view is not None:
        return view
    tape = tape_of(array)
    if not is_varied(array):
        return constant(tape, value)
    return result(tape, value.copy(), lambda g: (np.sum(g),), (array._node,))


@_handles(np.broadcast_arrays)
def _broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    shape = np.broadcast_shapes(*map(np.shape, args))
    return tuple(np.broadcast_to(arg, shape) for arg in args)


@_handles(np.nan_to_num)
def _nan_to_num(x: Any, copy: bool = True, **kwargs: Any) -> Any:
    if not copy:
        replaced = np.nan_to_num(x, **kwargs)
        x[...] = replaced
        return x
    tape = tape_of(x)
    value = np.nan_to_num(x._value, **kwargs)
    if not is_varied(x):
        return constant(tape, value)
    finite = np.isfinite(x._value)
    return result(tape, value, lambda g: (np.where(finite, g, 0.0),), (x._node,))


@_handles(np.pad)
def _pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    movers = ("constant", "edge", "reflect", "symmetric", "wrap")
    tape = tape_of(array)
    value = np.pad(array._value, pad_width, mode, **kwargs)
    if not is_varied(array):
        return constant(tape, value)
    if (
        mode not in movers
        or kwargs.get("reflect_type", "even") != "even"
        or any(map(is_traced, kwargs.values()))
    ):
        raise refuse(
            "CKP201",
            f"np.pad with mode={mode!r}",
            f"use one of the modes {', '.join(movers)}, or np.concatenate",
        )
    numbers = np.arange(1, array.size + 1).reshape(array.shape)
    moved = np.pad(numbers, pad_width, mode)

    def pullback(g: Any) -> tuple[Any, ...]:
        total = np.zeros(array.size + 1, g.dtype)
        np.add.at(total, moved, g)
        return (total[1:].reshape(array.shape),)

    return result(tape, value, pullback, (array._node,))


@_handles(np.gradient)
def _gradient(f: Any, *spacings: Any, axis: Any = None, edge_order: int = 1) -> Any:
    tape = tape_of(f)
    numpys: Any = np.gradient
    value = numpys(f._value, *spacings, axis=axis, edge_order=edge_order)
    if not is_varied(f) or any(map(is_traced, spacings)):
        if is_varied(f):
            raise refuse(
                "CKP201", "np.gradient with a spacing that is being differentiated", "divide by the spacing"
            )
        return constant(tape, value)
    axes = range(f.ndim) if axis is None else [number % f.ndim for number in np.atleast_1d(axis)]
    if len(spacings) == 1:
        spacings *= len(axes)
    widths = spacings or (1.0,) * len(axes)
    pullbacks = [
        rules.gradient_pullback(f.shape, n, h, edge_order) for n, h in zip(axes, widths, strict=True)
    ]
    if isinstance(value, tuple | list):
        return results(
            tape, value, lambda g: (sum(p(part) for p, part in zip(pullbacks, g, strict=True)),), (f._node,)
        )
    return result(tape, value, lambda g: (pullbacks[0](g),), (f._node,))


@_handles(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **kwargs: Any) -> Any:
    low, high = kwargs.pop("min", a_min), kwargs.pop("max", a_max)
    inputs = [x for x in (a, low, high) if x is not None]
    value = np.clip(plain_nested(a), plain_nested(low), plain_nested(high), **kwargs)
    if out is None:
        return ufuncs.recorded(rules.clip, (a, low, high), value)
    if type(out) is not TracedArray:
        if any(map(is_varied, inputs)):
            raise untraced_target("np.clip")
        out[...] = value
        return out
    plain_inputs = [plain_nested(x) for x in (a, low, high)]
    return ufuncs.in_place(
        rules.clip, (a, low, high), out, lambda: np.clip(*plain_inputs, out=out._value, **kwargs)
    )


@_handles(np.ptp)
def _ptp(a: Any, axis: Any = None, **kwargs: Any) -> Any:
    return np.max(a, axis=axis, **kwargs) - np.min(a, axis=axis, **kwargs)


@_handles(np.average)
def _average(a: Any, axis: Any = None, weights: Any = None, **kwargs: Any) -> Any:
    if kwargs or weights is None:
        return np.mean(a, axis=axis)
    raise refuse(
        "CKP201",
        "np.average with weights on a value that is being differentiated",
        "write np.sum(w * a) / np.sum(w)",
    )
