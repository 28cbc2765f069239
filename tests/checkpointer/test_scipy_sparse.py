"""Sparse matrices: products with differentiated arrays, matrices made of differentiated values, solves, factors."""

import numpy as np
import pytest
import scipy
import scipy.sparse
import scipy.sparse.linalg

from checkpointer import TraceError, grad, value_and_grad
from checkpointer import scipy as drop_in

N = 5
FORMATS = ("csr", "csc", "coo", "dia", "bsr", "lil", "dok")
ROWS, COLUMNS = np.array([0, 1, 2, 3, 4, 0, 2, 4, 3]), np.array([0, 1, 2, 3, 4, 3, 1, 0, 4])
COUNT = len(ROWS)
CONSTANT = scipy.sparse.random(N, N, 0.5, random_state=3) + 3 * scipy.sparse.eye(N)
DENSE = np.random.default_rng(5).normal(size=(N, N))


def constant(form, kind):
    return getattr(scipy.sparse, f"{form}_{kind}")(CONSTANT)


def made(s, values, form="csr", kind="array"):
    """A matrix of differentiated values."""
    return getattr(s.sparse, f"coo_{kind}")((values, (ROWS, COLUMNS)), shape=(N, N)).asformat(form)


INPUTS = {"matrix": 1, "array": 2}
"""The two inputs: one for each family of classes, which share their methods."""
TWO = np.array([1.0, 2.0])
VECTOR, MATRIX = (N,), (N, 3)
PRODUCTS = {
    "A @ u": (lambda s, a, u: a @ u, VECTOR),
    "A @ U": (lambda s, a, u: a @ u, MATRIX),
    "A.dot(u)": (lambda s, a, u: a.dot(u), VECTOR),
    "A.T @ u": (lambda s, a, u: a.T @ u, VECTOR),
    "u @ A": (lambda s, a, u: u @ a, VECTOR),
    "U @ A": (lambda s, a, u: u.T @ a, MATRIX),
    "A[1:3] @ u": (lambda s, a, u: a.tocsr()[1:3] @ u, VECTOR),
    "number": (lambda s, a, u: (a.tocsr() * u[0] - u[1] * a.tocsc()).toarray(), VECTOR),
    "number product": (lambda s, a, u: (a.tocoo().multiply(u[0]) / u[1]).toarray(), (2,)),
}


@pytest.mark.parametrize("kind", ["matrix", "array"])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", PRODUCTS)
def test_constant_matrix(name, form, kind, agree):
    function, shape = PRODUCTS[name]
    a, rng = constant(form, kind), np.random.default_rng(INPUTS[kind])
    agree(lambda u: function(drop_in, a, u), lambda u: function(scipy, a, u), [rng.normal(size=shape)], rng)


@pytest.mark.parametrize("form", FORMATS)
def test_star_is_the_product_for_matrices(form, agree):
    a, rng = constant(form, "matrix"), np.random.default_rng(1)
    for shape in (VECTOR, MATRIX):
        agree(lambda u: a * u, lambda u: a * u, [rng.normal(size=shape)], rng)
    agree(lambda u: u * a, lambda u: u * a, [rng.normal(size=N)], rng)


