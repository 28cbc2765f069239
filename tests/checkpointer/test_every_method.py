"""Every method and attribute of ndarray, and every operator, on arrays that are being differentiated."""

import io
import random

import numpy
import pytest

from checkpointer import TraceError, grad
from checkpointer import numpy as np

M = numpy.array([[0.3, 0.5, 0.9, 0.2], [1.1, 0.7, 0.4, 0.8], [0.6, 1.2, 0.35, 0.95]])
X = numpy.array([0.11, 0.38, 0.52, 0.97])
MASK = M > 0.45


def Z(u):
    return u + 1j * u[::-1]


def changed(function):
    """A call that changes a copy of its argument in place, and a view of it with it."""

    def call(u):
        v = u.copy()
        view = v[1:, ::-1]
        w = function(v, u)
        return v if w is None else w, view * 2

    return call


# name -> calls
GRADIENTS = {
    "T": [lambda u: u.T**2, changed(lambda v, u: v.T.__setitem__(0, u[:, 1] ** 2))],
    "mT": [lambda u: u.mT**2],
    "astype": [
        lambda u: u.astype(complex) * 1j,
        lambda u: u.astype(u.dtype, copy=False) * 2,
        lambda u: u.astype("f8"),
    ],
    "base": [lambda u: u.copy()[1:].base * 2],
    "choose": [lambda u: np.argmin(u, 0).choose(u)],
    "clip": [
        lambda u: u.clip(0.42, 0.93),
        lambda u: u.clip(u[0], None),
        changed(lambda v, u: v.clip(0.42, 0.93, out=v)),
    ],
    "compress": [lambda u: u.compress([True, False, True], axis=0), lambda u: u.compress([False, True])],
    "conj": [lambda u: Z(u).conj(), changed(lambda v, u: v.conj().__imul__(3))],
    "conjugate": [lambda u: Z(u).conjugate()],
    "copy": [lambda u: u.copy() ** 2, lambda u: u.T.copy("F") * 2, lambda u: u.copy(order="K")],
    "cumprod": [lambda u: u.cumprod(), lambda u: u.cumprod(1)],
    "cumsum": [lambda u: u.cumsum(), lambda u: u.cumsum(axis=0)],
    "diagonal": [lambda u: u.diagonal() ** 2, lambda u: u.diagonal(1, 1, 0) * 2],
    "dot": [lambda u: u.dot(u.T), lambda u: u[0].dot(X), lambda u: u.dot(u[0], np.empty(3, u.dtype))],
    "fill": [changed(lambda v, u: v.fill(u[0, 1] ** 2)), changed(lambda v, u: v[1:2].fill(2.0))],
    "flat": [
        lambda u: u.flat[5] ** 2,
        lambda u: u.flat[[0, 3, 3]] ** 2,
        lambda u: u.T.flat[2:7],
        lambda u: np.array([x * k for k, x in enumerate(u.flat)]),
        changed(lambda v, u: v.flat.__setitem__(slice(0, 12, 5), u[0, :3] ** 2)),
    ],
    "flatten": [lambda u: u.flatten() ** 2, lambda u: u.flatten("F") * 2],
    "imag": [lambda u: Z(u).imag ** 2, lambda u: u.imag + u],
    "item": [lambda u: u.item(3) ** 2, lambda u: u.item(1, 2), lambda u: u[:1, :1].item() ** 2],
    "max": [lambda u: u.max(), lambda u: u.max(0), lambda u: u.max(axis=1, keepdims=True, initial=0.5)],
    "mean": [lambda u: u.mean(), lambda u: u.mean(1), lambda u: u.mean(0, where=MASK)],
    "min": [lambda u: u.min(), lambda u: u.min(axis=0)],
    "partition": [changed(lambda v, u: v.partition(1)), changed(lambda v, u: v.partition((0, 2), axis=0))],
    "prod": [lambda u: u.prod(), lambda u: u.prod(1, keepdims=True)],
    "put": [
        changed(lambda v, u: v.put([0, 5], [u[1, 1], 2.0])),
        changed(lambda v, u: v.put([13], u[0, 0], mode="wrap")),
    ],
    "ravel": [
        lambda u: u.ravel() ** 2,
        changed(lambda v, u: v.ravel().__imul__(3)),
        lambda u: u.ravel("F") * 2,
    ],
    "real": [lambda u: Z(u).real ** 2, lambda u: u.real**2],
    "repeat": [lambda u: u.repeat(2), lambda u: u.repeat([1, 0, 2], axis=0)],
    "reshape": [
        lambda u: u.reshape(2, 6) ** 2,
        lambda u: u.T.reshape((2, -1), order="F"),
        changed(lambda v, u: v.reshape(-1)[3:6].__imul__(u[0, 0])),
    ],
    "sort": [
        changed(lambda v, u: v.sort()),
        changed(lambda v, u: v.sort(0)),
        changed(lambda v, u: v[:, 2].sort()),
    ],
    "squeeze": [lambda u: u[None].squeeze() ** 2, lambda u: u[:, :1].squeeze(1) * 2],
    "std": [lambda u: u.std(), lambda u: u.std(0, ddof=1), lambda u: u.std(axis=1, keepdims=True)],
    "sum": [lambda u: u.sum(), lambda u: u.sum(1), lambda u: u.sum(axis=(0, 1), where=MASK, initial=2.0)],
    "swapaxes": [lambda u: u.swapaxes(0, 1) ** 2],
    "take": [lambda u: u.take([0, 2, 2], 1), lambda u: u.take([13, -1], mode="wrap")],
    "to_device": [lambda u: u.to_device("cpu") ** 2],
    "tolist": [lambda u: np.array(u.tolist()) ** 2, lambda u: np.array(u[0].tolist()[1])],
    "trace": [lambda u: u.trace(), lambda u: u.trace(1)],
    "transpose": [
        lambda u: u.transpose() ** 2,
        lambda u: u[None].transpose(2, 0, 1) * 2,
        lambda u: u.transpose((1, 0)),
    ],
    "var": [lambda u: u.var(), lambda u: u.var(1, ddof=1)],
    "view": [lambda u: u.view()[1:] ** 2, lambda u: Z(u).view(u.dtype) ** 2],
}

