"""Every SciPy function that is accepted, against finite differences at two inputs, with respect to every argument."""

import numpy as np
import pytest
import scipy
import scipy.fft
import scipy.integrate
import scipy.interpolate
import scipy.linalg
import scipy.ndimage
import scipy.signal
import scipy.special

from checkpointer import scipy as drop_in

N = 5


def well(rng, n=N, dtype=float):
    """A matrix that is far from singular."""
    a = rng.normal(size=(n, n)) + 2 * n * np.eye(n)
    return a + (1j * rng.normal(size=(n, n)) if dtype is complex else 0)


def positive(rng, n=N, dtype=float):
    a = well(rng, n, dtype)
    return a @ a.conj().T


def normal(*shape):
    return lambda rng: rng.normal(size=shape)


def complex_normal(*shape):
    return lambda rng: rng.normal(size=shape) + 1j * rng.normal(size=shape)


def uniform(low, high, *shape):
    return lambda rng: rng.uniform(low, high, size=shape or (4,))


def complex_well(rng):
    return well(rng, dtype=complex)


def complex_positive(rng):
    return positive(rng, dtype=complex)


def bands(below, above, dtype=float):
    def make(rng):
        ab = rng.normal(size=(below + above + 1, N))
        ab[above] += 6
        return ab + (1j * rng.normal(size=ab.shape) if dtype is complex else 0)

    return make


