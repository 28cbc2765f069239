"""What the sweeps over NumPy's functions cannot say: kinks and singular points, aliases, and arrays that change later."""

import numpy
import pytest

from checkpointer import Revolve, StoreAll, grad, value_and_grad
from checkpointer import numpy as np

M = numpy.array([[0.3, 0.5, 0.9, 0.2], [1.1, 0.7, 0.4, 0.8], [0.6, 1.2, 0.35, 0.95]])
X = numpy.array([0.11, 0.38, 0.52, 0.97])


def test_product_with_zeros():
    u = numpy.array([0.0, 2.0, 3.0])
    assert grad(lambda u: np.prod(u))(u).tolist() == [6.0, 0.0, 0.0]
    assert grad(lambda u: np.cumprod(u).sum())(u).tolist() == [1 + 2 + 6, 0.0, 0.0]


def test_zero_adjoint_stays_zero_where_the_derivative_is_infinite():
    u = numpy.array([0.0, 4.0])
    assert grad(lambda u: np.sqrt(u)[1])(u).tolist() == [0.0, 0.25]
    assert grad(lambda u: np.sum(np.where(u > 0, np.sqrt(u), 0.0)))(u).tolist() == [0.0, 0.25]
    with numpy.errstate(divide="ignore"):
        assert grad(lambda u: np.sum(np.where(u > 0, np.log(u), u)))(u).tolist() == [1.0, 0.25]
        assert grad(lambda u: np.sum(np.where(u > 0, 1 / u, u)))(u).tolist() == [1.0, -1 / 16]


def test_single_precision_stays_single():
    u = M.astype(numpy.float32)
    value, gradient = value_and_grad(lambda u: np.sum(np.sin(u) * 2.0 + u**2 / 3))(u)
    assert type(value) is numpy.float32
    assert gradient.dtype == numpy.float32
    assert gradient == pytest.approx(2 * numpy.cos(M) + 2 * M / 3, rel=1e-6)


def test_masked_elements_have_no_adjoint_whatever_they_hold():
    u = numpy.array([numpy.nan, 2.0, 3.0])
    for function in (np.nansum, np.nanmean, np.nanmax, np.nanprod, np.nanstd, np.nanmedian):
        gradient = grad(lambda u, f=function: f(u))(u)
        assert gradient[0] == 0
        assert numpy.all(numpy.isfinite(gradient))
    assert grad(lambda u: np.sum(np.fmax(u, 2.5)))(u).tolist() == [0.0, 0.0, 1.0]
    assert grad(lambda u: np.sum(u, where=u > 2))(u).tolist() == [0.0, 0.0, 1.0]
    assert grad(lambda u: np.mean(u, where=u > 1))(u).tolist() == [0.0, 0.5, 0.5]
    assert grad(lambda u: np.sum(np.nan_to_num(u)))(u).tolist() == [0.0, 1.0, 1.0]
    assert grad(lambda u: np.where(np.isnan(u), 0.0, u**2).sum())(u).tolist() == [0.0, 4.0, 6.0]


def test_ties_share_one_derivative():
    """Where the derivative does not exist, what comes out is one between those of both sides."""
    u = numpy.array([2.0, 2.0, 1.0])
    assert grad(lambda u: np.max(u))(u).tolist() == [0.5, 0.5, 0.0]
    assert grad(lambda u: np.maximum(u[0], u[1]))(u).tolist() == [0.5, 0.5, 0.0]
    assert grad(lambda u: np.median(u))(u).sum() == 1.0
    assert grad(lambda u: np.sort(u)[2])(u).sum() == 1.0
    assert grad(lambda u: np.partition(u, 1)[1])(u).sum() == 1.0


def test_kinks_at_zero_have_the_slope_zero():
    zero = numpy.zeros(3)
    for order in (None, 1, 2, 3, numpy.inf):
        assert grad(lambda u, n=order: np.linalg.norm(u, n) + 0 * u.sum())(zero).tolist() == [0.0, 0.0, 0.0]
    assert grad(lambda u: np.std(u))(zero + 1).tolist() == [0.0, 0.0, 0.0]


