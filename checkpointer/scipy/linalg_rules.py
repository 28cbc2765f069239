"""Derivative rules of ``scipy.linalg``.

For ``x = A⁻¹ b`` the adjoints are ``λ = A⁻ᵀ x̄``, ``b̄ = λ``, ``Ā = -λ xᵀ`` (Giles, An extended collection of matrix
derivative results, 2008, section 2.3). What LAPACK does not read of a matrix (a triangle, the corners of banded storage)
has no adjoint, and what it reads for two elements has that of both.
"""

from __future__ import annotations

from typing import Any

import autograd  # noqa: F401  whole, before any part of it: see lazy.py
import autograd.numpy as anp
import numpy as np
import scipy.linalg as sl
from autograd.core import primitive_vjps

from checkpointer.active import active
from checkpointer.creation import asarray
from checkpointer.registry import COMPOSITIONS, rebased
from checkpointer.scipy.aware import Call, Rules, adopted, once, record
from checkpointer.scipy.moves import moved

RULES = Rules(sl)
rule = RULES.rule

_ONE_MATRIX = "call it for one matrix at a time"
_FEWER = "call it with fewer options, or write it with other functions"


def outer(left: Any, right: Any) -> Any:
    """``left rightᵀ`` for vectors, or the sum of these over the columns of two matrices."""
    return np.multiply.outer(left, right) if left.ndim == 1 else left @ right.T


def triangle(matrix: Any, lower: bool, k: int = 0) -> Any:
    """The lower or the upper triangle, without the k diagonals next to the middle."""
    return np.tril(matrix, -k) if lower else np.triu(matrix, k)


def mirrored(part: Any, lower: bool, hermitian: bool = True) -> Any:
    """The whole of a matrix of which LAPACK reads a triangle."""
    part = triangle(part, lower)
    off = triangle(part, lower, 1)
    if not hermitian:
        return part + off.T
    return part - 1j * np.diag(np.diag(part).imag) + off.conj().T if np.iscomplexobj(part) else part + off.T


def folded(adjoint: Any, lower: bool, hermitian: bool = True) -> Any:
    """The transpose of `mirrored`: the adjoint of the triangle that is read."""
    other = triangle(adjoint, not lower, 1).T
    made = triangle(adjoint, lower) + (other.conj() if hermitian else other)
    if hermitian and np.iscomplexobj(made):
        made = made - 1j * np.diag(np.diag(made).imag)
    return made


def _one_matrix(call: Call, name: str = "a") -> Any:
    matrix = call[name]
    if np.ndim(matrix) != 2:
        raise call.refuse(f"for {np.ndim(matrix)}-dimensional {name}", _ONE_MATRIX)
    return np.asarray(matrix)


# --- systems of equations ------------------------------------------------------------------------------------------


@rule("solve", "a b")
def _solve(call: Call) -> Any:
    a, x = _one_matrix(call), call.run()
    kind, lower = call["assume_a"], call["lower"]
    whole, part = _assumed(call, a, kind, lower)
    transposed = bool(call["transposed"])
    matrix = whole.T if transposed else whole

    @once
    def rhs(g: Any) -> Any:
        return sl.solve(matrix.T, g)

    def matrix_adjoint(g: Any) -> Any:
        full = -outer(rhs(g), x)
        return part(full.T if transposed else full)

    return call.record(x, a=matrix_adjoint, b=rhs)


