"""Every public function of numpy, numpy.linalg and numpy.fft: differentiated, constant, or refused by name.

A function that stands in no table fails the last test with its name.
"""

import io

import numpy
import pytest

from checkpointer import TraceError, grad
from checkpointer import numpy as np

M = numpy.array([[0.3, 0.5, 0.9, 0.2], [1.1, 0.7, 0.4, 0.8], [0.6, 1.2, 0.35, 0.95]])
P = numpy.array([[1.0, -2.0, 0.5, 0.25], [0.5, 1.5, -1.0, 2.0], [2.0, 0.1, 0.7, -0.3]])
X = numpy.array([0.11, 0.38, 0.52, 0.97])
I3 = numpy.eye(3)


def Z(u):
    """A complex array made of the rows of a real one."""
    return u + 1j * u[::-1] * P.astype(u.dtype)


def square(u):
    """A matrix that is far from singular."""
    return u[:, :3] + 2 * I3.astype(u.dtype)


def zsquare(u):
    return square(u) + 1j * u[::-1, 1:]


def hermitian(u):
    return zsquare(u) + np.conj(zsquare(u).T)


def positive(u):
    return zsquare(u) @ np.conj(zsquare(u).T)


def holes(u):
    """With NaNs in it."""
    return np.where(P > 1.2, np.nan, u)


def written(function):
    """A function that writes into a copy of its argument."""

    def call(u):
        v = u.copy()
        function(v, u)
        return v

    return call


def kinds(name, *options):
    """The same function with several options."""
    return [lambda u, given=given: getattr(np, name)(u - 0.55, **given) for given in options]


AXES = ({}, {"axis": 0}, {"axis": -1}, {"axis": 1, "keepdims": True}, {"axis": (0, 1)}, {"axis": (1,)})
MASK = M > 0.45

