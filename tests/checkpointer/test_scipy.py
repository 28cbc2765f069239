"""Drop-in SciPy as a whole: how it is imported, that nothing in it is silently constant, and what is refused."""

import inspect
import subprocess
import sys
import threading
from functools import partial

import numpy as np
import pytest
import scipy
import scipy.fft
import scipy.fftpack
import scipy.integrate
import scipy.interpolate
import scipy.linalg
import scipy.ndimage
import scipy.optimize
import scipy.signal
import scipy.sparse
import scipy.special

from checkpointer import TraceError, grad, value_and_grad, vjp
from checkpointer import scipy as drop_in
from checkpointer.boxes import is_varied
from checkpointer.scipy.aware import traced_values

SUBMODULES = (
    "fft fftpack integrate interpolate linalg ndimage optimize signal sparse sparse.linalg special".split()
)


def submodule(package, name):
    for part in name.split("."):
        package = getattr(package, part)
    return package


# --- imports -------------------------------------------------------------------------------------------------------

IMPORTS = {
    "import scipy": "scipy.linalg.solve(a, u)",
    "import scipy.linalg": "scipy.linalg.solve(a, u)",
    "import scipy.linalg as la": "la.solve(a, u)",
    "from scipy import linalg": "linalg.solve(a, u)",
    "from scipy import linalg as la, sparse": "la.solve(a, u) + sparse.csr_array(a) @ u",
    "from scipy.linalg import solve as s": "s(a, u)",
    "from scipy.linalg import *": "solve(a, u)",
    "import scipy.sparse.linalg": "scipy.sparse.linalg.spsolve(scipy.sparse.csc_matrix(a), u)",
    "import scipy.sparse.linalg as sla, scipy.sparse as sp": "sla.spsolve(sp.csc_matrix(a), u)",
    "import scipy.sparse as sp": "sp.linalg.spsolve(sp.csc_matrix(a), u)",
    "from scipy.sparse import linalg as sla, csc_matrix": "sla.spsolve(csc_matrix(a), u)",
    "from scipy.sparse.linalg import spsolve\nfrom scipy.sparse import *": "spsolve(csc_array(a), u)",
    "from scipy import fft": "fft.irfft(fft.rfft(u))",
    "from scipy.special import erf": "erf(u)",
    "import scipy.spatial, scipy.constants, scipy.special": "scipy.special.erf(u) * scipy.constants.pi",
    "import scipy.sparse.csgraph": "scipy.sparse.csr_array(a) @ u * len(scipy.sparse.csgraph.__name__)",
}


@pytest.mark.parametrize("line", IMPORTS)
def test_every_form_of_import(line, load, check):
    program = load(f"""
import numpy as np
{line}
from checkpointer import Revolve, checkpointed

def f(u):
    a = np.array([[3.0, 1.0], [-1.0, 2.0]])
    for _ in checkpointed(range(3), Revolve(1)):
        u = {IMPORTS[line]}
    return np.sum(u**2)
""")
    for seed in (1, 2):
        check(program, "f", np.random.default_rng(seed).normal(size=2), rtol=1e-6)