def _assumed(call: Call, a: Any, kind: Any, lower: bool) -> tuple[Any, Any]:
    """The matrix that is solved with, of which LAPACK reads a part; and what takes its adjoint to that part."""
    if kind in ("sym", "symmetric", "her", "hermitian", "pos", "positive definite"):
        hermitian = not kind.startswith("sym")
        return mirrored(a, lower, hermitian), lambda g: folded(g, lower, hermitian)
    masks = {
        "diagonal": np.eye(len(a), dtype=bool),
        "tridiagonal": np.tri(len(a), k=1, dtype=bool) & np.tri(len(a), k=1, dtype=bool).T,
        "upper triangular": np.tri(len(a), dtype=bool).T,
        "lower triangular": np.tri(len(a), dtype=bool),
    }
    if kind in masks:
        return np.where(masks[kind], a, 0), lambda g: np.where(masks[kind], g, 0)
    if kind not in (None, "gen", "general", "banded"):
        raise call.refuse(f"with assume_a={kind!r}", "leave assume_a away")
    return a, lambda g: g


@rule("solve_triangular", "a b")
def _solve_triangular(call: Call) -> Any:
    a, x = _one_matrix(call), call.run()
    lower, unit = bool(call["lower"]), int(bool(call["unit_diagonal"]))
    way = {0: "N", 1: "T", 2: "C"}.get(call["trans"], call["trans"])
    part = triangle(a, lower, unit) + (np.eye(len(a)) if unit else 0)

    @once
    def rhs(g: Any) -> Any:
        if way == "N":
            return sl.solve_triangular(part, g, trans="T", lower=lower)
        return sl.solve_triangular(part if way == "T" else part.conj(), g, lower=lower)

    def matrix_adjoint(g: Any) -> Any:
        full = -outer(rhs(g), x)
        full = full if way == "N" else full.T if way == "T" else full.conj().T
        return triangle(full, lower, unit)

    return call.record(x, a=matrix_adjoint, b=rhs)


def transposed_bands(below: int, above: int, ab: Any) -> Any:
    """The banded storage of the transpose, which has ``above`` diagonals below and ``below`` above."""
    n = ab.shape[1]
    made = np.zeros_like(ab)
    for k in range(-min(below, n - 1), min(above, n - 1) + 1):  # A[i, i + k] stands in ab[above - k, i + k]
        made[below + k, max(0, -k) : n - max(0, k)] = ab[above - k, max(0, k) : n - max(0, -k)]
    return made


def band_adjoint(below: int, above: int, left: Any, right: Any) -> Any:
    """``left rightᵀ`` in banded storage; the corners, which LAPACK does not read, are zero."""
    n = len(left)
    made = np.zeros((below + above + 1, n), np.result_type(left, right))
    for k in range(-min(below, n - 1), min(above, n - 1) + 1):
        rows, columns = slice(max(0, -k), n - max(0, k)), slice(max(0, k), n - max(0, -k))
        product = left[rows] * right[columns]
        made[above - k, columns] = product if product.ndim == 1 else product.sum(axis=1)
    return made


@rule("solve_banded", "ab b")
def _solve_banded(call: Call) -> Any:
    ab, x = _one_matrix(call, "ab"), call.run()
    below, above = call["l_and_u"]
    back = transposed_bands(below, above, ab)

    @once
    def rhs(g: Any) -> Any:
        return sl.solve_banded((above, below), back, g)

    return call.record(x, ab=lambda g: band_adjoint(below, above, -rhs(g), x), b=rhs)


@rule("solveh_banded", "ab b")
def _solveh_banded(call: Call) -> Any:
    ab, x = _one_matrix(call, "ab"), call.run()
    lower, width = bool(call["lower"]), len(call["ab"]) - 1
    above = transposed_bands(width, 0, ab) if lower else ab
    if np.iscomplexobj(ab):
        above = above.conj() if lower else above.copy()
        above[-1] = above[-1].real  # LAPACK takes the diagonal for real
    below = transposed_bands(0, width, above)[1:].conj()
    back = transposed_bands(width, width, np.concatenate([above, below]))

    @once
    def rhs(g: Any) -> Any:
        return sl.solve_banded((width, width), back, g)

    def bands(g: Any) -> Any:
        full = band_adjoint(width, width, -rhs(g), x)
        mine = full[width:] if lower else full[: width + 1]
        other = transposed_bands(width, width, full)
        other = (other[width:] if lower else other[: width + 1]).conj()
        diagonal = 0 if lower else width
        other[diagonal] = 0
        total = mine + other
        total[diagonal] = total[diagonal].real
        return total

    return call.record(x, ab=bands, b=rhs)


