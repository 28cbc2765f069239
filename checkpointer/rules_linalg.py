"""Derivative rules of linear algebra, for stacks of matrices, real and complex.

The formulas are written for adjoints ``dL/d(re) + i dL/d(im)``, in which the literature writes them:
M. Giles, "Collected matrix derivative results for forward and reverse mode AD" (2008), and for eigenvectors and singular
vectors C. Boeddeker et al., arXiv:1701.00392, and Z.-Q. Wan and S.-X. Zhang, arXiv:1909.02659. Eigenvectors and singular
vectors are determined up to a factor: an adjoint that says that the result depends on this factor is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from checkpointer.rules import RULES, unbroadcast

Array = Any


def _conjugate(value: Any) -> Any:
    """Between autograd's convention for complex adjoints and that of the formulas."""
    if isinstance(value, tuple):
        return tuple(map(_conjugate, value))
    return np.conj(value)


def _rule(*functions: Any) -> Callable[[Any], Any]:
    """Register ``pull(adjoint, ans, x, options...)``, the pullback of a function of one array."""

    def register(pull: Callable[..., Any]) -> Callable[..., Any]:
        def maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], tuple[Any, ...]]:
            if argnums != (0,):
                raise NotImplementedError("an option is being differentiated")
            return lambda g: (_conjugate(pull(_conjugate(_tuple(g)), ans, *args, **kwargs)),)

        for function in functions:
            RULES[function] = maker
        return pull

    return register


def _tuple(g: Any) -> Any:
    return tuple(g) if isinstance(g, tuple | list) else g


def _h(a: Array) -> Array:
    """The conjugate transpose."""
    return np.conj(np.swapaxes(a, -1, -2))


def _diagonal(a: Array) -> Array:
    return np.diagonal(a, axis1=-2, axis2=-1)


def _differences(values: Array) -> Array:
    """``values[j] - values[i]``, with ones on the diagonal; vectors that belong to equal values are not determined."""
    gaps = values[..., None, :] - values[..., :, None]
    apart = np.abs(gaps) + np.max(np.abs(values), axis=-1, initial=0.0)[..., None, None] * np.eye(
        values.shape[-1]
    )
    smallest = 10 * np.finfo(values.dtype).eps * np.max(np.abs(values), axis=-1, initial=0.0)
    if np.any(apart <= smallest[..., None, None]):
        raise NotImplementedError(
            "the result depends on vectors that belong to equal eigenvalues or singular values, which are not determined"
        )
    return gaps + np.eye(values.shape[-1])


def _check_factor(*products: Array) -> None:
    """Refuse what depends on the factor of modulus one that eigenvectors and singular vectors are free in."""
    total = sum(_diagonal(product) for product in products)
    if not np.iscomplexobj(total):
        return
    size = max(float(np.max(np.abs(product), initial=0.0)) for product in products)
    if float(np.max(np.abs(np.imag(total)), initial=0.0)) > 1e3 * np.finfo(total.dtype).eps * max(
        size, 1e-300
    ):
        raise NotImplementedError(
            "the result depends on the complex phase of eigenvectors or singular vectors, which is not determined"
        )


# --- solving --------------------------------------------------------------------------------------------------------


@_rule(np.linalg.inv)
def _inv(g: Array, ans: Array, x: Array) -> Array:
    return -_h(ans) @ g @ _h(ans)


@_rule(np.linalg.pinv)
def _pinv(g: Array, ans: Array, x: Array, *args: Any, **kwargs: Any) -> Array:
    rows, columns = np.eye(x.shape[-2]), np.eye(x.shape[-1])
    return (
        -_h(ans) @ g @ _h(ans)
        + (rows - x @ ans) @ _h(g) @ ans @ _h(ans)
        + _h(ans) @ ans @ _h(g) @ (columns - ans @ x)
    )


