"""NumPy's functions on traced values: what ``__array_function__`` answers.

Every function is run by NumPy itself on the concrete arrays. What follows depends on the function: a result that
shares memory with an argument is a view and needs no record; functions that only move elements (``MOVERS``) get their
pullback from moving indices the same way; functions with a rule of ours or of autograd's are recorded with it;
functions that are composed of others (``COMPOSITIONS``) take their derivative from there; functions that are piecewise
constant (``CONSTANT``) give constants; anything else is refused by name.
"""

from __future__ import annotations

import inspect
from typing import Any

import autograd  # noqa: F401  whole, before any part of it: see lazy.py
import autograd.numpy as anp
import numpy as np
from autograd.core import primitive_vjps
from autograd.tracer import trace_primitives_map

from checkpointer import calculus as calculus  # these modules register what they answer
from checkpointer import matrices as matrices
from checkpointer import polynomials as polynomials
from checkpointer import quantiles as quantiles
from checkpointer import rules
from checkpointer import rules_fft as rules_fft
from checkpointer import rules_linalg as rules_linalg
from checkpointer import rules_products as rules_products
from checkpointer import rules_reductions as rules_reductions
from checkpointer import selections as selections
from checkpointer import shaping as shaping
from checkpointer import userfunctions as userfunctions
from checkpointer import writers as writers
from checkpointer.arrays import TracedArray
from checkpointer.boxes import (
    constant,
    is_differentiable,
    is_varied,
    plain,
    plain_nested,
    refuse_objects,
    refuse_subclasses,
    result,
    results,
    traced_in,
    view_of,
)
from checkpointer.indexing import untraced_target
from checkpointer.movers import MOVERS, moved
from checkpointer.reductions import MASKED
from checkpointer.refusals import refuse
from checkpointer.registry import COMPOSITIONS, HANDLERS, named, positional, rebased, signature, spelled
from checkpointer.scalars import tape_of
from checkpointer.tape import Tape, keep
from checkpointer.ufuncs import is_foreign_box, maker_of

CONSTANT = named(
    "all allclose any argmax argmin argpartition argsort argwhere around array2string array_equal array_equiv array_repr"
    " array_str can_cast ceil common_type count_nonzero digitize empty_like fix flatnonzero floor"
    " in1d isclose iscomplex iscomplexobj isfinite isin isinf isnan isneginf isposinf isreal isrealobj"
    " lexsort may_share_memory min_scalar_type nanargmax nanargmin ndim nonzero ones_like result_type rint round"
    " searchsorted shape shares_memory sign size trunc unravel_index ravel_multi_index zeros_like diag_indices_from"
    " tril_indices_from triu_indices_from linalg.matrix_rank einsum_path savez savez_compressed save savetxt"
)
"""Functions whose results depend on values only by steps, or not at all."""

REDUCTIONS = named("amax amin cumprod cumsum max mean min prod std sum var")
"""Functions whose options NumPy and autograd's rules order differently."""


