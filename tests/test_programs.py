"""The programs of ``tests/programs``: scientific code in many hands, differentiated as it stands.

Each file there is a program that runs without a rewriter. Its conventions are few:

- ``run(x, scheme)`` stands in the place of a main part: it takes an array of controls and returns a number. The marked
  loops in it, and in what it calls, use the scheme.
- A program without ``run`` is a script: it is executed with ``x`` and ``scheme`` in its globals, and leaves ``result``.
- ``CONTROLS`` is where the program is differentiated: two inputs near it are drawn.
- ``LENGTH = "unknown"``: the number of steps is not known beforehand (``while`` loops, generators).
- ``STEP``, ``RTOL``: the step of the differences relative to the controls, and the tolerance, where a comment says why the
  usual ones do not serve.
- ``SINGLE``: how far the gradient in single precision may be away, where that is not the usual; None where, as a comment
  says, single precision makes no sense.
- ``COMPLEX = True``: everything in it is analytic and accepts complex controls, so that the complex step serves, too.

The value has to be the plain program's to the last bit, and the gradient to agree with differences of the plain program.
"""

import functools
import importlib.util
import re
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from checkpointer import Auto, Online, Revolve, StoreAll, value_and_grad
from checkpointer.hook import TransformingLoader

FOLDER = Path(__file__).parent / "programs"
KNOWN_LENGTH = {"revolve1": Revolve(1), "revolve3": Revolve(3), "storeall": StoreAll(), "auto": Auto()}
UNKNOWN_LENGTH = {"online2": Online(2), "online5": Online(5), "storeall": StoreAll(), "auto": Auto()}
LOADERS = {"plain": SourceFileLoader, "rewritten": TransformingLoader}

ALL = {path.stem: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.py"))}
NAMES = list(ALL)


@functools.cache
def load(name, kind):
    """A program as it stands (``plain``), or with its loops rewritten (``rewritten``)."""
    module_name = f"{kind}_program_{name}"
    loader = LOADERS[kind](module_name, str(FOLDER / f"{name}.py"))
    spec = importlib.util.spec_from_file_location(module_name, loader.path, loader=loader)
    module = sys.modules[module_name] = importlib.util.module_from_spec(spec)  # where dataclasses look for it
    spec.loader.exec_module(module)
    if not hasattr(module, "run"):
        module.run = functools.partial(_run_script, loader.get_code(module_name))
    return module


def _run_script(code, x, scheme):
    module = ModuleType("__main__")
    module.x, module.scheme = x, scheme
    exec(code, vars(module))
    return module.result


def schemes(name):
    return UNKNOWN_LENGTH if getattr(load(name, "plain"), "LENGTH", None) == "unknown" else KNOWN_LENGTH


@functools.cache
def inputs(name):
    """Two inputs near the program's own."""
    rng = np.random.default_rng(7)
    controls = np.asarray(load(name, "plain").CONTROLS, float)
    return [controls * rng.uniform(0.95, 1.05, controls.shape) for _ in range(2)]


@functools.cache
def oracle(name, number):
    """The plain program's value at one input, and its derivatives in two directions by differences of sixth order."""
    program = load(name, "plain")
    x = inputs(name)[number]
    scheme = schemes(name)["storeall"]
    step = getattr(program, "STEP", 1e-4)
    weights = {-3: -1, -2: 9, -1: -45, 1: 45, 2: -9, 3: 1}

    def along(direction):
        terms = [w * program.run(x + k * step * direction, scheme) for k, w in weights.items()]
        return float(sum(terms) / (60 * step))

    ways = directions(x, number)
    return program.run(x.copy(), scheme), ways, [along(direction) for direction in ways]


def directions(x, seed):
    """Two directions in which every control changes, each on its own scale."""
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], (2, x.size))
    return np.abs(x) * signs * rng.uniform(0.5, 1, (2, x.size))


@functools.cache
def differentiated(name, scheme, number):
    """The value and the gradient of the rewritten program at one input."""
    return value_and_grad(load(name, "rewritten").run)(inputs(name)[number].copy(), schemes(name)[scheme])


CASES = [pytest.param(name, scheme, id=f"{name}-{scheme}") for name in NAMES for scheme in schemes(name)]


@pytest.mark.parametrize(("name", "scheme"), CASES)
def test_value_and_gradient(name, scheme):
    first = next(iter(schemes(name)))
    for number in range(2):  # the second input meets what the first one left behind
        expected, ways, derivatives = oracle(name, number)
        value, gradient = differentiated(name, scheme, number)
        assert type(value) is type(expected)
        assert value == expected
        scale = np.abs(gradient) @ np.abs(ways[0])
        assert scale > 0
        rtol = getattr(load(name, "plain"), "RTOL", 1e-7)
        np.testing.assert_allclose(ways @ gradient, derivatives, rtol=rtol, atol=1e-9 * scale)
        # schemes only differ in what is computed again, which comes out the same
        reference = differentiated(name, first, number)[1]
        np.testing.assert_allclose(gradient, reference, rtol=1e-13, atol=1e-15 * np.abs(reference).max())