def _solve_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], tuple[Any, ...]]:
    a, b = args
    is_vector = np.ndim(b) == 1

    def pullback(g: Any) -> tuple[Any, ...]:
        g = np.conj(g)[..., None] if is_vector else np.conj(g)
        x = ans[..., None] if is_vector else ans
        d_b = np.linalg.solve(_h(a), g)
        parts = (lambda: -d_b @ _h(x), lambda: d_b[..., 0] if is_vector else d_b)
        return tuple(unbroadcast(np.conj(parts[n]()), args[n]) for n in argnums)

    return pullback


RULES[np.linalg.solve] = _solve_maker


# --- determinants ---------------------------------------------------------------------------------------------------


@_rule(np.linalg.det)
def _det(g: Array, ans: Array, x: Array) -> Array:
    """The adjugate matrix, by singular values: it exists where the inverse does not."""
    u, s, vh = np.linalg.svd(x)
    before = np.cumprod(np.concatenate([np.ones_like(s[..., :1]), s[..., :-1]], -1), -1)
    after = np.cumprod(np.concatenate([np.ones_like(s[..., :1]), s[..., :0:-1]], -1), -1)[..., ::-1]
    phase = np.linalg.det(u) * np.linalg.det(vh)
    cofactors = (u * (before * after)[..., None, :]) @ vh
    return (g * np.conj(phase))[..., None, None] * cofactors


@_rule(np.linalg.slogdet)
def _slogdet(g: Any, ans: Any, x: Array) -> Array:
    (d_sign, d_log), (sign, _) = g, ans
    if np.iscomplexobj(x):
        d_log = d_log + 1j * np.imag(d_sign * np.conj(sign))
    return np.asarray(d_log)[..., None, None] * _h(np.linalg.inv(x))


# --- factors --------------------------------------------------------------------------------------------------------


def _to_triangle(full: Array, upper: bool) -> Array:
    """The adjoint of a Hermitian matrix, where NumPy reads one triangle alone: a mirrored element counts twice."""
    both = full + _h(full)
    strict = np.triu(both, 1) if upper else np.tril(both, -1)
    middle = np.zeros_like(both)
    places = np.arange(full.shape[-1])
    middle[..., places, places] = np.real(_diagonal(full))
    return strict + middle


@_rule(np.linalg.cholesky)
def _cholesky(g: Array, ans: Array, x: Array, *, upper: bool = False) -> Array:
    if upper:
        g, ans = _h(g), _h(ans)
    product = np.tril(_h(ans) @ g)
    places = np.arange(x.shape[-1])
    product[..., places, places] = np.real(product[..., places, places]) / 2
    halved = np.linalg.solve(_h(ans), product)
    return _to_triangle(_h(np.linalg.solve(_h(ans), _h(halved))), upper)


@_rule(np.linalg.eigh)
def _eigh(g: Any, ans: Any, x: Array, UPLO: str = "L") -> Array:  # noqa: N803  NumPy's name
    (d_values, d_vectors), (values, vectors) = g, ans
    inner = np.zeros_like(vectors)
    places = np.arange(x.shape[-1])
    if np.any(d_vectors):
        product = _h(vectors) @ d_vectors
        _check_factor(product)
        inner = product / _differences(values)
    inner[..., places, places] = d_values
    return _to_triangle(vectors @ inner @ _h(vectors), UPLO.upper() == "U")


@_rule(np.linalg.eig)
def _eig(g: Any, ans: Any, x: Array) -> Array:
    (d_values, d_vectors), (values, vectors) = g, ans
    inner = np.zeros(vectors.shape, np.result_type(vectors, d_values, d_vectors))
    places = np.arange(x.shape[-1])
    if np.any(d_vectors):
        product = _h(vectors) @ d_vectors
        _check_factor(product)
        scaled = (_h(vectors) @ vectors) * np.real(_diagonal(product))[..., None, :]
        inner = (product - scaled) / np.conj(_differences(values))
    inner[..., places, places] = d_values
    adjoint = np.linalg.solve(_h(vectors), inner @ _h(vectors))
    return adjoint if np.iscomplexobj(x) else np.real(adjoint)


