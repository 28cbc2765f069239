"""Implicit time steps and what else of SciPy stands in time loops: solvers, sparse matrices, filters, transforms."""

import numpy as np
import scipy
import scipy.sparse as sp
from scipy import fft, ndimage
from scipy.integrate import trapezoid
from scipy.linalg import cho_factor, cho_solve, lu_factor, lu_solve, solve, solve_banded
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve
from scipy.sparse.linalg import factorized, splu, spsolve
from scipy.special import erf, expit

from checkpointer import checkpointed


def laplacian(n):
    return sp.diags([1.0, -2.0, 1.0], [-1, 0, 1], shape=(n, n), format="csr")


def crank_nicolson(u, scheme):
    n, r = u.size, 0.3
    ab = np.zeros((3, n))
    ab[0, 1:] = ab[2, :-1] = -r / 2
    ab[1] = 1 + r
    for _ in checkpointed(range(5), scheme):
        b = u * (1 - r)
        b[1:] += r / 2 * u[:-1]
        b[:-1] += r / 2 * u[1:]
        u = solve_banded((1, 1), ab, b)
    return np.sum(u**2)


def banded_coefficients_of_the_state(u, scheme):
    ab = np.zeros((3, u.size))
    for _ in checkpointed(range(4), scheme):
        k = 0.2 + u**2
        ab[0, 1:] = -k[:-1]
        ab[1] = 1 + 2 * k
        ab[2, :-1] = -k[1:]
        u = solve_banded((1, 1), ab, u, overwrite_b=True)
    return np.sum(u**3)


def nonlinear_diffusion(u, scheme):
    n = u.size
    identity, dt = sp.identity(n, format="csc"), 0.1
    lap = laplacian(n)
    for _ in checkpointed(range(5), scheme):
        a = identity - dt * sp.diags(0.1 + u**2) @ lap
        u = spsolve(a.tocsc(), u)
    return np.sum(u**2)


def diffusion_that_vanishes_somewhere(u, scheme):
    """The products of zero are not stored, and have derivatives."""
    n = u.size
    u = u.copy()
    u[3] = 0.0
    lap = laplacian(n)
    for _ in checkpointed(range(3), scheme):
        flux = sp.diags(u) @ lap
        u = spsolve((sp.eye(n) - 0.1 * flux).tocsc(), u * np.linspace(0, 1, n))
    return np.sum(u**2)


def conservative_diffusion(u, scheme):
    n = u.size
    gradient = sp.diags([-1.0, 1.0], [0, 1], shape=(n - 1, n)).tocsr()
    for _ in checkpointed(range(4), scheme):
        k = sp.diags_array((u[1:] + u[:-1]) / 2)
        a = sp.eye_array(n) + 0.2 * gradient.T @ k @ gradient
        u = sp.linalg.spsolve(a.tocsr(), u)
    return np.sum(u**2 * np.arange(n))


def alternating_directions(u, scheme):
    field = np.outer(u, u[:5])
    rows = splu(sp.csc_matrix(sp.identity(10) - 0.2 * laplacian(10)))
    columns = factorized(sp.csc_matrix(sp.identity(5) - 0.2 * laplacian(5)))
    explicit = laplacian(10), laplacian(5)
    for _ in checkpointed(range(4), scheme):
        field = rows.solve(field + 0.2 * (explicit[1] @ field.T).T)
        field = columns((field + 0.2 * explicit[0] @ field).T).T
        field = field + 0.01 * field**2
    return np.sum(field**2)


def lagged_factors(u, scheme):
    """Decomposed in every third iteration, used in all."""
    n, lap = u.size, laplacian(u.size)
    lu = None
    for step in checkpointed(range(7), scheme):
        if step % 3 == 0:
            lu = splu(sp.csc_matrix(sp.eye(n) - 0.1 * sp.diags(1 + u) @ lap))
        u = lu.solve(u) + 0.05 * np.sin(u)
    return np.sum(u**2)


