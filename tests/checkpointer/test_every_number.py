"""Every function of ``math``, every method of numbers, and Python's builtins, on numbers that are being differentiated."""

import cmath
import copy
import decimal
import fractions
import functools
import itertools
import math as plain_math
import operator
import statistics

import numpy
import pytest

from checkpointer import Revolve, TraceError, grad, value_and_grad
from checkpointer import math_names as math
from checkpointer import numpy as np
from checkpointer.runtime import sum_of

# name -> (call, where): the calls are tried there and a little further
MATH = {
    **{
        name: [lambda x, f=name: getattr(math, f)(x)]
        for name in (
            "asin acos atan atanh sin cos tan sinh cosh tanh asinh exp exp2 expm1 erf erfc degrees radians fabs log1p cbrt"
            " log2 log10 sqrt modf frexp"
        ).split()
        if hasattr(plain_math, name)
    },
    "acosh": [lambda x: math.acosh(x + 1)],
    "atan2": [lambda x: math.atan2(x, 1.7), lambda x: math.atan2(1.7, x), lambda x: math.atan2(x, x**2)],
    "copysign": [
        lambda x: math.copysign(x, -2.0),
        lambda x: math.copysign(-x, 1),
        lambda x: math.copysign(2.0, x) * x,
    ],
    "dist": [lambda x: math.dist([x, 2.0], (1.0, x**2)), lambda x: math.dist([x], [2 * x])],
    "fma": [lambda x: math.fma(x, x**2, 1.5), lambda x: math.fma(2.0, 3.0, x)],
    "fmod": [lambda x: math.fmod(x * 7, 2.0), lambda x: math.fmod(9.0, x)],
    "fsum": [lambda x: math.fsum([x, 2 * x, 3.0, x]), lambda x: math.fsum(x * k for k in range(5))],
    "hypot": [lambda x: math.hypot(x, 2 * x, 2.0), lambda x: math.hypot(x)],
    "ldexp": [lambda x: math.ldexp(x, 3), lambda x: math.ldexp(x, -2)],
    "log": [
        lambda x: math.log(x),
        lambda x: math.log(x, 3),
        lambda x: math.log(3, x),
        lambda x: math.log(x + 1, x),
    ],
    "nextafter": [lambda x: math.nextafter(x, 9.0)],
    "pow": [
        lambda x: math.pow(x, 2.3),
        lambda x: math.pow(2.3, x),
        lambda x: math.pow(x, x),
        lambda x: math.pow(x, 3),
    ],
    "prod": [
        lambda x: math.prod([x, 3.0, x**2]),
        lambda x: math.prod([2, x], start=x),
        lambda x: math.prod([x, 0.0]),
    ],
    "remainder": [lambda x: math.remainder(x * 7, 2.0), lambda x: math.remainder(9.0, x)],
    "sumprod": [lambda x: math.sumprod([x, 2.0], [x**2, x]), lambda x: math.sumprod([1, 2], [x, 3])],
}
MATH_CONSTANT = {
    **dict.fromkeys("ceil floor isfinite isinf isnan trunc ulp".split(), lambda f, x: f(x)),
    "isclose": lambda f, x: f(x, x + 1e-12) and not f(x, 2 * x, rel_tol=x / 10),
}
MATH_REFUSED = "comb factorial gamma gcd isqrt lcm lgamma perm".split()


@pytest.mark.parametrize("name", [name for name in MATH if hasattr(plain_math, name)])
def test_math(name, check_call):
    for call in MATH[name]:
        check_call(call, 0.37, single=False, rtol=1e-8)
    assert getattr(math, name) is not None


@pytest.mark.parametrize("name", MATH_CONSTANT)
def test_math_of_steps(name):
    function, original = getattr(math, name), getattr(plain_math, name)
    seen = []
    assert grad(lambda x: (seen.append(MATH_CONSTANT[name](function, x)), x)[1])(2.4) == 1.0
    expected = MATH_CONSTANT[name](original, 2.4)
    assert seen == [expected]
    assert type(seen[0]) is type(expected)


@pytest.mark.parametrize("name", MATH_REFUSED)
def test_math_refused(name):
    with pytest.raises(TraceError, match=rf"CKP201 math\.{name} .*no derivative rule"):
        grad(lambda x: getattr(math, name)(*([x] if name in ("gamma", "lgamma") else [x, 2])))(2.4)


