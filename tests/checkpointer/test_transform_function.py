"""The decorator: the transformed function is in every other respect the function that it was."""

import asyncio
import doctest
import functools
import inspect
import linecache
import math
import math as m
import pickle
import subprocess
import sys
import traceback
from dataclasses import dataclass
from functools import partial
from math import sqrt as root

import autograd
import numpy
import numpy as np
import pytest
from numpy import sin

import checkpointer
import checkpointer as cp
from checkpointer import ArgumentError, Revolve, TransformError, checkpointed, grad, transform, value_and_grad
from checkpointer import checkpointed as marked

RATE = 0.5


@transform
def decay(u, steps, *, rate=None):
    """Multiply ``u`` by the rate, again and again."""
    for _ in checkpointed(range(steps), Revolve(snapshots=2)):
        u = u * (RATE if rate is None else rate)
    return u.sum()


def test_a_function_of_a_file():
    value, gradient = value_and_grad(decay)(np.ones(3), 4)
    assert value == 3 / 16
    np.testing.assert_array_equal(gradient, np.full(3, 1 / 16))


def test_it_keeps_its_appearance():
    assert decay.__name__ == decay.__qualname__ == "decay"
    assert decay.__module__ == __name__
    assert decay.__doc__ == "Multiply ``u`` by the rate, again and again."
    assert str(inspect.signature(decay)) == "(u, steps, *, rate=None)"
    assert inspect.getsource(decay).splitlines()[0] == "def decay(u, steps, *, rate=None):"
    assert pickle.loads(pickle.dumps(decay)) is decay


def test_the_originals_globals_are_live(monkeypatch):
    monkeypatch.setitem(globals(), "RATE", 2.0)
    assert decay(np.ones(1), 3) == 8.0
    assert grad(decay)(np.ones(1), 3) == 8.0


def test_the_users_globals_are_untouched():
    assert np is numpy
    assert math.sqrt is root
    assert numpy.__name__ == "numpy"
    assert not {"run_loop", "differentiable", "decay_loop1_forward"} & set(globals())


def test_autograd():
    np.testing.assert_array_equal(autograd.grad(decay)(np.ones(2), 3), [0.125, 0.125])


@transform
def every_name(u, steps):
    for _ in cp.checkpointed(range(steps), checkpointer.Revolve(2)):
        scale = np.ones(3)
        scale[0] = u[0]
        other = numpy.empty(3)
        other[:] = sin(u) * root(float(u[1])) * math.exp(u[2]) * m.cos(u[0])
        u = scale * other
    return np.sum(u)


def test_all_spellings_of_numpy_math_and_the_mark():
    u = np.array([0.3, 0.4, 0.5])
    gradient = grad(every_name)(u, 3)
    for k in range(3):
        step = np.eye(3)[k] * 1e-6
        difference = (every_name(u + step, 3) - every_name(u - step, 3)) / 2e-6
        assert gradient[k] == pytest.approx(difference, rel=1e-7)


def test_what_a_module_with_a_drop_in_has_imported_for_itself():
    """``autograd.numpy.linalg`` has `partial`, but NumPy's has not."""

    @transform
    def run(u):
        for _ in checkpointed(range(2), Revolve(1)):
            u = partial(np.multiply, u)(u)
        return u

    assert vars(sys.modules["autograd.numpy.linalg"])["partial"] is partial
    assert grad(run)(1.5) == pytest.approx(4 * 1.5**3)


def test_a_mark_in_a_comment():
    @transform
    def simulate(u, steps, scheme):
        # checkpointer: scheme
        for _ in range(steps):
            # checkpointer: Revolve(snapshots=1)
            for _ in range(2):
                u = 2 * math.sqrt(u) * math.sqrt(u)
        return u

    assert grad(simulate)(0.7, 5, Revolve(1)) == pytest.approx(1024, rel=1e-14)


def counter():
    """Functions that share what is in their closure."""
    count = 0
    factor = 3.0

    @transform
    def run(u):
        nonlocal count
        for _ in marked([1, 2], Revolve(1)):
            count += 1
            u = u * factor
        return u.sum()

    def read():
        return count

    def set_factor(value):
        nonlocal factor
        factor = value

    return run, read, set_factor