def lagged_matrix(u, scheme):
    """Assembled in every other iteration, and then part of the state."""
    a = lap = laplacian(u.size)
    for step in checkpointed(range(6), scheme):
        u = u + 0.1 * (a @ u)
        if step % 2 == 0:
            a = sp.diags(u) @ lap
    return np.sum(u**2)


def matrix_with_memory(u, scheme):
    a = sp.identity(u.size, format="csr")
    for _ in checkpointed(range(5), scheme):
        a = 0.9 * a + 0.1 * sp.diags(u, format="csr")
        u = a @ u
    return np.sum(u) + a.sum()


class Solver:
    def __init__(self, n):
        self.matrix = sp.csr_matrix(sp.identity(n) - 0.1 * laplacian(n))
        self.factors = None

    def assemble(self, k):
        self.matrix.data[:] = np.repeat(k, np.diff(self.matrix.indptr))
        self.matrix.data *= 0.3

    def step(self, u):
        self.assemble(1 + u)
        return self.matrix @ u


def entries_written_in_place(u, scheme):
    solver = Solver(u.size)
    for _ in checkpointed(range(4), scheme):
        u = solver.step(u) * 0.7
    return np.sum(u**2)


def elements_written_in_place(u, scheme):
    a = laplacian(u.size)
    for step in checkpointed(range(5), scheme):
        a[2, 2] = -0.5 * step
        a.data[0] = 0.1 * step
        u = u + 0.1 * (a @ u)
    return np.sum(u**2)


def boundary_rows(u, scheme):
    n, lap = u.size, laplacian(u.size)
    for _ in checkpointed(range(4), scheme):
        a = (sp.identity(n) - 0.2 * sp.diags(u) @ lap).tocsr()
        a[0, 0], a[0, 1], a[n - 1, n - 1] = 1.0, 0.0, 1.0
        u = spsolve(a, u)
    return np.sum(u**2)


def assembled_from_triplets(u, scheme):
    n = u.size
    left, right = np.arange(n - 1), np.arange(1, n)
    rows = np.concatenate([left, left, right, right])
    columns = np.concatenate([left, right, left, right])
    for _ in checkpointed(range(4), scheme):
        k = 0.1 + 0.2 * (u[1:] + u[:-1])
        stiffness = scipy.sparse.coo_matrix(
            (np.concatenate([k, -k, -k, k]), (rows, columns)), shape=(n, n)
        ).tocsc()
        u = spsolve(sp.eye(n, format="csc") + stiffness, u)
    return np.sum(u * np.arange(n) ** 2)


def filled_list_of_lists(u, scheme):
    for step in checkpointed(range(3), scheme):
        a = sp.lil_matrix((u.size, u.size))
        for i in range(u.size):
            a[i, i] = 1.5 + 0.1 * step
            a[i, (i + 1) % u.size] = -0.5
        u = spsolve(a.tocsc(), u) + 0.1 * u**2
    return np.sum(u**2)


def newton(u, scheme):
    """Backward Euler for u' = D u - u³, two Newton steps each."""
    n = u.size
    d = laplacian(n).tocsc()
    for _ in checkpointed(range(3), scheme):
        v = u
        for _ in range(2):
            residual = v - u - 0.1 * (d @ v - v**3)
            jacobian = sp.eye(n, format="csc") - 0.1 * (d - sp.diags(3 * v**2, format="csc"))
            v = v - spsolve(jacobian, residual)
        u = v
    return np.sum(u**2)


def reaction_diffusion(u, scheme):
    a = np.tile(u, (4, 1))
    b = np.roll(a, 2, axis=0) * 0.3
    kernel = np.array([[0.05, 0.2, 0.05], [0.2, -1.0, 0.2], [0.05, 0.2, 0.05]])
    for _ in checkpointed(range(5), scheme):
        reaction = a * b**2
        a = a + 0.1 * ndimage.laplace(a, mode="wrap") - reaction + 0.03 * (1 - a)
        b += 0.1 * ndimage.convolve(b, kernel, mode="wrap") + reaction - 0.09 * b
    return np.sum(a * b)


