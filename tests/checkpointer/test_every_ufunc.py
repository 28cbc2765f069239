"""Every ufunc of NumPy and its methods: differentiated, piecewise constant, or refused by name."""

import numpy
import pytest

from checkpointer import TraceError, grad
from checkpointer import numpy as np

M = numpy.array([[0.3, 0.5, 0.9, 0.2], [1.1, 0.7, 0.4, 0.8], [0.6, 1.2, 0.35, 0.95]])
OTHER = numpy.array([1.31, 0.57, 2.13, 0.73])


def Z(u):
    return u + 1j * u[::-1] * OTHER.astype(u.dtype)


HOLOMORPHIC = """
    negative positive square sqrt exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh arcsin arccos arctan
    arcsinh arccosh arctanh asin acos atan asinh acosh atanh reciprocal
""".split()
UNARY = {
    # name -> what brings u, between 0.2 and 1.2, into the domain
    **dict.fromkeys(
        "negative positive square cbrt reciprocal exp exp2 expm1 sin cos tan sinh cosh tanh arctan atan arcsinh asinh"
        " deg2rad rad2deg degrees radians conj conjugate abs absolute fabs".split(),
        lambda u: u - 0.66,
    ),
    **dict.fromkeys("sqrt log log2 log10 log1p".split(), lambda u: u),
    **dict.fromkeys("arcsin arccos arctanh asin acos atanh".split(), lambda u: (u - 0.66) * 0.9),
    **dict.fromkeys(["arccosh", "acosh"], lambda u: u + 1),
}
BINARY = """
    add subtract multiply divide true_divide power pow float_power maximum minimum fmax fmin arctan2 atan2 hypot logaddexp
    logaddexp2 copysign fmod remainder mod nextafter
""".split()
COMPLEX_BINARY = "add subtract multiply divide power float_power".split()
CALLS = {
    "matmul": [
        lambda u: np.matmul(u, u.T),
        lambda u: np.matmul(u, u[0]),
        lambda u: np.matmul(u[:, 0], u),
        lambda u: np.matmul(u[0], u[1]),
        lambda u: np.matmul(np.stack([u, u**2]), u.T),
        lambda u: np.matmul(u, np.stack([u.T, u.T**2])),
        lambda u: np.matmul(u[0], np.stack([u.T, u.T**2])),
        lambda u: np.matmul(np.stack([u, u**2]), u[0]),
        lambda u: np.matmul(Z(u), u.T),
        lambda u: np.matmul(u, Z(u).T),
        lambda u: np.matmul(np.stack([u, u**2])[:, None], np.stack([u.T] * 3)),
        lambda u: np.matmul(u, u.T, out=np.empty((3, 3), u.dtype)),
    ],
    "vecdot": [
        lambda u: np.vecdot(u, u[0]),
        lambda u: np.vecdot(Z(u), u, axis=0),
        lambda u: np.vecdot(OTHER, Z(u)),
        lambda u: np.vecdot(u, u, out=np.empty(3, u.dtype)),
    ],
    "matvec": [
        lambda u: np.matvec(u, u[0]),
        lambda u: np.matvec(Z(u), u),
        lambda u: np.matvec(u[None], Z(u)),
    ],
    "vecmat": [lambda u: np.vecmat(u[:, 0], u), lambda u: np.vecmat(Z(u)[:, 1], u)],
    "modf": [lambda u: np.modf(u * 5 + 0.03), lambda u: np.modf(-u[0, 0] * 5)],
    "frexp": [
        lambda u: np.frexp(u * 5 + 0.03)[0],
        lambda u: np.frexp(u[0, 0]),
        lambda u: np.frexp(-u - 0.0131),
    ],
    "ldexp": [lambda u: np.ldexp(u, [1, 2, -1, 0]), lambda u: np.ldexp(u[0, 0], 3)],
    "divmod": [lambda u: np.divmod(u * 7, 2.0), lambda u: np.divmod(5.01, u + 2)],
}
CONSTANT = {
    **dict.fromkeys(
        "ceil floor isfinite isinf isnan logical_not rint sign signbit spacing trunc".split(),
        lambda f, u: f(u * 3.1),
    ),
    **dict.fromkeys(
        "equal floor_divide greater greater_equal heaviside less less_equal logical_and logical_or logical_xor"
        " not_equal".split(),
        lambda f, u: f(u, u[0]),
    ),
    **dict.fromkeys(
        "bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift left_shift right_shift gcd lcm".split(),
        lambda f, u: f(np.argsort(u), np.argmax(u, 0)),
    ),
    **dict.fromkeys("bitwise_count bitwise_invert bitwise_not invert".split(), lambda f, u: f(np.argsort(u))),
    "isnat": lambda f, u: f(numpy.array(["2020-01-01"], "M8[D]")),
}


