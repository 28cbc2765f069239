"""Derivative rules of ``scipy.special``.

Most of its functions are ufuncs, which reach the tape through NumPy's own protocol: they are entered in the table of
`checkpointer.rules`, and also work in modules that were not rewritten. The derivatives are those of the NIST Digital
Library of Mathematical Functions; the numbers in the comments are its equations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

from checkpointer import rules as numpy_rules
from checkpointer.creation import asarray
from checkpointer.refusals import refuse
from checkpointer.rules import unbroadcast
from checkpointer.scipy.aware import INSTEAD, Call, Rules, with_value

RULES = Rules(sp)
rule = RULES.rule

Partial = Callable[..., Any]
_ROOT_PI = np.sqrt(np.pi)


def elementwise(names: str, *partials: Partial | None) -> None:
    """Enter ufuncs by their partial derivatives, functions of ``(ans, *args)``; None where there is no rule."""
    for name in names.split():
        ufunc = getattr(sp, name, None)
        if ufunc is None:
            continue
        numpy_rules.elementwise(ufunc, *(partial or _missing for partial in partials), singular=True)
        known = numpy_rules.RULES[ufunc]
        numpy_rules.RULES[ufunc] = _checked(name, known, [partial is not None for partial in partials])


def _missing(*args: Any) -> Any:
    raise NotImplementedError


def _checked(name: str, maker: Any, known: list[bool]) -> Any:
    """The rule, which refuses arguments that it has no derivative for when the function is called."""

    def checked(argnums: tuple[int, ...], ans: Any, args: Any, kwargs: Any) -> Any:
        for number in argnums:
            if not known[number]:
                raise refuse(
                    "CKP201",
                    f"scipy.special.{name} was given a value that is being differentiated as argument {number + 1}, for"
                    " which it has no rule",
                    INSTEAD,
                )
        return maker(argnums, ans, args, kwargs)

    return checked


# error functions, 7.2
elementwise("erf", lambda y, x: 2 / _ROOT_PI * np.exp(-x * x))
elementwise("erfc", lambda y, x: -2 / _ROOT_PI * np.exp(-x * x))
elementwise("erfcx", lambda y, x: 2 * x * y - 2 / _ROOT_PI)
elementwise("erfi", lambda y, x: 2 / _ROOT_PI * np.exp(x * x))
elementwise("dawsn", lambda y, x: 1 - 2 * x * y)
elementwise("wofz", lambda y, z: 2j / _ROOT_PI - 2 * z * y)
elementwise("erfinv", lambda y, x: _ROOT_PI / 2 * np.exp(y * y))
elementwise("erfcinv", lambda y, x: -_ROOT_PI / 2 * np.exp(y * y))
elementwise("ndtr", lambda y, x: np.exp(-x * x / 2) / np.sqrt(2 * np.pi))
elementwise("log_ndtr", lambda y, x: np.exp(-x * x / 2 - y) / np.sqrt(2 * np.pi))
elementwise("ndtri", lambda y, x: np.sqrt(2 * np.pi) * np.exp(y * y / 2))

# gamma functions, 5.2 and 8.2
elementwise("gamma", lambda y, x: y * sp.psi(x))
elementwise("gammaln loggamma", lambda y, x: sp.psi(x))
elementwise("rgamma", lambda y, x: -y * sp.psi(x))
elementwise("psi digamma", lambda y, x: sp.polygamma(1, x) if not np.iscomplexobj(x) else _complex_psi())
elementwise(
    "beta", lambda y, a, b: y * (sp.psi(a) - sp.psi(a + b)), lambda y, a, b: y * (sp.psi(b) - sp.psi(a + b))
)
elementwise("betaln", lambda y, a, b: sp.psi(a) - sp.psi(a + b), lambda y, a, b: sp.psi(b) - sp.psi(a + b))
elementwise("gammainc", None, lambda y, a, x: np.exp(sp.xlogy(a - 1, x) - x - sp.gammaln(a)))
elementwise("gammaincc", None, lambda y, a, x: -np.exp(sp.xlogy(a - 1, x) - x - sp.gammaln(a)))
elementwise(
    "betainc",
    None,
    None,
    lambda y, a, b, x: np.exp(sp.xlogy(a - 1, x) + sp.xlog1py(b - 1, -x) - sp.betaln(a, b)),
)

# logistic functions and logarithms
elementwise("expit", lambda y, x: y * (1 - y))
elementwise("logit", lambda y, x: 1 / (x * (1 - x)))
elementwise("log_expit", lambda y, x: sp.expit(-x))
elementwise("xlogy", lambda v, x, y: np.log(y), lambda v, x, y: x / y)
elementwise("xlog1py", lambda v, x, y: np.log1p(y), lambda v, x, y: x / (1 + y))
elementwise("entr", lambda v, x: -np.log(x) - 1)
elementwise("rel_entr", lambda v, x, y: np.log(x / y) + 1, lambda v, x, y: -x / y)
elementwise("kl_div", lambda v, x, y: np.log(x / y), lambda v, x, y: 1 - x / y)
elementwise("boxcox", lambda v, x, m: x ** (m - 1), None)
elementwise("exprel", lambda v, x: np.where(x == 0, 0.5, (np.exp(x) - v) / np.where(x == 0, 1.0, x)))
elementwise("huber", None, lambda v, d, r: np.clip(r, -d, d))
elementwise("pseudo_huber", None, lambda v, d, r: r / np.sqrt(1 + (r / d) ** 2))
elementwise("expm1", lambda y, x: y + 1)
elementwise("log1p", lambda y, x: 1 / (1 + x))
elementwise("exp2", lambda y, x: y * np.log(2))
elementwise("exp10", lambda y, x: y * np.log(10))
elementwise("cbrt", lambda y, x: 1 / (3 * y * y))
elementwise("cosm1", lambda y, x: -np.sin(x))
elementwise("sindg", lambda y, x: np.pi / 180 * sp.cosdg(x))
elementwise("cosdg", lambda y, x: -np.pi / 180 * sp.sindg(x))
elementwise("tandg", lambda y, x: np.pi / 180 * (1 + y * y))
elementwise("radian", *(lambda y, d, m, s, f=f: f for f in (np.pi / 180, np.pi / 10800, np.pi / 648000)))
elementwise("round", lambda y, x: 0.0)

# Bessel functions, 10.6 and 10.29
elementwise("j0", lambda y, x: -sp.j1(x))
elementwise("j1", lambda y, x: (sp.j0(x) - sp.jv(2, x)) / 2)
elementwise("y0", lambda y, x: -sp.y1(x))
elementwise("y1", lambda y, x: (sp.y0(x) - sp.yv(2, x)) / 2)
elementwise("jv jn", None, lambda y, n, x: (sp.jv(n - 1, x) - sp.jv(n + 1, x)) / 2)
elementwise("yv yn", None, lambda y, n, x: (sp.yv(n - 1, x) - sp.yv(n + 1, x)) / 2)
elementwise("hankel1", None, lambda y, n, x: (sp.hankel1(n - 1, x) - sp.hankel1(n + 1, x)) / 2)
elementwise("hankel2", None, lambda y, n, x: (sp.hankel2(n - 1, x) - sp.hankel2(n + 1, x)) / 2)
elementwise("i0", lambda y, x: sp.i1(x))
elementwise("i1", lambda y, x: (sp.i0(x) + sp.iv(2, x)) / 2)
elementwise("i0e", lambda y, x: sp.i1e(x) - np.sign(x) * y)
elementwise("i1e", lambda y, x: (sp.i0e(x) + sp.ive(2, x)) / 2 - np.sign(x) * y)
elementwise("k0", lambda y, x: -sp.k1(x))
elementwise("k1", lambda y, x: -(sp.k0(x) + sp.kv(2, x)) / 2)
elementwise("k0e", lambda y, x: y - sp.k1e(x))
elementwise("k1e", lambda y, x: y - (sp.k0e(x) + sp.kve(2, x)) / 2)
elementwise("iv", None, lambda y, n, x: (sp.iv(n - 1, x) + sp.iv(n + 1, x)) / 2)
elementwise("kv kn", None, lambda y, n, x: -(sp.kv(n - 1, x) + sp.kv(n + 1, x)) / 2)

# exponential integrals, elliptic and other integrals
elementwise("exp1", lambda y, x: -np.exp(-x) / x)
elementwise("expi", lambda y, x: np.exp(x) / x)
elementwise("expn", None, lambda y, n, x: -sp.expn(n - 1, x))
elementwise("spence", lambda y, x: np.where(x == 1, -1.0, np.log(x) / np.where(x == 1, 1.0, 1 - x)))
elementwise("ellipk", lambda y, m: (sp.ellipe(m) / (1 - m) - y) / (2 * m))
elementwise("ellipe", lambda y, m: (y - sp.ellipk(m)) / (2 * m))


def _complex_psi() -> Any:
    raise NotImplementedError("the derivative of the digamma function of a complex number")


def _samples(call: Call, name: str) -> tuple[Any, Any]:
    """The exponents without their maximum, and the axis."""
    highest = np.max(call[name], axis=call["axis"], keepdims=True)
    return asarray(call.given[name]) - np.where(np.isfinite(highest), highest, 0.0), call["axis"]


@rule("polygamma", "x")
def _polygamma(call: Call) -> Any:
    n, x = call["n"], call["x"]
    return call.record(call.run(), x=lambda g: unbroadcast(g * sp.polygamma(np.add(n, 1), x), x))


@rule("zeta", "q")
def _zeta(call: Call) -> Any:
    call.need("assign the result", out=None)
    x, q = call["x"], call["q"]
    return call.record(call.run(), q=lambda g: unbroadcast(-g * x * sp.zeta(np.add(x, 1), q), q))


@rule("lambertw", "z")
def _lambertw(call: Call) -> Any:
    value, z = call.run(), call["z"]
    return call.record(value, z=lambda g: unbroadcast(g * np.exp(-value) / (1 + value), z))


@rule("softmax", "x")
def _softmax(call: Call) -> Any:
    shifted, axis = _samples(call, "x")
    powers = np.exp(shifted)
    return with_value(call.run(), powers / np.sum(powers, axis=axis, keepdims=True))


@rule("log_softmax", "x")
def _log_softmax(call: Call) -> Any:
    shifted, axis = _samples(call, "x")
    return with_value(call.run(), shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True)))


@rule("logsumexp", "a b")
def _logsumexp(call: Call) -> Any:
    call.need("compute the sign apart", return_sign=False)
    shifted, axis = _samples(call, "a")
    powers = np.exp(shifted) if call.given["b"] is None else asarray(call.given["b"]) * np.exp(shifted)
    return with_value(call.run(), np.log(np.sum(powers, axis=axis, keepdims=call["keepdims"])))
