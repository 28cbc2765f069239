"""Drop-in SciPy as a whole: how it is imported, that nothing in it is silently constant, and what is refused."""

import inspect
import subprocess
import sys
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

from checkpointer import TraceError, value_and_grad
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


def unfollowed(function, template):
    """Whether the function answered, and no derivative flows through its answer."""
    answers = []

    def run(u):
        answers.append(any(map(is_varied, traced_values(function(*template(u))))))
        return np.sum(u)

    try:
        value_and_grad(run)(INPUTS[0])
    except Exception:  # refused, or no way to call it
        return False
    return answers == [False]


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
    ufunc = isinstance(original, np.ufunc)
    for number, template in enumerate([lambda u: (u,) * original.nin] if ufunc else TEMPLATES):
        if unfollowed(function, template):
            assert not depends(original, template), f"called with template {number}"