LINALG = {
    **{
        f"solve {kind} {lower}": (
            lambda s, a, b, k=kind, w=lower: s.linalg.solve(a, b, assume_a=k, lower=w),
            make,
            normal(N),
        )
        for kind, make in (("sym", well), ("pos", positive), ("her", complex_positive))
        for lower in (False, True)
    },
    **{
        f"solve {kind}": (lambda s, a, b, k=kind: s.linalg.solve(a, b, assume_a=k), well, normal(N))
        for kind in ("gen", "upper triangular", "lower triangular", "diagonal", "tridiagonal")
    },
    "solve": (lambda s, a, b: s.linalg.solve(a, b), well, normal(N)),
    "solve columns": (
        lambda s, a, b: s.linalg.solve(a, b, overwrite_a=True, overwrite_b=True),
        well,
        normal(N, 2),
    ),
    "solve transposed": (lambda s, a, b: s.linalg.solve(a, b, transposed=True), well, normal(N)),
    "solve complex": (lambda s, a, b: s.linalg.solve(a, b), complex_well, complex_normal(N)),
    "solve real with complex": (lambda s, a, b: s.linalg.solve(a, b), well, complex_normal(N)),
    **{
        f"solve_triangular {trans} {lower} {unit}": (
            lambda s, a, b, t=trans, w=lower, u=unit: s.linalg.solve_triangular(
                a, b, trans=t, lower=w, unit_diagonal=u
            ),
            make,
            normal(N, 2),
        )
        for trans, make in ((0, well), ("T", well), (2, complex_well))
        for lower in (False, True)
        for unit in (False, True)
    },
    "solve_banded": (lambda s, ab, b: s.linalg.solve_banded((2, 1), ab, b), bands(2, 1), normal(N)),
    "solve_banded tridiagonal": (
        lambda s, ab, b: s.linalg.solve_banded((1, 1), ab, b),
        bands(1, 1),
        normal(N, 3),
    ),
    "solve_banded complex": (
        lambda s, ab, b: s.linalg.solve_banded((1, 1), ab, b),
        bands(1, 1, complex),
        normal(N),
    ),
    "solve_banded overwrite": (
        lambda s, ab, b: s.linalg.solve_banded((1, 1), ab, b, overwrite_ab=True, overwrite_b=True),
        bands(1, 1),
        normal(N),
    ),
    "solveh_banded": (lambda s, ab, b: s.linalg.solveh_banded(ab, b), bands(0, 2), normal(N)),
    "solveh_banded lower": (
        lambda s, ab, b: s.linalg.solveh_banded(ab, b, lower=True),
        bands(2, 0),
        normal(N, 2),
    ),
    "solveh_banded complex": (
        lambda s, ab, b: s.linalg.solveh_banded(ab, b),
        bands(0, 1, complex),
        complex_normal(N),
    ),
    "solveh_banded complex lower": (
        lambda s, ab, b: s.linalg.solveh_banded(ab, b, lower=True),
        bands(1, 0, complex),
        complex_normal(N),
    ),
    "solve_toeplitz": (
        lambda s, c, r, b: s.linalg.solve_toeplitz((c, r), b),
        lambda rng: rng.normal(size=N) + 8 * (np.arange(N) == 0),
        normal(N),
        normal(N),
    ),
    "solve_toeplitz symmetric": (
        lambda s, c, b: s.linalg.solve_toeplitz(c, b),
        lambda rng: rng.normal(size=N) + 8 * (np.arange(N) == 0),
        normal(N, 2),
    ),
    "lu_factor": (lambda s, a: s.linalg.lu_factor(a)[0], normal(N, N)),
    **{
        f"lu_solve {trans}": (
            lambda s, a, b, t=trans: s.linalg.lu_solve(s.linalg.lu_factor(a), b, trans=t),
            normal(N, N),
            normal(N),
        )
        for trans in (0, 1, 2)
    },
    "lu_solve complex": (
        lambda s, a, b: s.linalg.lu_solve(s.linalg.lu_factor(a), b),
        complex_normal(N, N),
        complex_normal(N, 2),
    ),
    "cholesky": (lambda s, a: s.linalg.cholesky(a), positive),
    "cholesky lower": (lambda s, a: s.linalg.cholesky(a, lower=True), positive),
    "cho_factor": (lambda s, a: s.linalg.cho_factor(a)[0], positive),
    "cho_factor lower": (lambda s, a: s.linalg.cho_factor(a, lower=True)[0], positive),
    "cho_solve": (lambda s, a, b: s.linalg.cho_solve(s.linalg.cho_factor(a), b), positive, normal(N)),
    "cho_solve lower": (
        lambda s, a, b: s.linalg.cho_solve(s.linalg.cho_factor(a, lower=True), b),
        positive,
        normal(N, 2),
    ),
    "solve_sylvester": (lambda s, a, b, q: s.linalg.solve_sylvester(a, b, q), well, well, normal(N, N)),
    "inv": (lambda s, a: s.linalg.inv(a, overwrite_a=True), well),
    "inv complex": (lambda s, a: s.linalg.inv(a), complex_well),
    "det": (lambda s, a: s.linalg.det(a), normal(N, N)),
    "expm": (lambda s, a: s.linalg.expm(a), normal(N, N)),
    "sqrtm": (lambda s, a: s.linalg.sqrtm(a), positive),
    "eigh": (lambda s, a: (lambda w, v: (w, v**2))(*s.linalg.eigh(a)), normal(N, N)),
    "eigh upper": (lambda s, a: (lambda w, v: (w, v**2))(*s.linalg.eigh(a, lower=False)), normal(N, N)),
    "eigh values": (lambda s, a: s.linalg.eigh(a, eigvals_only=True), normal(N, N)),
    "eigvalsh": (lambda s, a: s.linalg.eigvalsh(a), normal(N, N)),
    "svd": (
        lambda s, a: (lambda u, w, v: (u**2, w, v**2))(*s.linalg.svd(a, full_matrices=False)),
        normal(N, 3),
    ),
    "svd values": (lambda s, a: s.linalg.svd(a, compute_uv=False), normal(N, 3)),
    "svdvals": (lambda s, a: s.linalg.svdvals(a), normal(3, N)),
    "svdvals complex": (lambda s, a: s.linalg.svdvals(a), complex_normal(3, N)),
    "pinv": (lambda s, a: s.linalg.pinv(a), normal(N, 3)),
    "pinv wide": (lambda s, a: s.linalg.pinv(a), normal(3, N)),
    "norm": (lambda s, a: s.linalg.norm(a), normal(N, 3)),
    "norm of rows": (lambda s, a: s.linalg.norm(a, axis=1), normal(N, 3)),
    "norm of order 1": (lambda s, a: s.linalg.norm(a, 1), normal(N)),
    "block_diag": (lambda s, a, b: s.linalg.block_diag(a, np.ones((1, 2)), b, a), normal(2, 3), normal(2)),
    "toeplitz": (lambda s, c, r: s.linalg.toeplitz(c, r), normal(3), normal(4)),
    "toeplitz symmetric": (lambda s, c: s.linalg.toeplitz(c), normal(3)),
    "circulant": (lambda s, c: s.linalg.circulant(c), normal(3)),
    "hankel": (lambda s, c: s.linalg.hankel(c), normal(3)),
}