@rule("solve_toeplitz", "c_or_cr b")
def _solve_toeplitz(call: Call) -> Any:
    given = call.given["c_or_cr"]
    both = isinstance(given, tuple)
    column, row = call["c_or_cr"] if both else (call["c_or_cr"], np.conj(call["c_or_cr"]))
    x = call.run()
    if np.ndim(column) != 1 or np.ndim(row) != 1:
        raise call.refuse("for several matrices", _ONE_MATRIX)
    if any(np.iscomplexobj(part) for part in (column, row, x)):
        raise call.refuse("for complex numbers", "use scipy.linalg.solve(scipy.linalg.toeplitz(c, r), b)")

    @once
    def rhs(g: Any) -> Any:
        return sl.solve_toeplitz((np.concatenate([column[:1], row[1:]]), column), g)

    def diagonals(g: Any) -> tuple[Any, Any]:
        left, right = -rhs(g).reshape(len(column), -1).T, x.reshape(len(column), -1).T
        sums: Any = sum(np.correlate(a, b, "full") for a, b in zip(left, right, strict=True))
        middle = len(column) - 1
        upper = sums[middle::-1].copy()
        upper[0] = 0  # the first element of the row is not read
        return sums[middle:], upper

    terms = (
        [(given[0], lambda g: diagonals(g)[0]), (given[1], lambda g: diagonals(g)[1])]
        if both
        else [(given, lambda g: sum(diagonals(g)))]
    )
    return record(x, (call.given["b"], rhs), *terms)


@rule("lu_factor", "a")
def _lu_factor(call: Call) -> Any:
    a = _one_matrix(call)
    lu, pivots = call.run()
    if a.shape[0] != a.shape[1]:
        raise call.refuse("for a matrix that is not square", _FEWER)
    order = _order(pivots)

    def pullback(g: Any) -> Any:
        lower, upper = np.tril(lu, -1) + np.eye(len(lu)), np.triu(lu)
        middle = np.tril(lower.T @ np.tril(g, -1), -1) + np.triu(np.triu(g) @ upper.T)
        permuted = sl.solve_triangular(
            lower, sl.solve_triangular(upper, middle.T).T, trans="T", lower=True, unit_diagonal=True
        )
        made = np.empty_like(permuted)
        made[order] = permuted
        return made

    return call.record(lu, a=pullback), adopted(active.tape, pivots)


def _order(pivots: Any) -> Any:
    """The rows in the order that the interchanges of LAPACK bring them into."""
    order = np.arange(len(pivots))
    for row, other in enumerate(pivots):
        order[[row, other]] = order[[other, row]]
    return order


@rule("lu_solve", "lu_and_piv b")
def _lu_solve(call: Call) -> Any:
    x = call.run()
    lu, pivots = call["lu_and_piv"]
    if np.ndim(lu) != 2:
        raise call.refuse("for several matrices", _ONE_MATRIX)
    lu = np.array(lu)
    way, order = call["trans"], _order(pivots)
    if way == 2 and np.iscomplexobj(lu):
        raise call.refuse("with trans=2", "use trans=1 with the conjugate")
    inverse = np.argsort(order)
    lower, upper = {"lower": True, "unit_diagonal": True}, {"lower": False}

    @once
    def back(g: Any) -> tuple[Any, Any, Any]:
        """The adjoints of b, of the factor L, and of the factor U."""
        if way == 0:  # x = U⁻¹ y, y = L⁻¹ P b
            y = np.triu(lu) @ x
            y_adjoint = sl.solve_triangular(lu, g, trans=1, **upper)
            z = sl.solve_triangular(lu, y_adjoint, trans=1, **lower)
            return z[inverse], -outer(z, y), -outer(y_adjoint, x)
        y = x[order]  # x = Pᵀ y, y = L⁻ᵀ z, z = U⁻ᵀ b
        z = y + np.tril(lu, -1).T @ y
        z_adjoint = sl.solve_triangular(lu, g[order], **lower)
        b = sl.solve_triangular(lu, z_adjoint, **upper)
        return b, -outer(y, z_adjoint), -outer(z, b)

    def factors(g: Any) -> Any:
        _, left, right = back(g)
        return np.tril(left, -1) + np.triu(right)

    return record(x, (call.given["lu_and_piv"][0], factors), (call.given["b"], lambda g: back(g)[0]))