# name -> calls. u has the shape (3, 4) and positive elements.
GRADIENTS = {
    # reductions
    "sum": kinds("sum", *AXES, {"where": MASK}, {"axis": 0, "where": MASK, "initial": 2.0}, {"initial": 1.5})
    + [lambda u: np.sum(Z(u), axis=0), lambda u: np.sum(u, 0, np.float64), lambda u: np.sum(u[0, 0])],
    "prod": kinds("prod", *AXES, {"where": MASK}, {"axis": 1, "initial": 2.0})
    + [lambda u: np.prod(Z(u), axis=1)],
    "max": kinds("max", *AXES, {"where": MASK, "initial": -3.0, "axis": 1})
    + [lambda u: np.max(u, 1, initial=0.5)],
    "min": kinds("min", *AXES, {"where": MASK, "initial": 3.0, "axis": 1})
    + [lambda u: np.min(u, 1, initial=0.5)],
    "amax": kinds("amax", *AXES),
    "amin": kinds("amin", *AXES),
    "mean": kinds("mean", *AXES, {"where": MASK}, {"axis": 0, "where": MASK, "keepdims": True})
    + [lambda u: np.mean(Z(u), axis=1), lambda u: np.mean(u, dtype=np.float64)],
    "std": kinds("std", *AXES, {"ddof": 1}, {"where": MASK}, {"axis": 1, "ddof": 1, "where": MASK})
    + [lambda u: np.std(Z(u), axis=1), lambda u: np.std(u, 0, correction=1)],
    "var": kinds("var", *AXES, {"ddof": 1}, {"where": MASK}, {"axis": 1, "ddof": 1, "where": MASK})
    + [
        lambda u: np.var(Z(u), axis=1),
        lambda u: np.var(u, 0, mean=np.mean(u, 0, keepdims=True)),
        lambda u: np.var(u, axis=1, mean=u[:, :1]),
    ],
    "ptp": kinds("ptp", {}, {"axis": 0}, {"axis": 1, "keepdims": True}),
    "cumsum": kinds("cumsum", {}, {"axis": 0}, {"axis": -1}) + [lambda u: np.cumsum(Z(u), axis=1)],
    "cumprod": kinds("cumprod", {}, {"axis": 0}, {"axis": -1}) + [lambda u: np.cumprod(Z(u), axis=1)],
    "cumulative_sum": [
        lambda u: np.cumulative_sum(u, axis=1),
        lambda u: np.cumulative_sum(u[0], include_initial=True),
    ],
    "cumulative_prod": [
        lambda u: np.cumulative_prod(u, axis=1, include_initial=True),
        lambda u: np.cumulative_prod(u[0]),
    ],
    "nansum": [
        lambda u: np.nansum(holes(u)),
        lambda u: np.nansum(holes(u), 0, keepdims=True),
        lambda u: np.nansum(holes(u), axis=1, where=MASK, initial=0.5),
    ],
    "nanprod": [lambda u: np.nanprod(holes(u)), lambda u: np.nanprod(holes(u), 1)],
    "nanmax": [
        lambda u: np.nanmax(holes(u)),
        lambda u: np.nanmax(holes(u), 1),
        lambda u: np.nanmax(holes(u), axis=0),
    ],
    "nanmin": [lambda u: np.nanmin(holes(u)), lambda u: np.nanmin(holes(u), 1, keepdims=True)],
    "nanmean": [lambda u: np.nanmean(holes(u)), lambda u: np.nanmean(holes(u), axis=0, keepdims=True)],
    "nanstd": [lambda u: np.nanstd(holes(u)), lambda u: np.nanstd(holes(u), axis=1, ddof=1)],
    "nanvar": [lambda u: np.nanvar(holes(u)), lambda u: np.nanvar(holes(u), axis=1, ddof=1)],
    "nancumsum": [lambda u: np.nancumsum(holes(u)), lambda u: np.nancumsum(holes(u), axis=1)],
    "nancumprod": [lambda u: np.nancumprod(holes(u)), lambda u: np.nancumprod(holes(u), axis=1)],
    "average": [
        lambda u: np.average(u),
        lambda u: np.average(u, 0),
        lambda u: np.average(u, weights=M),
        lambda u: np.average(u, axis=1, weights=X),
        lambda u: np.average(u, axis=1, weights=u[0], keepdims=True),
        lambda u: np.average(u, axis=0, weights=u**2, returned=True),
        lambda u: np.average(P, axis=0, weights=u),
    ],
    "median": [
        lambda u: np.median(u),
        lambda u: np.median(u, axis=0),
        lambda u: np.median(u, axis=1, keepdims=True),
        lambda u: np.median(u, (0, 1)),
        lambda u: np.median(Z(u), axis=1),
    ],
    "nanmedian": [lambda u: np.nanmedian(holes(u)), lambda u: np.nanmedian(holes(u), axis=1)],
    "quantile": [
        lambda u: np.quantile(u, 0.3),
        lambda u: np.quantile(u, [0.1, 0.75, 1.0], axis=1),
        lambda u: np.quantile(u, 0.4, axis=0, method="hazen", keepdims=True),
        lambda u: np.quantile(u, 0.4, method="nearest"),
        lambda u: np.quantile(P, u[0, 0], axis=1),
        lambda u: np.quantile(u, 0.5 * u[0], axis=1),
    ],
    "percentile": [
        lambda u: np.percentile(u, 30),
        lambda u: np.percentile(u, numpy.array([10, 75]), axis=0),
        lambda u: np.percentile(u, 30.0 * u[0, 0]),
    ],
    "nanquantile": [
        lambda u: np.nanquantile(holes(u), 0.3),
        lambda u: np.nanquantile(holes(u), [0.2, 0.9], axis=1),
    ],
    "nanpercentile": [lambda u: np.nanpercentile(holes(u), [20, 50], axis=0)],
    "cov": [
        lambda u: np.cov(u),
        lambda u: np.cov(u[0], u[1], ddof=0),
        lambda u: np.cov(u, rowvar=False, bias=True),
    ],
    "corrcoef": [lambda u: np.corrcoef(u), lambda u: np.corrcoef(u[0], u[1])],
    # calculus
    "diff": [
        lambda u: np.diff(u),
        lambda u: np.diff(u, 2, axis=0),
        lambda u: np.diff(u, prepend=0, append=u[:, :2]),
        lambda u: np.diff(u, axis=0, prepend=u[1:2], append=1.0),
        lambda u: np.diff(Z(u), axis=0),
    ],
    "ediff1d": [lambda u: np.ediff1d(u), lambda u: np.ediff1d(u, to_begin=u[0, 0], to_end=[1.0, 2.0])],
    "gradient": [
        lambda u: np.gradient(u),
        lambda u: np.gradient(u[0]),
        lambda u: np.gradient(u, 0.3, 0.7, edge_order=2),
        lambda u: np.gradient(u, X, axis=1),
        lambda u: np.gradient(u, X, axis=-1, edge_order=2),
        lambda u: np.gradient(u, u[0, 0], axis=0),
        lambda u: np.gradient(u, 2.0, np.cumsum(u[0]), edge_order=2),
        lambda u: np.gradient(P, u[0, 0], axis=1),
        lambda u: np.gradient(u[:, :2], axis=1),
    ],
    "trapezoid": [
        lambda u: np.trapezoid(u),
        lambda u: np.trapezoid(u, X),
        lambda u: np.trapezoid(u, u**2 + P, axis=0),
        lambda u: np.trapezoid(u, dx=u[0, 0]),
        lambda u: np.trapezoid(X, x=u[1]),
        lambda u: np.trapezoid(u, x=X[:3], axis=0),
    ],
    "interp": [
        lambda u: np.interp(u, X, X**2),
        lambda u: np.interp(0.4, X + 0.1 * u[0], u[1]),
        lambda u: np.interp(u[0], np.cumsum(u[1]), u[2]),
        lambda u: np.interp(u[0] * 3, X, X**2, left=-1.0, right=u[0, 0]),
        lambda u: np.interp(u[0] * 7 + 0.03, X, u[1], period=1.3),
        lambda u: np.interp(u[0, 0], X, u[1]),
        lambda u: np.interp(u[0], X, Z(u)[1]),
        lambda u: np.interp(u[0], [0.5], u[1, :1]),
    ],
    "convolve": [
        lambda u: [
            np.convolve(u[0], u[1, :k], mode) for mode in ("full", "same", "valid") for k in (1, 2, 3, 4)
        ],
        lambda u: [
            np.convolve(u[0, :2], u[1, :k], mode) for mode in ("full", "same", "valid") for k in (3, 4)
        ],
        lambda u: np.convolve(Z(u)[0], Z(u)[1]),
        lambda u: np.convolve(X, u[0], mode="same"),
    ],
    "correlate": [
        lambda u: [
            np.correlate(u[0], u[1, :k], mode) for mode in ("full", "same", "valid") for k in (1, 2, 3, 4)
        ],
        lambda u: [
            np.correlate(u[0, :2], u[1, :k], mode) for mode in ("full", "same", "valid") for k in (3, 4)
        ],
        lambda u: [
            np.correlate(u[0, :3], u[1, :k], mode) for mode in ("full", "same", "valid") for k in (2, 4)
        ],
        lambda u: np.correlate(Z(u)[0], Z(u)[1, :3], "full"),
    ],
    "unwrap": [lambda u: np.unwrap(np.cumsum(u * 9, axis=1)), lambda u: np.unwrap(u * 9, axis=0, period=4.0)],
    "clip": [
        lambda u: np.clip(u, 0.42, 0.93),
        lambda u: np.clip(u, u[0], None),
        lambda u: np.clip(u, None, u[:, :1]),
        lambda u: np.clip(P + 0.013, u - 0.7, u),
        lambda u: np.clip(u, a_min=0.42, a_max=0.62),
    ],
    "nan_to_num": [lambda u: np.nan_to_num(holes(u), nan=0.5), lambda u: np.nan_to_num(holes(u) + 1j * u)],
    "sinc": [lambda u: np.sinc(u), lambda u: np.sinc(u - u[0, 0])],
    # products
    "dot": [
        lambda u: np.dot(u, u.T),
        lambda u: np.dot(u[0], u[1]),
        lambda u: np.dot(u, u[0]),
        lambda u: np.dot(2.0, u),
        lambda u: np.dot(u[:, None], u.T[:, :2]),
        lambda u: np.dot(Z(u), u.T),
        lambda u: np.dot(u, Z(u).T),
        lambda u: np.dot(u[0, 0], X),
    ],
    "vdot": [lambda u: np.vdot(u, u**2), lambda u: np.vdot(Z(u), Z(u)[::-1]), lambda u: np.vdot(X, u[0])],
    "inner": [
        lambda u: np.inner(u, u),
        lambda u: np.inner(u[0], u[1]),
        lambda u: np.inner(u, 3.0),
        lambda u: np.inner(u[:, None], u),
        lambda u: np.inner(Z(u), u),
        lambda u: np.inner(u, Z(u)),
    ],
    "outer": [lambda u: np.outer(u, u[0]), lambda u: np.outer(u[0, 0], u[1]), lambda u: np.outer(Z(u), X)],
    "kron": [
        lambda u: np.kron(u[:2], u[1:]),
        lambda u: np.kron(u[0], u[1]),
        lambda u: np.kron(I3, u),
        lambda u: np.kron(u[0], u),
        lambda u: np.kron(Z(u)[0], u[1]),
    ],
    "cross": [
        lambda u: np.cross(u[:, :3], u[::-1, 1:]),
        lambda u: np.cross(u[:, :3], P[0, :3]),
        lambda u: np.cross(u[:, :2], u[:, 1:3], axis=0),
        lambda u: np.cross(u[0, :3], Z(u)[:, 1:]),
        lambda u: np.cross(u[:, 1:].T, u[:, :3], axisa=0, axisc=0),
    ],
    "tensordot": [
        lambda u: np.tensordot(u, u, axes=((1,), (1,))),
        lambda u: np.tensordot(u, u),
        lambda u: np.tensordot(u, u, 0),
        lambda u: np.tensordot(u.reshape(3, 2, 2), u.reshape(2, 3, 2), axes=([1, 0], [2, 1])),
        lambda u: np.tensordot(u, Z(u).T, axes=1),
        lambda u: np.tensordot(u, u, axes=(-1, 1)),
    ],
    "einsum": [
        lambda u: np.einsum("ij,kj->ik", u, u),
        lambda u: np.einsum("ij,jk", u, u.T),
        lambda u: np.einsum("...j,j", u, u[0]),
        lambda u: np.einsum("i...,...->...i", u, u[0]),
        lambda u: np.einsum("ii", u[:, :3]),
        lambda u: np.einsum("ii->i", u[:, :3]) ** 2,
        lambda u: np.einsum("ij->", u),
        lambda u: np.einsum("ij->j", u),
        lambda u: np.einsum("ba", u) ** 2,
        lambda u: np.einsum("ij,ij,kj->ik", u, u**2, P, optimize=True),
        lambda u: np.einsum("ii,ij->j", u[:, :3], u),
        lambda u: np.einsum(u, [0, 1], u, [2, 1], [0, 2]),
        lambda u: np.einsum(u, [Ellipsis, 1], u[0], [1], [Ellipsis]),
        lambda u: np.einsum("...ij,...jk->...ik", u[None, None], u.T.reshape(1, 4, 3)),
        lambda u: np.einsum("ij,jk->ik", Z(u), u.T),
        lambda u: np.einsum("ij,jk->ik", u, Z(u).T),
        lambda u: np.einsum("i,ij->ij", u[:1, 0], u),
        lambda u: np.einsum(",ij", u[0, 0], P),
        lambda u: np.einsum("ij,kl->i", u, P),
    ],
    "trace": [
        lambda u: np.trace(u),
        lambda u: np.trace(u, 1),
        lambda u: np.trace(np.stack([u, u**2]), axis1=1, axis2=2),
    ],
    # elements that move
    "append": [lambda u: np.append(u[0], 3 * u[1, 1]), lambda u: np.append(u, u[:1], axis=0)],
    "array_split": [lambda u: np.array_split(u * 2, 3, axis=1)],
    "atleast_1d": [lambda u: np.atleast_1d(u[0, 0] * 2), lambda u: np.atleast_1d(u[0, 0], u)],
    "atleast_2d": [lambda u: np.atleast_2d(u[0]) ** 2],
    "atleast_3d": [lambda u: np.atleast_3d(u) ** 2],
    "block": [lambda u: np.block([[u, u[:, :1] ** 2], [np.ones((1, 5))]])],
    "broadcast_arrays": [lambda u: np.broadcast_arrays(u[0] * 2, u)],
    "broadcast_to": [lambda u: np.broadcast_to(u[0], (3, 4)) * u, lambda u: np.broadcast_to(u[0, 0], (2, 2))],
    "choose": [lambda u: np.choose([0, 2, 1, 0], u), lambda u: np.choose(numpy.arange(4) % 2, [u[0], 1.0])],
    "column_stack": [lambda u: np.column_stack([u[:, 0], u[:, 1] ** 2])],
    "compress": [lambda u: np.compress([True, False, True], u, axis=0)],
    "concat": [lambda u: np.concat([u, u[:1] ** 2])],
    "concatenate": [
        lambda u: np.concatenate([u, 2 * u[:1], np.ones((1, 4))]),
        lambda u: np.concatenate((u, u**2), axis=1),
        lambda u: np.concatenate([u, P], axis=None),
        lambda u: np.concatenate([u, Z(u)]),
        lambda u: np.concatenate([u, numpy.arange(4)[None]]),
    ],
    "copy": [lambda u: np.copy(u) ** 2],
    "delete": [lambda u: np.delete(u, 1, axis=1), lambda u: np.delete(u, [0, 2])],
    "diag": [lambda u: np.diag(u[0]), lambda u: np.diag(u, 1) ** 2],
    "diagflat": [lambda u: np.diagflat(u[:, :2], 1)],
    "diagonal": [lambda u: np.diagonal(u) ** 2, lambda u: np.diagonal(u, -1) * 2],
    "dsplit": [lambda u: np.dsplit((u * 2).reshape(3, 2, 2), 2)],
    "dstack": [lambda u: np.dstack([u, u**2])],
    "expand_dims": [lambda u: np.expand_dims(u, 1) ** 2],
    "extract": [lambda u: np.extract(MASK, u)],
    "flip": [lambda u: np.flip(u, axis=0) * u, lambda u: np.flip(u) * u],
    "fliplr": [lambda u: np.fliplr(u) * u],
    "flipud": [lambda u: np.flipud(u) * u],
    "hsplit": [lambda u: np.hsplit(u * 2, 2)],
    "hstack": [lambda u: np.hstack([u[:, :1], u])],
    "insert": [lambda u: np.insert(u[0], 1, u[1, 2] ** 2), lambda u: np.insert(u, [1, 2], u[:, :2], axis=1)],
    "matrix_transpose": [lambda u: np.matrix_transpose(u) ** 2],
    "meshgrid": [
        lambda u: np.meshgrid(u[0], u[1, :2]),
        lambda u: np.meshgrid(u[0], X, indexing="ij", sparse=True),
    ],
    "moveaxis": [lambda u: np.moveaxis(u[None], 0, 2) ** 2],
    "pad": [
        lambda u: np.pad(u, 1, constant_values=3.0),
        lambda u: np.pad(u, ((1, 2), (0, 1)), mode="edge"),
        lambda u: np.pad(u, 2, mode="reflect"),
        lambda u: np.pad(u, 2, mode="symmetric"),
        lambda u: np.pad(u[0], 3, mode="wrap"),
        lambda u: np.pad(Z(u), 1),
    ],
    "permute_dims": [lambda u: np.permute_dims(u) ** 2],
    "ravel": [lambda u: np.ravel(u.T) ** 2, lambda u: np.ravel(u, "F") ** 2],
    "repeat": [lambda u: np.repeat(u[0], 2), lambda u: np.repeat(u, [1, 0, 2], axis=0)],
    "reshape": [lambda u: np.reshape(u, (2, 6)) ** 2, lambda u: np.reshape(u, -1, order="F") * 2],
    "resize": [lambda u: np.resize(u, (2, 7))],
    "roll": [
        lambda u: np.roll(u, 1, axis=1) * u,
        lambda u: np.roll(u, -2),
        lambda u: np.roll(u, (1, -1), (0, 1)) * u,
        lambda u: np.roll(u, 2, axis=(0, 1)) * u,
        lambda u: np.roll(u, (1, 2), axis=0) * u,
    ],
    "rollaxis": [lambda u: np.rollaxis(u, 1) ** 2],
    "rot90": [lambda u: np.rot90(u) ** 2, lambda u: np.rot90(u, 2) ** 2],
    "select": [lambda u: np.select([P > 1, MASK], [u, u**2], -1.0), lambda u: np.select([MASK], [P], u)],
    "split": [lambda u: np.split(u * 2, 2, axis=1)],
    "squeeze": [lambda u: np.squeeze(u[None]) ** 2],
    "stack": [lambda u: np.stack([u[0], u[1] ** 2, X], axis=1)],
    "swapaxes": [lambda u: np.swapaxes(u, 0, 1) ** 2],
    "take": [
        lambda u: np.take(u, [0, 2, 2], axis=1),
        lambda u: np.take(u, 3),
        lambda u: np.take(u, [[-1, 2]]),
    ],
    "take_along_axis": [lambda u: np.take_along_axis(u, np.argsort(u, axis=1), axis=1)],
    "tile": [lambda u: np.tile(u[0], 3), lambda u: np.tile(u, (2, 1))],
    "transpose": [lambda u: np.transpose(u) ** 2, lambda u: np.transpose(u[None], (2, 0, 1)) * 2],
    "tril": [lambda u: np.tril(u), lambda u: np.tril(u, 1)],
    "triu": [lambda u: np.triu(u, 1) ** 2],
    "trim_zeros": [lambda u: np.trim_zeros(np.pad(u[0], 2)) ** 2],
    "unstack": [lambda u: np.unstack(u * 2)],
    "vsplit": [lambda u: np.vsplit(u * 2, 3)],
    "vstack": [lambda u: np.vstack([u[0], u])],
    "where": [
        lambda u: np.where(MASK, u, -(u**2)),
        lambda u: np.where(u > 0.61, u[0], 2.0),
        lambda u: np.where(MASK, 1.0, Z(u)),
        lambda u: np.where(u - 0.61, u, P),
    ],
    # sorting, selecting, counting
    "partition": [lambda u: np.partition(u, 2, axis=1), lambda u: np.partition(u, (1, 3), axis=None)],
    "sort": [
        lambda u: np.sort(u),
        lambda u: np.sort(u, axis=0),
        lambda u: np.sort(u, axis=None, kind="stable"),
        lambda u: np.sort(Z(u)),
    ],
    "sort_complex": [lambda u: np.sort_complex(Z(u)[0])],
    "unique": [
        lambda u: np.unique(u),
        lambda u: np.unique(
            np.concatenate([u, u]), return_index=True, return_inverse=True, return_counts=True
        ),
        lambda u: np.unique(u, axis=0),
        lambda u: np.unique(u, True, axis=1),
    ],
    "unique_all": [lambda u: np.unique_all(u)],
    "unique_counts": [lambda u: np.unique_counts(u)],
    "unique_inverse": [lambda u: np.unique_inverse(u)],
    "unique_values": [lambda u: np.unique_values(u)],
    "bincount": [
        lambda u: np.bincount([0, 2, 2, 5], weights=u[0]),
        lambda u: np.bincount(numpy.array([1, 1, 0, 1]), u[0], minlength=4),
    ],
    "histogram": [
        lambda u: np.histogram(P, bins=4, weights=u),
        lambda u: np.histogram(P, 3, (-1, 1.5), weights=u, density=True),
        lambda u: np.histogram(u, [0.0, 0.31, 0.82, 2.0], weights=u),
        lambda u: np.histogram(P, 3, weights=Z(u)),
    ],
    # polynomials and grids
    "polyval": [
        lambda u: np.polyval(u[0], u[1]),
        lambda u: np.polyval(u[0], 0.7),
        lambda u: np.polyval([1, 2.0, 3], u),
    ],
    "polyder": [lambda u: np.polyder(u[0]), lambda u: np.polyder(u[0], 2)],
    "polyint": [lambda u: np.polyint(u[0]), lambda u: np.polyint(u[0], 2, k=[1.0, 2.0])],
    "polyadd": [lambda u: np.polyadd(u[0], u[1, :2])],
    "polysub": [lambda u: np.polysub(X[:2], u[1])],
    "polymul": [lambda u: np.polymul(u[0], u[1, :2]), lambda u: np.polymul(np.concatenate([[0.0], u[0]]), X)],
    "polyfit": [
        lambda u: np.polyfit(X, u[0], 2),
        lambda u: np.polyfit(X, u.T, 1),
        lambda u: np.polyfit(u[0], u[1], 1, w=u[2]),
    ],
    "vander": [lambda u: np.vander(u[0]), lambda u: np.vander(u[0], 3, increasing=True)],
    "linspace": [
        lambda u: np.linspace(u[0, 0], u[0, 1], 5),
        lambda u: np.linspace(0, u[0, 1], 5, endpoint=False, retstep=True),
        lambda u: np.linspace(u[0], u[1], num=3, axis=-1),
        lambda u: np.linspace(u[0, 0], 3, 1),
    ],
    "logspace": [
        lambda u: np.logspace(u[0, 0], u[0, 1], 5),
        lambda u: np.logspace(0.1, u[0, 1], 3, base=2.0),
    ],
    "geomspace": [
        lambda u: np.geomspace(u[0, 0], u[0, 1], 5),
        lambda u: np.geomspace(u[0, 0], 9.0, 4, endpoint=False),
    ],
    "arange": [
        lambda u: np.arange(u[0, 0], 5.0, u[0, 1]),
        lambda u: np.arange(4 + u[0, 0]),
        lambda u: np.arange(0.5, 3 + u[0, 0], dtype=float),
    ],
    "full": [lambda u: np.full((2, 2), u[0, 1]), lambda u: np.full((2, 4), u[0] * 2)],
    "full_like": [lambda u: np.full_like(u, u[0, 1] ** 2)],
    # arrays made of others
    "array": [
        lambda u: np.array([u[0, 0], u[1, 1] ** 2, 3.0]),
        lambda u: np.array([u[0], [u[1, 1], 2.0, u[0, 1] * u[0, 2], 1]]),
        lambda u: np.array(u, dtype=complex) * 1j,
        lambda u: np.array(u[0], ndmin=2),
    ],
    "asarray": [
        lambda u: np.asarray([u[0] * 2, u[1]]),
        lambda u: np.asarray(u) ** 2,
        lambda u: np.asarray(u, float),
    ],
    "asanyarray": [lambda u: np.asanyarray(u) ** 2],
    "ascontiguousarray": [lambda u: np.ascontiguousarray(u.T) ** 2],
    "asfortranarray": [lambda u: np.asfortranarray(u) ** 2],
    "asarray_chkfinite": [lambda u: np.asarray_chkfinite(u) ** 2],
    "astype": [lambda u: np.astype(u, complex) * 1j, lambda u: np.astype(u, u.dtype, copy=False) * 2],
    "fromiter": [
        lambda u: np.fromiter((x**2 for x in u[0]), float),
        lambda u: np.fromiter(u[0], float, count=3),
    ],
    "fromfunction": [lambda u: np.fromfunction(lambda i, j: u * (i + 2 * j), (3, 4))],
    # complex numbers
    "real": [lambda u: np.real(Z(u)) ** 2, lambda u: np.real(u) ** 2, lambda u: np.real(Z(u)[0, 0])],
    "imag": [lambda u: np.imag(Z(u)) ** 2, lambda u: np.imag(Z(u)[0, 0])],
    "angle": [lambda u: np.angle(Z(u)), lambda u: np.angle(Z(u), deg=True), lambda u: np.angle(Z(u)[0, 0])],
    "real_if_close": [lambda u: np.real_if_close(Z(u)), lambda u: np.real_if_close(u + 0j) ** 2],
    # functions that call functions
    "apply_along_axis": [
        lambda u: np.apply_along_axis(lambda row: np.sum(row**2), 1, u),
        lambda u: np.apply_along_axis(lambda row: row[::-1] * row[0], 0, u),
        lambda u: np.apply_along_axis(np.convolve, 1, u, X, mode="same"),
        lambda u: np.apply_along_axis(np.outer, -1, u, X[:2]),
        lambda u: np.apply_along_axis(lambda row: [row[0], row[1] ** 2], 1, u),
    ],
    "apply_over_axes": [
        lambda u: np.apply_over_axes(np.sum, u**2, [0, 1]),
        lambda u: np.apply_over_axes(np.prod, u, 0),
    ],
    "piecewise": [
        lambda u: np.piecewise(u, [u < 0.52, u > 0.87], [lambda x: x**2, -1.0, np.sqrt]),
        lambda u: np.piecewise(u, [MASK], [np.sin, np.cos]),
        lambda u: np.piecewise(u[0, 0], [u[0, 0] > 0.1], [lambda x: x**2, 0]),
        lambda u: np.piecewise(u, [MASK, ~MASK], [lambda x, k: k * x, lambda x, k: x - k], 3.0),
    ],
    # writers
    "copyto": [
        written(lambda v, u: np.copyto(v, u[::-1] * 2)),
        written(lambda v, u: np.copyto(v, u**2, where=MASK)),
        written(lambda v, u: np.copyto(v, 3.0)),
    ],
    "put": [
        written(lambda v, u: np.put(v, [0, 5], [u[1, 1], 2 * u[0, 0]])),
        written(lambda v, u: np.put(v, [0, 1, 2, 14], u[0, :2], mode="wrap")),
    ],
    "place": [
        written(lambda v, u: np.place(v, MASK, [1.0, 2.0])),
        written(lambda v, u: np.place(v, MASK, u[0] ** 2)),
    ],
    "putmask": [
        written(lambda v, u: np.putmask(v, MASK, u**2)),
        written(lambda v, u: np.putmask(v, MASK, np.array([u[0, 0], 2.0, u[1, 1] * 3], u.dtype))),
    ],
    "put_along_axis": [
        written(lambda v, u: np.put_along_axis(v, np.argmax(u, 1)[:, None], u[:, :1] ** 2, 1)),
        written(lambda v, u: np.put_along_axis(v, numpy.array([[0, 1, 2, 0]]), 5.0, axis=0)),
        written(lambda v, u: np.put_along_axis(v, numpy.array([3, 7]), u[0, :2] ** 2, axis=None)),
    ],
    "fill_diagonal": [
        written(lambda v, u: np.fill_diagonal(v, u[0, 1] ** 2)),
        written(lambda v, u: np.fill_diagonal(v, u[0, :3] ** 2)),
        written(lambda v, u: np.fill_diagonal(v[:, :2], 1.0, wrap=True)),
    ],
    # numpy.linalg
    "linalg.solve": [
        lambda u: np.linalg.solve(square(u), u),
        lambda u: np.linalg.solve(square(u), u[:, 0]),
        lambda u: np.linalg.solve(P[:, :3], u),
        lambda u: np.linalg.solve(zsquare(u), Z(u)),
        lambda u: np.linalg.solve(square(u), Z(u)),
        lambda u: np.linalg.solve(np.stack([square(u), P[:, :3]]), u),
        lambda u: np.linalg.solve(square(u), np.stack([u, u**2])),
        lambda u: np.linalg.solve(np.stack([square(u), square(u) ** 2]), u[:, 0]),
    ],
    "linalg.inv": [
        lambda u: np.linalg.inv(square(u)),
        lambda u: np.linalg.inv(zsquare(u)),
        lambda u: np.linalg.inv(np.stack([square(u), square(u).T])),
    ],
    "linalg.pinv": [
        lambda u: np.linalg.pinv(u),
        lambda u: np.linalg.pinv(u.T),
        lambda u: np.linalg.pinv(Z(u)),
        lambda u: np.linalg.pinv(np.stack([u, P])),
    ],
    "linalg.det": [
        lambda u: np.linalg.det(square(u)),
        lambda u: np.linalg.det(zsquare(u)),
        lambda u: np.linalg.det(np.stack([square(u), u[:, 1:]])),
        lambda u: np.linalg.det(square(u) - square(u)[:, :1] * [1, 0, 0]),
        lambda u: np.linalg.det(np.outer(X[:2], u[0, :2]) - u[0, 0] * numpy.outer(X[:2], [1, 0])),
    ],
    "linalg.slogdet": [
        lambda u: np.linalg.slogdet(square(u)),
        lambda u: np.linalg.slogdet(zsquare(u)),
        lambda u: np.linalg.slogdet(np.stack([zsquare(u), zsquare(u).T])),
    ],
    "linalg.cholesky": [
        lambda u: np.linalg.cholesky(square(u) @ square(u).T),
        lambda u: np.linalg.cholesky(square(u) + 2 * I3),
        lambda u: np.linalg.cholesky(square(u) + 2 * I3, upper=True),
        lambda u: np.linalg.cholesky(positive(u)),
        lambda u: np.linalg.cholesky(positive(u), upper=True),
        lambda u: np.linalg.cholesky(np.stack([square(u) + 2 * I3, square(u) @ square(u).T])),
    ],
    "linalg.qr": [
        lambda u: np.linalg.qr(u),
        lambda u: np.linalg.qr(u.T),
        lambda u: np.linalg.qr(square(u), "complete"),
        lambda u: np.linalg.qr(u, mode="complete"),
        lambda u: np.linalg.qr(u.T, mode="r"),
        lambda u: np.linalg.qr(u, mode="r"),
        lambda u: np.linalg.qr(Z(u)),
        lambda u: np.linalg.qr(Z(u).T),
        lambda u: np.linalg.qr(np.stack([u, P])),
    ],
    "linalg.eigh": [
        lambda u: np.linalg.eigh(u[:, :3] + u[:, :3].T),
        lambda u: np.linalg.eigh(u[:, :3]),
        lambda u: np.linalg.eigh(u[:, :3], "U"),
        lambda u: np.linalg.eigh(np.stack([u[:, :3], P[:, :3]]), UPLO="U"),
        lambda u: np.abs(np.linalg.eigh(hermitian(u))[1]) + np.linalg.eigh(hermitian(u)).eigenvalues,
        lambda u: np.abs(np.linalg.eigh(zsquare(u), "U")[1]),
    ],
    "linalg.eigvalsh": [
        lambda u: np.linalg.eigvalsh(u[:, :3]),
        lambda u: np.linalg.eigvalsh(hermitian(u), UPLO="U"),
    ],
    "linalg.eig": [
        lambda u: [part.real for part in np.linalg.eig(square(u) + numpy.diag([0, 1, 2]))],
        lambda u: np.linalg.eig(P[:, :3] + 0.1 * u[:, 1:])[0],
        lambda u: np.abs(np.linalg.eig(P[:, :3] + 0.1 * u[:, 1:])[1]),
        lambda u: np.abs(np.linalg.eig(zsquare(u)).eigenvectors),
    ],
    "linalg.eigvals": [lambda u: np.linalg.eigvals(u[:, :3]), lambda u: np.linalg.eigvals(zsquare(u))],
    "linalg.svd": [
        lambda u: np.linalg.svd(u, full_matrices=False),
        lambda u: np.linalg.svd(u.T, full_matrices=False),
        lambda u: np.linalg.svd(square(u)),
        lambda u: np.linalg.svd(u, compute_uv=False),
        lambda u: np.linalg.svd(u)[1],
        lambda u: np.linalg.svd(u)[0],
        lambda u: np.linalg.svd(np.stack([u, P]), full_matrices=False),
        lambda u: _without_phase(*np.linalg.svd(Z(u), full_matrices=False)),
        lambda u: _without_phase(*np.linalg.svd(zsquare(u))),
    ],
    "linalg.svdvals": [lambda u: np.linalg.svdvals(u), lambda u: np.linalg.svdvals(Z(u))],
    "linalg.lstsq": [
        lambda u: np.linalg.lstsq(u.T, X)[::3],
        lambda u: np.linalg.lstsq(u.T, P.T)[:2],
        lambda u: np.linalg.lstsq(u.T, u[0] ** 2)[:2],
        lambda u: np.linalg.lstsq(u, X[:3], rcond=None)[0],
        lambda u: np.linalg.lstsq(P.T, u.T)[:2],
    ],
    "linalg.matrix_power": [
        lambda u, n=n: np.linalg.matrix_power(square(u), n) for n in (1, 2, 3, 5, -1, -2)
    ],
    "linalg.multi_dot": [
        lambda u: np.linalg.multi_dot([u, u.T, P]),
        lambda u: np.linalg.multi_dot([u[0], u.T, P, X]),
    ],
    "linalg.tensorinv": [lambda u: np.linalg.tensorinv((u @ P.T + 4 * I3).reshape(3, 1, 3, 1), ind=2)],
    "linalg.tensorsolve": [
        lambda u: np.linalg.tensorsolve((square(u)).reshape(3, 1, 3), u[:, :1]),
        lambda u: np.linalg.tensorsolve((square(u)).reshape(3, 3, 1), u[:, 0], axes=(0,)),
    ],
    "linalg.norm": [
        lambda u: np.linalg.norm(u),
        lambda u: np.linalg.norm(u, axis=1),
        lambda u: np.linalg.norm(u, axis=0, keepdims=True),
        lambda u: [
            np.linalg.norm(u - 0.57, order, axis=1) for order in (1, 2, 3, 1.5, numpy.inf, -numpy.inf, -1)
        ],
        lambda u: [
            np.linalg.norm(square(u), order) for order in (1, -1, 2, -2, "fro", "nuc", numpy.inf, -numpy.inf)
        ],
        lambda u: np.linalg.norm(np.stack([u, P]), 2, axis=(1, 2), keepdims=True),
        lambda u: np.linalg.norm(np.stack([u, P]), axis=(0, 2)),
        lambda u: np.linalg.norm(Z(u)),
        lambda u: np.linalg.norm(Z(u), 1, axis=0),
        lambda u: np.linalg.norm(u, keepdims=True),
        lambda u: np.linalg.norm(u - u[0], axis=1)[1:],
    ],
    "linalg.vector_norm": [
        lambda u: np.linalg.vector_norm(u),
        lambda u: np.linalg.vector_norm(u, axis=1, ord=3, keepdims=True),
        lambda u: np.linalg.vector_norm(Z(u), axis=(0, 1), ord=1),
    ],
    "linalg.matrix_norm": [
        lambda u: np.linalg.matrix_norm(u),
        lambda u: np.linalg.matrix_norm(u, ord=2, keepdims=True),
        lambda u: np.linalg.matrix_norm(np.stack([u, P]), ord="nuc"),
    ],
    "linalg.cond": [
        lambda u: [np.linalg.cond(square(u), p) for p in (None, 2, -2, 1, -1, "fro", numpy.inf, "nuc")]
    ],
    "linalg.trace": [lambda u: np.linalg.trace(u), lambda u: np.linalg.trace(u, offset=1)],
    "linalg.diagonal": [lambda u: np.linalg.diagonal(u) ** 2],
    "linalg.cross": [lambda u: np.linalg.cross(u[:, :3], P[:, 1:])],
    "linalg.outer": [lambda u: np.linalg.outer(u[0], u[1])],
    "linalg.tensordot": [lambda u: np.linalg.tensordot(u, u, axes=((1,), (1,)))],
    "linalg.matmul": [lambda u: np.linalg.matmul(u, u.T)],
    "linalg.matrix_transpose": [lambda u: np.linalg.matrix_transpose(u) ** 2],
    "linalg.vecdot": [lambda u: np.linalg.vecdot(u, u[0]), lambda u: np.linalg.vecdot(Z(u), u, axis=0)],
    # numpy.fft
    **{
        f"fft.{name}": [
            lambda u, f=name: getattr(np.fft, f)(u),
            lambda u, f=name: getattr(np.fft, f)(u[:, :3], axis=0, norm="ortho"),
            lambda u, f=name: getattr(np.fft, f)(Z(u), 6, norm="forward"),
            lambda u, f=name: getattr(np.fft, f)(Z(u), n=3),
            lambda u, f=name: getattr(np.fft, f)(u[0], norm="backward"),
        ]
        for name in ("fft", "ifft", "irfft", "hfft")
    },
    **{
        f"fft.{name}": [
            lambda u, f=name: getattr(np.fft, f)(u),
            lambda u, f=name: getattr(np.fft, f)(u, axis=0, norm="ortho"),
            lambda u, f=name: getattr(np.fft, f)(u, 7, norm="forward"),
            lambda u, f=name: getattr(np.fft, f)(u, 2, 1),
        ]
        for name in ("rfft", "ihfft")
    },
    **{
        f"fft.{name}": [
            lambda u, f=name: getattr(np.fft, f)(u),
            lambda u, f=name: getattr(np.fft, f)(u, axes=(1, 0), norm="ortho"),
            lambda u, f=name: getattr(np.fft, f)(u, (2, 6), (0, 1), norm="forward"),
            lambda u, f=name: getattr(np.fft, f)(u, s=(5, 3), axes=(-2, -1)),
            lambda u, f=name: getattr(np.fft, f)(np.stack([u, u**2])),
        ]
        for name in ("fft2", "ifft2", "fftn", "ifftn", "rfft2", "rfftn", "irfft2", "irfftn")
    },
    "fft.fftshift": [lambda u: np.fft.fftshift(u) ** 2, lambda u: np.fft.fftshift(Z(u), axes=1)],
    "fft.ifftshift": [lambda u: np.fft.ifftshift(u) ** 2, lambda u: np.fft.ifftshift(u, axes=(0,))],
    # what lies deeper
    "lib.stride_tricks.sliding_window_view": [
        lambda u: np.lib.stride_tricks.sliding_window_view(u * 2, 2, axis=1) ** 2,
        lambda u: np.lib.stride_tricks.sliding_window_view(u, (2, 2)),
    ],
    "emath.sqrt": [lambda u: np.emath.sqrt(u), lambda u: np.emath.sqrt(u - 0.61)],
    "emath.log": [lambda u: np.emath.log(u - 0.61)],
    "emath.log2": [lambda u: np.emath.log2(u - 0.61)],
    "emath.log10": [lambda u: np.emath.log10(u - 0.61)],
    "emath.logn": [lambda u: np.emath.logn(3.0, u - 0.61), lambda u: np.emath.logn(u + 1, u)],
    "emath.power": [lambda u: np.emath.power(u - 0.61, 2.5), lambda u: np.emath.power(u, u)],
    "emath.arccos": [lambda u: np.emath.arccos(u * 0.5)],
    "emath.arcsin": [lambda u: np.emath.arcsin(u * 0.5)],
    "emath.arctanh": [lambda u: np.emath.arctanh(u * 0.5)],
}