OPERATIONS = {
    "A @ u": lambda s, a, u: a @ u,
    "A @ U": lambda s, a, u: a @ np.outer(u, TWO),
    "u @ A": lambda s, a, u: u @ a,
    "A.T": lambda s, a, u: a.T @ u,
    "toarray": lambda s, a, u: a.toarray(),
    "copy": lambda s, a, u: a.copy() @ u,
    "diagonal": lambda s, a, u: (a.diagonal(), a.diagonal(-1)),
    "trace": lambda s, a, u: a.trace(),
    "sum": lambda s, a, u: a.sum(),
    "mean": lambda s, a, u: a.mean(),
    "negative": lambda s, a, u: (-a) @ u,
    "scaled": lambda s, a, u: (2 * a * u[0] / u[1]) @ u,
    "scaled by a float64": lambda s, a, u: (np.float64(2.5) * a) @ u,
    "plus constant": lambda s, a, u: ((a + CONSTANT) @ u, (CONSTANT - a) @ u, (a - CONSTANT) @ u),
    "plus itself": lambda s, a, u: (a + a.T) @ u,
    "times constant": lambda s, a, u: ((a @ CONSTANT) @ u, (CONSTANT @ a) @ u),
    "squared": lambda s, a, u: (a @ a) @ u,
    "multiply dense": lambda s, a, u: a.multiply(DENSE) @ u,
    "multiply vector": lambda s, a, u: a.multiply(u) @ u,
    "multiply sparse": lambda s, a, u: (
        a.multiply(CONSTANT) @ u,
        scipy.sparse.csr_array(CONSTANT).multiply(a) @ u,
    ),
    "multiply itself": lambda s, a, u: a.multiply(a.T) @ u,
    "formats": lambda s, a, u: tuple(a.asformat(form) @ u for form in ("csr", "csc", "coo", "dia", "bsr")),
    "astype": lambda s, a, u: a.astype(complex) @ u,
    "conj": lambda s, a, u: (a.astype(complex) * 1j).conj() @ u,
    "kron": lambda s, a, u: s.sparse.kron(a, CONSTANT) @ np.outer(u, u).ravel(),
    "kron dense": lambda s, a, u: s.sparse.kron(CONSTANT, a) @ np.outer(u, u).ravel(),
    "kronsum": lambda s, a, u: s.sparse.kronsum(a, CONSTANT) @ np.outer(u, u).ravel(),
    "hstack": lambda s, a, u: s.sparse.hstack([a, CONSTANT]) @ np.concatenate([u, u]),
    "vstack": lambda s, a, u: s.sparse.vstack([CONSTANT, a], format="csr") @ u,
    "bmat": lambda s, a, u: s.sparse.bmat([[a, None], [CONSTANT, a.T]]) @ np.concatenate([u, 2 * u]),
    "block_diag": lambda s, a, u: s.sparse.block_diag([a, CONSTANT]) @ np.concatenate([u, 2 * u]),
    "tril, triu": lambda s, a, u: (s.sparse.tril(a) @ u, s.sparse.triu(a, 1) @ u),
    "new matrix": lambda s, a, u: s.sparse.csr_array(a) @ u,
    "spsolve": lambda s, a, u: s.sparse.linalg.spsolve((a + 9 * s.sparse.eye(N)).tocsc(), u),
    "spsolve csr": lambda s, a, u: s.sparse.linalg.spsolve((a + 9 * s.sparse.eye(N)).tocsr(), u),
    "spsolve columns": lambda s, a, u: s.sparse.linalg.spsolve(
        (a + 9 * s.sparse.eye(N)).tocsc(), np.outer(u, TWO) + 1
    ),
    "splu": lambda s, a, u: s.sparse.linalg.splu((a + 9 * s.sparse.eye(N)).tocsc()).solve(u),
    "splu columns": lambda s, a, u: s.sparse.linalg.splu((a + 9 * s.sparse.eye(N)).tocsc()).solve(
        np.outer(u, TWO), "T"
    ),
    "factorized": lambda s, a, u: s.sparse.linalg.factorized((a + 9 * s.sparse.eye(N)).tocsc())(u),
}


