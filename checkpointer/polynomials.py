"""Polynomials given by their coefficients, and grids of numbers, composed of functions that have a rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from checkpointer.boxes import plain
from checkpointer.refusals import refuse
from checkpointer.registry import composes


@composes("polyval")
def _polyval(p: Any, x: Any) -> Any:
    total = np.zeros(np.shape(x))
    for number in range(len(p)):
        total = total * x + p[number]
    return total


@composes("vander")
def _vander(x: Any, N: Any = None, increasing: bool = False) -> Any:  # noqa: N803  NumPy's name
    powers = np.arange(np.size(x) if N is None else N)
    return np.reshape(x, (-1, 1)) ** (powers if increasing else powers[::-1])


@composes("polyder")
def _polyder(p: Any, m: int = 1) -> Any:
    for _ in range(m):
        p = p[:-1] * np.arange(len(p) - 1, 0, -1)
    return p


@composes("polyint")
def _polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    constants = np.zeros(m) if k is None else np.broadcast_to(k, (m,))
    for number in range(m):
        p = np.concatenate([p / np.arange(len(p), 0, -1), constants[number : number + 1]])
    return p


@composes("polyadd")
def _polyadd(a1: Any, a2: Any) -> Any:
    first, second = np.atleast_1d(a1), np.atleast_1d(a2)
    size = max(len(first), len(second))
    return np.pad(first, (size - len(first), 0)) + np.pad(second, (size - len(second), 0))


@composes("polysub")
def _polysub(a1: Any, a2: Any) -> Any:
    return _polyadd(a1, -np.atleast_1d(a2))


@composes("polymul")
def _polymul(a1: Any, a2: Any) -> Any:
    return np.convolve(_trimmed(a1), _trimmed(a2))


def _trimmed(p: Any) -> Any:
    """Without leading zeros, as NumPy multiplies polynomials."""
    p = np.atleast_1d(p)
    places = np.flatnonzero(plain(p))
    return p[places[0] if len(places) else len(p) - 1 :]


@composes("polyfit")
def _polyfit(
    x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    if full or cov or np.ndim(deg):
        raise refuse(
            "CKP201", "np.polyfit with full=, cov= or several degrees", "use np.linalg.lstsq with np.vander"
        )
    powers = _vander(np.asarray(x) if isinstance(x, list) else x, int(deg) + 1)
    if w is not None:
        powers = powers * w[:, None]
        y = y * (w if np.ndim(y) == 1 else w[:, None])
    return np.linalg.pinv(powers) @ y


@composes("linspace")
def _linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    intervals = num - 1 if endpoint else num
    ndim = max(np.ndim(start), np.ndim(stop))
    part = np.reshape(np.arange(num) / max(intervals, 1), (-1,) + (1,) * ndim)
    points = start * (1 - part) + stop * part
    if axis != 0:
        points = np.moveaxis(points, 0, axis)
    return (points, (stop - start) / intervals if intervals > 0 else np.nan) if retstep else points


@composes("logspace")
def _logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    if np.ndim(base):
        raise refuse("CKP201", "np.logspace with several bases", "write base ** np.linspace(...)")
    return base ** _linspace(start, stop, num, endpoint, axis=axis)


@composes("geomspace")
def _geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    intervals = num - 1 if endpoint else num
    ndim = max(np.ndim(start), np.ndim(stop))
    part = np.reshape(np.arange(num) / max(intervals, 1), (-1,) + (1,) * ndim)
    points = start * (stop / start) ** part
    return np.moveaxis(points, 0, axis) if axis else points