@pytest.mark.parametrize("name", NAMES)
def test_again_and_undifferentiated(name):
    """After both inputs, the first one gives the same once more; so does the rewritten program left to itself."""
    scheme = next(iter(schemes(name)))
    x = inputs(name)[0]
    results = [differentiated(name, scheme, number) for number in range(2)]
    value, gradient = differentiated.__wrapped__(name, scheme, 0)
    assert value == results[0][0]
    np.testing.assert_array_equal(gradient, results[0][1])
    alone = load(name, "rewritten").run(x.copy(), schemes(name)[scheme])
    assert type(alone) is type(value)
    assert alone == value


@pytest.mark.parametrize("name", NAMES)
def test_single_precision(name):
    """Controls of single precision: the value is the plain program's, the gradient theirs in type and near in value."""
    tolerance = getattr(load(name, "plain"), "SINGLE", 1e-4)
    if tolerance is None:
        return
    x = inputs(name)[0].astype(np.float32)
    expected = load(name, "plain").run(x.copy(), StoreAll())
    value, gradient = value_and_grad(load(name, "rewritten").run)(x.copy(), StoreAll())
    assert type(value) is type(expected)
    assert value == expected
    assert gradient.dtype == np.float32
    double = differentiated(name, "storeall", 0)[1]
    np.testing.assert_allclose(gradient, double, rtol=tolerance, atol=tolerance * np.abs(double).max())


@pytest.mark.parametrize("name", [name for name in NAMES if re.search(r"^COMPLEX = True", ALL[name], re.M)])
def test_complex_step(name):
    for number, x in enumerate(inputs(name)):
        _, gradient = differentiated(name, "storeall", number)
        for way in directions(x, number):
            exact = load(name, "plain").run(x + 1e-30j * way, StoreAll()).imag / 1e-30
            assert gradient @ way == pytest.approx(exact, rel=1e-12)