@pytest.mark.parametrize("kind", ["matrix", "array"])
@pytest.mark.parametrize("form", ["csr", "csc", "coo", "dia", "bsr"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_differentiated_matrix(name, form, kind, agree):
    function = OPERATIONS[name]

    def run(s):
        return lambda values, u: function(s, made(s, values, form, kind), u)

    rng = np.random.default_rng(INPUTS[kind])
    agree(run(drop_in), run(scipy), [rng.normal(size=COUNT), rng.normal(size=N)], rng)


ROWS_OF = (ROWS[[0, 5, 1, 1]], COLUMNS[[0, 5, 1, 1]])
INDPTR = np.array([0, 2, 3, 5, 6])
SOURCES = {
    "diags": lambda s, v: s.sparse.diags([v[:4], v[4:9], v[1:4]], [1, 0, -2]),
    "diags csr": lambda s, v: s.sparse.diags([v[:4], v[4:9]], [1, 0], format="csr"),
    "diags broadcast": lambda s, v: s.sparse.diags([v[0], 2.0, v[1]], [1, 0, -1], shape=(4, 5)),
    "diags of one": lambda s, v: s.sparse.diags(v),
    "diags of one, offset": lambda s, v: s.sparse.diags(v, -1),
    "diags_array": lambda s, v: s.sparse.diags_array([v[:4], v[4:9]], offsets=[1, 0], format="csc"),
    "spdiags": lambda s, v: s.sparse.spdiags(v.reshape(3, 3), [-1, 0, 2], 3, 3),
    "spdiags csr": lambda s, v: s.sparse.spdiags(v, 0, 9, 9, format="csr"),
    "triplets added up": lambda s, v: s.sparse.csr_matrix((v[:4], ROWS_OF), shape=(5, 5)),
    "triplets in coo": lambda s, v: s.sparse.coo_matrix((v[:4], ROWS_OF), shape=(5, 5)),
    "rows": lambda s, v: s.sparse.csr_array((v[:6], np.array([0, 2, 1, 0, 3, 2]), INDPTR), shape=(4, 4)),
    "columns": lambda s, v: s.sparse.csc_array((v[:6], np.array([0, 2, 1, 0, 3, 2]), INDPTR), shape=(4, 4)),
    "unsorted rows": lambda s, v: s.sparse.csr_array(
        (v[:6], np.array([2, 0, 1, 3, 0, 2]), INDPTR), shape=(4, 4)
    ),
    "dia": lambda s, v: s.sparse.dia_array((v.reshape(3, 3), [0, 1, -1]), shape=(3, 3)),
    "bsr": lambda s, v: s.sparse.bsr_array((v[:8].reshape(2, 2, 2), [1, 0], [0, 1, 2]), shape=(4, 4)),
    "dense": lambda s, v: s.sparse.csr_array(v.reshape(3, 3)),
    "dense coo": lambda s, v: s.sparse.coo_matrix(v.reshape(3, 3)),
    "list of numbers": lambda s, v: s.sparse.csr_array(
        ([v[0] * v[1], v[2], 2.0], ([0, 1, 2], [1, 2, 0])), shape=(3, 3)
    ),
    "Laplacian": lambda s, v: (
        s.sparse.eye(9) - 0.1 * s.sparse.diags(v**2) @ s.sparse.diags([1.0, -2, 1], [-1, 0, 1], shape=(9, 9))
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_making_a_matrix(name, agree):
    function = SOURCES[name]

    def run(s):
        return lambda v: (lambda a: (a.toarray(), (a.tocsr() * 2.0) @ np.arange(1.0, a.shape[1] + 1)))(
            function(s, v)
        )

    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        agree(run(drop_in), run(scipy), [rng.normal(size=9)], rng)


@pytest.mark.parametrize("name", SOURCES)
def test_entries_that_are_zero_have_derivatives(name, agree):
    """SciPy does not store them, and the others of its results depend on their being there."""
    function = SOURCES[name]

    def run(s):
        return lambda v: (
            lambda a: (
                a.tocsr() @ np.arange(1.0, a.shape[1] + 1),
                (a.tocsr() @ a.T).toarray() if a.shape[0] < 6 else 0.0,
            )
        )(function(s, v))

    rng = np.random.default_rng(1)
    agree(run(drop_in), run(scipy), [np.where(np.arange(9) % 2, rng.normal(size=9), 0.0)], rng)


IN_PLACE = {
    "scale": "A *= u[0]",
    "divide": "A /= u[0]",
    "data": "A.data[:2] = u[:2]",
    "data, all": "A.data *= 2 * u[0]",
    "element": "A[1, 1] = 2.0",
    "row": "A[2, 1:3] = 3.0",
    "diagonal": "A.setdiag(1.5)",
    "other diagonal": "A.setdiag(1.5, k=3)",
    "sort": "A.sort_indices()",
    "add up": "A.sum_duplicates()",
}


@pytest.mark.parametrize("form", ["csr", "csc"])
@pytest.mark.parametrize("name", IN_PLACE)
def test_changes_in_place(name, form, agree):
    def run(s):
        def function(values, u):
            A = made(s, values, form)
            before = A @ u
            space = {"A": A, "u": u}
            exec(IN_PLACE[name], space)
            return before, space["A"] @ u

        return function

    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        agree(run(drop_in), run(scipy), [rng.normal(size=COUNT), rng.normal(size=N)], rng)


def test_a_transpose_shares_its_entries(agree):
    def run(s):
        def function(values, u):
            a = made(s, values)
            t = a.T
            a.data[0] = u[0]
            return t @ u

        return function

    rng = np.random.default_rng(1)
    agree(run(drop_in), run(scipy), [rng.normal(size=COUNT), rng.normal(size=N)], rng)


def test_later_changes_of_a_constant_matrix_do_not_matter():
    a = scipy.sparse.csr_array(CONSTANT)

    def function(u):
        b = a.copy()
        first = b @ u
        b.data[:] = 0.0
        return np.sum(first)

    assert np.allclose(grad(function)(np.ones(N)), a.sum(axis=0))


@pytest.mark.parametrize("trans", ["N", "T", "H"])
@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("name", ["splu", "spilu"])
def test_factors_made_before(name, dtype, trans, agree):
    a = scipy.sparse.csc_array(CONSTANT * (1 + 0.5j) if dtype is complex else CONSTANT)
    lu = getattr(drop_in.sparse.linalg, name)(a)
    original = getattr(scipy.sparse.linalg, name)(a)
    rng = np.random.default_rng(1)
    for shape in (VECTOR, MATRIX):
        b = rng.normal(size=shape) + (1j * rng.normal(size=shape) if dtype is complex else 0)
        agree(lambda b: lu.solve(b, trans), lambda b: original.solve(b, trans), [b], rng)


def test_complex_factors(agree):
    def run(s):
        def function(values, u):
            a = made(s, values, "csc") + 9 * s.sparse.eye(N, format="csc")
            lu = s.sparse.linalg.splu(a)
            return lu.solve(u), lu.solve(u, "T"), lu.solve(u, "H"), s.sparse.linalg.spsolve(a, u)

        return function

    rng = np.random.default_rng(1)
    values = rng.normal(size=COUNT) + 1j * rng.normal(size=COUNT)
    agree(run(drop_in), run(scipy), [values, rng.normal(size=N) + 1j * rng.normal(size=N)], rng)


def test_factors_pass_for_those_of_scipy():
    a = scipy.sparse.csc_array(CONSTANT)
    lu, original = drop_in.sparse.linalg.splu(a), scipy.sparse.linalg.splu(a)
    assert isinstance(lu, scipy.sparse.linalg.SuperLU)
    assert (lu.L != original.L).nnz == 0
    assert (lu.U != original.U).nnz == 0
    assert lu.perm_r.tolist() == original.perm_r.tolist()
    assert (lu.shape, lu.nnz) == (original.shape, original.nnz)
    assert "perm_c" in dir(lu)
    assert np.array_equal(lu.solve(np.ones(N)), original.solve(np.ones(N)))


@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("lower", [False, True])
def test_spsolve_triangular(lower, unit, agree):
    def run(s):
        def function(values, b):
            part = (s.sparse.tril if lower else s.sparse.triu)(
                made(s, values) + 5 * s.sparse.eye_array(N), format="csr"
            )
            return s.sparse.linalg.spsolve_triangular(part, b, lower=lower, unit_diagonal=unit)

        return function

    rng = np.random.default_rng(1)
    for shape in (VECTOR, MATRIX):
        agree(run(drop_in), run(scipy), [rng.normal(size=COUNT), rng.normal(size=shape)], rng)


REFUSED = {
    "element": (lambda s, a, u: a.tolil().__setitem__((0, 0), u[0]), "tolil"),
    "constant lil": (
        lambda s, a, u: scipy.sparse.lil_array((N, N)).__setitem__((0, 0), u[0]),
        "lil_array.__setitem__",
    ),
    "lil times number": (lambda s, a, u: scipy.sparse.lil_array(CONSTANT) * u[0], "lil_array"),
    "dok times number": (lambda s, a, u: u[0] * scipy.sparse.dok_array(CONSTANT), "dok_array"),
    "csr element": (lambda s, a, u: a.__setitem__((0, 0), u[0]), "csr_array.__setitem__"),
    "setdiag": (lambda s, a, u: a.setdiag(u), "csr_array.setdiag"),
    "sqrt": (lambda s, a, u: a.sqrt(), "csr_array.sqrt"),
    "power": (lambda s, a, u: a.power(2), "csr_array.power"),
    "abs": (lambda s, a, u: abs(a), "csr_array.__abs__"),
    "max": (lambda s, a, u: a.max(), "csr_array.max"),
    "row": (lambda s, a, u: a[0], "csr_array.__getitem__"),
    "dense sum": (lambda s, a, u: scipy.sparse.csr_matrix(a) + DENSE, "numpy.matrix"),
    "iteration": (lambda s, a, u: list(a), "csr_array.__iter__"),
    "cg": (lambda s, a, u: s.sparse.linalg.cg(scipy.sparse.eye(N), u), "scipy.sparse.linalg.cg"),
    "gmres": (lambda s, a, u: s.sparse.linalg.gmres(a, np.ones(N)), "scipy.sparse.linalg.gmres"),
    "operator": (lambda s, a, u: s.sparse.linalg.aslinearoperator(a), "scipy.sparse.linalg.aslinearoperator"),
    "eigsh": (lambda s, a, u: s.sparse.linalg.eigsh(a, k=1), "scipy.sparse.linalg.eigsh"),
    "spilu": (lambda s, a, u: s.sparse.linalg.spilu(a.tocsc()), "scipy.sparse.linalg.spilu"),
    "expm_multiply": (
        lambda s, a, u: s.sparse.linalg.expm_multiply(a, u),
        "scipy.sparse.linalg.expm_multiply",
    ),
    "find": (lambda s, a, u: s.sparse.find(a), "scipy.sparse.find"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name):
    function, text = REFUSED[name]

    def run(u):
        function(drop_in, made(drop_in, np.concatenate([u, u])[:COUNT]), u)
        return u[0]

    with pytest.raises(TraceError, match="CKP2") as refused:
        value_and_grad(run)(np.ones(N))
    assert text in str(refused.value)
    assert __file__ in str(refused.value)


def test_methods_are_scipys_own_when_nothing_is_differentiated():
    before = {name: getattr(scipy.sparse.csr_array, name) for name in ("__matmul__", "__init__", "tocsr")}
    during = []

    def function(u):
        during.append(scipy.sparse.csr_array.__matmul__)
        return np.sum(scipy.sparse.eye(3).tocsr() @ u)

    grad(function)(np.ones(3))
    assert during[0] is not before["__matmul__"]
    assert {name: getattr(scipy.sparse.csr_array, name) for name in before} == before


def test_a_matrix_in_a_module_that_was_not_rewritten_is_refused_or_right():
    a = scipy.sparse.csr_array(CONSTANT)
    assert np.allclose(grad(lambda u: np.sum(a @ u))(np.ones(N)), a.sum(axis=0))
    with pytest.raises(TraceError, match="CKP203"):
        grad(lambda u: scipy.sparse.linalg.spsolve(a, u).sum())(np.ones(N))