def test_the_closure_is_shared():
    run, read, set_factor = counter()
    assert run(np.ones(1)) == 9.0
    assert read() == 2
    set_factor(5.0)
    np.testing.assert_array_equal(grad(run)(np.ones(2)), [25.0, 25.0])
    other, read_other, _ = counter()
    assert other(np.ones(1)) == 9.0
    assert read_other() == 2


def test_what_is_imported_in_the_function_around():
    import numpy as xp

    from checkpointer import checkpointed as mark

    @transform
    def simulate(u):
        for _ in mark(range(3), Revolve(1)):
            new = xp.zeros(2)
            new[:] = u * u
            u = new
        return u.sum()

    np.testing.assert_allclose(grad(simulate)(np.array([1.0, 2.0])), [8.0, 8 * 2.0**7])
    assert xp is numpy


def test_a_name_that_the_closure_binds_later():
    @transform
    def simulate(u):
        for _ in checkpointed(range(2), Revolve(1)):
            u = u * later
        return u

    later = 3.0
    assert grad(simulate)(1.0) == 9.0


def test_recursion_meets_the_transformed_function():
    @transform
    def simulate(u, depth):
        for _ in checkpointed(range(2), Revolve(1)):
            u = u * 2.0
        return simulate(u, depth - 1) if depth else u

    assert grad(simulate)(1.0, 2) == 64.0


class Model:
    __rate = 2.0

    def __init__(self, u):
        self.u = u

    def step(self):
        self.u = self.u * self.__rate


class Louder(Model):
    __rate = 3.0
    TEXT = """
  two
"""

    @transform
    def run(self, u, steps):
        """Run it."""
        text = """
  two
"""
        assert text == self.TEXT == Louder.TEXT
        self.u = u
        for _ in checkpointed(range(steps), Revolve(2)):
            super().step()
            self.__last = self.u
            self.u = self.u * self.__rate
        return np.sum(self.u)

    @property
    @transform
    def doubled(self):
        for _ in checkpointed(range(1), Revolve(1)):
            self.u = self.u + self.u
        return self.u

    @staticmethod
    @transform
    def twice(u):
        for _ in checkpointed(range(2), Revolve(1)):
            u = u * u
        return u

    @classmethod
    @transform
    def scaled(cls, u, /, steps=2):
        for _ in checkpointed(range(steps), Revolve(1)):
            u = u * cls.__rate
        return u

    @functools.lru_cache(  # noqa: B019
        maxsize=9,
    )
    # a comment between decorators
    @transform
    # and another
    def cached(self, u):
        for _ in checkpointed(range(2), Revolve(1)):
            u = u * \
                Louder.__rate  # fmt: skip
        return u


def test_methods():
    model = Louder(None)
    np.testing.assert_array_equal(grad(model.run)(np.ones(2), 2), [36.0, 36.0])
    assert model.run(np.ones(2), 1) == 12.0
    np.testing.assert_array_equal(model._Louder__last, [2.0, 2.0])
    assert Louder(1.5).doubled == 3.0
    assert grad(Louder.twice)(2.0) == 32.0
    assert grad(Louder.scaled)(2.0) == 9.0
    assert model.cached(1.0) == 9.0
    assert Louder.run.__qualname__ == "Louder.run"
    assert Louder.run.__doc__ == "Run it."


def test_a_method_of_a_class_in_a_function():
    factor = 2.0

    @dataclass
    class Local:
        __power: int = 3

        @transform
        def run(self, u):
            for _ in checkpointed(range(self.__power), Revolve(1)):
                u = u * factor
            return u

    assert grad(Local().run)(1.0) == 8.0
    assert Local.run.__qualname__.endswith("<locals>.Local.run")


def test_a_function_in_a_method():
    class Local(Model):
        def run(self, u):
            @transform
            def inner(u):
                for _ in checkpointed(range(2), Revolve(1)):
                    u = u * len(super(Local, self).__class__.__name__) * self.__last
                return u

            self.__last = 1.0
            return grad(inner)(u)

    assert Local(1.0).run(1.0) == 25.0