def test_repeated_eigenvalues_and_singular_values():
    """Their sums have a derivative, their vectors have none."""
    two = 2 * numpy.eye(3)
    assert grad(lambda a: np.linalg.eigh(a)[0].sum())(two).tolist() == numpy.eye(3).tolist()
    assert grad(lambda a: np.linalg.svd(a)[1].sum())(two) == pytest.approx(numpy.eye(3))


@pytest.mark.parametrize(
    "view",
    [
        lambda u: np.ravel(u),
        lambda u: np.reshape(u, (4, 3)),
        lambda u: np.real(u),
        lambda u: np.ascontiguousarray(u),
        lambda u: np.asarray(u),
        lambda u: np.transpose(u),
        lambda u: np.moveaxis(u, 0, 1),
        lambda u: np.squeeze(u[None]),
        lambda u: np.expand_dims(u, 0),
        lambda u: np.atleast_3d(u),
        lambda u: np.split(u, 2, axis=1)[1],
        lambda u: np.flip(u),
        lambda u: np.rot90(u),
        lambda u: np.einsum("ij->ji", u),
        lambda u: np.einsum("ii->i", u[:, :3]),
        lambda u: np.trim_zeros(u[0]),
        lambda u: np.linalg.matrix_transpose(u),
        lambda u: np.astype(u, u.dtype, copy=False),
        lambda u: np.nan_to_num(u, copy=False),
        lambda u: u.conj(),
        lambda u: u.astype(float, copy=False),
        lambda u: u.ravel()[2:],
        lambda u: u.T.T[::2],
        lambda u: np.lib.stride_tricks.sliding_window_view(u[0], 1, writeable=True),
    ],
)
def test_views_stay_views(view, check_call):
    """What is written through a view reaches the array, and the other way round."""

    def through_the_view(u):
        v = u.copy()
        part = view(v)
        part *= 3
        part[0] = u[0, 0] ** 2
        return v

    def through_the_array(u):
        v = u.copy()
        part = view(v)
        before = part * 1
        v *= u
        return part, before

    check_call(through_the_view, M, single=False)
    check_call(through_the_array, M, single=False)


@pytest.mark.parametrize(
    "copying",
    [
        lambda u: np.diagonal(u),
        lambda u: np.broadcast_to(u[0], (2, 4)),
        lambda u: np.fft.fft(u),
        lambda u: np.sort(u),
        lambda u: np.interp(X, np.sort(u[0]), u[1]),
        lambda u: np.convolve(u[0], u[1]),
        lambda u: np.median(u, axis=0),
        lambda u: np.linalg.solve(u[:, :3] + 2 * numpy.eye(3), u),
        lambda u: np.linalg.norm(u, axis=0),
        lambda u: np.pad(u, 1, mode="edge"),
        lambda u: np.gradient(u, u[0, 0], axis=0),
        lambda u: np.maximum.accumulate(u),
        lambda u: np.unique(u),
        lambda u: np.meshgrid(u[0], u[1]),
        lambda u: np.var(u, axis=0, where=M > 0.4),
        lambda u: np.prod(u, axis=1),
        lambda u: np.clip(u, u[0], 0.93),
        lambda u: np.nan_to_num(u),
    ],
)
def test_what_is_changed_after_a_call_does_not_change_its_derivative(copying, check_call):
    def call(u):
        v = u.copy()
        first = copying(v)
        v[1:] = 0.31
        v[0] *= u[1]
        second = copying(v + X)
        v.fill(0.0)
        return first, second

    check_call(call, M, single=False)