def _without_phase(u, s, vh):
    """What of the singular value decomposition of a complex matrix is determined."""
    return np.abs(u), s, np.abs(vh), u[:, 0, None] * vh[0]


SINGLE_IS_TOO_COARSE = {
    "linalg.cond",
    "linalg.eig",
    "polyfit",
    "linalg.svd",
    "linalg.lstsq",
    "geomspace",
    "arange",
}


def exists(name):
    """Whether this version of NumPy has it."""
    place = numpy
    for part in name.split("."):
        place = getattr(place, part, None)
    return place is not None


CALLS = [
    pytest.param(name, call, id=f"{name} {number}")
    for name, calls in GRADIENTS.items()
    for number, call in enumerate(calls)
    if exists(name)
]


@pytest.mark.parametrize(("name", "call"), CALLS)
def test_gradients(name, call, check_call):
    check_call(call, M, single=name not in SINGLE_IS_TOO_COARSE)


# name -> calls whose results depend on values only by steps, or are texts
CONSTANTS = {
    "all": lambda u: np.all(u > 0.4, axis=1),
    "allclose": lambda u: np.allclose(u, u[0]),
    "any": lambda u: np.any(u > 1, axis=0),
    "argmax": lambda u: np.argmax(u, axis=1),
    "argmin": lambda u: np.argmin(u),
    "argpartition": lambda u: np.argpartition(u, 1),
    "argsort": lambda u: np.argsort(u, axis=0),
    "argwhere": lambda u: np.argwhere(u > 0.5),
    "around": lambda u: np.around(u, 1),
    "array2string": lambda u: np.array2string(u, precision=2),
    "array_equal": lambda u: np.array_equal(u, u + 0),
    "array_equiv": lambda u: np.array_equiv(u, u[0]),
    "array_repr": lambda u: np.array_repr(u),
    "array_str": lambda u: np.array_str(u),
    "can_cast": lambda u: np.can_cast(u.dtype, np.float32),
    "common_type": lambda u: np.common_type(u, u),
    "count_nonzero": lambda u: np.count_nonzero(u > 0.5, axis=0),
    "diag_indices_from": lambda u: np.diag_indices_from(u[:, :3]),
    "digitize": lambda u: np.digitize(u, [0.4, 0.7]),
    "einsum_path": lambda u: np.einsum_path("ij,kj", u, u)[1],
    "empty_like": lambda u: np.empty_like(u) * 0,
    "fix": lambda u: np.fix(u * 3),
    "flatnonzero": lambda u: np.flatnonzero(u > 0.5),
    "format_float_positional": lambda u: np.format_float_positional(u[0, 0]),
    "format_float_scientific": lambda u: np.format_float_scientific(u[0, 0]),
    "histogram_bin_edges": lambda u: np.histogram_bin_edges(np.rint(u), 3),
    "isclose": lambda u: np.isclose(u, u[0]),
    "iscomplex": lambda u: np.iscomplex(u),
    "iscomplexobj": lambda u: np.iscomplexobj(u),
    "isfortran": lambda u: np.isfortran(u.T),
    "isin": lambda u: np.isin(u, u[0]),
    "isneginf": lambda u: np.isneginf(u),
    "isposinf": lambda u: np.isposinf(u),
    "isreal": lambda u: np.isreal(u),
    "isrealobj": lambda u: np.isrealobj(u),
    "isscalar": lambda u: (np.isscalar(u), np.isscalar(u[0, 0])),
    "iterable": lambda u: np.iterable(u),
    "ix_": lambda u: np.ix_(np.argmax(u, 0), [1, 2]),
    "lexsort": lambda u: np.lexsort((u[0], u[1])),
    "linalg.matrix_rank": lambda u: np.linalg.matrix_rank(u),
    "may_share_memory": lambda u: np.may_share_memory(u, u[0]),
    "min_scalar_type": lambda u: str(np.min_scalar_type(u)),
    "nanargmax": lambda u: np.nanargmax(u, axis=1),
    "nanargmin": lambda u: np.nanargmin(u),
    "ndim": lambda u: np.ndim(u),
    "nonzero": lambda u: np.nonzero(u > 0.5),
    "ones_like": lambda u: np.ones_like(u),
    "ravel_multi_index": lambda u: np.ravel_multi_index(np.nonzero(u > 0.5), u.shape),
    "result_type": lambda u: str(np.result_type(u, 1j)),
    "round": lambda u: np.round(u, 1),
    "searchsorted": lambda u: np.searchsorted(X, u),
    "shape": lambda u: np.shape(u),
    "shares_memory": lambda u: np.shares_memory(u, u[0]),
    "size": lambda u: np.size(u),
    "tril_indices_from": lambda u: np.tril_indices_from(u),
    "triu_indices_from": lambda u: np.triu_indices_from(u),
    "unravel_index": lambda u: np.unravel_index(np.argmax(u), u.shape),
    "zeros_like": lambda u: np.zeros_like(u),
}


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated")
@pytest.mark.parametrize("name", list(filter(exists, CONSTANTS)))
def test_constants(name, check_constant):
    check_constant(CONSTANTS[name], M)