MODES = ("reflect", "constant", "nearest", "mirror", "wrap", "grid-mirror", "grid-wrap", "grid-constant")
WEIGHTS = normal(4)
NDIMAGE = {
    **{
        f"{name} {mode} {origin}": (
            lambda s, u, w, n=name, m=mode, o=origin: getattr(s.ndimage, n)(u, w, mode=m, origin=o, cval=1.5),
            normal(7, 6),
            normal(3, 4),
        )
        for name in ("correlate", "convolve")
        for mode in MODES
        for origin in (0, -1)
    },
    **{
        f"{name} {size} {origin}": (
            lambda s, u, w, n=name, o=origin: getattr(s.ndimage, n)(u, w, axis=0, mode="mirror", origin=o),
            normal(7, 3),
            normal(size),
        )
        for name in ("correlate1d", "convolve1d")
        for size, origin in ((3, 1), (4, 0), (4, 1), (4, -2), (11, 0))
    },
    "long weights": (lambda s, u, w: s.ndimage.correlate1d(u, w, mode="wrap"), normal(4), normal(11)),
    "reflected often": (lambda s, u, w: s.ndimage.correlate1d(u, w, mode="reflect"), normal(3), normal(17)),
    "convolve, origins": (
        lambda s, u, w: s.ndimage.convolve(u, w, mode="wrap", origin=(1, -1)),
        normal(5, 6),
        normal(3, 3),
    ),
    **{
        f"gaussian_filter1d {mode} {order}": (
            lambda s, u, m=mode, o=order: s.ndimage.gaussian_filter1d(u, 1.3, order=o, mode=m),
            normal(9),
        )
        for mode in MODES
        for order in (0, 1, 2)
    },
    "gaussian_filter": (
        lambda s, u: s.ndimage.gaussian_filter(u, (1.0, 0.7), mode=("wrap", "nearest")),
        normal(8, 7),
    ),
    "gaussian_filter order": (
        lambda s, u: s.ndimage.gaussian_filter(u, 1.0, order=(0, 1), truncate=3.0),
        normal(8, 7),
    ),
    "gaussian_filter radius": (lambda s, u: s.ndimage.gaussian_filter(u, 1.0, radius=2), normal(8)),
    "gaussian_filter axes": (lambda s, u: s.ndimage.gaussian_filter(u, 1.0, axes=(1,)), normal(3, 8)),
    "gaussian_filter of no width": (lambda s, u: s.ndimage.gaussian_filter(u, (0, 1.0)), normal(3, 8)),
    "uniform_filter1d": (lambda s, u: s.ndimage.uniform_filter1d(u, 4, mode="wrap", origin=-1), normal(8)),
    "uniform_filter": (
        lambda s, u: s.ndimage.uniform_filter(u, (3, 2), mode="constant", cval=2.0),
        normal(5, 6),
    ),
    "sobel": (lambda s, u: s.ndimage.sobel(u, axis=0, mode="wrap"), normal(5, 6)),
    "prewitt": (lambda s, u: s.ndimage.prewitt(u), normal(5, 6)),
    **{
        f"laplace {mode}": (lambda s, u, m=mode: s.ndimage.laplace(u, mode=m), normal(5, 6)) for mode in MODES
    },
    "gaussian_laplace": (lambda s, u: s.ndimage.gaussian_laplace(u, 1.1, mode="wrap"), normal(8, 9)),
    "gaussian_laplace truncate": (
        lambda s, u: s.ndimage.gaussian_laplace(u, 1.1, truncate=2.0),
        normal(8, 9),
    ),
}