@pytest.mark.parametrize(
    "product",
    [
        lambda u, w: np.einsum("ij,j->i", u, w),
        lambda u, w: np.tensordot(u, w, 1),
        lambda u, w: np.dot(u, w),
        lambda u, w: u @ w,
        lambda u, w: np.inner(w, u),
        lambda u, w: np.outer(u[0], w),
        lambda u, w: np.kron(u[0], w),
        lambda u, w: np.convolve(u[0], w),
        lambda u, w: np.correlate(w, u[0], "full"),
        lambda u, w: np.average(u, axis=1, weights=w),
        lambda u, w: np.interp(u[0], w, w**2),
        lambda u, w: np.where(w > 0.4, u, u**2),
        lambda u, w: np.trapezoid(u, w),
        lambda u, w: np.gradient(u, w, axis=1),
        lambda u, w: np.polyval(w, u),
        lambda u, w: np.linalg.solve(numpy.diag(w), u.T),
        lambda u, w: np.linalg.multi_dot([u, numpy.diag(w), u.T]),
        lambda u, w: np.multiply.outer(u[0], w),
        lambda u, w: np.hypot(u, w),
        lambda u, w: np.clip(u, w, None),
        lambda u, w: np.histogram(w, 3, weights=u[0])[0],
        lambda u, w: np.select([w > 0.4], [u], w),
        lambda u, w: np.linalg.vecdot(u, w),
    ],
)
def test_a_plain_work_array_that_is_used_again(product, check_call):
    def call(u):
        w = numpy.array(X)  # made by a module that is not rewritten
        first = product(u, w)
        w[:] = [0.213, 0.287, 0.713, 0.817]
        second = product(u, w)
        w.sort()
        w *= 0
        return first, second

    check_call(call, M, single=False)


def test_results_go_where_out_says(check_call):
    def call(u):
        v = np.empty((3, 4), u.dtype)
        np.multiply(u, u, out=v)
        np.add(v[1:], u[:-1], out=v[1:])
        np.sum(u, axis=0, out=v[0])
        np.clip(v, 0.3, 0.93, out=v)
        np.cumsum(u, axis=1, out=v[::-1])
        np.mean(u, axis=0, out=v[1])
        np.take(u, [2, 0], axis=0, out=v[:2])
        np.dot(u, u.T[:, :3], out=np.empty((3, 3), u.dtype))
        np.median(u, axis=0, out=v[0])
        np.round(u[0], 1, out=v[1])
        return v

    check_call(call, M + 0.013, single=False)


def test_results_in_another_precision(check_call):
    def call(u):
        v = np.zeros(4, np.float32)
        np.add(u[0], u[1], out=v)
        w = np.zeros(4, np.float32)
        np.sum(u, axis=0, out=w)
        return v, w, np.sum(u, dtype=np.float32), np.add(u, u, dtype=np.float32)

    u = M.copy()
    assert grad(lambda u: sum(np.sum(part) for part in call(u)))(u) == pytest.approx(
        numpy.array([[5.0], [5.0], [4.0]]) + 0 * M
    )