# name -> a call that has no derivative rule
REFUSED = {
    "asmatrix": lambda u: np.asmatrix(u),
    "bmat": lambda u: np.bmat([[u]]),
    "histogram2d": lambda u: np.histogram2d(u[0], u[1], weights=u[2]),
    "histogramdd": lambda u: np.histogramdd(u, weights=u[:, 0]),
    "i0": lambda u: np.i0(u),
    "intersect1d": lambda u: np.intersect1d(u, M),
    "kaiser": lambda u: np.kaiser(5, u[0, 0]),
    "poly": lambda u: np.poly(u[0]),
    "polydiv": lambda u: np.polydiv(u[0], u[1, :2]),
    "require": lambda u: np.require(u, None, "F"),
    "roots": lambda u: np.roots(u[0]),
    "setdiff1d": lambda u: np.setdiff1d(u, X),
    "setxor1d": lambda u: np.setxor1d(u, X),
    "union1d": lambda u: np.union1d(u, X),
    "lib.stride_tricks.as_strided": lambda u: np.lib.stride_tricks.as_strided(u, (2, 2), (8, 8)),
}

# functions of other things than arrays of numbers, or that make arrays of nothing but sizes, texts and files
NO_DERIVATIVE = """
    bartlett base_repr binary_repr blackman broadcast_shapes busday_count busday_offset datetime_as_string datetime_data
    diag_indices empty eye frombuffer fromfile fromregex frompyfunc fromstring from_dlpack genfromtxt get_include
    get_printoptions getbufsize geterr geterrcall hamming hanning identity indices info is_busday isdtype issubdtype load
    loadtxt mask_indices mintypecode nested_iters ones packbits printoptions promote_types save savetxt savez
    savez_compressed set_printoptions setbufsize seterr seterrcall show_config show_runtime test tri tril_indices
    triu_indices typename unpackbits zeros fft.fftfreq fft.rfftfreq
""".split()