NORMS = (None, "ortho", "forward")
FFT = {
    **{
        f"{name} {norm} {n}": (
            lambda s, x, f=name, k=norm, n=n: getattr(s.fft, f)(x, n=n, axis=0, norm=k),
            make,
        )
        for name, make in (
            ("fft", complex_normal(6, 2)),
            ("ifft", complex_normal(6, 2)),
            ("rfft", normal(6, 2)),
            ("irfft", complex_normal(6, 2)),
        )
        for norm in NORMS
        for n in (None, 4, 9)
    },
    **{
        f"{name} {norm}": (lambda s, x, f=name, k=norm: getattr(s.fft, f)(x, norm=k), make)
        for name, make in (
            ("fft2", normal(3, 4)),
            ("ifft2", complex_normal(3, 4)),
            ("fftn", complex_normal(2, 3, 4)),
            ("ifftn", complex_normal(2, 3, 4)),
            ("rfft2", normal(3, 4)),
            ("rfftn", normal(2, 3, 5)),
            ("irfft2", complex_normal(3, 4)),
            ("irfftn", complex_normal(2, 3, 4)),
        )
        for norm in NORMS
    },
    "fftn s": (lambda s, x: s.fft.fftn(x, s=(5, 2), axes=(2, 0)), normal(3, 2, 4)),
    "rfftn s": (lambda s, x: s.fft.rfftn(x, s=(5, 3), axes=(0, 1)), normal(3, 4, 2)),
    "irfftn s": (lambda s, x: s.fft.irfftn(x, s=(5, 7)), complex_normal(3, 4)),
    "list": (lambda s, x: s.fft.fft([x, 2 * x]), normal(4)),
    "overwrite": (lambda s, x: s.fft.fft(x, overwrite_x=True, workers=1), complex_normal(4)),
    **{
        f"{name} {kind} {norm} {n}": (
            lambda s, x, f=name, t=kind, k=norm, n=n: getattr(s.fft, f)(x, t, n, 0, norm=k),
            normal(6, 2),
        )
        for name in ("dct", "idct", "dst", "idst")
        for kind in (1, 2, 3, 4)
        for norm in NORMS
        for n in (None, 4, 8)
    },
    **{
        f"{name} n-d": (
            lambda s, x, f=name: getattr(s.fft, f)(x, type=2, s=(4, 5), axes=(1, 0)),
            normal(3, 6),
        )
        for name in ("dctn", "idctn", "dstn", "idstn")
    },
    "fftshift": (lambda s, x: s.fft.fftshift(x), normal(3, 4)),
    "ifftshift": (lambda s, x: s.fft.ifftshift(x, axes=1), normal(3, 4)),
}

SIGNAL = {
    **{
        f"{name} {mode} {sizes}": (
            lambda s, u, w, f=name, m=mode: getattr(s.signal, f)(u, w, mode=m),
            normal(*sizes[0]),
            normal(*sizes[1]),
        )
        for name in ("convolve", "fftconvolve", "oaconvolve")
        for mode in ("full", "same", "valid")
        for sizes in (((7,), (3,)), ((3,), (7,)), ((5, 6), (2, 3)))
    },
    "convolve complex": (lambda s, u, w: s.signal.convolve(u, w), complex_normal(6), complex_normal(3)),
    "convolve direct": (lambda s, u, w: s.signal.convolve(u, w, method="direct"), normal(6), normal(3)),
    "convolve fft": (lambda s, u, w: s.signal.convolve(u, w, method="fft"), normal(6), normal(3)),
    **{
        f"convolve2d {mode}": (
            lambda s, u, w, m=mode: s.signal.convolve2d(u, w, mode=m),
            normal(5, 6),
            normal(3, 2),
        )
        for mode in ("full", "same", "valid")
    },
    "lfilter": (lambda s, x: s.signal.lfilter([1.0, 0.5], [2.0, -0.6, 0.1], x), normal(9)),
    "lfilter coefficients": (
        lambda s, b, a, x: s.signal.lfilter(b, a, x, axis=0),
        normal(2),
        lambda rng: np.array([2.0, 0.3, -0.1]) + 0.1 * rng.normal(size=3),
        normal(9, 2),
    ),
    "lfilter axis": (lambda s, x: s.signal.lfilter([1.0, 0.5], [1.0, -0.6], x, axis=0), normal(9, 2)),
}

INTEGRATE = {
    "trapezoid": (lambda s, y: s.integrate.trapezoid(y, dx=0.3), normal(6)),
    "trapezoid x": (lambda s, y, x: s.integrate.trapezoid(y, x, axis=0), normal(6, 2), normal(6)),
    "trapezoid, x for each": (
        lambda s, y, x: s.integrate.trapezoid(y, x, axis=0),
        normal(6, 2),
        normal(6, 2),
    ),
    "cumulative_trapezoid": (lambda s, y: s.integrate.cumulative_trapezoid(y, dx=0.3, axis=0), normal(6, 2)),
    "cumulative_trapezoid initial": (
        lambda s, y, x: s.integrate.cumulative_trapezoid(y, x, initial=0),
        normal(2, 6),
        normal(6),
    ),
    **{f"simpson {n}": (lambda s, y: s.integrate.simpson(y, dx=0.3), normal(n)) for n in (2, 3, 4, 5, 6, 9)},
    **{
        f"simpson x {n}": (
            lambda s, y, x: s.integrate.simpson(y, x=x, axis=0),
            normal(n, 2),
            lambda rng, n=n: np.cumsum(rng.uniform(0.5, 1, n)),
        )
        for n in (2, 5, 6)
    },
}

