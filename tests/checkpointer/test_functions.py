"""NumPy's functions, methods and operators on traced arrays, each against finite differences at two inputs."""

import numpy
import pytest

from checkpointer import TraceError, grad, value_and_grad
from checkpointer import numpy as np

W = numpy.random.default_rng(7).uniform(0.5, 1.5, size=(40,))


def weighted(value):
    """A number that depends on every element of the value differently."""
    flat = np.ravel(value)
    return np.sum(flat * W[: flat.size])


def difference(function, x, direction, step=3e-4):
    weights = {1: 45, 2: -9, 3: 1}
    terms = (
        w * (function(x + k * step * direction) - function(x - k * step * direction))
        for k, w in weights.items()
    )
    return sum(terms) / (60 * step)


def check(function, x):
    draw = numpy.random.default_rng(0)
    for shift in (0.0, 0.05):
        at = x + shift
        direction = draw.normal(size=at.shape)
        value, gradient = value_and_grad(function)(at.copy())
        assert value == function(at.copy())
        assert gradient.dtype == at.dtype
        expected = difference(lambda y: function(y.copy()), at, direction)
        assert numpy.sum(gradient * direction) == pytest.approx(expected, rel=1e-7, abs=1e-8)


M = numpy.array([[0.3, 0.5, 0.9, 0.2], [1.1, 0.7, 0.4, 0.8], [0.6, 1.2, 0.35, 0.95]])
C = numpy.array([[1.0, -2.0, 0.5, 0.25], [0.5, 1.5, -1.0, 2.0], [2.0, 0.1, 0.7, -0.3]])
S = numpy.array([[2.0, 0.3, 0.1], [0.3, 1.5, 0.2], [0.1, 0.2, 1.0]])

UNARY = """
    abs negative positive square sqrt cbrt reciprocal exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh
    arctan arcsinh deg2rad rad2deg sinc
""".split()


@pytest.mark.parametrize("name", UNARY)
def test_unary_ufuncs(name):
    check(lambda u: weighted(getattr(np, name)(u)), M)
    if name not in ("sqrt", "log", "log2", "log10", "log1p"):
        check(lambda u: weighted(getattr(np, name)(u)), -M)


@pytest.mark.parametrize("name", ["arcsin", "arccos", "arctanh"])
def test_unary_ufuncs_of_small_arguments(name):
    check(lambda u: weighted(getattr(np, name)(u * 0.5)), M)


def test_arccosh():
    check(lambda u: weighted(np.arccosh(u + 1)), M)


BINARY = """
    add subtract multiply divide power maximum minimum fmax fmin arctan2 hypot logaddexp logaddexp2 copysign
    float_power fmod remainder
""".split()


@pytest.mark.parametrize("name", BINARY)
def test_binary_ufuncs_with_broadcasting(name):
    ufunc = getattr(np, name)
    other = numpy.array([1.31, 0.57, 2.13, 0.73])
    check(lambda u: weighted(ufunc(u, other)), M)
    check(lambda u: weighted(ufunc(other, u)), M)
    check(lambda u: weighted(ufunc(u, u[2] + 0.013)), M + 0.01 * numpy.arange(12).reshape(3, 4))
    check(lambda u: weighted(ufunc(u[:1], 1.7)), M)
    check(lambda u: weighted(ufunc(u[0, 0], u[1:])), M)


OPERATORS = {
    "sum of operators": lambda u: (2 * u + u / 3 - u**2) * (1 - u) / (u + 5.0),
    "powers": lambda u: u**2 + u**0.5 + u**-1 + u**3 + 2.0**u + u**u,
    "modulo": lambda u: (u * 7 + 0.03) % 2.0 + 5.01 % (u + 2),
    "floor division is constant": lambda u: u + (u * 7) // 2.0,
    "divmod": lambda u: divmod(u * 7, 2.0)[1],
    "matmul": lambda u: u @ u.T,
    "matmul with a vector": lambda u: u @ u[0],
    "vector matmul": lambda u: u[:, 0] @ u,
    "negation and absolute value": lambda u: -abs(u - 0.61) + +u,
    "comparison as a factor": lambda u: (u > 0.61) * u,
    "choice": lambda u: np.where(u > 0.61, u**2, -u),
    "choice_of_numbers": lambda u: np.where(W[:4] > 1, u[0, 0] * u[1, 1], u[2, 0]),
    "choice_of_rows": lambda u: np.where(W[:3, None] > 1, u[:, :1] ** 2, u[1]),
    "masked assignment": lambda u: _masked(u),
    "modf": lambda u: np.modf(u * 5 + 0.03)[0],
}


def _masked(u):
    v = u.copy()
    v[v > 0.61] *= 3
    return v


REDUCTIONS = {
    f"{name} {options}": (name, options)
    for name in ("sum", "mean", "prod", "max", "min", "var", "std")
    for options in ({}, {"axis": 0}, {"axis": 1}, {"axis": -1, "keepdims": True}, {"axis": (0, 1)})
}