TYPES_THAT_TAKE_ARRAYS = {
    "broadcast": (lambda u: np.broadcast(u, u), "CKP203"),
    "matrix": (lambda u: np.matrix(u), "CKP207"),
    "nditer": (lambda u: np.nditer(u), "CKP203"),
    "vectorize": (lambda u: np.vectorize(lambda x: x**2)(u), "CKP203 .*vectorize.__call__"),
    "recarray": (lambda u: u * numpy.zeros(4).view(np.recarray), "CKP211 an array of type recarray"),
}
OLD_NAMES = {"in1d", "row_stack", "trapz"}
"""Names that newer versions have dropped, of functions that stand in a table under another."""
OTHER_TYPES = """
    busdaycalendar errstate finfo flatiter flexible iinfo memmap ndarray ndindex record ufunc dtype
""".split()
"""Types that no array is made into; scalar types are tried in test_every_number.py."""


@pytest.mark.parametrize("name", list(filter(exists, REFUSED)))
def test_refusals(name):
    with pytest.raises(TraceError, match=rf"CKP20[13] .*{name.rpartition('.')[2]}"):
        grad(lambda u: np.sum(np.ravel(REFUSED[name](u))))(M)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("name", TYPES_THAT_TAKE_ARRAYS)
def test_types_that_take_arrays(name):
    call, text = TYPES_THAT_TAKE_ARRAYS[name]
    with pytest.raises(TraceError, match=text):
        grad(lambda u: np.sum(u) + (call(u) is None))(M)