@rule("cholesky cho_factor", "a")
def _cholesky(call: Call) -> Any:
    a, lower = _one_matrix(call), bool(call["lower"])
    made = call.run()
    factor = made[0] if isinstance(made, tuple) else made
    triangular = triangle(factor, lower)

    def pullback(g: Any) -> Any:
        """Murray, Differentiation of the Cholesky decomposition (2016), equation 10."""
        left, adjoint = (triangular, np.tril(g)) if lower else (triangular.T, np.triu(g).T)
        middle = np.tril(left.T @ adjoint)
        middle[np.diag_indices(len(left))] /= 2
        half = sl.solve_triangular(
            left, sl.solve_triangular(left, middle.T, trans="T", lower=True).T, trans="T", lower=True
        )
        total = folded(half, True) if lower else folded(half, True).T
        if isinstance(made, tuple):  # the other triangle of cho_factor's result is what was given
            total = total + triangle(g, not lower, 1)
        return total

    if np.iscomplexobj(a):
        raise call.refuse("for complex numbers", "use scipy.linalg.solve with assume_a='pos'")
    recorded = call.record(factor, a=pullback)
    return (recorded, made[1]) if isinstance(made, tuple) else recorded


@rule("cho_solve", "c_and_lower b")
def _cho_solve(call: Call) -> Any:
    c, lower = call["c_and_lower"]
    x = call.run()
    if np.ndim(c) != 2 or np.iscomplexobj(c):
        raise call.refuse("for complex or several matrices", "use scipy.linalg.solve with assume_a='pos'")
    c = np.array(c)

    @once
    def rhs(g: Any) -> Any:
        return sl.cho_solve((c, lower), g)

    def factor(g: Any) -> Any:
        full = -outer(rhs(g), x)
        full = full + full.T
        part = triangle(c, lower)
        return triangle(full @ part if lower else part @ full, lower)

    return record(x, (call.given["c_and_lower"][0], factor), (call.given["b"], rhs))


@rule("solve_sylvester", "a b q")
def _solve_sylvester(call: Call) -> Any:
    x, a, b = call.run(), call["a"], call["b"]

    @once
    def q(g: Any) -> Any:
        return sl.solve_sylvester(a.T, b.T, g)

    return call.record(x, a=lambda g: -q(g) @ x.T, b=lambda g: -x.T @ q(g), q=q)


# --- functions of one matrix ---------------------------------------------------------------------------------------


@rule("inv", "a")
def _inv(call: Call) -> Any:
    a, x = _one_matrix(call), call.run()
    whole, part = _assumed(call, a, call.given.get("assume_a"), bool(call.given.get("lower")))
    del whole
    return call.record(x, a=lambda g: part(-x.T @ g @ x.T))


@rule("det", "a")
def _det(call: Call) -> Any:
    a, value = _one_matrix(call), call.run()
    return call.record(value, a=lambda g: g * value * sl.inv(a).T)


@rule("expm", "A")
def _expm(call: Call) -> Any:
    a = _one_matrix(call, "A")
    return call.record(call.run(), A=lambda g: sl.expm_frechet(*_alike(a.T, g), compute_expm=False))