def test_defaults_are_not_evaluated_again():
    made = []

    def default():
        made.append(object())
        return made[-1]

    @transform
    def run(u, first=default(), *, second=default()) -> "nothing":  # noqa: B008, F821
        for _ in checkpointed(range(1), Revolve(1)):
            u = u + 1
        return first, second

    assert run(1.0) == tuple(made)
    assert len(made) == 2
    assert run.__annotations__ == {"return": "nothing"}


def test_attributes_and_decorators_above_and_below():
    def tagged(function):
        function.tag = "below"
        return function

    def doubled(function):
        @functools.wraps(function)
        def call(*args):
            return 2 * function(*args)

        return call

    @doubled
    @transform
    @tagged
    def run(u):
        for _ in checkpointed(range(2), Revolve(1)):
            u = u * 3.0
        return u

    assert run.tag == "below"
    assert run(1.0) == 18.0
    assert grad(run)(1.0) == 18.0


def test_a_function_in_a_block():
    if RATE:

        @transform
        def run(u):
            for _ in checkpointed(range(2), Revolve(1)):
                u = u * 3.0
            return u

    assert grad(run)(1.0) == 9.0


if RATE:

    @transform
    def in_a_block(u): return [u := u * 2.0 for _ in range(3)][-1]  # fmt: skip


def test_a_function_in_a_block_of_the_module():
    assert in_a_block(1.0) == 8.0


def test_a_function_without_marks_gets_the_drop_ins():
    @transform
    def right_side(u):
        out = np.empty(2)
        out[:] = u * 2.0
        return out

    @transform
    def run(u):
        for _ in checkpointed(range(2), Revolve(1)):
            u = right_side(u)
        return u.sum()

    np.testing.assert_array_equal(grad(run)(np.ones(2)), [4.0, 4.0])


def test_a_global_that_shadows_a_builtin(monkeypatch):
    monkeypatch.setitem(globals(), "float", lambda value: value * 10)

    @transform
    def run(u):
        for _ in checkpointed(range(1), Revolve(1)):
            u = float(u)
        return u

    assert run(1.0) == 10.0


def test_generators_and_coroutines_without_marks():
    @transform
    def numbers():
        yield from np.arange(2)

    @transform
    async def number():
        return np.float64(3.0)

    assert list(numbers()) == [0, 1]
    assert asyncio.run(number()) == 3.0


def test_twice_is_once():
    assert transform(decay) is decay


def test_a_traceback_shows_the_users_line():
    @transform
    def run(u):
        for step in checkpointed(range(3), Revolve(1)):
            u = u + float(["1", "one"][step])
        return u

    with pytest.raises(ValueError, match="could not convert") as caught:
        run(1.0)
    frame = [
        frame for frame in traceback.extract_tb(caught.value.__traceback__) if frame.filename == __file__
    ][-1]
    assert frame.line == 'u = u + float(["1", "one"][step])'
    assert frame.lineno == run.__wrapped__.__code__.co_firstlineno + 2
    assert (frame.colno, frame.end_colno) == (20, 45)


def test_a_refused_mark_names_the_users_place():
    first = inspect.currentframe().f_lineno

    with pytest.raises(TransformError, match="yield") as caught:

        @transform
        def run(u):
            for _ in checkpointed(range(3), Revolve(1)):
                yield u

    error = caught.value
    assert (error.filename, error.line - first, error.column) == (__file__, 7, 16)
    assert error.text == "                yield u"


# a notebook: the source is in no file, and the names come from other cells


@pytest.fixture
def run_cell():
    """``run_cell(text)``: run it as IPython does, all cells in one namespace."""
    namespace = {"__name__": "__main__"}
    names = []

    def run_cell(text):
        name = f"<ipython-input-{len(names)}-abc>"
        names.append(name)
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec"), namespace)
        return namespace

    yield run_cell
    for name in names:
        del linecache.cache[name]