def test_every_function_of_math_stands_in_one_table():
    names = {
        name for name in dir(plain_math) if callable(getattr(plain_math, name)) and not name.startswith("_")
    }
    for name in sorted(names):
        assert sum(name in table for table in (MATH, MATH_CONSTANT, MATH_REFUSED)) == 1, name


def test_math_of_arrays_with_one_element():
    assert grad(lambda u: math.sin(u[:1].reshape(())))(numpy.array([0.3, 0.2])).tolist() == [
        plain_math.cos(0.3),
        0.0,
    ]
    assert grad(lambda u: math.hypot(u[0, ...], 4.0) * math.floor(u[1, ...]))(
        numpy.array([3.0, 2.5])
    ).tolist() == [1.2, 0]


def test_math_of_plain_numbers():
    assert math.dist([1.0], [4.0]) == 3.0
    assert math.prod([2, 3]) == 6
    assert math.modf(2.5) == (0.5, 2.0)
    assert math.frexp(3.0) == (0.75, 2)
    assert math.comb(5, 2) == 10


PYTHON = {
    "abs": lambda x: abs(-x) + abs(x - 5),
    "pow": lambda x: (pow(x, 3), pow(2.0, x), pow(x, x), pow(x, -1)),
    "divmod": lambda x: (divmod(x, 0.5)[1], divmod(9.0, x)[1]),
    "min": lambda x: (min(x, 5.0, 7), min([3.0, x * 2]), min(3.0, x, key=lambda y: -y), min([], default=x)),
    "max": lambda x: (max(x, 1.0), max([x, x**2, 9]), max(3.0, x, key=lambda y: -y), max((), default=2 * x)),
    "sum": lambda x: (sum([x, x**2]), sum([x, 2.0], 1.5), sum((x * k for k in range(4)), x)),
    "sorted": lambda x: (sorted([x, 1.0, x**2 / 4]), sorted([3.0, x], key=lambda y: -y, reverse=True)),
    "map and filter": lambda x: list(map(operator.mul, filter(None, [x, 2.0]), [3.0, x])),
    "reduce": lambda x: functools.reduce(operator.mul, [x, 2.0, x], 1.0),
    "accumulate": lambda x: list(itertools.accumulate([x, 2.0, x])),
    "accumulate products": lambda x: list(itertools.accumulate([x, 2.0, x], operator.mul, initial=x)),
    "operator": lambda x: (
        operator.truediv(1, x),
        operator.neg(x),
        operator.pow(x, 2),
        operator.itemgetter(1)((1, x)),
    ),
    "range": lambda x: [x * k for k in range(int(x * 10))],
    "a list repeated": lambda x: [x] * int(x * 5) + [1.0],
    "copies": lambda x: (copy.copy(x) * 2, copy.deepcopy({"a": [x, 3.0]})["a"][0] ** 2),
    "chained comparisons": lambda x: x if 0.0 < x <= 2 else -x,
    "conditions": lambda x: x * (not x) + (x or 3.0) + (x and 2 * x),
    "augmented": lambda x: functools.reduce(
        lambda a, f: f(a, x), (operator.iadd, operator.imul, operator.itruediv), 2.0
    ),
    "unary": lambda x: (+x, -x, x.real, x.conjugate()),
    "mixed with integers": lambda x: (3 * x, x / 3, 3 - x, x**3, 3**x, x % 1, 7 % x, True * x),
}


@pytest.mark.parametrize("name", PYTHON)
@pytest.mark.parametrize("kind", [float, numpy.float64], ids=["float", "float64"])
def test_python(name, kind, check_call):
    check_call(PYTHON[name], kind(0.37), single=False)