def _alike(a: Any, b: Any) -> tuple[Any, Any]:
    kind = np.result_type(a, b)
    return a.astype(kind), b.astype(kind)


@rule("sqrtm", "A")
def _sqrtm(call: Call) -> Any:
    _one_matrix(call, "A")
    x = call.run()
    if isinstance(x, tuple):
        raise call.refuse("with disp=False", "leave disp away")
    return call.record(x, A=lambda g: sl.solve_sylvester(x.T, x.T, g))


@rule("eigh eigvalsh", "a")
def _eigh(call: Call) -> Any:
    a, lower = _one_matrix(call), bool(call["lower"])
    call.need(_FEWER, b=None, subset_by_index=None, subset_by_value=None, type=1)
    if np.iscomplexobj(a):
        raise call.refuse("for complex numbers", "use numpy.linalg.eigh")
    made = call.run()
    only_values = not isinstance(made, tuple)
    w, v = sl.eigh(a, lower=lower) if only_values else made

    def pullback(g: Any) -> Any:
        middle = np.diag(g if only_values else g[0])
        if not only_values and np.any(g[1]):
            gaps = w - w[:, None]
            if np.any((gaps == 0) & ~np.eye(len(w), dtype=bool)):
                raise NotImplementedError("the eigenvectors of equal eigenvalues have no derivative")
            gaps[np.diag_indices(len(w))] = np.inf
            middle = middle + v.T @ g[1] / gaps
        return folded(v @ middle @ v.T, lower)

    return call.record(made, a=pullback)


@rule("svd", "a")
def _svd(call: Call) -> Any:
    a, made = _one_matrix(call), call.run()
    options = {"full_matrices": call["full_matrices"], "compute_uv": call["compute_uv"]}
    return call.record(made, a=lambda g: primitive_vjps[anp.linalg.svd]((0,), made, (a,), options)(g)[0])


@rule("svdvals", "a")
def _svdvals(call: Call) -> Any:
    u, _, vh = sl.svd(_one_matrix(call), full_matrices=False)
    return call.record(call.run(), a=lambda g: (u * g).conj() @ vh.conj())


@rule("pinv", "a")
def _pinv(call: Call) -> Any:
    a = _one_matrix(call)
    call.need(_FEWER, atol=None, rtol=None, return_rank=False)
    made = call.run()
    if np.linalg.matrix_rank(a) < min(a.shape):
        raise call.refuse("for a matrix of lower rank", "add a small multiple of the identity and use solve")
    if np.iscomplexobj(a):
        raise call.refuse("for complex numbers", "use scipy.linalg.solve with the normal equations")

    def pullback(g: Any) -> Any:
        """Golub and Pereyra, The differentiation of pseudo-inverses (1973), equation 4.12, transposed."""
        m, n = a.shape
        total = -made.T @ g @ made.T
        total += (np.eye(m) - a @ made) @ g.T @ made @ made.T
        total += made.T @ made @ g.T @ (np.eye(n) - made @ a)
        return total

    return call.record(made, a=pullback)


@rule("norm", "a")
def _norm(call: Call) -> Any:
    options = {name: call[name] for name in ("ord", "axis", "keepdims")}
    value = call.run()
    return rebased(active.tape, value, COMPOSITIONS[np.linalg.norm](asarray(call.given["a"]), **options))


# --- functions that move elements -----------------------------------------------------------------------------------


@rule("block_diag", "arrs")
def _block_diag(call: Call) -> Any:
    return moved(sl.block_diag, call.run(), call.given["arrs"])


@rule("toeplitz hankel circulant", "c r")
def _toeplitz(call: Call) -> Any:
    arrays = tuple(call.given[name] for name in ("c", "r") if call.given.get(name) is not None)
    value = call.run()
    if np.iscomplexobj(value):
        raise call.refuse("for complex numbers", "build it from its real and imaginary parts")
    return moved(call.original, value, arrays)