FEATURES = {
    # loops
    "a range with a start": r"checkpointed\(range\(\w+, ",
    "reversed": r"checkpointed\(reversed\(",
    "enumerate": r"checkpointed\(enumerate\(",
    "zip": r"checkpointed\(zip\(",
    "enumerate of zip": r"checkpointed\(enumerate\(zip\(",
    "an array of times": r"checkpointed\(np\.arange\(",
    "the rows of the controls": r"checkpointed\(forcing,",
    "the controls themselves": r"checkpointed\(x, scheme",
    "a list of differentiated arrays": r"checkpointed\(K, ",
    "a list that is written out": r"checkpointed\(\[None\]",
    "a generator": r"checkpointed\(contacts\(",
    "a progress bar": r"checkpointed\(progress\(",
    "a tuple as the target": r"for \w+, \w+ in checkpointed",
    "a nested target": r"for \w+, \(\w+, \w+\) in checkpointed",
    "a starred target": r"\w+, \*\w+ = |\*_, \w+ = ",
    "while on time": r"while checkpointed\(\w*\.?t < ",
    "while on a tolerance": r"while checkpointed\(error > ",
    "while True": r"while checkpointed\(True",
    "walrus in the condition": r"while checkpointed\(.*:=",
    "break": r"^ +break$",
    "continue": r"^ +continue$",
    "else of a marked loop": r"checkpointed\((?:.*\n)+?    else:",
    "return out of the loop": r"while checkpointed\(True, inner\):\n(?:.*\n){2} +return",
    "try, except, else, finally": r"try:\n(?:.*\n)+? +except(?:.*\n)+? +else:(?:.*\n)+? +finally:",
    "with": r"^ +with \w+ as ",
    "raise": r"^ +raise ",
    "assert": r"^ +assert ",
    "a comment as the mark": r"^ +# checkpointer: scheme$",
    "a loop at module level": r"^for \w+ in checkpointed|^# checkpointer: scheme",
    "a marked loop in a method": r"    def \w+\(self(?:.*\n)+?        while checkpointed",
    "marked loops in marked loops": r"checkpointed\(range\(2\), scheme\):\n +.*dominant\(",
    # state
    "global": r"^ +global ",
    "nonlocal": r"^ +nonlocal ",
    "closures": r"lambda|def \w+\(.*\):\n(?:.*\n)*?    def ",
    "self.array in place": r"self\.\w+(?:\[.*\])? [-+*/]= ",
    "self.array bound anew": r"self\.psi = ",
    "aliases": r"self\.prev = self\.pos|z = u = ",
    "swaps": r"p, pn = pn, p",
    "rotation of three": r"up, u, un = u, un, up",
    "views with names": r"u, v = U\[1:-1, 1:-1\], V\[1:-1, 1:-1\]",
    "a view from a callee": r"return T\[::-1\]",
    "a moved axis written through": r"moved\[-1, 1:3\] \+= ",
    "circles of references": r"body\.system = self",
    "__slots__": r"__slots__ = ",
    "a property": r"@property",
    "a setter": r"@\w+\.setter",
    "static and class methods": r"@staticmethod(?:.*\n)*|@classmethod",
    "inheritance": r"super\(\)\.__init__",
    "class attributes that change": r"Rotor\.count \+= 1",
    "a dataclass": r"@dataclass$",
    "a frozen dataclass": r"@dataclass\(frozen=True\)",
    "a named tuple": r"namedtuple\(|\(NamedTuple\)",
    "_replace": r"\._replace\(",
    "__call__": r"def __call__",
    "__getitem__": r"def __getitem__",
    "getattr and setattr": r"setattr\(self",
    "a dict of arrays": r"fields\[name\]",
    "a dict that gains keys": r"history\[\"fox\"\] = \[\]|gathers\[shot\] = ",
    "dict.items()": r"\.items\(\):",
    "a list appended to": r"\.append\(",
    "append bound to a name or several lists": r"time\.append\(t\); vs\.append\(v\)",
    "a deque": r"deque\(",
    "a heap": r"heapq\.heappush",
    "a ring buffer": r"% NLAYERS|% horizon",
    "integer arrays": r"dtype=int\)",
    "None that becomes an array": r"is None:",
    "arrays that grow": r"np\.append\(|np\.vstack\(\[filtered",
    "arrays that shrink": r"V = V\[:-1\]",
    "a history array": r"xyzs\[i \+ 1\] = |V\[i\+1\] = ",
    "work arrays": r"out=self\._tmp",
    "string modes": r"== '?\"?(dirichlet|mirror)",
    "star import": r"^from numpy import \*",
    "shadowed builtins": r"^sum = ",
    "default arguments": r"def \w+\(.*=.*\):",
    "keyword-only arguments": r"def \w+\(.*\*, ",
    "*args and **kwargs": r"\*args, \*\*kwargs",
    "partial": r"partial\(",
    "a decorator": r"^@counted",
    "recursion": r"v_cycle\(ec, rc, 2\*h\)",
    "annotations": r"-> float:",
    "print": r"print\(",
    "formatting": r"f\"\{",
    # updates
    "slices in place": r"\[1:-1\] [-+]= ",
    "columns": r"\[:, 0\] = |\[:, -1\] = ",
    "masks": r"\[\w+ [<>]=? .*\] = ",
    "fancy indices in place": r"\[\[2, 6\]\] \+= |\[rec\]",
    "np.add.at": r"np\.add\.at\(",
    "out=": r"out=",
    "sort in place": r"\.sort\(\)",
    "fill": r"\.fill\(",
    "flat": r"\.flat\[",
    "np.roll": r"np\.roll\(",
    "np.where": r"np\.where\(",
    "np.clip": r"np\.clip\(",
    "np.pad": r"np\.pad\(",
    "np.diff": r"np\.diff\(",
    "np.gradient": r"np\.gradient\(",
    "np.einsum": r"np\.einsum\(",
    "np.outer": r"np\.outer\(|\.outer\(",
    "np.stack and friends": r"np\.(stack|hstack|vstack|column_stack|concatenate)\(",
    "np.delete and np.insert": r"np\.(delete|insert)\(",
    "matrix products": r" @ ",
    "linear solves": r"np\.linalg\.solve\(",
    "inverse and determinant": r"inv\(|linalg\.det\(",
    "norm": r"np\.linalg\.norm\(",
    "FFT": r"fft2\(",
    "real FFT": r"rfft2\(",
    "complex arithmetic": r"1j\*",
    "single precision": r"float32",
    "extended precision": r"longdouble",
    "NaN on purpose": r"np\.nan\b|nan_to_num",
    "infinity on purpose": r"np\.inf\b",
    "a comparison as a factor": r"\((\w+) > [\d.]+\)\*",
    "math": r"from math import|^import math",
    "%": r" % \(?2|%= ",
    "min and max of numbers": r"\bmin\(.*tend|max\(0",
    "sum of a generator": r"sum\(\w.* for ",
    "random Generator": r"default_rng\(",
    "legacy random": r"np\.random\.(rand|randn|seed)\(",
    "RandomState": r"np\.random\.RandomState\(",
    "the standard library's random": r"random\.gauss\(",
    "exceptions of one's own": r"class \w+\((Exception|ArithmeticError)\)",
}
"""What people write in and around their loops, and how to find it."""


def test_the_corpus_is_large_enough():
    assert len(NAMES) >= 75


@pytest.mark.parametrize("feature", FEATURES)
def test_feature_is_covered(feature):
    assert any(re.search(FEATURES[feature], text, re.M) for text in ALL.values())