CONSTANTS = {
    "all": lambda u: (u > 0.4).all(axis=1),
    "any": lambda u: (u > 1).any(),
    "argmax": lambda u: u.argmax(axis=1),
    "argmin": lambda u: u.argmin(),
    "argpartition": lambda u: u.argpartition(1),
    "argsort": lambda u: u.argsort(0),
    "byteswap": lambda u: np.argsort(u).byteswap(),
    "device": lambda u: u.device,
    "dtype": lambda u: str(u.dtype),
    "dumps": lambda u: np.argsort(u).dumps() and 1,
    "flags": lambda u: u.flags.c_contiguous,
    "getfield": lambda u: np.argsort(u).getfield("i4"),
    "itemsize": lambda u: u.itemsize,
    "nbytes": lambda u: u.nbytes,
    "ndim": lambda u: u.ndim,
    "nonzero": lambda u: (u > 0.5).nonzero(),
    "round": lambda u: u.round(1),
    "searchsorted": lambda u: u[0].searchsorted(0.4),
    "shape": lambda u: u.shape,
    "size": lambda u: u.size,
    "strides": lambda u: u.strides,
    "tobytes": lambda u: len(np.argsort(u).tobytes()),
}
FILES = {
    "dump": lambda u: u.dump(io.BytesIO()),
    "tofile": lambda u: u.tofile("/dev/null"),
}
REFUSED = {
    "byteswap": lambda u: u.byteswap(),
    "ctypes": lambda u: u.ctypes,
    "data": lambda u: u.data,
    "dumps": lambda u: u.dumps(),
    "getfield": lambda u: u.getfield("f4"),
    "resize": lambda u: u.resize(2, 2),
    "setfield": lambda u: u.setfield(1.0, "f8"),
    "setflags": lambda u: u.setflags(write=False),
    "tobytes": lambda u: u.tobytes(),
    "tostring": lambda u: u.tostring(),
}


def table(calls):
    return [
        pytest.param(call, id=f"{name} {k}")
        for name, several in calls.items()
        for k, call in enumerate(several)
    ]


@pytest.mark.parametrize("call", table(GRADIENTS))
def test_gradients(call, check_call):
    check_call(call, M)


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants(name, check_constant):
    check_constant(CONSTANTS[name], M)


@pytest.mark.parametrize("name", FILES)
def test_files(name):
    assert np.all(grad(lambda u: np.sum(u) if FILES[name](u) is None else 0.0)(M) == 1)


@pytest.mark.filterwarnings("ignore:tostring")
@pytest.mark.parametrize("name", [name for name in REFUSED if name in dir(numpy.ndarray)])
def test_refusals(name):
    with pytest.raises(TraceError, match=rf"CKP208 ndarray\.{name} was used on an array"):
        grad(lambda u: np.sum(u) + (REFUSED[name](u) is None))(M)


def test_every_method_stands_in_a_table():
    names = {name for name in dir(numpy.ndarray) if not name.startswith("_") and hasattr(M, name)}
    assert names <= {*GRADIENTS, *CONSTANTS, *FILES, *REFUSED}