def filter_into_an_array(u, scheme):
    smooth = np.empty_like(u)
    for _ in checkpointed(range(4), scheme):
        ndimage.gaussian_filter1d(u, 1.2, output=smooth, mode="nearest")
        u = u - 0.3 * (u - smooth) * u
    return np.sum(u**2)


def advection_with_a_filter(u, scheme):
    for _ in checkpointed(range(5), scheme):
        u = u - 0.3 * u * (u - np.roll(u, 1))
        u = gaussian_filter(u, sigma=0.6, mode="wrap")
    return np.sum(u**2)


def spectral_burgers(u, scheme):
    k = 2j * np.pi * fft.rfftfreq(u.size)
    for _ in checkpointed(range(5), scheme):
        v = fft.rfft(u)
        slope = fft.irfft(k * v, u.size)
        u = fft.irfft(fft.rfft(u - 0.2 * u * slope) / (1 - 0.1 * k**2), u.size)
    return np.sum(u**2)


def cahn_hilliard(u, scheme):
    k = (np.pi * np.arange(u.size) / u.size) ** 2
    c = 0.2 * u
    for _ in checkpointed(range(4), scheme):
        v = scipy.fft.dct(c, norm="ortho") - 0.1 * k * scipy.fft.dct(c**3 - c, norm="ortho")
        c = scipy.fft.idct(v / (1 + 0.05 * k**2), norm="ortho")
    return np.sum(c**2)


def riccati(u, scheme):
    a, b = np.eye(3) + 0.1 * u[:9].reshape(3, 3), np.array([[0.0], [0.5], [1.0]])
    p = np.eye(3) * (1 + u[9] ** 2)
    for _ in checkpointed(range(5), scheme):
        gain = solve(np.eye(1) + b.T @ p @ b, b.T @ p @ a, assume_a="pos")
        p = np.eye(3) + a.T @ p @ (a - b @ gain)
    return np.trace(p)


def dense_factors(u, scheme):
    lu = lu_factor(np.eye(u.size) + 0.1 * np.outer(u, u))
    for step in checkpointed(range(5), scheme):
        if step == 2:
            lu = lu_factor(np.eye(u.size) + 0.2 * np.outer(u, np.cos(u)))
        u = lu_solve(lu, u) + 0.1
    return np.sum(u**2)


def kalman(u, scheme):
    x, p = u[:3], np.eye(3) * u[3] ** 2 + 0.5
    f, h = (
        np.array([[1.0, 0.1, 0.0], [0.0, 1.0, 0.1], [0.0, 0.0, 0.9]]),
        np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]),
    )
    for step in checkpointed(range(4), scheme):
        x, p = f @ x, f @ p @ f.T + 0.01 * np.eye(3)
        factor = cho_factor(h @ p @ h.T + 0.1 * np.eye(2))
        gain = cho_solve(factor, h @ p).T
        x = x + gain @ (u[2 * step : 2 * step + 2] - h @ x)
        p = p - gain @ h @ p
    return np.sum(x) + np.trace(p)


def special_functions(u, scheme):
    weights = np.array([0.25, 0.5, 0.25])
    total = 0.0
    for _ in checkpointed(range(4), scheme):
        u = expit(fftconvolve(u, weights, mode="same")) + 0.1 * erf(u)
        total += trapezoid(u**2, dx=0.1)
    return total + scipy.special.logsumexp(u)


def solved_in_place(u, scheme):
    """What overwrite_b leaves in an array that lives on is part of the state."""
    n = u.size
    ab = np.array([[0.0] + [-0.2] * (n - 1), [1.4] * n, [-0.2] * (n - 1) + [0.0]])
    rhs = np.zeros(n)
    total = 0.0
    for _ in checkpointed(range(4), scheme):
        rhs[:] = u + 0.1 * u**2
        u = solve_banded((1, 1), ab, rhs, overwrite_b=True) * 1.1
        total += np.sum(rhs)
    return total + np.sum(u**2)