def test_weak_and_strong_scalars_keep_their_types(check_call):
    check_call(lambda u: (u * 2.0, u * np.float32(1.5), np.where(M > 0.5, u, 1.0), np.clip(u, 0.42, None)), M)
    check_call(lambda u: (np.arange(4) * u, u + [1, 2, 3, 4], np.full(4, 2) * u, (u + 0.0131) // 1 + u), M)


LISTS = {
    "norm": lambda u: np.linalg.norm([u[0, 0], u[0, 1]]),
    "solve": lambda u: np.linalg.solve([[u[0, 0], 1.0], [u[0, 1], 3.0]], [u[1, 1], 2.0]),
    "fft": lambda u: np.fft.fft([u[0, 0], 1.0, u[0, 1]]),
    "sum of rows": lambda u: np.sum([u[0], u[1]], axis=0),
    "max of numbers": lambda u: np.max([u[0, 0], u[0, 1], 0.1]),
    "cumsum of rows": lambda u: np.cumsum((u[0], u[1] ** 2), axis=0),
    "cross": lambda u: np.cross([u[0, 0], 1.0, 2.0], [u[0, 1], 3.0, u[1, 1]]),
    "interp": lambda u: np.interp(u[0, 0], [0, u[1, 1], 2.0], [u[0, 0], u[0, 1], 1.0]),
    "trapezoid": lambda u: np.trapezoid([u[0], u[1]], x=[0.0, 0.3, 0.5, u[2, 3]]),
    "polyval": lambda u: np.polyval([u[0, 0], u[0, 1], 2.0], u[1]),
    "where": lambda u: np.where([True, False], [u[0, 0], 1.0], u[1, 1]),
    "stack": lambda u: np.stack([u[0], [u[1, 1], 2.0, 3.0, 4.0]]),
    "weights by name": lambda u: np.histogram([0.1, 0.2, 0.9], 3, weights=[u[0, 0], u[0, 1], u[1, 0]]),
    "append to nothing": lambda u: np.append([], u[0]),
    "full_like of a plain array": lambda u: np.full_like(X, u[0, 0]),
    "arguments by name": lambda u: (
        np.convolve(v=u[0], a=X),
        np.dot(b=X, a=u),
        np.kron(b=u, a=X),
        np.linalg.solve(b=u[:, 0], a=numpy.eye(3) + 1),
        np.fft.rfftn(a=u, axes=(0, 1), s=(3, 3)),
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_and_names(name, check_call):
    check_call(LISTS[name], M, single=False)


EMPTY = {
    "sum": lambda u: np.sum(u[:0], axis=0),
    "prod": lambda u: np.prod(u[:0], axis=0),
    "cumsum": lambda u: np.cumsum(u[:0], axis=0),
    "sort": lambda u: np.sort(u[:0], axis=0),
    "unique": lambda u: np.unique(u[:0]),
    "einsum": lambda u: np.einsum("ij,kj->ik", u[:0], u),
    "dot": lambda u: np.dot(u[:0], u.T),
    "interp": lambda u: np.interp(u[0, :0], X, u[1]),
    "where": lambda u: np.where(u[:0] > 0, u[:0], 1.0),
    "fft": lambda u: np.fft.fft(u[:0], axis=1),
    "solve": lambda u: np.linalg.solve(np.zeros((0, 3, 3)), u[:0, :3, None]),
    "norm": lambda u: np.linalg.norm(u[:0], axis=0),
    "concatenate": lambda u: np.concatenate([u[:0], u]),
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_arrays(name, check_call):
    check_call(lambda u: (EMPTY[name](u), u**2), M)


def test_a_marked_loop_of_many_functions(load, check):
    """Particles in a box: deposit, smooth, solve, interpolate, push; the work arrays are used again in every step."""
    program = load("""
        import numpy as np
        from numpy.linalg import solve
        from checkpointer import checkpointed

        GRID = np.linspace(0.0, 1.0, 9)
        MATRIX = 2.5 * np.eye(9) - np.eye(9, k=1) - np.eye(9, k=-1)

        def f(u, scheme):
            x, v = u[:4] % 1.0, 0.1 * u[4:]
            density, work = np.zeros(9), np.empty(9)
            for i in checkpointed(range(5), scheme):
                density.fill(0.0)
                cell = np.clip((x * 8).astype(int), 0, 7)
                np.add.at(density, cell, 1 - (x * 8 - cell))
                np.add.at(density, cell + 1, x * 8 - cell)
                work[:] = np.convolve(density, [0.25, 0.5, 0.25], mode="same")
                np.subtract(work, np.average(work, weights=1 + density), out=work)
                field = -np.gradient(solve(MATRIX, work), 0.125, edge_order=2)
                force = np.interp(x, GRID, field)
                if np.linalg.norm([force[0], force[1]]) > 10:
                    break
                v += 0.01 * force / np.max([np.linalg.norm(force), 1.0])
                np.putmask(v, v > 0.08, 0.9 * v)
                x = (x + 0.05 * v) % 1.0
                np.maximum.at(density, [0, 0, 3], x[:3])
            return np.sum(x**2) + np.median(v) + np.trapezoid(density, GRID) + sum(float(y) for y in work)
    """)
    for x in (numpy.linspace(0.1, 0.95, 8), numpy.linspace(0.86, 0.13, 8)):
        check(program, "f", x, Revolve(2))
        check(program, "f", x, StoreAll())