def test_a_notebook(run_cell):
    run_cell("import numpy as np\nfrom checkpointer import *\n")
    run_cell("rate = 2.0\ndef double(u):\n    return rate * u\n")
    cell = run_cell(
        "@transform\ndef run(u):\n    for _ in checkpointed(range(3), Revolve(2)):\n        u = double(u)\n"
        "    return np.sum(u)\n"
    )
    np.testing.assert_array_equal(grad(cell["run"])(np.ones(2)), [8.0, 8.0])
    run_cell("rate = 3.0")
    np.testing.assert_array_equal(grad(cell["run"])(np.ones(2)), [27.0, 27.0])
    assert cell["np"] is numpy


def test_a_function_on_the_first_line_of_a_cell(run_cell):
    cell = run_cell(
        "def run(u):\n    # checkpointer: StoreAll()\n    for _ in range(3): u = u * 2.0\n    return u\n"
    )
    assert grad(transform(cell["run"]))(1.0) == 8.0


def test_tabs(run_cell):
    cell = run_cell(
        "from checkpointer import *\nclass A:\n\tclass B:\n\t\t@transform\n\t\tdef run(self, u):\n"
        "\t\t\tfor _ in checkpointed(range(3), StoreAll()):\n\t\t\t\tu = u * 2.0\n\t\t\treturn u\n"
    )
    assert grad(cell["A"].B().run)(1.0) == 8.0


TYPED = """\
from checkpointer import StoreAll, checkpointed, grad, transform
@transform
def run(u):
    for _ in checkpointed(range(3), StoreAll()):
        u = u * u
    return u

print(grad(run)(1.5))
"""


def test_a_doctest():
    lines = [
        ("... " if line.startswith((" ", "def")) else ">>> ") + line for line in TYPED.splitlines() if line
    ]
    text = "\n".join([*lines, "136.6875\n"])
    test = doctest.DocTestParser().get_doctest(text, {}, "typed", None, 0)
    assert doctest.DocTestRunner().run(test) == doctest.TestResults(0, 3)


@pytest.mark.parametrize("arguments", [["-c", TYPED], ["-i", "-q"]], ids=["-c", "-i"])
def test_what_is_typed(arguments):
    """Python 3.13 and later keep the source; before, it is nowhere."""
    finished = subprocess.run(
        [sys.executable, *arguments], input=TYPED, capture_output=True, encoding="utf-8", check=False
    )
    if sys.version_info >= (3, 13):
        assert finished.stdout.strip() == "136.6875"
    else:
        assert "ArgumentError: transform() was given run of <st" in finished.stderr
        assert "but its source cannot be found" in finished.stderr


# what it cannot transform


def without_source():
    namespace = {}
    exec(compile("def run(u): return u", "<nowhere>", "exec"), namespace)
    return namespace["run"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (lambda u: u, r"a lambda: write it as a function with `def`"),
        (len, r"<built-in function len>: only a function that was written with `def`"),
        (np.sin, r"<ufunc 'sin'>: only a function"),
        (Model, r"the class Model: decorate those of its methods"),
        (Model(1).step, r"the bound method Model\.step: .* transform the function `Model\.step`"),
        (staticmethod(without_source), r"a staticmethod: write @transform below @staticmethod"),
        (classmethod(without_source), r"a classmethod: write @transform below @classmethod"),
        (functools.wraps(len)(without_source), r"len as another decorator had wrapped it: write @transform"),
        (without_source(), r"run of <nowhere>, but its source cannot be found: write the function in a file"),
        (functools.partial(decay), r"functools\.partial.*: only a function"),
        (3, r"3: only a function"),
        (None, r"None: only a function"),
    ],
)
def test_what_is_refused(argument, message):
    with pytest.raises(ArgumentError, match=message):
        transform(argument)


def test_a_file_that_changed_meanwhile(run_cell):
    cell = run_cell("def run(u):\n    return u\n")
    name = cell["run"].__code__.co_filename
    for text in ("def run(u, v):\n    return u\n", "def other(u):\n    return u\n", "def run(u\n", "x = 1\n"):
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        with pytest.raises(ArgumentError, match=r"does not hold this function|source cannot be found"):
            transform(cell["run"])