def test_scipy_is_loaded_by_the_programs_that_use_it():
    program = (
        "import sys, checkpointer, checkpointer.runtime, checkpointer.numpy; print('scipy' in sys.modules)"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "False"


@pytest.mark.parametrize("name", SUBMODULES)
def test_a_drop_in_has_every_name(name):
    original, ours = submodule(scipy, name), submodule(drop_in, name)
    assert ours.__all__ == list(original.__all__)
    for public in original.__all__:
        theirs, mine = getattr(original, public), getattr(ours, public)
        if isinstance(theirs, type | np.ufunc):
            assert mine is theirs
        elif not inspect.ismodule(theirs) and callable(theirs):
            assert mine.__wrapped__ is theirs


# --- nothing is silently constant -----------------------------------------------------------------------------------

TEMPLATES = [
    lambda u: (u,),
    lambda u: (np.diag(u),),
    lambda u: (drop_in.sparse.csr_array(np.diag(u)),),
    lambda u: (u, u),
    lambda u: (np.diag(u), u),
    lambda u: (np.eye(3), u),
    lambda u: (drop_in.sparse.csr_array(np.diag(u)), u),
    lambda u: (drop_in.sparse.csc_array(2 * np.eye(3)), u),
    lambda u: (2, u),
    lambda u: (u, 2),
    lambda u: (u, 1, 2),
    lambda u: (1.5, u, u),
    lambda u: ((1, 1), np.outer(u, u) + 3, u),
    lambda u: (u[0],),
    lambda u: (u[0], 2.0, u[1], 0.5),
    lambda u: ([u, 2 * u],),
    lambda u: (lambda x: x - u[0], 0.1, 5.0),
    lambda u: (lambda x: 1.0 if x > u[0] else -1.0, -9.0, 9.0),
    lambda u: (lambda x: np.sum((x - u) ** 2), np.zeros(3)),
    lambda u: (lambda x, y: -u[0] * y, (0.0, 1.0), [1.0]),
    lambda u: (partial(np.multiply, u[0]), 0.0, 1.0),
    lambda u: (np.sin, 0.0, u[0]),
    lambda u: (np.array([0.0, 1.0, 2.0]), u, 0.5),
]
"""What one may try to call a function with."""

ASIDE = frozenset("save_npz load_npz test show_options interp2d".split())
"""Functions that read or write files, or print."""


def numbers_in(made):
    """Everything floating-point in a result."""
    if isinstance(made, tuple | list):
        return np.concatenate([numbers_in(part) for part in made] or [np.zeros(0)])
    if isinstance(made, dict):
        return np.concatenate([numbers_in(made[key]) for key in sorted(made)] or [np.zeros(0)])
    made = made.data if scipy.sparse.issparse(made) else made
    if isinstance(made, np.ndarray | np.generic | float | complex) and np.asarray(made).dtype.kind in "fc":
        return np.ravel(made).astype(complex)
    return np.zeros(0)


INPUTS = np.array([0.7, 1.3, 0.4]), np.array([0.8, 1.2, 0.5])


def unfollowed(function, templates):
    """The templates with which the function answered, and no derivative flows through its answer."""
    found = []

    def run(u):
        for template in templates:
            try:
                made = function(*template(u))
            except Exception:  # refused, or no way to call it
                continue
            if not any(map(is_varied, traced_values(made))):
                found.append(template)
        return np.sum(u)

    try:
        value_and_grad(run)(INPUTS[0])
    except TraceError:
        pass  # the first of those that were caught above
    return found


def depends(original, template):
    """Whether the numbers that the plain function returns depend on the input."""
    first, second = (numbers_in(original(*template(u))) for u in INPUTS)
    return not np.array_equal(first, second, equal_nan=True)


FUNCTIONS = [
    pytest.param(name, public, id=f"{name}.{public}")
    for name in SUBMODULES
    for public in submodule(drop_in, name).__all__
    if callable(getattr(submodule(drop_in, name), public))
    and not isinstance(getattr(submodule(drop_in, name), public), type)
    and public not in ASIDE
    and not public.startswith("mathieu")  # they crash on some arguments
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "public"), FUNCTIONS)
def test_right_or_refused_but_never_a_silent_constant(name, public):
    original, function = (getattr(submodule(package, name), public) for package in (scipy, drop_in))
    templates = [lambda u: (u,) * original.nin] if isinstance(original, np.ufunc) else TEMPLATES
    for template in unfollowed(function, templates):
        assert not depends(original, template), f"called with template {templates.index(template)}"


# --- refusals ---------------------------------------------------------------------------------------------------------