@pytest.mark.parametrize("name", [name for name in UNARY if hasattr(numpy, name)])
def test_unary(name, check_call):
    ufunc, into = getattr(np, name), UNARY[name]
    check_call(lambda u: ufunc(into(u)), M)
    check_call(lambda u: ufunc(into(u[0, 0])), M, single=False)
    if name in HOLOMORPHIC:
        check_call(lambda u: ufunc(Z(into(u))), M)


@pytest.mark.parametrize("name", ["abs", "absolute", "conj", "conjugate"])
def test_complex_functions_that_are_not_holomorphic(name, check_call):
    check_call(lambda u: getattr(np, name)(Z(u)), M)


@pytest.mark.parametrize("name", [name for name in BINARY if hasattr(numpy, name)])
def test_binary_with_broadcasting(name, check_call):
    ufunc = getattr(np, name)
    for call in (
        lambda u: ufunc(u, OTHER),
        lambda u: ufunc(OTHER, u),
        lambda u: ufunc(u, u[2] + 0.0131),
        lambda u: ufunc(u[:1], 1.7),
        lambda u: ufunc(u[0, 0], u[1:] + 0.0131),
        lambda u: ufunc(u[0, 0], u[1, 1]),
        lambda u: ufunc(u, 2),
        lambda u: ufunc.outer(u[0], u[1, :2] + 0.0131),
        lambda u: ufunc(u, OTHER, out=np.empty((3, 4), np.result_type(u, OTHER))),
        lambda u: ufunc(u, 1.7, where=M > 0.5, out=np.zeros((3, 4), u.dtype)),
    ):
        check_call(call, M, single=name not in ("float_power", "remainder", "mod", "fmod"))
    if name in COMPLEX_BINARY:
        check_call(lambda u: ufunc(Z(u), u), M)
        check_call(lambda u: ufunc(u, Z(u)), M)
        check_call(lambda u: ufunc(Z(u)[0], Z(u)), M)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        pytest.param(name, call, id=f"{name} {number}")
        for name, calls in CALLS.items()
        for number, call in enumerate(calls)
        if hasattr(numpy, name)
    ],
)
def test_others(name, call, check_call):
    check_call(call, M)


@pytest.mark.parametrize("name", [name for name in CONSTANT if hasattr(numpy, name)])
def test_constants(name, check_constant):
    check_constant(lambda u: CONSTANT[name](getattr(np, name), u), M)


def test_every_ufunc_stands_in_one_table():
    ufuncs = {name for name in numpy.__all__ if isinstance(getattr(numpy, name), numpy.ufunc)}
    tables = [set(UNARY), set(BINARY), set(CALLS), set(CONSTANT)]
    for name in sorted(ufuncs):
        assert sum(name in table for table in tables) == 1, name
    missing = set.union(*tables) - ufuncs
    assert all(not hasattr(numpy, name) for name in missing)


# --- methods ----------------------------------------------------------------------------------------------------------