FUNCTIONS = {
    "cumsum": lambda u: np.cumsum(u, axis=1) + np.cumsum(u).reshape(u.shape),
    "cumprod": lambda u: np.cumprod(u, axis=0) + np.cumprod(u).reshape(u.shape),
    "diff": lambda u: np.diff(u, axis=1),
    "gradient": lambda u: np.gradient(u, axis=0),
    "dot": lambda u: np.dot(u, u.T),
    "inner": lambda u: np.inner(u, u),
    "outer": lambda u: np.outer(u[0], u[1]),
    "multiply.outer": lambda u: np.multiply.outer(u[0], u[1]),
    "kron": lambda u: np.kron(u[:1], u[1:2]),
    "tensordot": lambda u: np.tensordot(u, u, axes=((1,), (1,))),
    "einsum": lambda u: np.einsum("ij,kj->ik", u, u),
    "trace": lambda u: np.trace(u) * np.ones(1),
    "roll": lambda u: np.roll(u, 1, axis=1) * u + np.roll(u, -2),
    "flip": lambda u: np.flip(u, axis=0) * u,
    "fliplr": lambda u: np.fliplr(u) * u,
    "rot90": lambda u: np.rot90(u)[:3, :3] * u[:, :3],
    "concatenate": lambda u: np.concatenate([u, 2 * u[:1], np.ones((1, 4))]),
    "concatenate axis": lambda u: np.concatenate((u, u**2), axis=1),
    "stack": lambda u: np.stack([u[0], u[1] ** 2, W[:4]]),
    "vstack": lambda u: np.vstack([u[0], u]),
    "hstack": lambda u: np.hstack([u[:, :1], u]),
    "column_stack": lambda u: np.column_stack([u[:, 0], u[:, 1] ** 2]),
    "append": lambda u: np.append(u[0], 3 * u[1, 1]),
    "insert": lambda u: np.insert(u[0], 1, u[1, 2] ** 2),
    "delete": lambda u: np.delete(u, 1, axis=1),
    "split": lambda u: np.split(u, 2, axis=1)[1] ** 2,
    "tile": lambda u: np.tile(u[0], 3),
    "repeat": lambda u: np.repeat(u[0], 2),
    "pad": lambda u: np.pad(u, 1, constant_values=3.0)[:, :5],
    "pad edge": lambda u: np.pad(u, ((1, 2), (0, 1)), mode="edge")[:, 1:],
    "pad wrap": lambda u: np.pad(u[0], 3, mode="wrap"),
    "gradient of all axes": lambda u: np.gradient(u, 0.3, 0.7)[0] * np.gradient(u, 0.3, 0.7, edge_order=2)[1],
    "gradient on a grid": lambda u: np.gradient(u, numpy.array([0.0, 0.1, 0.4, 0.6]), axis=1),
    "reshape": lambda u: np.reshape(u, (2, 6)) ** 2,
    "reshape of a transpose": lambda u: u.T.reshape(6, 2) ** 2,
    "ravel": lambda u: np.ravel(u.T) ** 2,
    "transpose": lambda u: np.transpose(u) ** 2,
    "moveaxis": lambda u: np.moveaxis(u[None], 0, 2) ** 2,
    "swapaxes": lambda u: np.swapaxes(u, 0, 1) ** 2,
    "squeeze": lambda u: np.squeeze(u[None]) ** 2,
    "expand_dims": lambda u: np.expand_dims(u, 1) ** 2,
    "broadcast_to": lambda u: np.broadcast_to(u[0], (3, 4)) * u,
    "sliding windows": lambda u: numpy.lib.stride_tricks.sliding_window_view(u[0] * 2, 2) ** 2,
    "diagonal": lambda u: np.diagonal(u) ** 2,
    "diag": lambda u: np.diag(u[0]) + np.diag(u[:, :3] @ u[:3, :3]).sum(),
    "tril": lambda u: np.tril(u) + np.triu(u, 1) ** 2,
    "take": lambda u: np.take(u, [0, 2, 2], axis=1),
    "take_along_axis": lambda u: np.take_along_axis(u, np.argsort(u, axis=1), axis=1),
    "sort": lambda u: np.sort(u, axis=1),
    "clip": lambda u: np.clip(u, 0.42, 0.93) + u.clip(0.42, None),
    "nan_to_num": lambda u: np.nan_to_num(u * np.where(W[:4] > 1, np.nan, 2.0), nan=0.5),
    "array of numbers": lambda u: np.array([u[0, 0], u[1, 1] ** 2, 3.0]),
    "array of rows": lambda u: np.array([u[0], [u[1, 1], 2.0, u[0, 1] * u[0, 2], 1]]),
    "asarray": lambda u: np.asarray([u[0] * 2, u[1]]),
    "full": lambda u: np.full((2, 2), u[0, 1]),
    "full_like": lambda u: np.full_like(u, u[0, 1] ** 2),
    "zeros filled": lambda u: _filled(u),
    "copyto": lambda u: _copied(u),
    "copyto where": lambda u: _copied_where(u),
    "put": lambda u: _put(u),
    "fill_diagonal": lambda u: _diagonal(u),
    "add.at": lambda u: _added(u),
    "divide where": lambda u: _divided(u),
    "out": lambda u: _out(u),
    "cross": lambda u: np.cross(u[:, :3], u[::-1, 1:]),
    "ptp": lambda u: np.ptp(u, axis=0),
    "average": lambda u: np.average(u, axis=0),
    "meshgrid": lambda u: np.meshgrid(u[0], u[1, :2])[0] * np.meshgrid(u[0], u[1, :2])[1],
    "fft": lambda u: np.abs(np.fft.fft(u, axis=1)) ** 2,
    "rfft and back": lambda u: np.fft.irfft(np.fft.rfft(u) * np.exp(-np.arange(3)), n=4),
    "fft2": lambda u: np.real(np.fft.ifft2(np.fft.fft2(u) ** 2)),
    "complex": lambda u: np.abs((u + 1j * u**2) * np.exp(1j * u)) + np.angle(u + 0.3j),
    "real and imag": lambda u: _complex_parts(u),
    "list as an operand": lambda u: u[0] * [u[1, 1], 2.0, u[1, 2], 0.5],
    "trapezoid by hand": lambda u: np.sum((u[:, 1:] + u[:, :-1]) / 2, axis=1),
    "add.reduce": lambda u: np.add.reduce(u) + np.add.accumulate(u, axis=1)[0],
    "maximum.reduce": lambda u: np.maximum.reduce(u, axis=1),
}