A = np.eye(3)
REFUSED = {
    "no rule": (lambda s, u: s.linalg.lstsq(A, u), "scipy.linalg.lstsq was called on a value"),
    "argument": (lambda s, u: s.ndimage.gaussian_filter(u, u[0]), "as 'sigma', for which it has no rule"),
    "several matrices": (lambda s, u: s.linalg.inv(np.stack([A, A]) * u[0]), "for 3-dimensional a"),
    "option": (lambda s, u: s.signal.lfilter([1.0], [1.0], u, zi=np.zeros(0)), "with zi="),
    "ufunc": (lambda s, u: s.special.airy(u), "airy was called on a value"),
    "order": (lambda s, u: s.special.jv(u, 1.0), "as argument 1, for which it has no rule"),
    "equal eigenvalues": (lambda s, u: s.linalg.eigh(A * u[0])[1].sum(), "equal eigenvalues"),
    "fftpack": (lambda s, u: s.fftpack.fft(u), "use the function of the same name in scipy.fft"),
    "minimize": (lambda s, u: s.optimize.minimize(np.sum, u), "until a tolerance is met"),
    "root of a function": (
        lambda s, u: s.optimize.brentq(lambda x: 1.0 if x > u[0] else -1.0, 0.0, 9.0),
        "scipy.optimize.brentq was given a function that depends on a value",
    ),
    "root with arguments": (
        lambda s, u: s.optimize.newton(lambda x, p: x - p, 1.0, args=(u[0],)),
        "scipy.optimize.newton",
    ),
    "solve_ivp": (
        lambda s, u: s.integrate.solve_ivp(lambda t, y: -y, (0, 1), u),
        "write the steps (RK4, for example)",
    ),
    "odeint": (
        lambda s, u: s.integrate.odeint(lambda y, t: -y * u[0], 1.0, [0.0, 1.0]),
        "scipy.integrate.odeint",
    ),
    "quad": (lambda s, u: s.integrate.quad(np.sin, 0.0, u[0]), "scipy.integrate.quad"),
    "built interpolator": (
        lambda s, u: s.interpolate.CubicSpline(np.arange(3.0), u),
        "scipy.interpolate.CubicSpline",
    ),
    "called interpolator": (
        lambda s, u: s.interpolate.interp1d(np.arange(3.0), np.arange(3.0))(u),
        "interpolate.interp1d",
    ),
    "grid": (
        lambda s, u: s.interpolate.interpn((np.arange(3.0),), np.arange(3.0), u),
        "scipy.interpolate.interpn",
    ),
    "shift": (lambda s, u: s.ndimage.shift(u, 0.5), "scipy.ndimage.shift was called"),
    "plain output": (
        lambda s, u: s.ndimage.laplace(u, output=np.zeros(3)),
        "scipy.ndimage.laplace would write",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name_and_line(name):
    function, text = REFUSED[name]

    def run(u):
        made = function(drop_in, u)
        return np.sum(made[0] if isinstance(made, tuple) else made)

    with pytest.raises(TraceError, match="CKP2") as refused:
        grad(run)(np.array([0.7, 1.3, 0.4]))
    assert text in str(refused.value)
    assert "Instead: " in str(refused.value)


def test_zero_entries_that_cross_iterations_are_refused_if_they_matter(load):
    program = load("""
import numpy as np
import scipy.sparse as sp
from checkpointer import Revolve, checkpointed

def f(u, lagged):
    a = sp.identity(4, format="csr")
    for step in checkpointed(range(4), Revolve(2)):
        if not lagged or step % 2 == 0:
            a = sp.diags(u).tocsr()
        u = u + 0.1 * (a @ u)
    return np.sum(u)
""").rewritten
    u = np.array([0.5, 0.0, 1.0, 2.0])
    assert np.allclose(grad(program.f)(u, False)[1], 1.0)
    assert np.all(np.isfinite(grad(program.f)(u + 0.1, True)))
    with pytest.raises(TraceError, match=r"CKP225 .*some are exactly zero"):
        grad(program.f)(u, True)


def test_other_threads_use_sparse_matrices_meanwhile():
    made = []

    def work():
        a = scipy.sparse.csr_array(np.diag([1.0, 2.0]))
        made.append((a @ np.ones(2), scipy.sparse.csr_array(a) + a))

    def function(u):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return np.sum(u)

    grad(function)(np.ones(2))
    assert type(made[0][0]) is np.ndarray
    assert made[0][1].toarray().tolist() == [[2.0, 0.0], [0.0, 4.0]]


def test_constants_stay_constants_and_may_be_written_to():
    def function(u):
        smooth = drop_in.ndimage.laplace(np.arange(3.0))
        smooth[1] = u[0]
        return np.sum(smooth**2)

    assert grad(function)(np.array([2.0, 1.0])).tolist() == [4.0, 0.0]


def test_an_output_of_constants_is_undone():
    def function(u):
        buffer = u * 1.0
        first = np.sum(buffer**2)
        drop_in.ndimage.laplace(np.arange(3.0), output=buffer)
        return first + np.sum(buffer)

    assert grad(function)(np.array([1.0, 2.0, 3.0])).tolist() == [2.0, 4.0, 6.0]


def test_a_sparse_result_is_refused():
    with pytest.raises(TraceError, match="CKP201 the value that the function returns is a sparse matrix"):
        vjp(lambda u: drop_in.sparse.diags(u), np.ones(3))