REDUCIBLE = """
    add multiply subtract divide true_divide maximum minimum fmax fmin hypot logaddexp logaddexp2 power arctan2 copysign
""".split()


@pytest.mark.parametrize("name", REDUCIBLE)
def test_reduce_and_accumulate(name, check_call):
    ufunc = getattr(np, name)
    for call in (
        lambda u: ufunc.reduce(u),
        lambda u: ufunc.reduce(u, axis=1, keepdims=True),
        lambda u: ufunc.accumulate(u),
        lambda u: ufunc.accumulate(u, axis=1),
        lambda u: ufunc.reduceat(u, [0, 2, 1]),
        lambda u: ufunc.reduceat(u, numpy.array([1, 0, 2]), axis=1),
        lambda u: ufunc.reduce(u, out=np.zeros(4, u.dtype)),
    ):
        check_call(call, M)
    if name in ("add", "multiply", "maximum", "minimum", "fmax", "fmin", "logaddexp", "hypot"):
        check_call(lambda u: ufunc.reduce(u, axis=None), M)
        check_call(lambda u: ufunc.reduce(u, (0, 1)), M)
        check_call(lambda u: ufunc.reduce(u, axis=1, initial=u[0, 0] * 0.77), M)


def test_reduce_with_where(check_call):
    mask = M > 0.45
    check_call(lambda u: np.add.reduce(u, axis=1, where=mask), M)
    check_call(lambda u: np.multiply.reduce(u, where=mask, initial=2.0), M)
    check_call(lambda u: np.maximum.reduce(u, where=mask, initial=0.0), M)
    with pytest.raises(TraceError, match=r"CKP201 np\.hypot\.reduce with where="):
        grad(lambda u: np.hypot.reduce(u, where=mask).sum())(M)


@pytest.mark.parametrize("name", "multiply divide maximum minimum power hypot add subtract fmax".split())
def test_at(name, check_call):
    ufunc = getattr(np, name)

    def at(index, values):
        def call(u):
            v = u.copy()
            view = v[:, ::-1]
            ufunc.at(v, index, values(u))
            return v, view * 2

        return call

    check_call(at(([0, 1, 1, 0], [0, 2, 2, 0]), lambda u: u[2] * 1.0171), M)
    check_call(at([0, 0, 2], lambda u: u[1] ** 2), M)
    check_call(at(M > 0.5, lambda u: 0.77), M)
    check_call(at(slice(1, None), lambda u: OTHER.astype(u.dtype)), M)


def test_unary_at(check_call):
    def call(u):
        v = u.copy()
        np.sqrt.at(v, ([0, 1, 1], [0, 2, 2]))
        np.negative.at(v, [2])
        return v

    check_call(call, M)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda u: np.matmul(u, u, axes=[(0, 1), (1, 0), (0, 1)]), r"CKP201 np\.matmul with axes="),
        (lambda u: np.sign(u + 1j).real, r"CKP201 np\.sign of a complex number"),
        (lambda u: np.frompyfunc(abs, 1, 1)(u), r"CKP201 abs \(vectorized\) .*no derivative rule"),
        (lambda u: np.modf(u, out=(u, u)), "CKP210 modf with several outputs"),
        (lambda u: u * numpy.ma.masked_array(OTHER, [0, 1, 0, 0]), "CKP211 an array of type MaskedArray"),
        (
            lambda u: np.dot(u, numpy.ma.masked_array(OTHER, [0, 1, 0, 0])),
            "CKP211 an array of type MaskedArray",
        ),
        (lambda u: u * OTHER.astype(object), "CKP221"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(TraceError, match=text):
        grad(lambda u: np.sum(np.ravel(call(u))))(M)


def test_ufuncs_of_plain_arrays_into_a_watched_one(check_call):
    def call(u):
        v = u * 2
        np.add(OTHER, 1.0, out=v[0])
        np.multiply(OTHER, 2.0, out=v[1], where=OTHER > 1)
        return v

    check_call(call, M)
