"""Reductions with ``where=`` and ``initial=``, those that pass over NaNs, averages and covariances, as compositions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from checkpointer.boxes import plain, plain_nested
from checkpointer.refusals import refuse
from checkpointer.registry import composes

MASKED: dict[Any, Callable[..., Any]] = {}
"""Reduction -> its composition where it is given ``where=``, ``initial=`` or ``mean=``; all options come by name."""


def _masked(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(composition: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            MASKED[function] = composition
        return composition

    return register


@_masked(np.sum)
def _sum(a: Any, *, where: Any = True, initial: Any = 0, **options: Any) -> Any:
    return np.sum(np.where(plain(where), a, 0), **options) + initial


@_masked(np.prod)
def _prod(a: Any, *, where: Any = True, initial: Any = 1, **options: Any) -> Any:
    return np.prod(np.where(plain(where), a, 1), **options) * initial


@_masked(np.max, np.amax)
def _max(a: Any, *, where: Any = True, initial: Any = -np.inf, **options: Any) -> Any:
    return np.maximum(np.max(np.where(plain(where), a, -np.inf), **options), initial)


@_masked(np.min, np.amin)
def _min(a: Any, *, where: Any = True, initial: Any = np.inf, **options: Any) -> Any:
    return np.minimum(np.min(np.where(plain(where), a, np.inf), **options), initial)


@_masked(np.mean)
def _mean(a: Any, *, where: Any = True, **options: Any) -> Any:
    marks = np.broadcast_to(plain(where), np.shape(a))
    return np.sum(np.where(marks, a, 0), **options) / np.sum(marks, **options)


@_masked(np.var)
def _var(
    a: Any, *, where: Any = True, mean: Any = None, ddof: Any = 0, correction: Any = None, **options: Any
) -> Any:
    marks = np.broadcast_to(plain(where), np.shape(a))
    if mean is None:
        mean = _mean(a, where=marks, **{**options, "keepdims": True})
    squares = np.where(marks, np.abs(a - mean) ** 2, 0)
    return np.sum(squares, **options) / (
        np.sum(marks, **options) - (ddof if correction is None else correction)
    )


@_masked(np.std)
def _std(a: Any, **options: Any) -> Any:
    return np.sqrt(_var(a, **options))


# --- passing over NaNs -------------------------------------------------------------------------------------------------


def _without_nans(function: Callable[..., Any], filler: float | None) -> Callable[..., Any]:
    """The function of an array whose NaNs are replaced; without a filler, of the elements that are none."""

    def composition(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, **options: Any) -> Any:
        given = {name: value for name, value in options.items() if value is not np._NoValue}
        where = np.broadcast_to(plain(given.pop("where", True)), np.shape(a)) & ~np.isnan(a)
        if filler is None:
            return MASKED[function](np.where(where, a, 0), axis=axis, where=where, **given)
        if "initial" in given:
            return MASKED[function](a, axis=axis, where=where, **given)
        return function(np.where(where, a, filler), axis=axis, **given)

    return composition


def _with_ddof(function: Callable[..., Any]) -> Callable[..., Any]:
    inner = _without_nans(function, None)
    return lambda a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, **options: inner(
        a, axis, ddof=ddof, keepdims=keepdims is True, **options
    )


def _with_keepdims(function: Callable[..., Any], filler: float | None) -> Callable[..., Any]:
    inner = _without_nans(function, filler)
    return lambda a, axis=None, dtype=None, out=None, keepdims=False, **options: inner(
        a, axis, keepdims=keepdims is True, **options
    )


def _extremum(function: Callable[..., Any], filler: float) -> Callable[..., Any]:
    inner = _without_nans(function, filler)
    return lambda a, axis=None, out=None, keepdims=False, **options: inner(
        a, axis, keepdims=keepdims is True, **options
    )


composes("nansum")(_with_keepdims(np.sum, 0.0))
composes("nanprod")(_with_keepdims(np.prod, 1.0))
composes("nanmax")(_extremum(np.max, -np.inf))
composes("nanmin")(_extremum(np.min, np.inf))
composes("nanmean")(_with_keepdims(np.mean, None))
composes("nanvar")(_with_ddof(np.var))
composes("nanstd")(_with_ddof(np.std))
composes("nancumsum")(_without_nans(np.cumsum, 0.0))
composes("nancumprod")(_without_nans(np.cumprod, 1.0))


# --- averages and covariances ------------------------------------------------------------------------------------------


@composes("ptp")
def _ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    keepdims = keepdims is True
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


@composes("average")
def _average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    keepdims = keepdims is True
    if weights is None:
        mean = np.mean(a, axis=axis, keepdims=keepdims)
        return (mean, np.size(plain_nested(a)) / np.size(mean)) if returned else mean
    if np.shape(weights) != np.shape(a):
        axes = [int(n) % np.ndim(a) for n in np.atleast_1d(axis)]
        order = np.argsort(axes)
        shape = [length if number in axes else 1 for number, length in enumerate(np.shape(a))]
        weights = np.reshape(np.transpose(weights, order), shape)
    total = np.sum(weights, axis=axis, keepdims=keepdims)
    mean = np.sum(a * weights, axis=axis, keepdims=keepdims) / total
    return (mean, total * np.ones(np.shape(mean))) if returned else mean


@composes("cov")
def _cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    if fweights is not None or aweights is not None:
        raise refuse("CKP201", "np.cov with weights", "write it with sums")
    rows = _variables(m, rowvar)
    if y is not None:
        rows = np.concatenate([rows, _variables(y, rowvar)])
    if ddof is None:
        ddof = 0 if bias else 1
    rows = rows - np.mean(rows, axis=1, keepdims=True)
    return np.squeeze(rows @ np.conj(rows).T / (np.shape(rows)[1] - ddof))


def _variables(m: Any, rowvar: bool) -> Any:
    rows = np.atleast_2d(m)
    return rows if rowvar or np.shape(rows)[0] == 1 else rows.T


@composes("corrcoef")
def _corrcoef(x: Any, y: Any = None, rowvar: bool = True, **options: Any) -> Any:
    c = _cov(x, y, rowvar)
    if np.ndim(c) == 0:
        return c / c
    spread = np.sqrt(np.real(np.diagonal(c)))
    return c / spread[:, None] / spread[None, :]