def test_what_is_constant_or_a_text():
    def function(x):
        assert isinstance(x, float)
        assert (int(x), round(x), round(x, 1), round(x, ndigits=2)) == (2, 2, 2.4, 2.41)
        assert type(round(x)) is int
        assert f"{x:.1f} {x} {x!r} {x:>8.3e}" == "2.4 2.41 2.41 2.410e+00"
        assert "%.2f %g %s %d" % (x, x, x, x) == "2.41 2.41 2.41 2"  # noqa: UP031  the operator is what is tested
        assert "{:.1f}{}".format(x, x) == "2.42.41"  # noqa: UP032
        assert str(x) == repr(x) == "2.41"
        assert (any([x > 3, x]), all([x, x < 2])) == (True, False)
        assert x.is_integer() is False
        assert (x // 1, divmod(x, 1)[0], 7 // x) == (2.0, 2.0, 2.0)
        assert x in [1.0, 2.41]
        assert [2.41, 3.0].index(x) == 0
        print(x, [x], file=None)
        return x

    value, derivative = value_and_grad(function)(2.41)
    assert (value, derivative) == (2.41, 1.0)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: x.as_integer_ratio(), TraceError, r"CKP208 float\.as_integer_ratio was used on a number"),
        (lambda x: statistics.mean([x, 1.0]), TraceError, r"CKP208 float\.as_integer_ratio"),
        (lambda x: statistics.fmean([x, 1.0]), TraceError, "CKP204"),
        (lambda x: fractions.Fraction(x), TraceError, r"CKP208 float\.as_integer_ratio"),
        (lambda x: decimal.Decimal(x), TraceError, r"CKP223 .*conversion from number to Decimal"),
        (lambda x: cmath.exp(x), TraceError, "CKP204"),
        (lambda x: hash(x), TraceError, "CKP217"),
        (lambda x: {x: 1}, TraceError, "CKP217"),
        (lambda x: float(x), TraceError, "CKP204"),
        (lambda x: complex(x), TraceError, "CKP204"),
        (lambda x: pow(x, 2, 3), TypeError, "unsupported|3rd argument|takes 2 positional"),
        (lambda x: [1, 2][x], TypeError, "indices must be integers"),
        (lambda x: range(x), TraceError, "CKP223.*interpreted as an integer"),
        (lambda x: x[0], TypeError, "not subscriptable"),
        (lambda x: x.sum(), AttributeError, "'float' object has no attribute 'sum'"),
        (lambda x: x.T, AttributeError, "'float' object has no attribute 'T'"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        grad(lambda x: (call(x), x)[1])(2.4)


SCALAR_METHODS = {
    **{
        name: [lambda x, f=name: getattr(x, f)()]
        for name in (
            "conj conjugate copy cumprod cumsum flatten item max mean min prod ravel squeeze sum tolist transpose".split()
        )
    },
    "T": [lambda x: x.T],
    "astype": [lambda x: x.astype(complex) * 1j],
    "choose": [lambda x: numpy.int64(0).choose([2.0]) * x],
    "clip": [lambda x: x.clip(0.1, 0.9), lambda x: x.clip(0.5, None) + x],
    "compress": [lambda x: x.compress([True])],
    "imag": [lambda x: (x + 2j * x).imag, lambda x: x.imag + x],
    "real": [lambda x: (x * 1j + x).real],
    "repeat": [lambda x: x.repeat(3)],
    "reshape": [lambda x: x.reshape(1, 1)],
    "std": [lambda x: x.std() + x],
    "swapaxes": [lambda x: x.reshape(1, 1).swapaxes(0, 1)],
    "take": [lambda x: x.take([0, 0])],
    "to_device": [lambda x: x * 2],
    "trace": [lambda x: x.reshape(1, 1).trace()],
    "diagonal": [lambda x: x.reshape(1, 1).diagonal()],
    "var": [lambda x: x.var() + x],
}
SCALAR_CONSTANTS = {
    **{
        name: lambda x, f=name: getattr(x, f)
        for name in "device dtype itemsize nbytes ndim shape size strides".split()
    },
    **{name: lambda x, f=name: getattr(x, f)() for name in "all any argmax argmin is_integer round".split()},
    "argsort": lambda x: x.reshape(1).argsort().item(),
    "flags": lambda x: x.flags.c_contiguous,
    "nonzero": lambda x: x.reshape(1).nonzero()[0].item(),
    "searchsorted": lambda x: numpy.arange(3.0).searchsorted(x.item() > 1),
    "fromhex": lambda x: x.fromhex("0x1p3"),
}
SCALAR_REFUSED = """
    as_integer_ratio base byteswap data dump dumps fill flat getfield hex put resize setfield setflags sort tobytes tofile
    tostring view
""".split()


@pytest.mark.parametrize("name", SCALAR_METHODS)
def test_methods_of_numpy_scalars(name, check_call):
    for call in SCALAR_METHODS[name]:
        check_call(call, numpy.float64(0.37), single=False, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in SCALAR_CONSTANTS if name in dir(numpy.float64)])
def test_constants_of_numpy_scalars(name):
    assert grad(lambda x: (x, SCALAR_CONSTANTS[name](x))[0])(numpy.float64(2.4)) == 1.0
    seen = []
    grad(lambda x: (x, seen.append(SCALAR_CONSTANTS[name](x)))[0])(numpy.float64(2.4))
    assert seen == [SCALAR_CONSTANTS[name](numpy.float64(2.4))]


