"""Linear algebra that is composed of functions with a rule (`checkpointer.rules_linalg`)."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from checkpointer.boxes import is_varied, plain, result
from checkpointer.refusals import refuse
from checkpointer.registry import composes
from checkpointer.scalars import tape_of


def _t(a: Any) -> Any:
    return np.conj(np.swapaxes(a, -1, -2))


@composes("linalg.eigvalsh")
def _eigvalsh(a: Any, UPLO: Any = "L") -> Any:  # noqa: N803  NumPy's name
    return np.linalg.eigh(a, UPLO)[0]


@composes("linalg.eigvals")
def _eigvals(a: Any) -> Any:
    return np.linalg.eig(a)[0]


@composes("linalg.svdvals")
def _svdvals(x: Any, /) -> Any:
    return np.linalg.svd(x, compute_uv=False)


@composes("linalg.lstsq")
def _lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    _, residuals, rank, _ = np.linalg.lstsq(plain(a), plain(b), rcond=rcond)
    if rank < min(np.shape(a)):
        raise refuse("CKP201", "np.linalg.lstsq of a matrix that has not full rank", "add a regularization")
    solution = np.linalg.pinv(a) @ b
    rest = np.sum(np.abs(b - a @ solution) ** 2, axis=0).reshape(-1) if np.size(residuals) else residuals
    return solution, rest, rank, _svdvals(a)


@composes("linalg.multi_dot")
def _multi_dot(arrays: Any, *, out: Any = None) -> Any:
    return functools.reduce(np.dot, arrays)


@composes("linalg.matrix_power")
def _matrix_power(a: Any, n: int) -> Any:
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n == 0:
        return plain(a)
    return functools.reduce(np.matmul, [a] * n)


@composes("trace")
def _trace_of_axes(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1)


@composes("outer")
def _outer_of_all(a: Any, b: Any, out: Any = None) -> Any:
    return np.multiply(np.ravel(a)[:, None], np.ravel(b)[None, :])


@composes("cross")
def _cross_of_axes(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    a0, a1, a2 = (*(a[..., n] for n in range(np.shape(a)[-1])), 0.0)[:3]
    b0, b1, b2 = (*(b[..., n] for n in range(np.shape(b)[-1])), 0.0)[:3]
    if np.shape(a)[-1] == np.shape(b)[-1] == 2:
        return a0 * b1 - a1 * b0
    parts = [a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0]
    return np.moveaxis(np.stack(parts, axis=-1), -1, axisc)


@composes("linalg.trace")
def _trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return np.sum(np.diagonal(x, offset, -2, -1), axis=-1)


@composes("linalg.diagonal")
def _diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return np.diagonal(x, offset, -2, -1)


@composes("linalg.cross")
def _cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return np.cross(x1, x2, axis=axis)


@composes("linalg.outer")
def _outer(x1: Any, x2: Any, /) -> Any:
    return np.multiply(x1[:, None], x2[None, :])


@composes("linalg.tensordot")
def _tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    return np.tensordot(x1, x2, axes)


@composes("linalg.matmul")
def _matmul(x1: Any, x2: Any, /) -> Any:
    return np.matmul(x1, x2)


@composes("linalg.matrix_transpose")
def _matrix_transpose(x: Any, /) -> Any:
    return np.swapaxes(x, -1, -2)


@composes("linalg.vecdot")
def _vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return np.sum(np.conj(np.moveaxis(x1, axis, -1)) * np.moveaxis(x2, axis, -1), axis=-1)


@composes("vecdot")
def _vecdot_ufunc(x1: Any, x2: Any, axis: int = -1) -> Any:
    return _vecdot(x1, x2, axis=axis)


@composes("matvec")
def _matvec(x1: Any, x2: Any) -> Any:
    return np.matmul(x1, x2[..., None])[..., 0]


@composes("vecmat")
def _vecmat(x1: Any, x2: Any) -> Any:
    return np.matmul(np.conj(x1)[..., None, :], x2)[..., 0, :]


@composes("vdot")
def _vdot(a: Any, b: Any, /) -> Any:
    return np.sum(np.conj(np.ravel(a)) * np.ravel(b))


@composes("linalg.tensorinv")
def _tensorinv(a: Any, ind: int = 2) -> Any:
    shape = np.shape(a)[ind:] + np.shape(a)[:ind]
    rows = int(np.prod(np.shape(a)[:ind]))
    return np.reshape(np.linalg.inv(np.reshape(a, (rows, -1))), shape)


@composes("linalg.tensorsolve")
def _tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    if axes is not None:
        a = np.moveaxis(a, axes, range(np.ndim(a) - len(axes), np.ndim(a)))
    shape = np.shape(a)[np.ndim(b) :]
    matrix = np.reshape(a, (-1, int(np.prod(shape))))
    return np.reshape(np.linalg.solve(matrix, np.ravel(b)), shape)


# --- norms ------------------------------------------------------------------------------------------------------------


@composes("linalg.norm")
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002  NumPy's name
    if axis is None and ord is None:
        total = _vector(np.ravel(x), 2)
        return np.reshape(total, (1,) * np.ndim(x)) if keepdims else total
    axes = tuple(range(np.ndim(x))) if axis is None else (axis,) if np.ndim(axis) == 0 else tuple(axis)
    axes = tuple(int(number) % np.ndim(x) for number in axes)
    last = np.moveaxis(x, axes, range(-len(axes), 0))
    total = _vector(last, 2 if ord is None else ord) if len(axes) == 1 else _matrix(last, ord)
    return np.expand_dims(total, axes) if keepdims else total


def _vector(x: Any, order: Any) -> Any:
    """Along the last axis; where a norm has a kink at zero, its slope there is taken to be zero."""
    if order == 2:
        return _length(x)
    size = np.abs(x)
    if order == np.inf:
        return np.max(size, axis=-1)
    if order == -np.inf:
        return np.min(size, axis=-1)
    if order == 0:
        return np.sum(plain(size) != 0, axis=-1).astype(float)
    if order == 1:
        return np.sum(size, axis=-1)
    total = np.sum(size**order, axis=-1)
    empty = plain(total) == 0
    return np.where(empty, 0.0, np.where(empty, 1.0, total) ** (1 / order))


def _length(x: Any) -> Any:
    """The Euclidean norm along the last axis, in one operation: loops compare it with a tolerance in every step."""
    vector = plain(x)
    length = np.linalg.norm(vector, axis=-1)
    if not is_varied(x):
        return length

    def pullback(g: Any) -> tuple[Any, ...]:
        return ((g / np.where(length == 0, 1, length))[..., None] * np.conj(vector),)

    return result(tape_of(x), length, pullback, (x._node,))


def _matrix(x: Any, order: Any) -> Any:
    """Over the last two axes."""
    if order in (None, "fro"):
        return _vector(np.reshape(x, (*np.shape(x)[:-2], -1)), 2)
    if order in (1, -1, np.inf, -np.inf):
        sums = np.sum(np.abs(x), axis=-2 if abs(order) == 1 else -1)
        return np.max(sums, axis=-1) if order > 0 else np.min(sums, axis=-1)
    values = np.linalg.svd(x, compute_uv=False)
    return np.sum(values, axis=-1) if order == "nuc" else values[..., 0 if order == 2 else -1]


@composes("linalg.vector_norm")
def _vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:  # noqa: A002
    axes = tuple(range(np.ndim(x))) if axis is None else (axis,) if np.ndim(axis) == 0 else tuple(axis)
    axes = tuple(int(number) % np.ndim(x) for number in axes)
    last = np.moveaxis(x, axes, range(-len(axes), 0))
    total = _vector(np.reshape(last, (*np.shape(last)[: np.ndim(x) - len(axes)], -1)), ord)
    return np.expand_dims(total, axes) if keepdims else total


@composes("linalg.matrix_norm")
def _matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:  # noqa: A002
    total = _matrix(x, ord)
    return np.expand_dims(total, (-2, -1)) if keepdims else total


@composes("linalg.cond")
def _cond(x: Any, p: Any = None) -> Any:
    if p in (None, 2, -2):
        values = np.linalg.svd(x, compute_uv=False)
        return values[..., -1] / values[..., 0] if p == -2 else values[..., 0] / values[..., -1]
    return _matrix(x, p) * _matrix(np.linalg.inv(x), p)


# --- square roots, logarithms and powers that become complex where they have to ---------------------------------------


def _becoming_complex(name: str) -> Any:
    function, original = getattr(np.emath, name), getattr(np, "log" if name == "logn" else name)

    def composition(*args: Any) -> Any:
        if np.iscomplexobj(function(*map(plain, args))):
            args = tuple(x + 0j for x in args)
        return original(args[1]) / original(args[0]) if name == "logn" else original(*args)

    return composition


for _name in ("sqrt", "log", "log2", "log10", "logn", "power", "arccos", "arcsin", "arctanh"):
    composes(f"emath.{_name}")(_becoming_complex(_name))