def call(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What ``__array_function__`` of a traced value answers."""
    sources = list(traced_in((args, kwargs)))
    if any(is_foreign_box(value) for value in (*args, *kwargs.values())):
        return NotImplemented
    for value in (*args, *kwargs.values()):
        refuse_subclasses(value if isinstance(value, list | tuple) else (value,))
    tape = tape_of(sources[0])
    for source in sources:
        tape_of(source)
    handler = HANDLERS.get(func)
    if handler is not None:
        return handler(*args, **kwargs)
    args, kwargs, out = _split_out(func, args, kwargs)
    value = _answer(tape, func, args, kwargs, list(traced_in((args, kwargs))))
    if out is None:
        return value
    if type(out) is not TracedArray:
        if is_varied(value):
            raise untraced_target(spelled(func))
        out[...] = plain(value)
        return out
    if is_varied(value) and value.dtype != out.dtype:  # NumPy may compute in the precision of the target
        exact = func(*plain_nested(args), **plain_nested(kwargs), out=out._value.copy())
        value = rebased(tape, exact, value)
    out[...] = value
    return out


def _answer(tape: Tape, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], sources: list[Any]) -> Any:
    value = func(*plain_nested(args), **plain_nested(kwargs))
    if value is None and func not in CONSTANT:
        raise refuse(
            "CKP201",
            f"{spelled(func)} writes to an array that the tape watches, and is not known to it",
            "assign to elements or slices of the array instead",
        )
    view = _as_views(value, sources)
    if view is not None:
        return view
    if any(map(is_varied, sources)):
        refuse_objects(value)
    if func in CONSTANT or not any(is_varied(source) for source in sources) or not is_differentiable(value):
        return constant(tape, value)
    if func in REDUCTIONS and _is_masked(func, args, kwargs):
        return rebased(tape, value, MASKED[func](*args[:1], **_reduction_options(func, args, kwargs)))
    if func in rules.RULES:
        return _ruled(tape, func, args, kwargs, value)
    composition = COMPOSITIONS.get(func)
    if composition is not None:
        with np.errstate(all="ignore"):  # NumPy has warned already
            return rebased(tape, value, composition(*args, **kwargs))
    if func in MOVERS:  # before autograd's rules: that of tile, for one, is wrong for some options
        return moved(tape, func, args, kwargs, value, sources)
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
        f"{spelled(func)} was called on a value that is being differentiated, and no derivative rule for it is known",
        f"write it with functions that have a rule, or wrap {spelled(func)} with autograd.extend.primitive and give it"
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


def _split_out(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], Any]:
    """Take ``out`` out of the arguments, wherever it was given."""
    if kwargs.get("out") is not None:
        kwargs = dict(kwargs)
        return args, kwargs, kwargs.pop("out")
    known = signature(func)
    parameters = known.parameters.values() if known else ()
    names = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    if "out" in names and names.index("out") < len(args):
        place = names.index("out")
        if args[place] is not None:
            rest = (None, *args[place + 1 :]) if len(args) > place + 1 else ()
            return (*args[:place], *rest), kwargs, args[place]
    if func is np.dot and len(args) == 3:
        return args[:2], kwargs, args[2]
    return args, kwargs, None


def _ruled(tape: Tape, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Any:
    """Record a function that has a rule."""
    args, kwargs = positional(func, args, kwargs, every=True)
    if func in REDUCTIONS:
        args, kwargs = args[:1], _reduction_options(func, args, kwargs)
    varied = tuple(number for number, arg in enumerate(args) if is_varied(arg))
    hidden = [
        arg for number, arg in enumerate(args) if number not in varied and any(map(is_varied, traced_in(arg)))
    ]
    if hidden or not varied or any(map(is_varied, traced_in(kwargs))):
        raise refuse(
            "CKP201",
            f"{spelled(func)} was given a value that is being differentiated in an argument without a derivative rule",
            "pass it as the function's first array argument, or write the function with others",
        )
    kept = tuple(plain_nested(arg) if any(True for _ in traced_in(arg)) else keep(arg) for arg in args)
    try:
        vjp = maker_of(func)(varied, value, kept, plain_nested(kwargs))
    except (NotImplementedError, KeyError, TypeError) as error:
        raise refuse(
            "CKP201",
            f"{spelled(func)} was called in a way that its derivative rule does not cover ({error})",
            "call it with fewer options, or write it with other functions",
        ) from error
    parents = tuple(args[number]._node for number in varied)
    if isinstance(value, tuple | list):
        return results(tape, value, vjp, parents)
    return result(tape, value, vjp, parents)


def _reduction_options(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The options of a reduction by name; its dtype is the value's, and the adjoint's with it."""
    names = list(signature(func).parameters)[1:]  # type: ignore[union-attr]
    options = {**dict(zip(names, args[1:], strict=False)), **kwargs}
    return {
        name: value
        for name, value in options.items()
        if name not in ("dtype", "out") and value is not None and value is not np._NoValue
    }


def _is_masked(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a reduction has an option that its rule does not know."""
    options = _reduction_options(func, args, kwargs)
    return options.get("where", True) is not True or "initial" in options or "mean" in options