def _filled(u):
    v = np.zeros((2, 4))
    v[0] = u[0] * 2
    v[1, ::2] = u[1, 1::2]
    v[1, 1] = u[2, 2]
    v.fill(u[0, 0]) if u[0, 0] < 0 else None
    return v


def _copied(u):
    v = np.empty_like(u)
    np.copyto(v, u[::-1])
    return v * u


def _copied_where(u):
    v = np.ones_like(u)
    np.copyto(v, u**2, where=u > 0.61)
    return v


def _put(u):
    v = u.copy()
    np.put(v, [0, 5], [u[1, 1], 2 * u[0, 0]])
    return v


def _diagonal(u):
    v = u.copy()
    np.fill_diagonal(v, u[0, 1] ** 2)
    return v


def _added(u):
    v = np.zeros(4)
    np.add.at(v, [0, 1, 1, 3], u[0])
    np.subtract.at(v, [0, 0], u[1, :2])
    return v


def _divided(u):
    v = np.zeros_like(u)
    np.divide(1.0, u - u[0, 0], out=v, where=np.arange(12).reshape(3, 4) > 0)
    return v


def _out(u):
    v = np.empty((3, 4))
    np.multiply(u, u, out=v)
    np.add(v[1:], u[:-1], out=v[1:])
    np.sum(u, axis=0, out=v[0])
    return v


def _complex_parts(u):
    z = np.zeros(u.shape, dtype=complex)
    z.real = u**2
    z.imag[1:] = u[1:] * u[:-1]
    z *= 1 + 2j
    return z.real * z.imag + z.view(float)[:, ::2]


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name):
    check(lambda u: weighted(OPERATORS[name](u)), M)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name):
    function, options = REDUCTIONS[name]
    check(lambda u: weighted(getattr(np, function)(u, **options) * np.ones(1)), C)
    check(lambda u: weighted(getattr(u, function)(**options) * np.ones(1)), C)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    check(lambda u: weighted(FUNCTIONS[name](u)), M)


LINALG = {
    "inv": lambda a: np.linalg.inv(a),
    "solve": lambda a: np.linalg.solve(a, a[0]) + np.linalg.solve(a, W[:9].reshape(3, 3))[0],
    "det": lambda a: np.linalg.det(a) * np.ones(1),
    "slogdet": lambda a: np.linalg.slogdet(a)[1] * np.ones(1),
    "norm": lambda a: np.linalg.norm(a) * np.ones(1) + np.linalg.norm(a, axis=1),
    "eigh": lambda a: np.linalg.eigh(a + a.T)[0],
    "svd": lambda a: np.linalg.svd(a, full_matrices=False)[1],
    "cholesky": lambda a: np.linalg.cholesky((a + a.T) / 2),
}


@pytest.mark.parametrize("name", LINALG)
def test_linear_algebra(name):
    check(lambda a: weighted(LINALG[name](a)), S + 0.1 * numpy.arange(9).reshape(3, 3) / 9)


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


@pytest.mark.parametrize(
    "function",
    [np.median, np.interp, np.percentile, np.convolve, np.unwrap, np.quantile],
    ids=lambda function: function.__name__,
)
def test_functions_without_a_rule_are_refused_by_name(function):
    arguments = {"interp": (M[0], M[0]), "percentile": (50,), "quantile": (0.5,), "convolve": (M[0],)}
    with pytest.raises(TraceError, match=rf"CKP201 np\.{function.__name__} .*no derivative rule"):
        grad(lambda u: np.sum(function(u, *arguments.get(function.__name__, ()))))(M[1])