def public(module, prefix=""):
    names = (name for name in module.__all__ if callable(getattr(module, name)))
    return {prefix + name for name in names if not name.startswith("_")}


def test_every_public_function_stands_in_one_table():
    tables = [set(GRADIENTS), set(CONSTANTS), set(REFUSED), set(NO_DERIVATIVE), set(TYPES_THAT_TAKE_ARRAYS)]
    tables += [{"ndenumerate", "poly1d"}, set(OTHER_TYPES), OLD_NAMES]
    names = public(numpy) | public(numpy.linalg, "linalg.") | public(numpy.fft, "fft.")
    names |= {f"emath.{name}" for name in dir(numpy.emath) if not name.startswith("_")}
    names |= {f"lib.stride_tricks.{name}" for name in ("as_strided", "sliding_window_view")}
    for name in sorted(names):
        function = numpy
        for part in name.split("."):
            function = getattr(function, part)
        if isinstance(function, numpy.ufunc) or (
            isinstance(function, type) and issubclass(function, numpy.generic)
        ):
            continue  # test_every_ufunc.py, test_every_number.py
        assert sum(name in table for table in tables) == 1 or function is LinAlgError, name


LinAlgError = numpy.linalg.LinAlgError


@pytest.mark.parametrize(
    "call",
    [
        lambda u: np.r_[u[0], 0.5, u[1] ** 2],
        lambda u: np.r_[0:1:3j, u[1], u[0, 0]],
        lambda u: np.r_["0,2", u[0], u[1] ** 2],
        lambda u: np.c_[u, u[:, 0] ** 2, 0:3],
        lambda u: np.mgrid[0:3, 0:4] * u,
        lambda u: np.ogrid[0:3, 0:4][0] * u,
        lambda u: np.stack([x * (i + 2 * j) for (i, j), x in np.ndenumerate(u)]),
        lambda u: np.stack([u[index] ** 2 for index in np.ndindex(u.shape)]),
        lambda u: np.poly1d(u[0])(u[1]),
        lambda u: np.poly1d([1.0, 2.0])(u),
        lambda u: (np.poly1d(u[0]) * np.poly1d(u[1, :2]))(0.3),
    ],
)
def test_what_makes_arrays_of_indices(call, check_call):
    check_call(call, M)


def test_files_and_texts_hold_plain_values():
    def function(u):
        binary, text, several = io.BytesIO(), io.StringIO(), io.BytesIO()
        np.save(binary, u)
        np.savetxt(text, u)
        np.savez(several, u=u, v=u[0])
        binary.seek(0)
        assert np.array_equal(np.load(binary), M)
        assert text.getvalue().startswith("2.99")
        with np.printoptions(precision=1):
            assert f"{u[0]}" == "[0.3 0.5 0.9 0.2]"
        assert f"{u[0, 0]:.2f} {u[0]!r}" == "0.30 array([0.3, 0.5, 0.9, 0.2])"
        return np.sum(u)

    assert np.all(grad(function)(M) == 1)