def _integers(u):
    k = np.argsort(u)
    k %= 3
    k **= 2
    k //= 2
    k <<= 1
    k |= 1
    return k * u, (k & 3) * u, ~k * u, (k == 1) * u, -k * u


OPERATORS = {
    "arithmetic": lambda u: (2 * u + u / 3 - u**2) * (1 - u) / (u + 5.0),
    "powers": lambda u: (u**2, u**0.5, u**-1, u**3, 2.0**u, u**u, u**0, Z(u) ** 2),
    "modulo": lambda u: ((u * 7 + 0.03) % 2.0, 5.01 % (u + 2)),
    "floor division": lambda u: u + (u * 7) // 2.0 + 9.01 // (u + 2),
    "divmod": lambda u: (divmod(u * 7, 2.0)[1], divmod(9.01, u + 2)[1]),
    "matmul": lambda u: (u @ u.T, u @ u[0], u[:, 0] @ u, X @ u.T, Z(u) @ u.T),
    "signs": lambda u: -abs(u - 0.61) + +u,
    "comparisons as factors": lambda u: ((u > 0.61) * u, (u <= u[0]) * u, (u != 0.123) * u),
    "lists": lambda u: (u[0] * [u[1, 1], 2.0, u[1, 2], 0.5], [1.0, 2.0, u[0, 0], 3.0] + u),
    "in": lambda u: u * (0.123 in u),
    "iteration": lambda u: [row[0] * k for k, row in enumerate(u)],
    "reversed": lambda u: [row[0] ** 2 for row in reversed(u)],
    "unpacking": lambda u: (lambda a, *b: (a * 2, b[0] * b[1]))(*u),
    "integers": _integers,
    "+=": changed(lambda v, u: v.__iadd__(u**2)),
    "-= of a row": changed(lambda v, u: v.__isub__(u[0])),
    "*=": changed(lambda v, u: v.__imul__(u[:, :1])),
    "*= itself": changed(lambda v, u: v.__imul__(v)),
    "/=": changed(lambda v, u: v.__itruediv__(u[::-1])),
    "**=": changed(lambda v, u: v.__ipow__(2)),
    "**= a half": changed(lambda v, u: v.__ipow__(u[0])),
    "%=": changed(lambda v, u: v.__imod__(0.37)),
    "//=": changed(lambda v, u: v[:1].__ifloordiv__(0.37) is None),
    "@=": changed(lambda v, u: v.__imatmul__(np.outer(X, u[0]).astype(u.dtype))),
    "overlapping": changed(lambda v, u: v[1:].__iadd__(v[:-1])),
    "masked": changed(lambda v, u: v.__setitem__(MASK, v[MASK] * 3)),
    "new axes": lambda u: u[:, None] * u[None],
    "an empty array": lambda u: (
        np.sum(u[:0], axis=0) + u[0],
        np.concatenate([u[:, :0], u], axis=1) ** 2,
        u[:0] @ u.T,
    ),
    "an array without axes": lambda u: (
        u[0, 0, ...] ** 2,
        np.asarray(u[0, 1]) * 2,
        np.array(u[1, 1])[()] * 3,
    ),
    "negative steps": lambda u: u[::-1, ::-2] ** 2,
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name, check_call):
    check_call(OPERATORS[name], M, single=name not in ("modulo", "divmod", "%="))


@pytest.mark.parametrize("numbers", [numpy.random.default_rng, numpy.random.RandomState])
def test_shuffle(numbers, check_call):
    """The elements of a vector are exchanged one by one, as in a plain array; rows cannot be."""

    def shuffled(u):
        v = u[0].copy()
        numbers(0).shuffle(v)
        return v * X.astype(u.dtype)

    def by_python(u):
        v = u[0].copy()
        random.Random(0).shuffle(v)
        return v * X.astype(u.dtype)

    with pytest.warns(UserWarning, match="shuffling a 'TracedArray'"):
        check_call(shuffled, M)
    check_call(by_python, M)
    with (
        pytest.warns(UserWarning, match="shuffling a 'TracedArray'"),
        pytest.raises(TraceError, match=r"CKP201 a compiled function, such as Generator\.shuffle"),
    ):
        grad(lambda u: numbers(0).shuffle(u.copy()))(M)


def test_the_namespace_of_an_array():
    assert (
        grad(lambda u: u.__array_namespace__().sum(u.__array_namespace__().zeros(3) + u[0, 0]))(M)[0, 0] == 3
    )


def test_setting_parts_of_a_complex_array(check_call):
    def call(u):
        z = np.zeros(u.shape, dtype=complex)
        z.real = u**2
        z.imag[1:] = u[1:] * u[:-1]
        z *= 1 + 2j
        return z.real * z.imag + z.view(float)[:, ::2]

    check_call(call, M, single=False)