def _svd_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], tuple[Any, ...]]:
    names = ("a", "full_matrices", "compute_uv", "hermitian")
    options = {**dict(zip(names, args, strict=False)), **kwargs}
    if options.get("hermitian"):
        raise NotImplementedError("hermitian=True")
    x = args[0]
    rank = min(x.shape[-2:])
    if not options.get("compute_uv", True):
        u, _, vh = np.linalg.svd(x, full_matrices=False)
        return lambda g: (np.conj((u * g[..., None, :]) @ vh),)

    def pullback(g: Any) -> tuple[Any, ...]:
        d_u, d_s, d_vh = _conjugate(tuple(g))
        if np.any(d_u[..., rank:]) or np.any(d_vh[..., rank:, :]):
            raise NotImplementedError("singular vectors beyond the rank are not determined")
        u, s, vh = ans[0][..., :rank], ans[1], ans[2][..., :rank, :]
        return (np.conj(_svd(d_u[..., :rank], d_s, _h(d_vh[..., :rank, :]), u, s, _h(vh))),)

    return pullback


def _svd(d_u: Array, d_s: Array, d_v: Array, u: Array, s: Array, v: Array) -> Array:
    """Equation 2 of Wan and Zhang, for the thin factors."""
    if not np.any(d_u) and not np.any(d_v):
        return (u * d_s[..., None, :]) @ _h(v)
    by_u, by_v = _h(u) @ d_u, _h(v) @ d_v
    _check_factor(by_u, by_v)
    if np.any(s[..., -1] <= 10 * np.finfo(s.dtype).eps * s[..., 0]):
        raise NotImplementedError("the result depends on singular vectors of a matrix that has not full rank")
    gaps = _differences(s) * (s[..., None, :] + s[..., :, None])
    off = 1 - np.eye(s.shape[-1])
    j, k = off * by_u / gaps, off * by_v / gaps
    inner = (j + _h(j)) * s[..., None, :] + s[..., :, None] * (k + _h(k))
    places = np.arange(s.shape[-1])
    inner[..., places, places] = d_s
    if np.iscomplexobj(inner):
        inner[..., places, places] += 1j * np.imag(_diagonal(by_u)) / s
    outside_u = (d_u - u @ by_u) / s[..., None, :]
    outside_v = (d_v - v @ by_v) / s[..., None, :]
    return u @ inner @ _h(v) + outside_u @ _h(v) + u @ _h(outside_v)


RULES[np.linalg.svd] = _svd_maker


def _qr_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], tuple[Any, ...]]:
    mode = args[1] if len(args) > 1 else kwargs.get("mode", "reduced")
    x = args[0]
    rows, columns = x.shape[-2:]
    if mode not in ("reduced", "complete", "r") or (mode == "complete" and rows > columns):
        raise NotImplementedError(f"mode={mode!r} of a matrix of shape {x.shape}")
    q, r = np.linalg.qr(x) if mode == "r" else ans

    def pullback(g: Any) -> tuple[Any, ...]:
        d_q, d_r = (np.zeros_like(q), np.conj(g)) if mode == "r" else _conjugate(tuple(g))
        if rows >= columns:
            return (np.conj(_qr(d_q, d_r, q, r)),)
        # the first columns alone decide about q; the others are q times the rest of r
        rest = x[..., rows:]
        d_q = d_q + rest @ _h(d_r[..., rows:])
        first = _qr(d_q, d_r[..., :rows], q, r[..., :rows])
        return (np.conj(np.concatenate([first, q @ d_r[..., rows:]], axis=-1)),)

    return pullback


def _qr(d_q: Array, d_r: Array, q: Array, r: Array) -> Array:
    """A matrix with at least as many rows as columns; the diagonal of r is real."""
    product = r @ _h(d_r) - _h(d_q) @ q
    lower = np.tril(product, -1)
    mirrored = lower + _h(lower)
    places = np.arange(r.shape[-1])
    mirrored[..., places, places] = np.real(_diagonal(product))
    return _h(np.linalg.solve(r, _h(d_q + q @ mirrored)))


RULES[np.linalg.qr] = _qr_maker