@pytest.mark.parametrize("name", [name for name in SCALAR_REFUSED if name in dir(numpy.float64)])
def test_refused_methods_of_numpy_scalars(name):
    with pytest.raises(TraceError, match=rf"CKP208 float64\.{name} was used on a number"):
        grad(lambda x: (getattr(x, name), x)[1])(numpy.float64(2.4))


def test_every_method_of_numbers_stands_in_one_table():
    names = {
        name
        for kind in (float, numpy.float64)
        for name in dir(kind)
        if not name.startswith("_") and hasattr(kind(1), name)
    }
    tables = [set(SCALAR_METHODS), set(SCALAR_CONSTANTS), set(SCALAR_REFUSED)]
    for name in sorted(names):
        assert sum(name in table for table in tables) == 1, name


def test_indices_of_numpy_scalars(check_call):
    check_call(lambda x: (x[()] * 2, x[...] * 3, x[None] ** 2), numpy.float64(0.37), single=False)


def test_calls_of_types_and_sums_in_rewritten_modules(load, check):
    program = load("""
        import numpy as np
        from numpy import complex128, float32 as narrow
        from checkpointer import checkpointed

        def f(u, scheme):
            t = 0.0
            for i in checkpointed(range(3), scheme):
                x = np.float64(u[0] * u[1])
                assert isinstance(x, np.float64) and type(x) is np.float64
                assert np.dtype(np.float64) == u.dtype and np.zeros(2, np.float64).dtype == np.float64
                t = sum([t, x, float(u[2])]) + sum((float(v) for v in u), 0.5) + sum(u)
                u = np.float64(u) * (1 + 0.1 * x) + complex128(x * 1j).imag + np.float64(np.asarray(x)) + np.float64(2)
                u[1] += np.longdouble(x) + np.float64(t)
            assert isinstance(narrow(x), narrow)
            return np.sum(u)
    """)
    for x in (numpy.array([0.3, 0.2, 0.9]), numpy.array([1.0, -0.2, 0.5])):
        check(program, "f", x, Revolve(2))
    assert grad(load("import numpy as np\ndef f(x): return np.float32(x) * 2").rewritten.f)(1.5) == 2.0


def test_the_sum_of_floats_is_that_of_the_untraced_program():
    numbers = [1e16, 1.0, -1e16, 0.1, 0.2, 0.3]
    value, gradient = value_and_grad(lambda x: sum_of([*numbers, x]))(0.7)
    assert (value, gradient) == (sum([*numbers, 0.7]), 1.0)
    assert sum_of([1, 2], 3) == 6
    assert sum_of(numpy.arange(3.0)) == 3.0


@pytest.mark.parametrize("name", ["float64", "float32", "longdouble", "complex128"])
def test_calls_of_types_elsewhere_are_refused(name):
    for x in (2.4, numpy.float64(2.4), numpy.array([2.4])):
        with pytest.raises(TraceError, match=r"CKP20[34]"):
            grad(lambda x: np.sum(getattr(np, name)(x)))(x)


@pytest.mark.parametrize("module", ["numpy", "math"])
def test_sum_behind_a_star_import(load, check, module):
    """The name is NumPy's function behind the one import, and still Python's behind the other."""
    program = load(f"""
        from {module} import *
        from checkpointer import Revolve, checkpointed

        def run(u):
            total = 0.0
            for k in checkpointed(range(4), Revolve(2)):
                total = total + sum([0.1, u[k], 0.7, u[0] * u[k], 0.3] * 7) + sum(u**2)
            return total
    """)
    check(program, "run", numpy.array([0.3, 0.7, 0.2, 0.9]))
    check(program, "run", numpy.array([0.5, 0.1, 0.6, 0.4]))


def test_complex_of_two_parts(load, check):
    program = load("""
        from checkpointer import Revolve, checkpointed

        def run(u):
            a, b = float(u[0]), u[1]
            z = complex(1.0, 0.0)
            for k in checkpointed(range(4), Revolve(2)):
                z = z * complex(a, b) + complex(u[2])
                z = complex(0.5, a) * z / complex(b, 1)
            return abs(z) + z.real * z.imag
    """)
    for u in ([0.3, 0.7, 0.2], [0.5, 0.1, 0.9]):
        check(program, "run", numpy.array(u))