DATA = np.random.default_rng(7).normal(size=(6, 2))
KNOTS = np.array([0.0, 0.5, 1.5, 2, 3, 4])
INTERPOLATE = {
    "CubicSpline": (lambda s, x: s.interpolate.CubicSpline(KNOTS, DATA[:, 0])(x), uniform(0.1, 3.9, 2, 3)),
    "CubicSpline columns": (lambda s, x: s.interpolate.CubicSpline(KNOTS, DATA)(x, 1), uniform(0.1, 3.9)),
    "CubicSpline axis": (
        lambda s, x: s.interpolate.CubicSpline(KNOTS, DATA.T, axis=1)(x),
        uniform(0.1, 3.9, 2, 3),
    ),
    "PchipInterpolator": (
        lambda s, x: s.interpolate.PchipInterpolator(KNOTS, DATA[:, 0])(x),
        uniform(0.1, 0.4),
    ),
    "make_interp_spline": (lambda s, x: s.interpolate.make_interp_spline(KNOTS, DATA)(x), uniform(0.1, 3.9)),
    "derivative": (
        lambda s, x: s.interpolate.CubicSpline(KNOTS, DATA[:, 0]).derivative()(x),
        uniform(0.1, 0.4),
    ),
}

OPEN, ABOVE, BELOW = uniform(0.1, 0.8), uniform(1.2, 2.5), uniform(-0.8, 0.8)
COMPLEX = complex_normal(4)
ONE = {
    BELOW: "erf erfc erfcx erfi dawsn erfinv ndtr log_ndtr expit log_expit exprel i0 i1 i0e i1e j0 j1 expm1 exp2 exp10"
    " cosm1 sindg cosdg tandg softmax log_softmax logsumexp round",
    ABOVE: "gamma gammaln loggamma rgamma psi digamma y0 y1 k0 k1 k0e k1e exp1 expi spence lambertw log1p cbrt entr",
    OPEN: "logit ndtri ellipk ellipe erfcinv",
    COMPLEX: "erf wofz dawsn gamma loggamma",
}
TWO = {
    "xlogy": (ABOVE, ABOVE),
    "xlog1py": (ABOVE, ABOVE),
    "rel_entr": (ABOVE, ABOVE),
    "kl_div": (ABOVE, ABOVE),
    "beta": (ABOVE, ABOVE),
    "betaln": (ABOVE, ABOVE),
}
SPECIAL = {
    **{
        f"{name} {number}": (lambda s, x, f=name: getattr(s.special, f)(x), make)
        for number, (make, names) in enumerate(ONE.items())
        for name in names.split()
    },
    **{name: (lambda s, x, y, f=name: getattr(s.special, f)(x, y), *makes) for name, makes in TWO.items()},
    **{
        name: (lambda s, x, f=name: getattr(s.special, f)(2, x), ABOVE)
        for name in "jv jn yv yn hankel1 hankel2 iv kv kn expn gammainc gammaincc huber pseudo_huber polygamma".split()
    },
    "zeta": (lambda s, q: s.special.zeta(2.5, q), ABOVE),
    "betainc": (lambda s, x: s.special.betainc(1.5, 2.5, x), OPEN),
    "boxcox": (lambda s, x: s.special.boxcox(x, 0.5), ABOVE),
    "radian": (lambda s, d, m, x: s.special.radian(d, m, x), ABOVE, ABOVE, ABOVE),
    "logsumexp weights": (
        lambda s, a, b: s.special.logsumexp(a, axis=0, b=b),
        normal(3, 2),
        uniform(0.5, 2, 3, 2),
    ),
    "logsumexp keepdims": (lambda s, a: s.special.logsumexp(a, axis=1, keepdims=True), normal(3, 2)),
    "softmax axis": (lambda s, x: s.special.softmax(x, axis=0), normal(3, 2)),
}

GROUPS = {
    "linalg": LINALG,
    "ndimage": NDIMAGE,
    "fft": FFT,
    "signal": SIGNAL,
    "integrate": INTEGRATE,
    "interpolate": INTERPOLATE,
    "special": SPECIAL,
}
CASES = [
    pytest.param(*case, id=f"{group}-{name}")
    for group, cases in GROUPS.items()
    for name, case in cases.items()
]
CASES = [pytest.param(case.values[0], case.values[1:], id=case.id) for case in CASES]


@pytest.mark.parametrize(("function", "makes"), CASES)
def test_value_and_gradient(function, makes, agree):
    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        arrays = [np.asarray(make(rng)) for make in makes]
        agree(
            lambda *args: function(drop_in, *args),
            lambda *args: function(scipy, *args),
            arrays,
            rng,
        )
